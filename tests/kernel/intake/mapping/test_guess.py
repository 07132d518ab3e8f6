"""Mappings guessed from what is seen; real files where they are at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.intake.doors.words import ColumnSeen, TableSeen
from pintu.kernel.intake.mapping import (
    Guess,
    compile_mapping,
    guess_mapping,
    read_mapping,
    write_mapping,
)
from pintu.vocabulary import check
from pintu.vocabulary.mapping_words import mapping_words

DATA = Path(__file__).resolve().parents[5] / "shared" / "data"
NOW_US = 1_790_000_000_000_000


def column(name: str, *examples: str, type: str = "text", **more: Any) -> ColumnSeen:
    """A column as a door shows it."""
    numbers = [float(one) for one in examples] if type in ("number", "whole") else []
    if numbers:
        more = {"low": f"{min(numbers):g}", "high": f"{max(numbers):g}", **more}
    seen = {"filled": 1.0, "distinct": len(set(examples)), **more}
    return ColumnSeen(name=name, type=type, examples=examples, **seen)


def guessed(*columns: ColumnSeen, name: str = "t", **more: Any) -> Guess:
    """A guess that must be a mapping without mistakes."""
    table = TableSeen(name=name, columns=columns, rows=3)
    guess = guess_mapping(table, mapping_words(), name="guess", **more)
    compile_mapping(read_mapping(write_mapping(guess.mapping)), mapping_words(), source="x")
    return guess


def words_of(guess: Guess) -> dict[str, Any]:
    """Word → column."""
    return {one.to: one.source for one in guess.mapping.fields}


def from_file(path: str) -> tuple[TableSeen, Guess]:
    """A real file, looked at and guessed."""
    from pintu.kernel.intake.tabular import Options
    from pintu.kernel.intake.tabular.look import look

    file = DATA / path
    if not file.exists():
        pytest.skip(f"{path} of ../shared/data is not here")
    table = look(file, Options())[0]
    return table, guess_mapping(table, mapping_words(), name="guess")


def test_the_public_points_of_hangzhou_need_one_answer() -> None:
    """Chinese properties, opening hours as text, the state by its labels; only the frame is
    asked."""
    table, guess = from_file("basemap/hangzhou_public_points.geojson")
    assert {
        "name": "名称",
        "address.streetAddress": "详情地址",
        "contactPoint.telephone": "联系电话",
        "serviceState": "状态",
        "category": "类型",
        "openingHours": "工作时间",
        "location": "geometry",
    } == words_of(guess)
    assert ("PointOfInterest", "{ID}") == (guess.mapping.type, guess.mapping.id)
    assert (["frame"], []) == ([one.about for one in guess.questions], guess.left)
    mapper = compile_mapping(guess.mapping, mapping_words(), source="points")
    updates, bad = mapper.context(list(enumerate(table.sample)), NOW_US)
    assert (len(table.sample), []) == (len(updates), bad)
    for one in updates:
        check(one.entity)


def test_an_hour_of_beijing_is_told_by_four_columns() -> None:
    """Year, month, day and hour; CO in µg, the winds by name, gaps as NA; the row's number is no
    nitric oxide."""
    table, guess = from_file("environment/PRSA_Data_Dongsi_20130301-20170228.csv")
    found = words_of(guess)
    assert ("AirQualityObserved", "{station}") == (guess.mapping.type, guess.mapping.id)
    assert ["year", "month", "day", "hour"] == guess.mapping.observed_at
    assert {"pm25": "PM2.5", "co": "CO", "windDirection": "wd", "temperature": "TEMP"}.items() <= (
        found.items()
    )
    assert "no" not in found
    assert ["unit"] == [one.about for one in guess.questions]
    mapper = compile_mapping(guess.mapping, mapping_words(), source="air")
    updates, bad = mapper.context(list(enumerate(table.sample)), NOW_US)
    assert ([], "2013-02-28T16:00:00Z", 0.3) == (
        bad,
        updates[0].entity["pm25"]["observedAt"],
        updates[0].entity["co"]["value"],
    )


def test_units_in_headers_and_chinese_names() -> None:
    """`一氧化碳(mg/m³)` is in mg; a humidity of 45 is in percent."""
    guess = guessed(
        column("站点编号", "S1", "S2"),
        column("监测时间", "2026-01-01 08:00", "2026-01-01 09:00", type="time"),
        column("PM2.5浓度(μg/m³)", "35", "40", type="number"),
        column("一氧化碳（mg/m³）", "0.7", "0.9", type="number"),
        column("二氧化硫(mg/m3)", "0.007", "0.009", type="number"),
        column("相对湿度", "45", "60", type="number"),
        name="空气质量小时值",
    )
    units = {one.to: one.unit for one in guess.mapping.fields}
    assert {
        "pm25": "GQ",
        "co": "GP",
        "so2": "GP",
        "relativeHumidity": "P1",
    }.items() <= units.items()
    assert ("{站点编号}", "监测时间") == (guess.mapping.id, guess.mapping.observed_at)


def test_swapped_and_named_coordinates() -> None:
    """Latitudes of 120 are longitudes; a column called 百度经度 tells its frame."""
    rest = (column("编号", "1", "2"), column("名称", "a", "b"), column("营业时间", "8:00", "9:00"))
    swapped = guessed(
        *rest,
        column("经度", "30.1", "30.2", type="number"),
        column("纬度", "120.1", "120.2", type="number"),
        type="PointOfInterest",
    )
    assert ["纬度", "经度"] == words_of(swapped)["location"]
    assert ["location", "frame"] == [one.about for one in swapped.questions]
    named = guessed(
        *rest,
        column("百度经度", "120.1", "120.2", type="number"),
        column("百度纬度", "30.1", "30.2", type="number"),
        type="PointOfInterest",
    )
    assert ("BD-09", []) == (named.mapping.frame, named.questions)


def test_persons_make_a_table() -> None:
    """A register of patients never becomes entities; every person's column is marked."""
    guess = guessed(
        column("编号", "1", "2", "3"),
        column("姓名", "演示甲", "演示乙", "演示丙"),
        column("出生日期", "1990-01-01", "1991-01-01", "1992-01-01", type="date"),
        column("诊断", "a", "b", "c"),
        column("名称", "x", "y", "z"),
    )
    assert "table" == guess.mapping.target
    marks = {one.to: one.person for one in guess.mapping.fields if one.person}
    assert {"姓名": "name", "出生日期": "birth", "诊断": "health"} == marks
    assert ["编号"] == [one.to for one in guess.mapping.fields if one.key]


