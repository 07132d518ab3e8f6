"""What is shown of a value instead of the value; pure."""

from __future__ import annotations

import hmac
import json
import math
from typing import Any, Final, Literal

import msgspec

Kind = Literal["plain", "drop", "truncate", "generalise", "pseudonym", "yes_no"]


class Mask(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One mask. `keep`: signs of a text, or 4, 7, 10 of a time (year, month, day); `step`: the
    width of a number's band, for a place in degrees."""

    kind: Kind = "plain"
    keep: int = 0
    step: float = 0.0


def masked(mask: Mask, value: Any, key: bytes) -> Any:
    """The value as its mask shows it; None stays None except for `yes_no`, where it is no."""
    if mask.kind == "plain":
        return value
    if mask.kind == "yes_no":
        return _holds(value)
    if value is None or mask.kind == "drop":
        return None
    if mask.kind == "truncate":
        told = isinstance(value, str | int | float)
        return str(value)[: mask.keep] if told and mask.keep > 0 else None
    if mask.kind == "pseudonym":
        return hmac.digest(key, _written(value), "sha256").hex()[:24]
    return _generalised(mask, value)


def _holds(value: Any) -> bool:
    """Whether a value says yes: something is there, and it is no word for no."""
    if isinstance(value, str):
        return value.strip().lower() not in _NO
    return bool(value) and value == value  # a number that is none says nothing


_NO: Final = frozenset(("", "0", "0.0", "no", "n", "false", "none", "null", "否", "无", "未"))


def _written(value: Any) -> bytes:
    """A value as a pseudonym is made of it: equal however it came."""
    told = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return told.encode("utf-8", "surrogatepass")


def _generalised(mask: Mask, value: Any) -> Any:
    if isinstance(value, list) and mask.step > 0:
        return [_generalised(mask, one) for one in value]
    if isinstance(value, int | float) and not isinstance(value, bool) and mask.step > 0:
        if not math.isfinite(value):
            return None
        return round(math.floor(round(value / mask.step, 9)) * mask.step, 9)
    if isinstance(value, str) and mask.keep > 0:
        return value[: mask.keep]
    return None
