"""Readings that come late: told from those that are newer than what is stored. Pure.

A device that was out of reach hands in its backlog after its newest reading, and lines of one
gateway overtake each other. The present value is the newest observation, not the last to arrive; a
late one belongs to the past and is kept there. Without `observedAt` on both sides nobody can tell,
and the last write is the present one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from pintu.kernel.context.members import instances, is_null_instance
from pintu.kernel.context.merging import by_dataset, whole

_CALLERS: Final = ("token:", "person:", "node:", "anonymous")
"""Who writes over NGSI-LD; everybody else hands in readings."""

Late = dict[str | None, dict[str, Any]]
"""The late instances of one attribute, whole, by datasetId."""


def is_earlier(one: str, other: str) -> bool:
    """Whether one timestamp (4.6.3) lies before another; equal ones do not."""
    if one == other:
        return False
    if len(one) == len(other):
        return one < other
    return datetime.fromisoformat(one) < datetime.fromisoformat(other)


def is_late(present: dict[str, Any], instance: dict[str, Any]) -> bool:
    """Whether an instance was observed before the one that is stored."""
    at, known = instance.get("observedAt"), present.get("observedAt")
    return at is not None and known is not None and is_earlier(at, known)


def last_write_holds(source: str) -> bool:
    """Whether what this source of a log row wrote is the present, whenever it was observed; what
    others hand in is late when it is older.
    """
    return source.startswith(_CALLERS)


def without_late(name: str, present: Any, attribute: Any) -> tuple[Any, Late]:
    """What of an attribute may be written over `present` (None: nothing), and what is late.

    Raises BadRequestData for a late instance that brings no value: there is nothing to keep of it.
    """
    if (
        attribute.__class__ is dict
        and present.__class__ is dict
        and not is_late(present, attribute)
    ):
        return attribute, {}  # the common case: one instance, and newer
    found = by_dataset(present)
    fresh, late = [], {}
    for instance in instances(attribute):
        if not is_null_instance(instance):
            dataset_id = instance.get("datasetId")
            known = found.get(dataset_id)
            if known is not None and is_late(known, instance):
                late[dataset_id] = whole(name, instance)
                continue
        fresh.append(instance)
    if not late:
        return attribute, late
    if not fresh:
        return None, late
    return (fresh if len(fresh) > 1 else fresh[0]), late


def brings_late(stored: dict[str, Any], entity: dict[str, Any]) -> bool:
    """Whether an entity has an attribute that was observed before the stored one."""
    return any(
        bool(without_late(name, stored[name], value)[1])
        for name, value in entity.items()
        if name in stored and value.__class__ in (dict, list) and name != "scope" and name != "type"
    )
