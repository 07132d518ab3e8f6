"""An entity's past read from the log: where each value came from, and series for charts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import orjson

from pintu.kernel.context.late import is_late
from pintu.kernel.context.record import PAST_VERBS
from pintu.kernel.store.port import settled
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


def origins(
    changes: list[Change], names: list[str], present: dict[str, Any] | None = None
) -> dict[str, Origin]:
    """Attribute → the newest write of it, from an entity's changes, newest first.

    With the `present` entity, what came too late to be the present value is passed over.
    """
    found: dict[str, Origin] = {}
    left = set(names)
    for change in changes:
        if not left or change.verb == "deleted":
            break
        if change.verb in PAST_VERBS:
            continue
        whole = change.changed is None or change.verb in ("created", "replaced")
        told = left.intersection(change.changed or ())
        if present is not None and not whole:
            told -= _came_late(change, told, present)
        for name in list(left) if whole else told:
            found[name] = Origin(source=change.source, at_us=change.at_us, position=change.position)
            left.discard(name)
    return found


def _came_late(change: Change, names: set[str], present: dict[str, Any]) -> set[str]:
    if not names or b"observedAt" not in change.payload:
        return set()
    payload = orjson.loads(change.payload)
    pairs = {name: (present.get(name), payload.get(name)) for name in names}
    return {
        name
        for name, (now, then) in pairs.items()
        if isinstance(now, dict) and isinstance(then, dict) and is_late(now, then)
    }


def varying(changes: list[Change], look_at: int = 40) -> set[str]:
    """Attributes that had more than one value in the newest changes of an entity."""
    seen: dict[str, set[str]] = {}
    for change in changes[:look_at]:
        if change.verb in PAST_VERBS:
            continue
        payload = orjson.loads(change.payload) if change.payload else {}
        for name, instance in payload.items():
            if isinstance(instance, dict) and "value" in instance:
                seen.setdefault(name, set()).add(repr(instance["value"]))
    return {name for name, values in seen.items() if len(values) > 1}


async def series(
    store: Store, tenant: int, id: str, attribute: str, *, since_us: int, limit: int = MAX_SERIES
) -> list[tuple[int, Any]]:
    """(time in µs, value) of one attribute, oldest first; None where it was deleted.

    The time is `observedAt` where the value has one, else when it was written.
    """
    found: list[tuple[int, Any]] = []
    before: int | None = None
    while len(found) < limit:
        page = await settled(store.history(tenant, id, before=before, limit=1000))
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
    # by the time of observing: a reading that came late stands where it belongs
    oldest_first = sorted(newest_first[::-1], key=lambda point: point[0])
    start = next((n for n, (_, value) in enumerate(oldest_first) if value is not None), None)
    return [] if start is None else oldest_first[start:]


def _point(change: Change, attribute: str) -> tuple[int, Any] | None:
    if change.verb == "deleted":
        return change.at_us, None
    if change.verb in PAST_VERBS:
        return None
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