def test_a_doubtful_telephone_is_left_out_until_somebody_says() -> None:
    """A mobile number beside a place: asked, not taken."""
    guess = guessed(
        column("编号", "1", "2"),
        column("名称", "甲店", "乙店"),
        column("类型", "门店", "超市"),
        column("营业时间", "8:00", "9:00"),
        column("联系电话", "13800000000", "13900000000"),
    )
    asked = [one for one in guess.questions if one.about == "person"]
    assert ("联系电话", "contactPoint.telephone") == (asked[0].column, asked[0].value)
    assert "contactPoint.telephone" not in words_of(guess)


def test_a_value_that_no_code_knows_is_asked_about() -> None:
    """With the whole list to choose from."""
    guess = guessed(
        column("编号", "1", "2", "3"),
        column("名称", "a", "b", "c"),
        column("状态", "空闲", "休息", "装修"),
        column("工作时间", "8", "9", "10"),
    )
    asked = [one for one in guess.questions if one.about == "code"]
    assert ["装修"] == [one.value for one in asked]
    assert "idle" in [value for value, _ in asked[0].choices]


def test_a_table_of_nothing_we_know_stays_a_table() -> None:
    """Its columns keep their names as far as a data set can; what it might be is asked."""
    guess = guessed(
        column("流水号", "1", "2", "3"), column("2024年产值(万)", "1.5", "2", type="number"),
        column("a b", "x", "y"), column("A_B", "x", "y"),
    )  # fmt: skip
    names = [one.to for one in guess.mapping.fields]
    assert ("table", 4) == (guess.mapping.target, len({one.casefold() for one in names}))
    assert "c_2024年产值_万" == names[1]
    assert ["type"] == [one.about for one in guess.questions]


def test_nothing_seen_is_no_failure() -> None:
    """An empty sheet gives an empty table, for a person to go on with."""
    table = TableSeen(name="empty", columns=())
    assert [] == guess_mapping(table, mapping_words(), name="e").mapping.fields


def test_pinyin_columns_get_their_marks_and_titles() -> None:
    """A department's own abbreviations: the page says what they stand for; what stands for
    something else keeps its name alone."""
    guess = guessed(
        column("sfzh", "99000020160401001X", "990000201701010028"),
        column("xm", "演示甲", "演示乙"),
        column("xb", "男", "女"),
        column("zz", "演示区听澜路 12 号", "演示区白鹭街 3 号"),
        column("jhr", "王演示", "李演示"),
        column("bz", "", ""),
        column("ymmc", "麻腮风疫苗", "百白破疫苗"),
    )
    assert "table" == guess.mapping.target
    told = {one.to: (one.person, one.title.get("zh", "")) for one in guess.mapping.fields}
    assert {
        "sfzh": ("id_number", "身份证号"), "xm": ("name", "姓名"), "xb": ("", "性别"),
        "zz": ("address", "住址"), "jhr": ("name", "监护人"), "bz": ("", "备注"), "ymmc": ("", ""),
    } == told  # fmt: skip
