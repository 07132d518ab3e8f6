"""What looks wrong though it can be read: said before a load, and at its beginning. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, Final

import msgspec

from pintu.kernel.errors import BadInput
from pintu.kernel.intake.mapping.paths import compile_path
from pintu.kernel.intake.mapping.units import conversion, unit_code, unit_sign
from pintu.kernel.intake.mapping.values import number
from pintu.kernel.intake.mapping.words import Field, WordOfAttribute
from pintu.kernel.intake.mapping.words import Mapping as MappingFile

ENOUGH: Final = 5
FACTOR: Final = 1000.0


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a person should look at."""

    column: str
    zh: str
    en: str


def doubts_of(
    mapping: MappingFile,
    words: Mapping[str, WordOfAttribute],
    records: Sequence[tuple[int, dict[str, Any]]],
    make_id: Callable[[Any], str],
) -> list[Doubt]:
    """Every doubt about these records, in the order of the mapping's fields."""
    found: list[Doubt] = []
    if not records:
        return found
    for one in mapping.fields:
        for column in [one.source] if isinstance(one.source, str) else one.source:
            if column and _absent(column, records):
                found.append(
                    Doubt(
                        column=column,
                        zh=f"来源中没有“{column}”这一列：是否改了名？",
                        en=f"The source has no {column}: was it renamed?",
                    )
                )
        word = words.get(one.to)
        if word is not None and word.usual is not None and isinstance(one.source, str):
            found += _scale(one, word, word.usual, records)
    if mapping.target == "context" and not mapping.observed_at:
        found += _twice(records, make_id)
    return found


def _absent(column: str, records: Sequence[tuple[int, dict[str, Any]]]) -> bool:
    get = compile_path(column)
    return all(column not in record and get(record) is None for _, record in records)


def _scale(
    field: Field,
    word: WordOfAttribute,
    usual: tuple[float, float],
    records: Sequence[tuple[int, dict[str, Any]]],
) -> list[Doubt]:
    """mg for µg, and the like: the middle value fits only when multiplied by a thousand."""
    get = compile_path(str(field.source))
    told = []
    convert = conversion(unit_code(field.unit) or word.unit, word.unit, word.other_units)
    for _, record in records:
        value = get(record)
        try:
            if value is not None and convert is not None:
                told.append(convert(number(value)))
        except BadInput:
            continue
    if len(told) < ENOUGH:
        return []
    middle, (low, high) = median(told), usual
    if middle <= 0 or low <= middle <= high:
        return []
    for factor, en, zh in ((FACTOR, "thousand times too small", "小了一千倍"),
                           (1 / FACTOR, "thousand times too large", "大了一千倍")):  # fmt: skip
        if low <= middle * factor <= high:
            unit = unit_sign(word.unit)
            return [
                Doubt(
                    column=str(field.source),
                    zh=f"“{field.source}”的数值像是{zh}（中位数 {middle:g} {unit}）："
                    "单位写对了吗？",
                    en=f"The values of {field.source} look a {en} (their median is {middle:g} "
                    f"{unit}): is the unit right?",
                )
            ]
    return []


def _twice(
    records: Sequence[tuple[int, dict[str, Any]]], make_id: Callable[[Any], str]
) -> list[Doubt]:
    lines: dict[str, int] = {}
    again: Counter[str] = Counter()
    first: tuple[int, int, str] | None = None
    for line, record in records:
        try:
            id = make_id(record)
        except BadInput:
            continue
        if id in lines:
            again[id] += 1
            first = first or (lines[id], line, id.rpartition(":")[2])
        else:
            lines[id] = line
    if first is None:
        return []
    one, other, local = first
    return [
        Doubt(
            column="",
            zh=f"{len(again)} 个编号出现多次（如 {local}，第 {one} 行与第 {other} 行）："
            "以后一行为准",
            en=f"{len(again)} ids come more than once (such as {local}, in lines {one} and "
            f"{other}): the later line counts",
        )
    ]
