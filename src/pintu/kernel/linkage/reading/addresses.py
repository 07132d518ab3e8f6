"""Addresses: province, city, district as it is called now, road, number, building, unit, room."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

import msgspec

from pintu.kernel.linkage.reading.divisions import CITIES_OF, MUNICIPALITIES, districts_of

LONGEST: Final = 200
_NOTHING: Final = "无 不详 未知 未填 同上 空 暂无 null none nan - 测试"
NO_ADDRESS: Final = frozenset(_NOTHING.split())

_PROVINCE: Final = re.compile(
    r"(?:中国|中华人民共和国)?(?P<province>[一-鿿]{2,8}?(?:省|自治区|特别行政区)|(?:北京|上海|天津|重庆)市"
    r"(?=(?:北京|上海|天津|重庆)?市?[一-鿿]{1,6}[区县]))"
)
_CITY: Final = re.compile(r"(?P<city>[一-鿿]{2,7}?(?:自治州|地区|盟|市))")
_DISTRICT: Final = re.compile(
    r"(?P<district>[一-鿿]{1,8}?(?:新区|自治县|自治旗|[区县旗市](?![一-鿿]?[路街巷弄])))"
)
_STREET: Final = re.compile(r"(?P<street>[一-鿿]{1,8}?(?:街道|镇|乡)(?:办事处)?)(?![路街巷弄])")
_COMMUNITY: Final = re.compile(r"(?P<community>[一-鿿]{2,12}?(?:社区|村委会|居委会))")
_NUM: Final = r"(?:\d+|[〇零一二三四五六七八九十百]+)"
_ROAD: Final = re.compile(
    r"(?P<road>[一-鿿A-Za-z0-9]{1,20}?(?:大道|大街|支路|[路街巷弄道村])(?:[东南西北中]段)?)"
    r"(?=\d|[一二三四五六七八九十]|$|附|[ ,，(\-])"
)
_LANE: Final = re.compile(rf"(?P<lane>{_NUM})[弄巷]")
_NUMBER: Final = re.compile(rf"(?P<number>{_NUM}(?:[-之附]\d+)?)号(?!楼)")
_BUILDING: Final = re.compile(
    rf"(?P<building>{_NUM}|[A-Za-z]\d*|[甲乙丙丁东南西北])(?:幢|栋|号楼|座|#|橦)"
)
_UNIT: Final = re.compile(rf"(?P<unit>{_NUM}|[A-Za-z甲乙丙丁])单元")
_ROOM: Final = re.compile(rf"(?P<room>\d{{2,4}}|{_NUM})(?:室|房|户)?$")
_DASHED: Final = re.compile(
    r"(?P<building>\d{1,3})-(?:(?P<unit>\d{1,2})-)?(?P<room>\d{2,4})(?:室|房)?$"
)
_PLAIN: Final = re.compile(
    r"([一-鿿]{4,40}[路街巷道])([0-9]{1,5})号"
    r"(?:([0-9]{1,4})[幢栋](?:([0-9]{1,3})单元([0-9]{1,4})室?)?"
    r"|([0-9]{1,3})-([0-9]{1,2})-([0-9]{2,4})室?)?"
)
_NUMERAL: Final = {one: n for n, one in enumerate("一二三四五六七八九", 1)}


class Address(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One address, read; what it does not tell is empty. `districts`: what its district is called
    now, several when that cannot be told; numbers in digits."""

    province: str = ""
    city: str = ""
    districts: tuple[str, ...] = ()
    street: str = ""
    road: str = ""  # with the name of a village or estate where there is no road
    number: str = ""
    building: str = ""
    unit: str = ""
    room: str = ""

    @property
    def district(self) -> str:
        """The district, when there is one."""
        return self.districts[0] if len(self.districts) == 1 else ""

    @property
    def place(self) -> str:
        """Road and number: a house or an estate; empty without either."""
        return f"{self.road}{self.number}" if self.road and self.number else ""

    @property
    def home(self) -> str:
        """Building, unit and room within a place; empty when no room is told."""
        return f"{self.building}-{self.unit}-{self.room}" if self.room else ""


NOTHING: Final = Address()


