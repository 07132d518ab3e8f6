"""What a discovery asks of registrations themselves: intervals (4.11), own members (4.9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pintu.kernel.context.match import attributes_of, match_q
from pintu.kernel.context.selection import And, Linked, Or, Q
from pintu.kernel.errors import BadRequestData
from pintu.kernel.federation.matching import described
from pintu.kernel.federation.members import moment_of
from pintu.kernel.federation.words import Registration

Span = tuple[Literal["observed", "managed"], int | None, int | None]
_TIMES: dict[str, Literal["observed", "managed"]] = {
    "observedAt": "observed",
    "createdAt": "managed",
    "modifiedAt": "managed",
    "deletedAt": "managed",
}


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


def read_span(params: Mapping[str, Any]) -> Span | None:
    """The interval that timerel, timeAt, endTimeAt and timeproperty ask for: of observation, or of
    management. Raises BadRequestData naming the member that is wrong.
    """
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
    at = moment_of(params.get("timeAt"), "timeAt")
    if relation == "before":
        return what, None, at
    if relation == "after":
        return what, at, None
    until = moment_of(params.get("endTimeAt"), "endTimeAt")
    if until < at:
        raise BadRequestData("endTimeAt lies before timeAt")
    return what, at, until
