"""What a query asks for: from parameters or a Query document to a `Selection` (5.7.2, 6.4.3.2,
5.2.23).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from pintu.kernel.access import Projection
from pintu.kernel.context.match import attributes_of, linked_depth
from pintu.kernel.context.parse import (
    parse_geo,
    parse_id_pattern,
    parse_order,
    parse_q,
    parse_scope,
    parse_types,
)
from pintu.kernel.context.picking import split_names
from pintu.kernel.context.scalars import check_name
from pintu.kernel.context.selection import And, Linked, Or, OrderKey, Q, Selection
from pintu.kernel.errors import BadRequestData, Forbidden
from pintu.kernel.jsonld import Terms
from pintu.web.ngsi_ld.agreed import refuse, selected
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.paging import Window
from pintu.web.ngsi_ld.params import flag

SELECT_PARAMS = frozenset(
    (
        "id", "type", "idPattern", "attrs", "q", "csf", "georel", "geometry", "coordinates",
        "geoproperty", "scopeQ", "datasetId",
    )
)  # fmt: skip
ORDER_PARAMS = frozenset(("orderBy", "collation", "orderFrom", "orderGeometry"))
IDS_LIMIT = 1000
NARROWING = frozenset(("type", "entities", "georel", "geometry", "coordinates"))
_SYSTEM = frozenset(("id", "type", "createdAt", "modifiedAt", "deletedAt"))
_NO_ATTRIBUTES = frozenset(("id", "type", "scope", "expiresAt", "createdAt", "modifiedAt"))


def attribute_names(text: Any, terms: Terms) -> tuple[str, ...]:
    """The stored names of `attrs`; raises BadRequestData for what is no attribute."""
    names = split_names(text, "attrs")
    if not {"id", "type"}.isdisjoint(names):
        raise BadRequestData("attrs names attributes: id and type are none")
    return tuple(terms.stored(check_name(name, "A member of attrs")) for name in names)


def read_selection(
    params: dict[str, Any], terms: Terms, tenant: int, projection: Projection, part: Window
) -> Selection:
    """One Selection from the members of a query, joined with the rows that the gate lets through.

    Raises BadRequestData naming the member that cannot be read.
    """
    if "csf" in params:  # it chooses among other sources (5.7.2.4); here it need only be readable
        parse_q(params["csf"], terms)
    get = params.get
    types, pattern, scope = get("type"), get("idPattern"), get("scopeQ")
    order, datasets = get("orderBy"), get("datasetId")
    asked = Selection(
        tenant=tenant,
        ids=_ids(get("id")),
        id_pattern=None if pattern is None else parse_id_pattern(pattern),
        types=None if types is None else parse_types(types, terms),
        attributes=attribute_names(params["attrs"], terms) if "attrs" in params else (),
        q=_q(params, terms),
        geo=parse_geo(
            get("georel"), get("geometry"), get("coordinates"), get("geoproperty"), terms
        ),
        scope=None if scope is None else parse_scope(scope),
        dataset_ids=() if datasets is None else split_names(datasets, "datasetId"),
        order=() if order is None else _order(params, terms),
        limit=part.limit + 1 if part.limit else 0,  # one more tells whether there is a next page
        offset=part.offset,
        count=part.count,
        bodies=part.bodies,
    )
    found = asked
    if not projection.whole:
        found = (selected if projection.agreement else narrowed)(asked, projection, terms)
    if asked.q is not None:
        _refuse_too_deep(params, asked.q)
    return found


def _refuse_too_deep(params: dict[str, Any], q: Q) -> None:
    """Raise BadRequestData for a q that follows more relationships than join does (5.7.2.4)."""
    depth = linked_depth(q)
    if not depth:
        return
    joined = params.get("join") in ("flat", "inline")
    levels = str(params.get("joinLevel", 1)) if joined else "0"
    if levels.isdecimal() and depth > int(levels):
        raise BadRequestData(f"q follows {depth} relationships, join {levels}")


def refuse_too_wide(params: dict[str, Any], terms: Terms, *, picked: Iterable[str] = ()) -> None:
    """Raise BadRequestData for a query or purge of whatever there is (5.7.2.4, 5.6.21.4): without
    types, a place, `local`, or an attribute that is not the system's own in attrs, pick or q.
    """
    if not params.keys().isdisjoint(NARROWING) or flag(params, "local"):
        return
    names = {*picked, *(attribute_names(params["attrs"], terms) if "attrs" in params else ())}
    if names <= _SYSTEM and _attributes(_q(params, terms)) <= _SYSTEM:
        raise BadRequestData(
            "That is too wide: it needs type, attrs or q with an attribute, a geoquery, "
            "or local=true"
        )


def narrowed(asked: Selection, projection: Projection, terms: Terms) -> Selection:
    """The selection within what the gate lets through: its rows only, also where a relationship
    leads, and no question about an attribute that is not shown, whose answer would tell of it.

    Raises Forbidden naming the attribute as the caller would.
    """
    names = {*asked.attributes, *_attributes(asked.q)}
    names.update(key.path.attribute for key in asked.order)
    if asked.geo is not None:
        names.add(asked.geo.geoproperty)
    refuse_hidden(projection, terms, names)
    if asked.dataset_ids and (projection.attributes is not None or projection.withheld):
        # which entities have such an instance would tell of hidden ones; the view shows none
        asked = dataclasses.replace(asked, dataset_ids=())
    rows = projection.rows
    if rows is None:
        return asked
    q = rows if asked.q is None else And((_within(asked.q, rows), rows))
    return dataclasses.replace(asked, q=q)


def refuse_hidden(projection: Projection, terms: Terms, names: Iterable[str]) -> None:
    """Raise Forbidden for stored names the gate does not let through, whether they exist or not."""
    if projection.agreement:
        return refuse(projection, terms, names, shown=True)
    refused = [name for name in names if name not in _NO_ATTRIBUTES and not projection.lets(name)]
    if refused:
        named = ", ".join(sorted(terms.shown(name) for name in refused))
        raise Forbidden(f"You may not ask for attribute {named}")


def _attributes(q: Q | None) -> frozenset[str]:
    """Every attribute a query looks at, of the entities themselves and of those they lead to."""
    if isinstance(q, (And, Or)):
        return frozenset().union(*(_attributes(part) for part in q.parts))
    return attributes_of(q) | _attributes(q.inner) if isinstance(q, Linked) else attributes_of(q)


def _within(q: Q, rows: Q) -> Q:
    """The query, following relationships only to entities in `rows`."""
    if isinstance(q, (And, Or)):
        return type(q)(tuple(_within(part, rows) for part in q.parts))
    if isinstance(q, Linked):
        return Linked(q.path, q.types, And((_within(q.inner, rows), rows)))
    return q


def _q(params: dict[str, Any], terms: Terms) -> Q | None:
    """q, with the values that `expandValues` names expanded (4.9)."""
    text = params.get("q")
    if text is None:
        return None
    expanding = params.get("expandValues")
    names = () if expanding is None else split_names(expanding, "expandValues")
    return parse_q(text, terms, expand_values=names)


def _ids(text: Any) -> tuple[str, ...]:
    if text is None:
        return ()
    ids = tuple(uri(member, "id") for member in split_names(text, "id"))
    if len(ids) > IDS_LIMIT:
        raise BadRequestData(f"id has {len(ids)} members, at most {IDS_LIMIT} are allowed")
    return ids


def _order(params: dict[str, Any], terms: Terms) -> tuple[OrderKey, ...]:
    return parse_order(
        params["orderBy"],
        terms,
        order_from=params.get("orderFrom"),
        order_geometry=params.get("orderGeometry"),
        collation=params.get("collation"),
    )
