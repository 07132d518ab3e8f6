"""One value as every department might have written it, brought to one form; pure."""

from __future__ import annotations

import contextlib
import math
import re
import unicodedata
from datetime import UTC, date, datetime
from typing import Any, Final

EMPTY: Final = frozenset(("", "-", "--", "—", "/", "null", "none", "na", "n/a", "无", "空", "未知"))
LONGEST: Final = 400
NUMBER: Final = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?")
CODE: Final = re.compile(r"[\s\-_/.·:()#]+")
DATE: Final = re.compile(r"(\d{4})(?:[-/.年]\s?)(\d{1,2})(?:[-/.月]\s?)(\d{1,2})日?")
COMPACT: Final = re.compile(r"(19|20)(\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
TIME: Final = re.compile(r"[t ]\s?(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s?(z|[+-]\d\d:?\d\d)?")
AREA: Final = re.compile(r"^(?:[一-鿿]{2,4}省)?(?:[一-鿿]{2,3}市)?")
MOBILE: Final = re.compile(r"(?:00|\+)?86(1[3-9]\d{9})")
LONG_TEXT: Final = 7  # signs from which texts are compared by their parts too
WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def canonical(value: Any, kind: str = "text") -> str:
    """The one form of a value, empty for none: numbers without trailing zeros, dates as ISO 8601,
    codes without separators, texts half-width and folded."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, list | dict):
        return _place(value)
    text = unicodedata.normalize("NFKC", str(value)[:LONGEST]).strip().casefold()
    if text in EMPTY:
        return ""
    if kind in ("date", "time"):
        found = _dated(text)
        if found:
            return found
    return _text(text)


def _text(text: str) -> str:
    first = text[0]
    if first.isdigit() or first in "+-.(":
        if NUMBER.fullmatch(text):
            return _digits(text)
        found = _dated(text)
        if found:
            return found
        mobile = MOBILE.fullmatch(CODE.sub("", text))
        if mobile:
            return mobile[1]
    if first in "是否有无truefalseyn" and text in YES_NO:
        return YES_NO[text]
    short = CODE.sub("", text)
    if len(short) == 18 and short[:17].isdigit():
        return short
    return AREA.sub("", short) if len(short) >= LONG_TEXT else short


YES_NO: Final = {"是": "1", "有": "1", "true": "1", "yes": "1", "否": "0", "false": "0", "no": "0"}


def _digits(text: str) -> str:
    plain = text.replace(",", "")
    if plain.lstrip("+-").isdigit():
        if len(plain) == 15 and plain.isdigit() and COMPACT.fullmatch(f"19{plain[6:12]}"):
            return _eighteen(plain)
        if len(plain) > 15:
            return plain
        return str(int(plain))
    try:
        return _float(float(plain))
    except (ValueError, OverflowError):
        return plain


def _eighteen(text: str) -> str:
    """A citizen's number of 15 digits as the 18 it became."""
    body = f"{text[:6]}19{text[6:]}"
    rest = sum(int(one) * weight for one, weight in zip(body, WEIGHTS, strict=True)) % 11
    return body + "10x98765432"[rest]


def _float(value: float) -> str:
    if not math.isfinite(value):
        return ""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.6g}"


def _place(value: Any) -> str:
    """A place to about ten metres; other structures by their text."""
    told = value.get("coordinates") if isinstance(value, dict) else value
    if isinstance(told, list) and len(told) == 2 and all(isinstance(x, int | float) for x in told):
        return f"{told[0]:.4f},{told[1]:.4f}"
    return str(value)[:LONGEST]


def _dated(text: str) -> str:
    """A date or a time as ISO 8601 in UTC; midnight of no zone is its date. Empty: none."""
    found = DATE.match(text)
    if found is None:
        compact = COMPACT.fullmatch(text) if len(text) == 8 else None
        if compact is None:
            return ""
        return f"{compact[1]}{compact[2]}-{compact[3]}-{compact[4]}"
    try:
        day = date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return ""
    rest = TIME.match(text, found.end()) if found.end() < len(text) else None
    if rest is None:
        return day.isoformat()
    hour, minute, second = int(rest[1]), int(rest[2]), int(rest[3] or 0)
    if hour > 23 or minute > 59 or second > 59:
        return day.isoformat()
    if not (hour or minute or second) and not rest[4]:
        return day.isoformat()
    at = datetime.fromisoformat(f"{day.isoformat()}T{hour:02}:{minute:02}:{second:02}")
    zone = (rest[4] or "").upper()
    if zone and zone != "Z":
        with contextlib.suppress(ValueError, OverflowError):  # no zone of any place
            at = datetime.fromisoformat(f"{at.isoformat()}{zone}").astimezone(UTC)
    return at.isoformat()[:19]


def number_of(value: Any, kind: str) -> float:
    """A value as a number: of dates and times the seconds since 1970; NaN when it is none."""
    if isinstance(value, bool) or value is None:
        return math.nan
    if isinstance(value, int | float):
        return float(value) if abs(value) < 1e300 else math.nan
    if not isinstance(value, str):
        return math.nan
    text = unicodedata.normalize("NFKC", value[:60]).strip().casefold()
    if kind in ("date", "time") or DATE.match(text):
        found = _dated(text)
        if not found:
            return math.nan
        try:
            return datetime.fromisoformat(found).replace(tzinfo=UTC).timestamp()
        except ValueError:
            return math.nan
    if NUMBER.fullmatch(text) and len(text) <= 15:
        return float(text.replace(",", ""))
    return math.nan


def grams_of(text: str) -> list[str]:
    """The pairs of neighbouring signs of a canonical text."""
    return [text[n : n + 2] for n in range(len(text) - 1)]