def read_address(told: object, on: str = "") -> Address:
    """An address as it can be compared; `on`: the day it was written (YYYY-MM-DD), when known, for
    districts that kept their name and lost a part."""
    if not isinstance(told, str) or not 0 < len(told) <= LONGEST:
        return NOTHING
    plain = _PLAIN.fullmatch(told)
    if plain is None:
        return _read(told, on)
    # most of a register is written so; what stands before the number comes again and again
    before, number = plain[1], plain[2]
    head = _read(before, on)
    if not head.road or head.number:
        return _read(told, on)
    building, unit, room = plain[3] or plain[6], plain[4] or plain[7], plain[5] or plain[8]
    return Address(
        province=head.province,
        city=head.city,
        districts=head.districts,
        street=head.street,
        road=head.road,
        number=_digits(number),
        building=_digits(building) if building else "",
        unit=_digits(unit) if unit else "",
        room=_digits(room) if room else "",
    )


@lru_cache(50_000)
def _read(told: str, on: str) -> Address:
    text = "".join(unicodedata.normalize("NFKC", told).split())
    if text.casefold() in NO_ADDRESS or len(text) < 3:
        return NOTHING
    province, text = _taken(_PROVINCE, "province", text)
    city, text = _city(text)
    if not city and province in MUNICIPALITIES:
        city = province
        text = text.removeprefix(province)
    district, text = _taken(_DISTRICT, "district", text)
    city = city or CITIES_OF.get(district, "")
    street, text = _taken(_STREET, "street", text)
    street = street.removesuffix("办事处")
    _, text = _taken(_COMMUNITY, "community", text)
    road, number, rest = _road(text)
    building, unit, room = _inside(rest)
    return Address(
        province=province,
        city=city,
        districts=districts_of(city, district, street, on),
        street=street,
        road=road,
        number=number,
        building=building,
        unit=unit,
        room=room,
    )


def _taken(form: re.Pattern[str], name: str, text: str) -> tuple[str, str]:
    found = form.match(text)
    return (found[name], text[found.end() :]) if found else ("", text)


def _city(text: str) -> tuple[str, str]:
    """`杭州市`; where two stand in a row (杭州市富阳市) the first is the city."""
    found = _CITY.match(text)
    if found is None:
        if text.startswith("杭州") and not text.startswith("杭州路"):
            return "杭州市", text[2:]
        return "", text
    rest = text[found.end() :]
    return found["city"], rest


def _road(text: str) -> tuple[str, str, str]:
    """(road, number, the rest)."""
    road, rest = _taken(_ROAD, "road", text)
    lane = _LANE.match(rest)
    if road and lane:
        road, rest = f"{road}{_digits(lane['lane'])}弄", rest[lane.end() :]
    number = _NUMBER.search(rest)
    if not road:
        # a village or an estate: what stands before the first number is its name
        first = re.search(r"\d|[一二三四五六七八九十百]+(?=[号幢栋座])", text)
        name = text[: first.start()] if first else text
        road, rest = name.strip("(),，-"), text[len(name) :]
        number = _NUMBER.match(rest)
    if number is None:
        bare = re.match(r"(\d+)(?=[^\d幢栋座单室#-]|$)", rest)
        if bare and road.endswith(("路", "街", "巷", "弄", "道")):
            return road, bare[1], rest[bare.end() :]
        return road, "", rest
    before = rest[: number.start()]
    if before and road.endswith(("路", "街", "巷", "弄", "道")) and len(before) > 12:
        return road, "", rest
    return road, _digits(number["number"]), rest[number.end() :]


def _inside(rest: str) -> tuple[str, str, str]:
    dashed = _DASHED.search(rest)
    if dashed:
        return dashed["building"], dashed["unit"] or "", dashed["room"]
    building, unit = _BUILDING.search(rest), _UNIT.search(rest)
    room = _ROOM.search(rest)
    end = max((one.end() for one in (building, unit) if one), default=0)
    if room is not None and room.start() < end:
        room = None
    return (
        _digits(building["building"]) if building else "",
        _digits(unit["unit"]) if unit else "",
        _digits(room["room"]) if room else "",
    )


def _digits(text: str) -> str:
    """Numbers in characters as digits: 十二 is 12."""
    if text.isascii():
        return text.lstrip("0").upper() or "0"
    if not all(one in "〇零一二三四五六七八九十百" for one in text):
        return text
    if len(text) > 1 and not any(one in "十百" for one in text):
        return "".join(str(_NUMERAL.get(one, 0)) for one in text)  # 二〇一
    total = digit = 0
    for one in text:
        if one in "十百":
            total += (digit or 1) * (10 if one == "十" else 100)
            digit = 0
        else:
            digit = _NUMERAL.get(one, 0)
    return str(total + digit)
