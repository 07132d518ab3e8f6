"""The commonest change at a glance: whole Properties of a fragment in the place of attributes that
are there, one instance each. Whatever else a fragment or an entity holds goes through `Change`,
which makes the same of this, too.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from pintu.kernel.context.changes import UpdateResult
from pintu.kernel.context.merging import is_whole
from pintu.kernel.context.record import Put, Record
from pintu.kernel.context.times import DEFAULT, times_of

_SCALARS: Final = (str, int, float, bool)


def plain_names(fragment: dict[str, Any]) -> tuple[str, ...]:
    """The names of a fragment's members when each is one Property of a scalar, with its type and
    without an NGSI-LD Null or a datasetId; else nothing."""
    for attribute in fragment.values():
        if not is_whole(attribute) or "datasetId" in attribute:
            return ()
        if attribute["value"].__class__ not in _SCALARS:
            return ()
    return tuple(fragment)


def overwritten(
    record: Record, fragment: dict[str, Any], names: tuple[str, ...], now_us: int
) -> Put | None:
    """What becomes of a record when those attributes take the place of what is there; None when one
    is not there, or is there more than once or under a datasetId."""
    entity: dict[str, Any] = orjson.loads(record.body)
    for name in names:
        there = entity.get(name)
        if there.__class__ is not dict or "datasetId" in there:
            return None
        entity[name] = fragment[name]
    times = times_of(record)
    default = times.get(DEFAULT)
    created_us = record.created_us if default is None else default[0]
    for name in names:
        known = times.get(name)
        times[name] = [created_us if known is None else known[0], now_us]
    result = UpdateResult(updated=list(names), not_updated=[])
    return Put(entity=entity, verb="updated", changed=names, times=times, detail=result)
