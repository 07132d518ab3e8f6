"""From an update to an operation on the store: read, believed or not, and made a transform.
Pure.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import orjson

from pintu.kernel.context.read import read_entity, read_fragment
from pintu.kernel.context.record import Effect, Keep, Record, Remove, Transform
from pintu.kernel.context.write import append, merge, upsert_append, upsert_merge, upsert_replace
from pintu.kernel.errors import BadRequestData
from pintu.kernel.intake.limits import Limits
from pintu.kernel.intake.words import Mode, Update
from pintu.kernel.jsonld import Terms


def read_update(update: Update, terms: Terms, now_us: int, limits: Limits) -> dict[str, Any]:
    """The stored document (or fragment, when it has no type) of an update.

    Raises BadRequestData naming the member that is wrong, or the clock that is.
    """
    entity = update.entity
    try:
        text = orjson.dumps(entity)
    except (TypeError, RecursionError) as error:
        raise BadRequestData(f"The update is not JSON: {error}") from error
    if len(text) > limits.entity_bytes:
        raise BadRequestData(f"The update has {len(text)} bytes, more than {limits.entity_bytes}")
    if b"null" in text and _has_nan(entity):  # orjson writes NaN as null
        raise BadRequestData("The update has a number that is not finite (NaN or infinity)")
    if update.mode == "upsert":
        document = read_entity(entity, terms)
    else:
        nulls: Literal["merge", "none"] = "merge" if update.mode in ("merge", "amend") else "none"
        document = read_fragment(entity, terms, nulls=nulls)
    if "id" not in document:
        raise BadRequestData("The update has no id")
    _believe_all(document, now_us, limits)
    return document


def transform_of(update: Update, document: dict[str, Any]) -> Transform:
    """What the update does to the entity that is there, or is not; one without a type needs one
    that is. A reading older than the stored one changes only the past (`context.late`).
    """
    new = "type" in document
    if update.mode == "upsert":
        return upsert_replace(document, keep_newer=True)
    if update.mode == "merge":
        make = upsert_merge if new else merge
        return make(document, keep_newer=True)
    if update.mode == "append":
        add = upsert_append if new else append
        return add(document, keep_newer=True)
    if update.mode == "amend":
        return _if_there(merge(document, keep_newer=True))
    if update.mode == "delete":
        return _if_there(lambda _record, _now_us: Remove())
    raise BadRequestData(f"Update mode {update.mode!r} is none of {', '.join(get_args(Mode))}")


def _if_there(change: Transform) -> Transform:
    def transform(record: Record | None, now_us: int) -> Effect:
        return Keep() if record is None else change(record, now_us)

    return transform


def _believe_all(document: dict[str, Any], now_us: int, limits: Limits) -> None:
    believed = None  # most messages give all their attributes one time
    for name, value in document.items():
        for instance in value if value.__class__ is list else (value,):
            if instance.__class__ is dict:
                at = instance.get("observedAt")
                if at is not None and at != believed:
                    _believe(name, at, now_us, limits)
                    believed = at


def _believe(name: str, at: str, now_us: int, limits: Limits) -> None:
    try:
        when = datetime.fromisoformat(at.replace("Z", "+00:00"))
    except ValueError as error:
        raise BadRequestData(f"{name}.observedAt {at!r} is not a time") from error
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    ahead_s = when.timestamp() - now_us / 1e6
    if ahead_s > limits.future_s:
        raise BadRequestData(
            f"{name}.observedAt {at} is {ahead_s:.0f} s ahead of the city's clock "
            f"(at most {limits.future_s:.0f}): check the device's clock"
        )
    if -ahead_s > limits.late_s:
        raise BadRequestData(
            f"{name}.observedAt {at} is {-ahead_s / 86_400:.0f} days behind the city's clock "
            f"(at most {limits.late_s / 86_400:.0f}): check the device's clock"
        )


def _has_nan(value: Any) -> bool:
    """Depth is bounded: the value went through orjson, which refuses more than 254 levels."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(_has_nan, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_has_nan, value))
    return False
