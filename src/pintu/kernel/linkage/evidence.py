"""Why two records may be one, in words, attribute by attribute; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from pintu.kernel.linkage.golden import meaning
from pintu.kernel.linkage.reading import (
    read_address,
    read_birth,
    read_name,
    read_number,
    read_phone,
)
from pintu.kernel.linkage.reading.features import read_sex

How = Literal["same", "near", "differs", "missing"]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What two records tell of one attribute. `strong`: it decides by itself."""

    attribute: str
    how: How
    en: str
    zh: str
    strong: bool = False


def evidence(
    names: tuple[str, ...], left: Mapping[str, Any], right: Mapping[str, Any]
) -> list[Evidence]:
    """One sentence for each attribute that either record tells, in the order of `names`."""
    found = []
    for name in names:
        one, two = left.get(name), right.get(name)
        if _empty(one) and _empty(two):
            continue
        if _empty(one) or _empty(two):
            found.append(_said(name, "missing", "only one record tells it", "只有一条记录填写"))
            continue
        read = _READERS.get(name, _other)
        found.append(read(name, one, two))
    return found


def _empty(value: Any) -> bool:
    return value is None or value == ""


def _said(name: str, how: How, en: str, zh: str, *, strong: bool = False) -> Evidence:
    return Evidence(attribute=name, how=how, en=en, zh=zh, strong=strong)


def _name(name: str, one: Any, two: Any) -> Evidence:
    a, b = read_name(one), read_name(two)
    if not a.reading or not b.reading:
        return _said(name, "missing", "one is no name", "其中一个不是姓名")
    if a.text and a.text == b.text:
        return _said(name, "same", "the same name", "姓名相同")
    if a.reading == b.reading:
        if a.text and b.text:
            return _said(name, "near", "other characters of the same sound", "同音不同字")
        return _said(name, "near", "the same name, once in letters", "同一姓名，其中一个是拼音")
    if a.family == b.family and a.given == b.given:
        return _said(name, "near", "the surname is read in two ways", "姓氏的两种读音（多音字）")
    if "\ufffd" in a.text + b.text and len(a.text) == len(b.text):
        return _said(name, "near", "one character is unreadable", "有一个字无法识别")
    if distance(a.reading, b.reading) == 1:
        return _said(name, "near", "the sound differs in one letter", "读音只差一个字母")
    if a.family and a.family == b.family:
        return _said(name, "differs", "the same surname, another given name", "同姓不同名")
    return _said(name, "differs", "another name", "姓名不同")


def _number(name: str, one: Any, two: Any) -> Evidence:
    a, b = read_number(one), read_number(two)
    if not a.text or not b.text:
        return _said(name, "missing", "one is no id number", "其中一个不是身份证号")
    if a.text == b.text:
        if a.old != b.old:
            return _said(name, "same", "the same number, once in its old form of 15 digits",
                         "同一证号，其中一个是旧 15 位", strong=True)  # fmt: skip
        return _said(name, "same", "the same id number", "证号相同", strong=a.valid)
    if a.valid and b.valid:
        return _said(name, "differs", "two valid numbers that differ: two persons",
                     "两个有效证号不同：是两个人", strong=True)  # fmt: skip
    wrong = [n for n, (x, y) in enumerate(zip(a.text, b.text, strict=True), 1) if x != y]
    if len(wrong) == 1:
        return _said(name, "near", f"the same number but for one digit, the {_nth(wrong[0])}",
                     f"证号只有第 {wrong[0]} 位不同")  # fmt: skip
    if distance(a.text, b.text) == 1:
        return _said(name, "near", f"the same number with digits {wrong[0]} and {wrong[1]} swapped",
                     f"证号第 {wrong[0]}、{wrong[1]} 位互换")  # fmt: skip
    return _said(name, "differs", f"{len(wrong)} digits differ", f"证号有 {len(wrong)} 位不同")


