"""When two texts are equal or one comes first: codepoint order, after date-times are put into UTC.

One rule serves `==`, `<`, ranges, ordering and any index: texts compare by their `text_key`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_DATE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):?(\d\d))", re.ASCII
).fullmatch
_UTC_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII).fullmatch


def text_key(text: str) -> str:
    """The text to compare by: an ISO 8601 date-time with a zone becomes UTC without `Z` and without
    trailing zeros of its fraction, so that instants compare as texts do; anything else is itself.
    """
    if len(text) < 20 or text[10] != "T":
        return text
    if len(text) == 20 and _UTC_SECONDS(text):
        return text[:-1]
    found = _DATE_TIME(text)
    if found is None:
        return text
    seconds, fraction, sign, hours, minutes = found.groups()
    if sign is not None and (hours, minutes) != ("00", "00"):
        away = timedelta(hours=int(hours), minutes=int(minutes))
        try:
            local = datetime.fromisoformat(seconds)
            utc = local - away if sign == "+" else local + away
        except (ValueError, OverflowError):
            return text
        seconds = utc.isoformat()
    fraction = fraction.rstrip("0") if fraction else ""
    return f"{seconds}.{fraction}" if fraction else seconds


def instant_text(at_us: int) -> str:
    """A system time (microseconds since 1970 UTC) as the date-time text that clients see."""
    moment = datetime.fromtimestamp(at_us // 1_000_000, UTC).replace(tzinfo=None)
    fraction = at_us % 1_000_000
    text = moment.isoformat()
    return f"{text}.{fraction:06d}Z" if fraction else f"{text}Z"
