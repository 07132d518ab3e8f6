"""Names and numbers of people and organisations in China, read as they are written; pure.

A check digit and a date decide; a birthplace only warns, because division codes come and go.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from typing import Final, Literal

import msgspec

from pintu.kernel.errors import BadRequestData

WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_SIGNS: Final = "10X98765432"
PROVINCES: Final = frozenset(
    (*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66))
) | {71, 81, 82, 83}
OLDEST_YEARS: Final = 130
ID_NUMBER: Final = re.compile(r"[0-9]{15}|[0-9]{17}[0-9X]")

CREDIT_SIGNS: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
CREDIT_WEIGHTS: Final = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
CREDIT_CODE: Final = re.compile(f"[{CREDIT_SIGNS}]{{2}}[0-9]{{6}}[{CREDIT_SIGNS}]{{10}}")

MIDDLE_DOTS: Final = frozenset("\u00b7\u2022\u2027\u30fb\uff65\u2219\u22c5\u0387\u16eb\u2e33")
UNSEEN: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
PLACEHOLDER_PHONES: Final = frozenset(("13800138000", "13800000000", "13900000000", "13912345678"))
MOST_NAME: Final = 100

Warning_ = Literal["birthplace", "fifteen digits", "placeholder"]


class IdNumber(msgspec.Struct, frozen=True, kw_only=True):
    """A resident identity number (GB 11643) that its check digit and its date hold for."""

    number: str  # 18 signs; of a 15-digit one as it would be written today
    born: dt.date
    sex: Literal["female", "male"]
    division: str  # six digits, as of the day it was given
    warnings: tuple[Warning_, ...] = ()


def plain_number(text: str) -> str:
    """A number without spaces and hyphens, full-width signs as usual ones, small x as X."""
    return re.sub(r"[\s\-\u2010-\u2015\u2212]", "", unicodedata.normalize("NFKC", text)).upper()


def read_id_number(text: str, *, today: dt.date | None = None) -> IdNumber | None:
    """An identity number of 18 signs or, given before 1999, of 15; None for what is none.

    None: the check digit is wrong, the date does not exist or is not of a living person (later
    than `today`, over 130 years before). Warnings: an unknown province ("birthplace"), the old
    form, which has no check digit ("fifteen digits"), a number that is typed where there is none
    ("placeholder").
    """
    number = plain_number(text)
    if not ID_NUMBER.fullmatch(number):
        return None
    warnings: list[Warning_] = []
    if len(number) == 15:
        warnings.append("fifteen digits")
        number = f"{number[:6]}19{number[6:]}"
        number += check_sign(number)
    elif check_sign(number) != number[17]:
        return None
    try:
        born = dt.date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None
    if today is not None and not today.year - OLDEST_YEARS <= born.year <= today.year:
        return None
    if today is not None and born > today:
        return None
    if int(number[:2]) not in PROVINCES:
        warnings.append("birthplace")
    if number[14:17] == "000" or len(set(number[:6])) == 1:
        warnings.append("placeholder")
    sex: Literal["female", "male"] = "male" if int(number[16]) % 2 else "female"
    return IdNumber(
        number=number, born=born, sex=sex, division=number[:6], warnings=tuple(warnings)
    )


def check_sign(number: str) -> str:
    """The eighteenth sign for the first seventeen (ISO 7064 MOD 11-2, GB 11643)."""
    total = sum(int(digit) * weight for digit, weight in zip(number, WEIGHTS, strict=False))
    return CHECK_SIGNS[total % 11]


def masked_id(text: str) -> str:
    """An identity number as a screen shows it: 330***********1234; anything else as stars only."""
    number = plain_number(text)
    if not ID_NUMBER.fullmatch(number):
        return "*" * min(len(number), 18)
    return f"{number[:3]}{'*' * (len(number) - 7)}{number[-4:]}"


def read_name(text: str) -> str:
    """A name as it is kept: one middle dot for its many forms, full-width letters as usual ones,
    single spaces. Characters beyond the basic plane are letters like others.

    BadRequestData for an empty or too long name and for signs that cannot be seen or turn the
    writing around: control, bidirectional, zero-width, private use, half a character.
    """
    if any(unicodedata.category(one) in UNSEEN for one in text.strip()):
        raise BadRequestData("A name contains characters that cannot be seen")
    name = "".join("·" if one in MIDDLE_DOTS else _narrow(one) for one in text)
    name = re.sub(r" ?· ?", "·", " ".join(unicodedata.normalize("NFC", name).split()))
    if not any(one.isalpha() for one in name):
        raise BadRequestData("A name needs letters or characters")
    if len(name) > MOST_NAME:
        raise BadRequestData(f"A name has {len(name)} characters; it may have {MOST_NAME}")
    return name


def _narrow(sign: str) -> str:
    """A full-width letter, digit or sign as the usual one."""
    return chr(ord(sign) - 0xFEE0) if "\uff01" <= sign <= "\uff5e" else sign


def read_credit_code(text: str) -> str | None:
    """A unified social credit code (GB 32100) as it is kept, or None when its check sign, its
    form or its division's form is wrong."""
    code = plain_number(text)
    if not CREDIT_CODE.fullmatch(code):
        return None
    total = sum(
        CREDIT_SIGNS.index(sign) * weight
        for sign, weight in zip(code, CREDIT_WEIGHTS, strict=False)
    )
    return code if CREDIT_SIGNS[-total % 31] == code[17] else None


def read_phone(text: str) -> str | None:
    """A mobile or fixed number of China without country code and signs; None for what is none."""
    number = plain_number(text).translate({ord(one): None for one in "()+."})
    number = re.sub(r"^(?:00)?86(?=1[3-9]|0)", "", number)
    return number if re.fullmatch(r"1[3-9][0-9]{9}|0[1-9][0-9]{8,10}", number) else None


def is_placeholder_phone(text: str) -> bool:
    """Whether a number was typed because one had to be: 13800138000, 13000000000, 12345678901.
    What many people share says nothing of any of them."""
    number = re.sub(r"^(?:00)?86(?=1[0-9]{10}$)", "", re.sub(r"[^0-9]", "", plain_number(text)))
    tail = number[-8:]
    return (
        read_phone(number) is None
        or number in PLACEHOLDER_PHONES
        or len(set(tail)) <= 1
        or tail in "0123456789012345678" + "9876543210987654321"
    )