def _birth(name: str, one: Any, two: Any) -> Evidence:
    a, b = read_birth(one), read_birth(two)
    if not a or not b:
        return _said(name, "missing", "one is no date", "其中一个不是日期")
    if a == b:
        return _said(name, "same", "the same birthday", "出生日期相同")
    if a[:4] == b[:4] and a[5:7] == b[8:] and a[8:] == b[5:7]:
        return _said(name, "near", "day and month are swapped", "月和日互换")
    if a[5:] == b[5:]:
        return _said(name, "near", "another year", "只有年份不同")
    if a[:7] == b[:7]:
        return _said(name, "near", "the same month, another day", "同年同月，日不同")
    if a[:4] == b[:4] and a[8:] == b[8:]:
        return _said(name, "near", "another month", "只有月份不同")
    return _said(name, "differs", "another birthday", "出生日期不同")


def _phone(name: str, one: Any, two: Any) -> Evidence:
    a, b = read_phone(one), read_phone(two)
    if not a or not b:
        return _said(name, "missing", "one is a placeholder or no number", "其中一个是占位号或无效")
    if a == b:
        return _said(name, "same", "the same telephone", "电话相同")
    if distance(a, b) == 1:
        return _said(name, "near", "the telephone differs in one digit", "电话只差一位")
    return _said(name, "differs", "another telephone", "电话不同")


def _address(name: str, one: Any, two: Any) -> Evidence:
    a, b = read_address(one), read_address(two)
    if not a.road or not b.road:
        same = meaning(name, one) == meaning(name, two)
        how: How = "same" if same else "differs"
        return _said(name, how, "the same address" if same else "another address",
                     "地址相同" if same else "地址不同")  # fmt: skip
    if (a.road, a.number) == (b.road, b.number):
        if a.home == b.home and a.home:
            if str(one).strip() != str(two).strip():
                return _said(name, "same", "the same home, written in another way",
                             "同一住处，写法不同")  # fmt: skip
            return _said(name, "same", "the same home", "同一住处")
        if not a.home or not b.home:
            return _said(name, "near", "the same house; one names no room", "同一门牌，一个没写室")
        return _said(name, "differs", "the same house, another home", "同一门牌，不同住户")
    if a.road == b.road:
        return _said(name, "differs", "the same road, another number", "同一条路，门牌不同")
    if a.district and a.district == b.district:
        return _said(name, "differs", "another address in the same district", "同区，地址不同")
    return _said(name, "differs", "another address", "地址不同")


def _sex(name: str, one: Any, two: Any) -> Evidence:
    a, b = read_sex(one), read_sex(two)
    if not a or not b:
        return _said(name, "missing", "one is not told", "其中一个未说明")
    if a == b:
        return _said(name, "same", "the same sex", "性别相同")
    return _said(name, "differs", "another sex", "性别不同")


def _other(name: str, one: Any, two: Any) -> Evidence:
    if meaning(name, one) == meaning(name, two):
        return _said(name, "same", "the same", "相同")
    return _said(name, "differs", "differs", "不同")


_READERS: Final = {
    "name": _name, "id_number": _number, "birth": _birth, "phone": _phone,
    "address": _address, "sex": _sex,
}  # fmt: skip


def distance(one: str, two: str, most: int = 3) -> int:
    """How many signs have to be changed, put in, left out or swapped with their neighbour; more
    than `most` is told as `most` + 1."""
    if abs(len(one) - len(two)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(two) + 1))
    for n, a in enumerate(one, 1):
        older, before, row = before, row, [n]
        for m, b in enumerate(two, 1):
            cost = min(before[m] + 1, row[m - 1] + 1, before[m - 1] + (a != b))
            if n > 1 and m > 1 and a == two[m - 2] and one[n - 2] == b:
                cost = min(cost, older[m - 2] + 1)
            row.append(cost)
    return min(row[-1], most + 1)


def differing(one: str, two: str) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Two texts in parts, each with whether the other text lacks it: to be marked on a screen."""
    from difflib import SequenceMatcher

    sides: tuple[list[tuple[str, bool]], list[tuple[str, bool]]] = ([], [])
    if len(one) > 300 or len(two) > 300:
        return [(one, one != two)], [(two, one != two)]
    for kind, a, b, c, d in SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        for side, part in ((sides[0], one[a:b]), (sides[1], two[c:d])):
            if part:
                side.append((part, kind != "equal"))
    return sides


def _nth(n: int) -> str:
    return f"{n}{'th' if 10 < n < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"
