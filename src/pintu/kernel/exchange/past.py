"""The past of one value of an entity, read from its chain in the log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from pintu.kernel.context.record import PAST_VERBS
from pintu.kernel.exchange.rows import simple
from pintu.kernel.exchange.words import Sample
from pintu.kernel.store.port import settled

if TYPE_CHECKING:
    from pintu.kernel.store.port import Change, Store

MOST_SAMPLES: Final = 5_000
STEP: Final = 1_000


async def series(
    store: Store,
    place: tuple[int, str, str],
    *,
    since_us: int,
    until_us: int,
    fence: frozenset[str] | None = None,
) -> list[Sample]:
    """Samples of `(tenant number, entity id, attribute)`, oldest first, the newest 5,000 of them;
    None where it was deleted. The time is `observedAt` where the value has one, else when it was
    written. `fence`: what is older than the last change of one of these attributes is not told."""
    tenant, id, attribute = place
    found: list[Sample] = []
    before: int | None = None
    while len(found) < MOST_SAMPLES:
        page = await settled(store.history(tenant, id, before=before, limit=STEP))
        for change in page:
            if change.at_us < since_us:
                return _ordered(found, since_us, until_us)
            sample = _sample(change, attribute)
            if sample is not None:
                found.append(sample)
            if fence is not None and _crosses(change, fence):
                return _ordered(found, since_us, until_us)
        if len(page) < STEP:
            break
        before = page[-1].position
    return _ordered(found, since_us, until_us)


def _crosses(change: Change, fence: frozenset[str]) -> bool:
    """Whether a row may have been another one before this change."""
    if change.verb in PAST_VERBS:
        return False
    if change.verb != "updated" or change.changed is None:
        return True
    return not fence.isdisjoint(change.changed)


def _ordered(found: list[Sample], since_us: int, until_us: int) -> list[Sample]:
    # by the time of observing: a reading that came late stands where it belongs
    kept = [one for one in found if since_us <= one.at_us <= until_us]
    return sorted(kept, key=lambda one: one.at_us)[-MOST_SAMPLES:]


def _sample(change: Change, attribute: str) -> Sample | None:
    if change.verb == "deleted":
        return Sample(change.at_us, None)
    if change.verb in PAST_VERBS:
        return None
    if change.changed is not None and attribute not in change.changed:
        return None
    payload: dict[str, Any] = orjson.loads(change.payload) if change.payload else {}
    if attribute not in payload:
        return None if change.verb == "updated" else Sample(change.at_us, None)
    told = payload[attribute]
    if isinstance(told, list):
        told = next((one for one in told if "datasetId" not in one), None)
    at_us = _time(told.get("observedAt", "")) if isinstance(told, dict) else 0
    return Sample(at_us or change.at_us, simple(told))


def _time(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return 0
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)
