"""Doubts: each with its reason, and none about what is in order."""

from __future__ import annotations

import pytest

from pintu.pieces.environment.model.air import day_of, hour_word, hours_of
from pintu.pieces.environment.model.book import Book, Hour, hour_value
from pintu.pieces.environment.model.quality import (
    of_flag,
    of_neighbours,
    of_past,
    of_peak,
    of_step,
    of_values,
)

FINE = {"PM2.5": 45.0, "PM10": 85.0, "SO2": 8.0, "NO2": 36.0, "O3": 92.0, "CO": 0.7}


def codes(values: dict[str, float], flags: dict[str, str] | None = None) -> dict[str, str]:
    return {name: one.code for name, one in of_values(values, flags or {}).items()}


def test_an_hour_in_order_raises_no_doubt() -> None:
    """Six plausible values, all marked N."""
    assert codes(FINE, dict.fromkeys(FINE, "N")) == {}


@pytest.mark.parametrize(
    ("flag", "quality"),
    [("F", "bad"), ("M", "bad"), ("S", "estimated"), ("D", "bad"), ("C", "bad"),
     ("T", "uncertain"), ("B", "bad"), ("x", "uncertain")],
)  # fmt: skip
def test_a_flag_other_than_n_takes_the_value_out(flag: str, quality: str) -> None:
    """Also one that nobody knows, and the reason names it."""
    doubt = of_flag(flag)
    assert doubt is not None
    assert (quality, f"flag_{flag}") == (doubt.quality, doubt.code)
    assert flag in doubt.zh
    assert flag in doubt.en


@pytest.mark.parametrize("flag", ["N", ""])
def test_n_and_no_flag_are_no_doubt(flag: str) -> None:
    """Stations of the edition of 2005 send none."""
    assert of_flag(flag) is None


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [("PM2.5", -3.0, "negative"), ("PM10", 5_001.0, "range"), ("CO", 700.0, "unit"),
     ("CO", 60.0, "range"), ("O3", float("nan"), "range")],
)  # fmt: skip
def test_a_value_no_analyser_gives_is_in_doubt(name: str, value: float, code: str) -> None:
    """Negative, beyond the range, µg/m³ for mg/m³."""
    assert code == codes({**FINE, name: value})[name]


def test_milligrams_for_micrograms_are_seen() -> None:
    """Three and more values below one at once; CO is in mg/m³ anyway and stays."""
    small = {name: value / 1_000 if name != "CO" else value for name, value in FINE.items()}
    assert {"PM2.5", "PM10", "SO2", "NO2", "O3"} == codes(small).keys()
    assert {"unit"} == set(codes(small).values())
    assert codes({**FINE, "SO2": 0.5, "NO2": 0.6}) == {}


def test_fine_particles_are_part_of_the_coarse_ones() -> None:
    """PM2.5 well above PM10 puts both in doubt; a little above is noise."""
    assert codes({**FINE, "PM2.5": 120.0}) == {"PM2.5": "pm_order", "PM10": "pm_order"}
    assert codes({**FINE, "PM2.5": 88.0}) == {}


def test_a_line_of_equal_values_is_no_weather() -> None:
    """Eight equal hours of PM2.5; seven are not enough, nor are eight near zero, nor with one
    missing in between."""
    assert of_past("PM2.5", 45.0, [45.0] * 6) is None
    doubt = of_past("PM2.5", 45.0, [45.0] * 7)
    assert doubt is not None
    assert doubt.code == "flat"
    assert of_past("PM2.5", 3.0, [3.0] * 9) is None
    assert of_past("PM2.5", 45.0, [45.0, None, *[45.0] * 9]) is None


def test_a_jump_is_believed_when_the_others_jump_too() -> None:
    """A sandstorm comes to all; a jump of one is in doubt."""
    assert of_step("PM2.5", 400.0, 60.0, [(60.0, 380.0), (55.0, 300.0)]) is None
    doubt = of_step("PM2.5", 400.0, 60.0, [(60.0, 66.0), (55.0, 50.0)])
    assert doubt is not None
    assert "rose by 340" in doubt.en
    assert of_step("PM2.5", 400.0, 60.0, []) is not None
    assert of_step("PM2.5", 400.0, None, []) is None


def test_a_value_far_from_all_around_is_in_doubt() -> None:
    """Six times their median and twice the highest, or the same the other way; with two stations
    nothing is said."""
    assert of_neighbours("PM2.5", 500.0, [40.0, 50.0, 60.0]) is not None
    assert of_neighbours("PM2.5", 5.0, [140.0, 150.0, 160.0]) is not None
    assert of_neighbours("PM2.5", 130.0, [40.0, 50.0, 60.0]) is None
    assert of_neighbours("PM2.5", 500.0, [40.0, 50.0]) is None


def test_a_peak_of_its_own_is_in_doubt() -> None:
    """High for an hour or two, many times what was before and after, and nobody around had it; a
    plume that the others had too, a slow rise, or a single neighbour say nothing."""
    alone = of_peak("PM10", 277.0, (8.8, 11.4), [3.0, -2.0, 10.0])
    assert alone is not None
    assert (alone.quality, alone.code) == ("uncertain", "peak")
    assert "277" in alone.zh and "11.4" in alone.en
    assert of_peak("PM10", 277.0, (8.8, 11.4), [180.0, 20.0, 10.0]) is None
    assert of_peak("PM10", 277.0, (8.8, 120.0), [3.0, -2.0]) is None
    assert of_peak("PM10", 277.0, (8.8, 11.4), [3.0]) is None
    assert of_peak("SO2", 14.0, (2.0, 2.0), [0.0, 0.0, 0.0]) is None


def test_a_peak_is_known_when_the_hour_after_is_there() -> None:
    """Nobody can tell before; then its verdict changes, and it enters no mean."""
    book = Book()
    for number in range(4):
        book.station(f"S{number}").place = (120.0 + number / 100, 30.0)

    def tell(hour: int, *values: float) -> None:
        for number, value in enumerate(values):
            told = Hour(values={"SO2": value}, flags={"SO2": "N"})
            day = {hour_word(hour): {"json": hour_value(told)}}
            book.take_day(f"S{number}", day_of(hour), day)

    first = hours_of(20_000)[5]
    tell(first, 2.0, 3.0, 2.0, 2.5)
    tell(first + 1, 26.0, 3.0, 2.0, 2.5)
    assert book.doubts("S0", first + 1) == {}
    tell(first + 2, 2.0, 3.0, 2.0, 2.5)
    assert book.doubts("S0", first + 1)["SO2"].code == "peak"
    assert book.valid("S0", first + 1, "SO2") is None
    assert book.doubts("S0", first + 2) == {}
