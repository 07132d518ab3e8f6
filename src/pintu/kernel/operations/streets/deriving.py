"""The state of a street from what lies on it: the gravest counts, every cause is kept. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pintu.kernel.operations.streets.reading import Matter
from pintu.kernel.operations.streets.words import (
    BY,
    MOST_CAUSES,
    OF_STATUS,
    RANK,
    SEVERITIES,
    Cause,
    Street,
)

Lies = Mapping[str, tuple[str, int]]
"""Street → how something lies on it, and how far from its middle line, metres."""


def derive(street: Street, matters: Iterable[tuple[Matter, str, int]]) -> bool:
    """Set state, severity and causes of a street; whether any of them is another now.

    `matters` are what lies on it: the matter, how, and the distance in metres.
    """
    causes = [cause for one, how, away in matters if (cause := _cause(one, how, away))]
    grave = OF_STATUS.get(street.status)
    if grave is not None:
        causes.append(
            Cause(
                id=street.id, kind="status", severity=grave, state=BY["status"][grave],
                name=street.name, how="relationship",
            )
        )  # fmt: skip
    causes.sort(key=_order)
    before = (street.state, street.severity, street.causes, street.cause_count)
    street.causes, street.cause_count = causes[:MOST_CAUSES], len(causes)
    street.state = causes[0].state if causes else "normal"
    street.severity = max(
        (one.severity for one in causes), key=SEVERITIES.index, default="informational"
    )
    return before != (street.state, street.severity, street.causes, street.cause_count)


def _cause(matter: Matter, how: str, away_m: int) -> Cause | None:
    state = BY[matter.kind].get(matter.severity)
    if state is None:
        return None
    return Cause(
        id=matter.id, kind=matter.kind, severity=matter.severity, state=state, name=matter.name,
        how=how, distance_m=away_m,
    )  # fmt: skip


def _order(cause: Cause) -> tuple[int, int, str]:
    return -RANK[cause.state], -SEVERITIES.index(cause.severity), cause.id
