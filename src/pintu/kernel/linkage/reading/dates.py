"""Dates of birth in the forms that registers and forms have."""

from __future__ import annotations

import datetime
import math
import re
import unicodedata
from functools import lru_cache
from typing import Final

EARLIEST: Final = 1880
PLACEHOLDERS: Final = frozenset(("1900-01-01", "1899-12-30", "1970-01-01", "1901-01-01"))
"""What machines write where nobody told a date; 1 January of 1970 is also somebody's birthday, but
evidence it is not."""

_PLAIN: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_FORMS: Final = (
    re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?(?:[T ].*)?"),
    re.compile(r"(\d{4})(\d\d)(\d\d)(?:\d{6})?"),
)
_BACKWARDS: Final = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})")
_DIGITS: Final = {ord(one): str(n) for n, one in enumerate("〇一二三四五六七八九")} | {
    ord("零"): "0", ord("○"): "0",
}  # fmt: skip
_MONTHS: Final = {
    "十": "10", "十一": "11", "十二": "12", "正": "1", "元": "1", "廿": "20",
}  # fmt: skip
_CHINESE: Final = re.compile(r"([〇零○一二三四五六七八九]{4})年([正元一二三四五六七八九十]+)月"
                             r"([初一二三四五六七八九十廿卅]+)[日号]?")  # fmt: skip


def read_birth(told: object) -> str:
    """`YYYY-MM-DD`, empty when it is no date since 1880 or one that stands for none. A day before
    the month is read only where the day cannot be a month. Dates of the lunar calendar are not
    dates."""
    if isinstance(told, datetime.datetime):
        return _checked(told.year, told.month, told.day)
    if isinstance(told, datetime.date):
        return _checked(told.year, told.month, told.day)
    if isinstance(told, float):
        told = str(int(told)) if math.isfinite(told) else ""
    if isinstance(told, int) and not isinstance(told, bool):
        told = str(told)
    return _read(told) if isinstance(told, str) and 0 < len(told) <= 40 else ""


@lru_cache(60_000)
def _read(told: str) -> str:
    plain = _PLAIN.fullmatch(told)
    if plain:
        return _checked(int(plain[1]), int(plain[2]), int(plain[3]))
    text = unicodedata.normalize("NFKC", told).strip()
    if "农历" in text or "阴历" in text:
        return ""
    for form in _FORMS:
        found = form.fullmatch(text)
        if found:
            return _checked(int(found[1]), int(found[2]), int(found[3]))
    back = _BACKWARDS.fullmatch(text)
    if back:
        first, second = int(back[1]), int(back[2])
        if first > 12 >= second:
            return _checked(int(back[3]), second, first)
        if second > 12 >= first or first == second:
            return _checked(int(back[3]), first, second)
        return ""
    spelled = _CHINESE.fullmatch(text)
    if spelled:
        year = int(spelled[1].translate(_DIGITS))
        return _checked(year, _number(spelled[2]), _number(spelled[3].removeprefix("初")))
    return ""


def _number(text: str) -> int:
    """1 to 31 in characters; 0 for anything else."""
    text = text.replace("廿", "二十").replace("卅", "三十")
    if text in _MONTHS:
        return int(_MONTHS[text])
    tens, ten, ones = text.rpartition("十")
    if not ten:
        return int(text.translate(_DIGITS)) if len(text) == 1 else 0
    return 10 * (int(tens.translate(_DIGITS)) if tens else 1) + (
        int(ones.translate(_DIGITS)) if ones else 0
    )


def _checked(year: int, month: int, day: int) -> str:
    if not EARLIEST <= year <= 2100:
        return ""
    try:
        found = datetime.date(year, month, day).isoformat()
    except ValueError:
        return ""
    return "" if found in PLACEHOLDERS else found
