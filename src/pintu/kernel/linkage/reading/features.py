"""One record as columns that can be compared: what the matching reads, and nothing it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from pintu.kernel.linkage.reading.addresses import read_address
from pintu.kernel.linkage.reading.dates import read_birth
from pintu.kernel.linkage.reading.names import read_name
from pintu.kernel.linkage.reading.numbers import read_number
from pintu.kernel.linkage.reading.phones import read_phone

Role = Literal["name", "id_number", "birth", "sex", "phone", "address"]
ROLES: Final[tuple[Role, ...]] = ("name", "id_number", "birth", "sex", "phone", "address")

_MALE: Final = frozenset(("m", "male", "男", "1", "男性", "01"))
_FEMALE: Final = frozenset(("f", "female", "女", "2", "女性", "02"))


class Features(msgspec.Struct, frozen=True, gc=False):
    """What is compared; None where a record says nothing. All of them texts, in this order."""

    name: str | None  # characters, for a name written in them
    surname: str | None
    family: str | None
    given: str | None
    reading: str | None
    id_number: str | None  # 18 signs, also of one whose check digit is wrong
    proved: bool  # whether check digit and date are right
    birth: str | None
    sex: str | None
    phone: str | None
    city: str | None
    district: str | None
    road: str | None
    number: str | None
    home: str | None


COLUMNS: Final = tuple(Features.__struct_fields__)


def read_features(told: Mapping[str, Any], on: str = "") -> Features:
    """The features of one record, told by role. The birth of a valid number stands in for one that
    is not told; a told one that differs from it stays: the number may be somebody else's."""
    name = read_name(told.get("name"))
    number = read_number(told.get("id_number"))
    place = read_address(told.get("address"), on)
    return Features(
        name.text or None,
        name.surname or None,
        name.family or None,
        name.given or None,
        name.reading or None,
        number.text or None,
        number.valid,
        read_birth(told.get("birth")) or number.birth or None,
        read_sex(told.get("sex")) or number.sex or None,
        read_phone(told.get("phone")) or None,
        place.city or None,
        place.district or None,
        place.road or None,
        place.number or None,
        place.home or None,
    )


def read_sex(told: object) -> str:
    """`m`, `f` or empty."""
    text = str(told).strip().casefold() if told is not None else ""
    return "m" if text in _MALE else "f" if text in _FEMALE else ""
