"""The questions a guess leaves to a person, in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from pintu.kernel.intake.doors.words import TableSeen
from pintu.kernel.intake.mapping.people import Judgement
from pintu.kernel.intake.mapping.units import unit_sign
from pintu.kernel.intake.mapping.words import WordOfAttribute, Words

Said = dict[str, str]


class Question_(msgspec.Struct, frozen=True, kw_only=True):
    """Something only a person can tell. `about` is what the answer changes: `frame`, `type`, `id`,
    or of the field of `column`: `person`, `unit`, `code`. `choices` are (value, {zh, en});
    `chosen` is what the guess took. Of a code, `value` is what the source writes."""

    about: str
    column: str
    zh: str
    en: str
    choices: list[tuple[str, Said]] = []
    chosen: str = ""
    value: str = ""


_FRAMES: Final[list[tuple[str, Said]]] = [
    ("WGS-84", {"zh": "WGS-84（GPS）或国家 2000", "en": "WGS-84 (GPS) or CGCS 2000"}),
    ("GCJ-02", {"zh": "GCJ-02（高德、腾讯地图）", "en": "GCJ-02 (Amap, Tencent)"}),
    ("BD-09", {"zh": "BD-09（百度地图）", "en": "BD-09 (Baidu)"}),
]


def ask_frame(column: str, *, projected: bool) -> Question_:
    """In which frame the coordinates are; projected ones need their EPSG number."""
    if projected:
        return Question_(
            about="frame",
            column=column,
            zh="坐标是投影坐标（米）：请填写其 EPSG 编号，如 EPSG:4549",
            en="The coordinates are projected (metres): which EPSG number, such as EPSG:4549?",
        )
    return Question_(
        about="frame",
        column=column,
        zh="坐标属于哪个坐标系？选错会偏移 300 至 700 米",
        en="Which frame are the coordinates in? The wrong one is 300 to 700 m off",
        choices=_FRAMES,
        chosen="WGS-84",
    )


def ask_swapped(point: Sequence[str]) -> Question_:
    """The columns are named the wrong way round."""
    lon, lat = point
    return Question_(
        about="location",
        column=lon,
        zh=f"“{lon}”与“{lat}”像是颠倒了：已按“{lon}”为经度处理，对吗？",
        en=f"{lon} and {lat} look swapped: {lon} was taken for the longitude; is that right?",
    )


def ask_type(best: str, others: Sequence[str], words: Words) -> Question_:
    """What kind of thing the records are; empty `best`: none fits well."""
    types = words.types()
    names = [best, *others] if best else list(others)
    choices = [(one, {key: types[one][key] for key in ("zh", "en")}) for one in names]
    if not best:
        choices.append(("", {"zh": "都不是：作为数据表", "en": "None of these: a table data set"}))
    return Question_(
        about="type",
        column="",
        zh="每条记录是什么？",
        en="What is each record?",
        choices=choices,
        chosen=best,
    )


def ask_id(chosen: str, table: TableSeen) -> Question_:
    """Which column tells records apart."""
    names = [one.name for one in table.columns if one.filled >= 0.99 and one.distinct > 1]
    return Question_(
        about="id",
        column="",
        zh="哪一列是唯一且不变的编号？",
        en="Which column is an id that is unique and never changes?",
        choices=[("{" + one + "}", {"zh": one, "en": one}) for one in names[:20]],
        chosen=chosen,
    )


def ask_person(column: str, word: str, judged: Judgement) -> Question_:
    """Whether a column is a person's: the context takes it only when it is not."""
    return Question_(
        about="person",
        column=column,
        zh=judged.zh or f"“{column}”涉及个人吗？",
        en=judged.en or f"Does {column} say something of a person?",
        choices=[
            (judged.mark, {"zh": "个人的", "en": "A person's"}),
            ("", {"zh": "场所或单位的", "en": "A place's or an office's"}),
        ],
        chosen=judged.mark,
        value=word,
    )


def ask_unit(column: str, word: WordOfAttribute, other: str, middle: float) -> Question_:
    """Which unit a column is in when its values are unusual in the word's own."""
    sign = unit_sign(word.unit)
    return Question_(
        about="unit",
        column=column,
        zh=f"“{column}”的单位是什么？中间值 {middle:g} 以 {sign} 计不常见",
        en=f"Which unit is {column} in? {middle:g}, its middle value, is unusual in {sign}",
        choices=[(one, {"zh": unit_sign(one), "en": unit_sign(one)}) for one in (other, word.unit)],
        chosen=other,
    )


def ask_code(
    column: str, word: WordOfAttribute, value: str, labels: Mapping[str, Mapping[str, str]]
) -> Question_:
    """What a value means that the code list does not have."""
    choices = [
        (code, {key: labels.get(code, {}).get(key, code) for key in ("zh", "en")})
        for code in word.codes
    ]
    return Question_(
        about="code",
        column=column,
        zh=f"“{column}”中的“{value}”是什么意思？",
        en=f"What does '{value}' in {column} mean?",
        choices=choices,
        value=value,
    )
