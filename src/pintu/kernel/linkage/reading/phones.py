"""Telephone numbers; a number that stands for "none" is no evidence of anything."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MOBILE: Final = re.compile(r"1[3-9]\d{9}")
LANDLINE: Final = re.compile(r"0?(10|2\d|[3-9]\d{2})(\d{7,8})")
_PLACEHOLDERS: Final = (
    "13800000000 13800138000 13900000000 13912345678 13812345678 18888888888 13888888888 "
    "13666666666 13999999999 15888888888 18800000000 13000000000 12345678901 13123456789 "
    "13333333333 13111111111 15000000000 18600000000 18612345678"
)
PLACEHOLDERS: Final = frozenset(_PLACEHOLDERS.split())
SAME_IN_A_ROW: Final = 8
"""So many equal digits one after another nobody was given by chance: 0 in 1,000 real ones."""

_RUN: Final = re.compile(rf"(\d)\1{{{SAME_IN_A_ROW - 1}}}")


def read_phone(told: object) -> str:
    """Eleven digits of a mobile, or area code and number of a landline with its 0; empty when it is
    no number of the mainland or a placeholder. Of several numbers in one field the first that can
    be used."""
    if isinstance(told, int | float):
        told = str(int(told)) if told == told and abs(told) < 1e15 else ""
    if not isinstance(told, str) or not told:
        return ""
    if len(told) == 11 and told.isascii() and MOBILE.fullmatch(told):
        return "" if _nobodys(told) else told
    text = unicodedata.normalize("NFKC", told)[:100]
    for part in re.split(r"[,;/、，；]|\s{2,}", text):
        found = _one(part)
        if found:
            return found
    return ""


def _one(part: str) -> str:
    digits = "".join(re.findall(r"\d", part.removesuffix(".0")))
    if part.strip().startswith("+86") or (len(digits) == 13 and digits.startswith("86")):
        digits = digits.removeprefix("86")
    digits = digits.removeprefix("0086") if len(digits) > 13 else digits
    if MOBILE.fullmatch(digits):
        return "" if _nobodys(digits) else digits
    land = LANDLINE.fullmatch(digits)
    if land and not _nobodys(digits):
        return f"0{land[1]}{land[2]}"
    return ""


def _nobodys(digits: str) -> bool:
    return digits in PLACEHOLDERS or _RUN.search(digits) is not None or len(set(digits)) < 3
