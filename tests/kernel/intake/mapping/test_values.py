"""Single values as sources write them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pintu.kernel.errors import BadInput
from pintu.kernel.intake.mapping import values


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("12", 12),
        (" 12 ", 12),
        ("-0.7", -0.7),
        ("1e3", 1000.0),
        ("1e+300", 1e300),
        ("１２．５", 12.5),
        ("1,234,567", 1234567),
        ("1，234.5", 1234.5),
        ("3.2万", 32000),
        ("1.5亿", 150000000),
        ("2千", 2000),
        ("0.00015万", 1.5),
        ("+5", 5),
        ("−3", -3),
        (7, 7),
        (7.5, 7.5),
        (Decimal("2.50"), 2.5),
        (Decimal("3"), 3),
    ],
)
def test_numbers_are_read_as_people_write_them(told: Any, meant: float) -> None:
    """Full-width digits, thousands, 万 and 亿 are numbers; a whole one stays whole."""
    assert (meant, type(meant)) == (values.number(told), type(values.number(told)))


@pytest.mark.parametrize(
    "told",
    ["12a", "1_000", "1,23", "12,34,567", "nan", "inf", "", "--", "一二", "<0.5", True, [1], None],
)
def test_what_is_no_number_is_refused_with_words(told: Any) -> None:
    """A refusal quotes the value and speaks Chinese too; Python's own 1_000 is none of ours."""
    with pytest.raises(BadInput) as refused:
        values.number(told)
    assert "不是" in refused.value.extra["zh"]


def test_a_number_too_long_is_suspected_to_be_an_id() -> None:
    """Digits that readers of JSON would lose are not taken in silence."""
    with pytest.raises(BadInput, match="is the column an id"):
        values.number("110101199003074233")


@given(st.floats(allow_nan=False, allow_infinity=False), st.booleans())
def test_every_float_comes_back(number: float, spaced: bool) -> None:
    """What repr writes is read as the same number."""
    assert number == values.number(f" {number!r} " if spaced else repr(number))


@given(st.integers(-(2**53), 2**53))
def test_every_whole_number_comes_back_with_thousands(number: int) -> None:
    """Thousands separators change nothing."""
    assert number == values.number(f"{number:,}")
    assert number == values.whole(f"{number:,}")


@given(st.text(max_size=30))
def test_no_text_breaks_a_reader(text: str) -> None:
    """Any text is read or refused with words; nothing else is raised."""
    for read in (values.number, values.whole, values.yes_no, values.text):
        try:
            read(text)
        except BadInput as error:
            assert error.detail and error.extra["zh"]


def test_bounds_and_units_hold_on_both_ways() -> None:
    """The quick way and the careful way refuse the same."""
    read = values.number_within(0, 100, lambda value: value * 2)
    assert [100, 2, 13.0] == [read("50"), read("１"), read(6.5)]
    for told in ("51", "１００", -1, "1_0", "9" * 20):
        with pytest.raises(BadInput):
            read(told)


def test_yes_and_no_have_many_names() -> None:
    """是, √, Y and 1 are one; 否, ×, N and 0 the other."""
    assert [True] * 6 == [values.yes_no(one) for one in ("是", "√", "Y", "1", 1, "Ｔｒｕｅ")]
    assert [False] * 6 == [values.yes_no(one) for one in ("否", "×", "n", "0", 0.0, False)]
    with pytest.raises(BadInput):
        values.yes_no("也许")


def test_codes_are_known_by_value_label_and_the_mapping_s_own_table() -> None:
    """A label in any language, in any width, means its value; the rest is refused."""
    labels = {"idle": {"zh": "空闲", "en": "Idle"}, "busy": {"zh": "忙碌", "en": "Busy"}}
    read = values.code({"满": "busy"}, ("idle", "busy"), labels)
    told = ("空闲", " 空闲 ", "IDLE", "ｉｄｌｅ", "满", "busy")
    assert ["idle", "idle", "idle", "idle", "busy", "busy"] == [read(one) for one in told]
    with pytest.raises(BadInput, match="not in the code list"):
        read("关闭")


def test_whole_numbers_of_a_spreadsheet_are_whole_texts() -> None:
    """101.0 from a cell is the id 101; a list is no text."""
    assert ["101", "1.5", "true", "5"] == [values.text(one) for one in (101.0, 1.5, True, 5)]
    with pytest.raises(BadInput, match="map a path into it"):
        values.text({"a": 1})
