"""Single members of a document, each read or refused by its name."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from pintu.kernel.context.scalars import check_time
from pintu.kernel.errors import BadRequestData

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`\x00-\x20]+")
_DURATION: Final = re.compile(
    r"P(?:(?P<Y>\d+)Y)?(?:(?P<M>\d+)M)?(?:(?P<W>\d+)W)?(?:(?P<D>\d+)D)?"
    r"(?:T(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?"
)
_LENGTHS: Final = {
    "Y": 31_536_000,
    "M": 2_592_000,
    "W": 604_800,
    "D": 86_400,
    "h": 3600,
    "m": 60,
    "s": 1,
}


def text_of(value: Any, name: str) -> str:
    """A text that is not empty; raises BadRequestData."""
    if not isinstance(value, str) or not value:
        raise BadRequestData(f"{name} is not a text that says something")
    return value


def texts_of(value: Any, name: str) -> tuple[str, ...]:
    """One text or a list of them that is not empty; raises BadRequestData."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not value:
        raise BadRequestData(f"{name} is not a list of texts that is not empty")
    return tuple(text_of(one, f"A member of {name}") for one in value)


def uri_of(value: Any, name: str) -> str:
    """An absolute URI; raises BadRequestData."""
    if isinstance(value, str) and _URI.fullmatch(value):
        return value
    raise BadRequestData(f"{name} {str(value)[:100]!r} is not a URI")


def moment_of(value: Any, name: str) -> int:
    """Microseconds since 1970 of a date and time in UTC, written with `Z` (4.6.3); raises
    BadRequestData.
    """
    moment = datetime.fromisoformat(check_time(value, name).replace("Z", "+00:00"))
    return int(moment.timestamp() * 1_000_000)


def seconds_of(value: Any, name: str) -> float:
    """Seconds of an ISO 8601 duration, a month being 30 days; raises BadRequestData."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) and len(value) < 60 else None
    told = {key: part for key, part in match.groupdict().items() if part} if match else {}
    if not told:
        raise BadRequestData(f"{name} {str(value)[:50]!r} is not an ISO 8601 duration")
    return sum(float(part) * _LENGTHS[key] for key, part in told.items())
