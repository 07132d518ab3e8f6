"""Units by sign, code and header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pintu.kernel.intake.mapping.units import conversion, unit_code, unit_in_header, unit_sign
from pintu.vocabulary import vocabulary


@pytest.mark.parametrize(
    ("sign", "code"),
    [
        ("µg/m3", "GQ"),
        ("μg/m³", "GQ"),
        ("ug/m^3", "GQ"),
        ("mg/m³", "GP"),
        ("毫克/立方米", "GP"),
        ("℃", "CEL"),
        ("°C", "CEL"),
        ("kW", "KWT"),
        ("mW", "C31"),
        ("MW", "MAW"),
        ("％", "P1"),
        ("m", "MTR"),
        ("千瓦时", "KWH"),
        ("GQ", "GQ"),
        ("furlong", None),
    ],
)
def test_signs_have_codes(sign: str, code: str | None) -> None:
    """As people write them; where case changes the meaning it counts."""
    assert code == unit_code(sign)


@pytest.mark.parametrize(
    ("header", "name", "code"),
    [
        ("浓度(mg/m³)", "浓度", "GP"),
        ("PM2.5（μg/m³）", "PM2.5", "GQ"),
        ("气压[hPa]", "气压", "A97"),
        ("温度/℃", "温度", "CEL"),
        ("wind_speed_kmh", "wind_speed", "KMH"),
        ("名称(简称)", "名称(简称)", ""),
        ("TEMP", "TEMP", ""),
    ],
)
def test_a_header_may_say_the_unit(header: str, name: str, code: str) -> None:
    """Behind the name in brackets, after a slash or a line."""
    assert (name, code) == unit_in_header(header)


def test_conversions_are_right_and_round() -> None:
    """Milligrams to micrograms, Fahrenheit to Celsius; what cannot be is None."""
    told = [("GP", "GQ", 0.035), ("FAH", "CEL", 212), ("P1", "C62", 45), ("KMH", "MTS", 36)]
    found = []
    for here, there, value in told:
        convert = conversion(here, there)
        assert convert is not None
        found.append(convert(value))
    assert [35, 100, 0.45, 10] == found
    assert conversion("59", "GQ") is None  # ppm needs to know of what, and how warm


@given(st.sampled_from([("GP", "GQ"), ("KWT", "WTT"), ("CEL", "KEL"), ("KPA", "A97")]),
       st.floats(-1e6, 1e6))  # fmt: skip
def test_there_and_back(pair: tuple[str, str], value: float) -> None:
    """Both ways are each other's inverse."""
    there, back = conversion(*pair), conversion(pair[1], pair[0])
    assert there is not None and back is not None
    assert value == pytest.approx(back(there(value)), rel=1e-9, abs=1e-8)


def test_every_unit_of_the_vocabulary_is_known_here() -> None:
    """A word's own unit can always be named by a source."""
    units = {one.unit for kind in vocabulary().types() for one in kind.attributes.values()}
    assert [] == sorted(one for one in units if one and unit_code(one) != one)
    assert "µg/m³" == unit_sign("GQ")
