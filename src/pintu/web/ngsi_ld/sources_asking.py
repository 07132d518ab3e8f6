"""What a discovery of context sources asks for (5.10.2): from parameters to what is wanted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pintu.kernel.context.match import attributes_of, match_q
from pintu.kernel.context.parse import (
    parse_geo,
    parse_id_pattern,
    parse_q,
    parse_scope,
    parse_types,
)
from pintu.kernel.context.picking import split_names
from pintu.kernel.context.selection import And, Linked, Or, Q
from pintu.kernel.errors import BadRequestData
from pintu.kernel.federation.matching import described
from pintu.kernel.federation.words import Registration, Wanted
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
Span = tuple[Literal["observed", "managed"], int | None, int | None]
_TIMES: dict[str, Literal["observed", "managed"]] = {
    "observedAt": "observed",
    "createdAt": "managed",
    "modifiedAt": "managed",
    "deletedAt": "managed",
}


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


def q_suits(registration: Registration, q: Q, *, alone: bool) -> bool:
    """Whether q holds of a registration: of its own members, or, where it is not all that is asked
    (`alone`), because the source may have every attribute it speaks of (5.10.2.4).
    """
    if match_q(described(registration), q):
        return True
    asked = _names(q)
    if alone or not asked.isdisjoint(registration.document):
        return False
    return any(not one.names or asked <= one.names for one in registration.information)


def _names(q: Q) -> frozenset[str]:
    if isinstance(q, (And, Or)):
        return frozenset().union(*(_names(part) for part in q.parts))
    return attributes_of(q) if not isinstance(q, Linked) else frozenset((q.path.attribute,))


def read_span(params: dict[str, Any]) -> Span | None:
    """The interval a temporal query asks for (4.11): on observation, or on management times."""
    relation = params.get("timerel")
    if relation is None:
        for name in ("timeAt", "endTimeAt"):
            if name in params:
                raise BadRequestData(f"{name} needs timerel")
        return None
    if relation not in ("before", "after", "between"):
        raise BadRequestData(f"timerel {str(relation)[:50]!r} is none of before, after, between")
    what = _TIMES.get(params.get("timeproperty", "observedAt"))
    if what is None:
        raise BadRequestData(f"timeproperty is none of {', '.join(_TIMES)}")
    at = _moment(params.get("timeAt"), "timeAt")
    if relation == "before":
        return what, None, at
    if relation == "after":
        return what, at, None
    until = _moment(params.get("endTimeAt"), "endTimeAt")
    if until < at:
        raise BadRequestData("endTimeAt lies before timeAt")
    return what, at, until


def _moment(text: Any, name: str) -> int:
    if not isinstance(text, str):
        raise BadRequestData(f"timerel needs {name}")
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise BadRequestData(f"{name} {text[:50]!r} is not a date and time") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)
