"""Citizens' numbers (GB 11643): 18 signs or the old 15 digits; check digit and date decide."""

from __future__ import annotations

import datetime
import re
from typing import Final

import msgspec

from pintu.kernel.identity.citizens import PROVINCES, check_sign, plain_number

_EIGHTEEN: Final = re.compile(r"\d{17}[\dX]")
_FIFTEEN: Final = re.compile(r"\d{15}")


class Number(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One number, read. `text` has 18 signs, or is empty; `valid`: its date exists and its check
    digit is right (an old one has none: its date decides); `strange`: no province begins so, which
    warns and decides nothing."""

    text: str = ""
    valid: bool = False
    old: bool = False
    strange: bool = False

    @property
    def birth(self) -> str:
        """`YYYY-MM-DD` of a valid number, else empty."""
        text = self.text
        return f"{text[6:10]}-{text[10:12]}-{text[12:14]}" if self.valid else ""

    @property
    def sex(self) -> str:
        """`m` or `f` of a valid number, else empty."""
        if not self.valid:
            return ""
        return "m" if int(self.text[16]) % 2 else "f"


NOTHING: Final = Number()


def read_number(told: object) -> Number:
    """A number as it can be compared: full-width digits, spaces and a small x are made one; the old
    form is lengthened by its century and check digit (a person of over a hundred years had 996 to
    999 at its end and is not told apart here: it stays as it is)."""
    if isinstance(told, int) and not isinstance(told, bool):
        told = str(told)
    if not isinstance(told, str) or not 15 <= len(told) <= 40:
        return NOTHING
    text = told.upper()
    if not _EIGHTEEN.fullmatch(text) or not text.isascii():
        text = plain_number(told)
    if not text.isascii():
        return NOTHING
    if _FIFTEEN.fullmatch(text):
        whole = f"{text[:6]}19{text[6:]}"
        return Number(
            text=whole + check_sign(whole),
            valid=_is_date(whole[6:14]) and not _stands_for_none(whole),
            old=True,
            strange=int(text[:2]) not in PROVINCES,
        )
    if not _EIGHTEEN.fullmatch(text):
        return NOTHING
    return Number(
        text=text,
        valid=text[17] == check_sign(text) and _is_date(text[6:14]) and not _stands_for_none(text),
        strange=int(text[:2]) not in PROVINCES,
    )


def _stands_for_none(text: str) -> bool:
    """Typed where there is no number: one digit again and again, or nobody's turn of a day."""
    return len(set(text[:6])) == 1 or text[14:17] == "000"


def _is_date(text: str) -> bool:
    try:
        found = datetime.date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return 1880 <= found.year <= 2100
