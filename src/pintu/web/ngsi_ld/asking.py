"""What a query asks for: from parameters or a Query document to a `Selection` (5.7.2, 6.4.3.2,
5.2.23).
"""

from __future__ import annotations

from typing import Any

import msgspec

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
from pintu.kernel.context.selection import And, Q, Selection, TypeSelection
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


class Asked(msgspec.Struct, frozen=True, gc=False):
    """The selectors of one query; several when the entities of a Query document cannot be one."""

    selections: tuple[Selection, ...]


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
        raise OperationNotSupported(
            "csf selects context sources, which this broker does not have yet"
        )
    get = params.get
    ids: tuple[str, ...] = ()
    types: TypeSelection | None = None
    attributes: tuple[str, ...] = ()
    if (text := get("id")) is not None:
        ids = tuple(uri(member, "id") for member in split_names(text, "id"))
        if len(ids) > IDS_LIMIT:
            raise BadRequestData(f"id has {len(ids)} members, at most {IDS_LIMIT} are allowed")
    if (text := get("type")) is not None:
        types = parse_types(text, terms)
    if (text := get("attrs")) is not None:
        attributes = attribute_names(text, terms)
    pattern = get("idPattern")
    q = get("q")
    scope = get("scopeQ")
    datasets = get("datasetId")
    order = get("orderBy")
    return Selection(
        tenant=tenant,
        ids=ids,
        id_pattern=None if pattern is None else parse_id_pattern(pattern),
        types=types,
        attributes=attributes,
        q=_joined(None if q is None else parse_q(q, terms), projection.rows),
        geo=parse_geo(
            get("georel"), get("geometry"), get("coordinates"), get("geoproperty"), terms
        ),
        scope=None if scope is None else parse_scope(scope),
        dataset_ids=() if datasets is None else split_names(datasets, "datasetId"),
        order=()
        if order is None
        else parse_order(
            order,
            terms,
            order_from=get("orderFrom"),
            order_geometry=get("orderGeometry"),
            collation=get("collation"),
        ),
        limit=part.limit + 1 if part.limit else 0,  # one more tells whether there is a next page
        offset=part.offset,
        count=part.count,
    )


def _joined(q: Q | None, rows: Q | None) -> Q | None:
    if q is None or rows is None:
        return q if rows is None else rows
    return And((q, rows))


def needs_selector(params: dict[str, Any], names: frozenset[str], what: str) -> None:
    """Raise BadRequestData when a query selects nothing in particular (5.7.2.4)."""
    if params.keys().isdisjoint(names):
        raise BadRequestData(f"{what} needs at least one of {', '.join(sorted(names))}")
