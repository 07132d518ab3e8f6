"""What is shown of a value instead of the value; pure."""

from __future__ import annotations

import hashlib
import hmac
import math
from typing import Any, Literal

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
        return value not in (None, False, "", 0, "0", "no", "否", "false")
    if value is None or mask.kind == "drop":
        return None
    if mask.kind == "truncate":
        return str(value)[: mask.keep]
    if mask.kind == "pseudonym":
        return hmac.new(key, str(value).encode(), hashlib.sha256).hexdigest()[:24]
    return _generalised(mask, value)


def _generalised(mask: Mask, value: Any) -> Any:
    if isinstance(value, list) and mask.step:
        return [_generalised(mask, one) for one in value]
    if isinstance(value, int | float) and not isinstance(value, bool) and mask.step:
        return math.floor(value / mask.step) * mask.step if math.isfinite(value) else None
    if isinstance(value, str) and mask.keep:
        return value[: mask.keep]
    return None
