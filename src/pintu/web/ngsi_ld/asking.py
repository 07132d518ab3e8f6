"""What a query asks for: from parameters or a Query document to a `Selection` (5.7.2, 6.4.3.2,
5.2.23).
"""

from __future__ import annotations

from typing import Any

from pintu.kernel.access import Projection
from pintu.kernel.context.parse import (
    parse_geo,
    parse_id_pattern,
    parse_order,
    parse_q,
    parse_scope,
    parse_types,
)
from pintu.kernel.context.scalars import check_name
from pintu.kernel.context.selection import And, OrderKey, Q, Selection
from pintu.kernel.errors import BadRequestData, OperationNotSupported
from pintu.kernel.jsonld import Terms
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.paging import Window

SELECT_PARAMS = frozenset(
    (
        "id", "type", "idPattern", "attrs", "q", "csf", "georel", "geometry", "coordinates",
        "geoproperty", "scopeQ", "datasetId",
    )
)  # fmt: skip
ORDER_PARAMS = frozenset(("orderBy", "collation", "orderFrom", "orderGeometry"))
IDS_LIMIT = 1000


def split_names(text: Any, what: str) -> tuple[str, ...]:
    """Names separated by commas, or a list of names; commas inside braces do not separate."""
    if isinstance(text, list):
        members = text
    else:
        members, depth, start = [], 0, 0
        for index, character in enumerate(text):
            depth += (character == "{") - (character == "}")
            if character == "," and depth == 0:
                members.append(text[start:index])
                start = index + 1
        members.append(text[start:])
    found = tuple(member.strip() if isinstance(member, str) else "" for member in members)
    if not all(found):
        raise BadRequestData(f"{what} has an empty member")
    return found


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
    if "csf" in params:
        raise OperationNotSupported("csf selects context sources; this broker has none yet")
    get = params.get
    types, pattern, q, scope = get("type"), get("idPattern"), get("q"), get("scopeQ")
    order, datasets = get("orderBy"), get("datasetId")
    return Selection(
        tenant=tenant,
        ids=_ids(get("id")),
        id_pattern=None if pattern is None else parse_id_pattern(pattern),
        types=None if types is None else parse_types(types, terms),
        attributes=attribute_names(params["attrs"], terms) if "attrs" in params else (),
        q=_joined(None if q is None else parse_q(q, terms), projection.rows),
        geo=parse_geo(
            get("georel"), get("geometry"), get("coordinates"), get("geoproperty"), terms
        ),
        scope=None if scope is None else parse_scope(scope),
        dataset_ids=() if datasets is None else split_names(datasets, "datasetId"),
        order=() if order is None else _order(params, terms),
        limit=part.limit + 1 if part.limit else 0,  # one more tells whether there is a next page
        offset=part.offset,
        count=part.count,
    )


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


def _joined(q: Q | None, rows: Q | None) -> Q | None:
    if q is None or rows is None:
        return q if rows is None else rows
    return And((q, rows))
