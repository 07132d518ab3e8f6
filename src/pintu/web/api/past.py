"""An entity's past read from the log: where each value came from, and series for charts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import orjson

from pintu.web.api.states import parse_time

if TYPE_CHECKING:
    from pintu.kernel.store.port import Change, Store

LOOK_BACK = 400
MAX_SERIES = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The write a present value came with."""

    source: str
    at_us: int
    position: int


def origins(changes: list[Change], names: list[str]) -> dict[str, Origin]:
    """Attribute → the newest write of it, from an entity's changes, newest first."""
    found: dict[str, Origin] = {}
    left = set(names)
    for change in changes:
        if not left or change.verb == "deleted":
            break
        whole = change.changed is None or change.verb in ("created", "replaced")
        for name in list(left) if whole else left.intersection(change.changed or ()):
            found[name] = Origin(
                source=change.source, at_us=change.at_us, position=change.position
            )
            left.discard(name)
    return found


def series(
    store: Store, tenant: int, id: str, attribute: str, *, since_us: int, limit: int = MAX_SERIES
) -> list[tuple[int, Any]]:
    """(time in µs, value) of one attribute, oldest first; None where it was deleted.

    The time is `observedAt` where the value has one, else when it was written.
    """
    found: list[tuple[int, Any]] = []
    before: int | None = None
    while len(found) < limit:
        page = store.history(tenant, id, before=before, limit=1000)
        for change in page:
            if change.at_us < since_us:
                return _from_first(found)
            point = _point(change, attribute)
            if point is not None:
                found.append(point)
        if len(page) < 1000:
            break
        before = page[-1].position
    return _from_first(found[:limit])


def _from_first(newest_first: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """Oldest first, from the first value on: before it there was no attribute to break off."""
    oldest_first = newest_first[::-1]
    start = next((n for n, (_, value) in enumerate(oldest_first) if value is not None), None)
    return [] if start is None else oldest_first[start:]


def _point(change: Change, attribute: str) -> tuple[int, Any] | None:
    if change.verb == "deleted":
        return change.at_us, None
    if change.changed is not None and attribute not in change.changed:
        return None
    payload = orjson.loads(change.payload) if change.payload else {}
    if attribute not in payload:
        return None if change.verb == "updated" else (change.at_us, None)
    instance = payload[attribute]
    if isinstance(instance, list):
        instance = next((part for part in instance if "datasetId" not in part), None)
    if not isinstance(instance, dict):
        return change.at_us, None
    at_us = parse_time(str(instance.get("observedAt", ""))) or change.at_us
    for member in ("value", "object", "vocab"):
        if member in instance:
            return at_us, instance[member]
    return at_us, None


def gap_after_us(times: list[int]) -> int:
    """How long without a value is a gap: five times the usual interval, at least a minute."""
    steps = sorted(later - earlier for earlier, later in pairwise(times))
    usual = steps[len(steps) // 2] if steps else 0
    return max(60_000_000, 5 * usual)


def with_gaps(points: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """The same series with a None where the source was silent: a chart draws no line there."""
    if len(points) < 3:
        return points
    longest = gap_after_us([at_us for at_us, _ in points])
    found = [points[0]]
    for earlier, later in pairwise(points):
        if later[0] - earlier[0] > longest:
            found.append((earlier[0] + 1, None))
        found.append(later)
    return found
