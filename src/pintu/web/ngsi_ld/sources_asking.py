"""What a discovery of context sources asks for (5.10.2): from parameters to what is wanted."""

from __future__ import annotations

from typing import Any

from pintu.kernel.context.parse import (
    parse_geo,
    parse_id_pattern,
    parse_q,
    parse_scope,
    parse_types,
)
from pintu.kernel.context.picking import split_names
from pintu.kernel.context.selection import Q
from pintu.kernel.errors import BadRequestData
from pintu.kernel.federation.finding import read_span
from pintu.kernel.federation.words import Wanted
from pintu.kernel.jsonld import Terms
from pintu.web.ngsi_ld.asking import attribute_names
from pintu.web.ngsi_ld.identifiers import uri

DISCOVERY_PARAMS = frozenset(
    (
        "id", "type", "idPattern", "attrs", "q", "csf", "georel", "geometry", "coordinates",
        "geoproperty", "scopeQ", "datasetId", "timerel", "timeAt", "endTimeAt", "timeproperty",
    )
)  # fmt: skip
_SELECTORS = ("id", "type", "idPattern", "attrs", "q", "csf", "georel", "scopeQ", "timerel")
_IDS_LIMIT = 1000


def read_wanted(told: dict[str, Any], terms: Terms) -> tuple[Wanted, Q | None]:
    """What is wanted, and its q, which is asked of each registration by `q_suits`.

    An empty parameter is none. Raises BadRequestData naming the one that cannot be read.
    """
    params = {name: value for name, value in told.items() if value != ""}
    if params.keys().isdisjoint(_SELECTORS):
        raise BadRequestData("A discovery of context sources needs at least type or attrs")
    get = params.get
    types, pattern, scope = get("type"), get("idPattern"), get("scopeQ")
    ids = tuple(uri(one, "id") for one in split_names(get("id"), "id")) if "id" in params else ()
    if len(ids) > _IDS_LIMIT:
        raise BadRequestData(f"id has {len(ids)} members, at most {_IDS_LIMIT} are allowed")
    wanted = Wanted(
        ids=ids,
        id_pattern=None if pattern is None else parse_id_pattern(pattern),
        types=None if types is None else parse_types(types, terms),
        names=frozenset(attribute_names(params["attrs"], terms)) if "attrs" in params else _NONE,
        geo=parse_geo(
            get("georel"), get("geometry"), get("coordinates"), get("geoproperty"), terms
        ),
        scope=None if scope is None else parse_scope(scope),
        dataset_ids=split_names(get("datasetId"), "datasetId") if "datasetId" in params else (),
        csf=parse_q(params["csf"], terms) if "csf" in params else None,
        span=read_span(params),
        strict=True,
    )
    return wanted, parse_q(params["q"], terms) if "q" in params else None


_NONE: frozenset[str] = frozenset()
