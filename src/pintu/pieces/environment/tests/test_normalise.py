"""What stations say, and what becomes of it. All frames are synthetic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pintu.kit import BadInput, Envelope, Unreadable, Update
from pintu.kit.protocols import Frame, write_hj212
from pintu.kit.testing import replay
from pintu.pieces.environment.normalise import normalise

FIXTURES = dict(replay(Path(__file__).resolve().parents[1] / "fixtures", "environment/hj212"))
STATION = "urn:ngsi-ld:AirQualityObserved:environment:DEMO-AIR-0001"
HOUR_AT = "2026-11-22T05:00:00Z"


def updates(name: str) -> dict[str, dict[str, Any]]:
    return {
        one.entity["id"]: one.entity for one in normalise(FIXTURES[name]) if isinstance(one, Update)
    }


def told(factors: dict[str, dict[str, str]], command: str = "2061", **meta: str) -> Envelope:
    fields = {
        "QN": "20261122130000000", "ST": meta.pop("st", "22"), "CN": command, "MN": "S1",
        "Flag": "5", "PW": "1",
    }  # fmt: skip
    frame = Frame(fields=fields, data_time="20261122130000", factors=factors)
    return Envelope("environment/hj212", "k", 0, write_hj212(frame), meta)


def test_an_hour_becomes_the_station_and_its_day() -> None:
    """Beijing time becomes UTC; values have unit, time and quality; the day holds the hour by its
    own name, so that a late one finds its place."""
    found = updates("02-hour.hj212")
    day = found["urn:ngsi-ld:AirQualityDay:environment:DEMO-AIR-0001:20261122"]
    assert found[STATION]["pm25"] == {
        "type": "Property", "value": 45.0, "unitCode": "GQ", "observedAt": HOUR_AT,
        "quality": {"type": "Property", "value": "good"},
    }  # fmt: skip
    assert (found[STATION]["co"]["unitCode"], found[STATION]["co"]["value"]) == ("GP", 0.7)
    assert found[STATION]["atmosphericPressure"]["value"] == 1023.1
    assert day["date"]["value"] == "2026-11-22"
    assert {"hour13"} == {name for name in day if name.startswith("hour")}
    assert day["hour13"]["json"]["PM2.5"] == [45.0, "N"]


def test_a_reading_in_between_is_only_the_newest_one() -> None:
    """Real-time data makes no hour and no day."""
    found = updates("03-now.hj212")
    assert {STATION} == found.keys()
    assert found[STATION]["pm25Current"]["value"] == 47.3
    assert "pm25" not in found[STATION]


def test_what_is_in_doubt_is_kept_with_its_reason() -> None:
    """Negative, calibrating, under maintenance: there, but marked."""
    station = updates("04-hour-in-doubt.hj212")[STATION]
    marked = {name: station[name]["quality"]["value"] for name in ("pm25", "so2", "no2", "pm10")}
    assert marked == {"pm25": "bad", "so2": "bad", "no2": "bad", "pm10": "good"}
    assert station["pm25"]["reason"]["languageMap"]["zh"] == "浓度为负（-3）"
    assert "reason" not in station["pm10"]


def test_milligrams_are_seen_or_told() -> None:
    """Told as µg/m³ they are in doubt; where the settings say mg/m³ they are brought to µg/m³."""
    envelope = FIXTURES["05-hour-in-milligrams.hj212"]
    station = updates("05-hour-in-milligrams.hj212")[STATION]
    assert station["pm25"]["quality"]["value"] == "uncertain"
    meta = {**envelope.meta, "unit": "mg/m3"}
    known = Envelope(envelope.source, envelope.key, envelope.received_us, envelope.body, meta)
    (first, *_) = normalise(known)
    assert isinstance(first, Update)
    assert (first.entity["pm25"]["value"], first.entity["co"]["value"]) == (45.0, 0.7)
    assert first.entity["pm25"]["quality"]["value"] == "good"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("06-clock-a-day-ahead.hj212", "clock of station DEMO-AIR-0001 is 23 hours ahead"),
        ("07-clock-a-day-behind.hj212", "clock of station DEMO-AIR-0001 is 24 hours behind"),
        ("08-wrong-crc.hj212", "CRC of the frame is 0000, expected"),
    ],
)
def test_what_cannot_be_used_says_why(name: str, why: str) -> None:
    """A clock a day off and a damaged frame, in words a person can act on."""
    with pytest.raises(BadInput, match=why):
        normalise(FIXTURES[name])


def test_one_bad_factor_spoils_no_other() -> None:
    """Five factors are read, the sixth waits with its reason."""
    found = normalise(FIXTURES["09-one-bad-factor.hj212"])
    (bad,) = [one for one in found if isinstance(one, Unreadable)]
    assert bad.reason == "Factor a34002 is '999999', which no analyser measures"
    assert "pm10" not in updates("09-one-bad-factor.hj212")[STATION]


@pytest.mark.parametrize(
    "text", ["nan", "inf", "1_0", "0x1", "1e5", "", "－5", "٣", "5.", "--5", "1" * 30, "1.2.3"]
)
def test_numbers_are_decimal_numbers(text: str) -> None:
    """Nothing else float() would take is one; `5.` is."""
    found = normalise(told({"a34004": {"Avg": text or " "}, "a34002": {"Avg": "5"}}))
    station = next(one.entity for one in found if isinstance(one, Update))
    assert ("pm25" in station) is (text == "5.")


def test_frames_of_others_are_refused_or_say_nothing() -> None:
    """A waste gas outlet (ST 31) is no station of air; a command without values is nothing."""
    with pytest.raises(BadInput, match="ST 31"):
        normalise(told({"a34004": {"Avg": "5"}}, st="31"))
    assert normalise(told({}, "2021")) == []
    with pytest.raises(BadInput, match="wrong password"):
        normalise(told({}, bad="wrong password"))
    with pytest.raises(BadInput, match="too large"):
        normalise(told({}, cut="over 1000 bytes"))
    (nothing,) = normalise(told({"w01001": {"Avg": "7"}}))
    assert isinstance(nothing, Unreadable)


def test_the_list_becomes_stations_and_a_bad_line_spoils_no_other() -> None:
    """Twelve stations; one without a position and one twice are told apart."""
    assert len(updates("01-stations.json")) == 12
    line = {"mn": "A", "name": "甲", "lon": 120.0, "lat": 30.0}
    lines = [line, {"mn": "B", "name": "乙"}, line, {**line, "mn": "C D"}]
    body = json.dumps({"stations": lines}).encode()
    found = normalise(Envelope("environment/stations", "k", 0, body, {"kind": "stations"}))
    reasons = [one.reason for one in found if isinstance(one, Unreadable)]
    assert [one[:9] for one in reasons] == ["Station 2", "Station 3", "Station 4"]
    assert "A is there twice" in reasons[1]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"stations": 3}', b"\xff", b"[" * 100_000])
def test_a_list_that_is_none_says_so(body: bytes) -> None:
    """Whatever the file holds."""
    with pytest.raises(BadInput, match="list of stations cannot be read"):
        normalise(Envelope("environment/stations", "k", 0, body, {"kind": "stations"}))
