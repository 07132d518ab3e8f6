"""What one cell looks like: a number, a time, a text …, told without knowing its column."""

from __future__ import annotations

import re
from typing import Any, Final

MISSING: Final = frozenset(
    ("", "NA", "N/A", "#N/A", "NULL", "null", "None", "NaN", "nan", "-", "--", "—", "——", "/", "无")
)
"""What stands in cells nobody filled."""

_WHOLE: Final = re.compile(r"[+-]?(?:0|[1-9]\d{0,17})")
_NUMBER: Final = re.compile(
    r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+|[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?)(?:[eE][+-]?\d+)?"
)
_DATE: Final = re.compile(
    r"[12]\d{3}(?:-[01]?\d-[0-3]?\d|/[01]?\d/[0-3]?\d|\.[01]?\d\.[0-3]?\d|年[01]?\d月[0-3]?\d日)"
    r"|[0-3]?\d/[0-3]?\d/[12]\d{3}"
)
_CLOCK: Final = re.compile(
    r"[0-2]?\d[:时][0-5]?\d(?:[:分][0-5]?\d(?:\.\d{1,9})?秒?)?分?(?:\s?(?:Z|[+-]\d\d:?\d\d))?"
)
_YES_NO: Final = frozenset(("是", "否", "true", "false", "yes", "no", "y", "n"))
_POINT: Final = re.compile(r"[\[(]?\s*-?\d{1,3}\.\d+\s*[,，;\s]\s*-?\d{1,3}\.\d+\s*[\])]?")
LONGEST: Final = 64  # nothing longer is a number, a time or a point


def missing(value: Any) -> bool:
    """True for a cell nobody filled."""
    return value is None or (isinstance(value, str) and value.strip() in MISSING)


def kind_of(value: Any) -> str:
    """text | number | whole | yes_no | time | date | point | shape | empty"""
    if isinstance(value, str):
        return _kind_of_text(value.strip())
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "yes_no"
    if isinstance(value, int):
        return "whole"
    if isinstance(value, float):
        return "number"
    if (
        isinstance(value, dict)
        and "type" in value
        and ("coordinates" in value or "geometries" in value)
    ):
        return "point" if value["type"] == "Point" else "shape"
    return "text"


def _kind_of_text(text: str) -> str:
    if text in MISSING:
        return "empty"
    if len(text) > LONGEST:
        return "text"
    if text[0] in "0123456789+-.([":
        if _WHOLE.fullmatch(text):
            return "whole"
        if _NUMBER.fullmatch(text):
            return "number"
        found = _DATE.match(text)
        if found:
            rest = text[found.end() :]
            if not rest:
                return "date"
            return "time" if _CLOCK.fullmatch(rest.lstrip(" T\t")) else "text"
        if _POINT.fullmatch(text):
            return "point"
    return "yes_no" if text.lower() in _YES_NO else "text"
