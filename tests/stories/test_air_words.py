"""Days of air, from the wire to the words: everything written of it keeps to the vocabulary; and
real hours through the whole piece."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from claims import air_forecast
from pintu import vocabulary
from pintu.pieces.environment.model.air import POLLUTANTS
from pintu.pieces.environment.tests.city import LOCAL, City

FILES = sorted(air_forecast.DATA.glob("PRSA_Data_*.csv"))
needs_hours = pytest.mark.skipif(not FILES, reason="the Beijing hours are not beside the project")


def test_everything_written_is_in_the_vocabulary() -> None:
    """Stations, days, alerts of every kind and a forecast: a strict tenant takes them all."""
    city = City(4, forecast=True, begin=datetime(2026, 10, 10, tzinfo=LOCAL))
    for number in range(24 * 36):
        for place, name in enumerate(city.names):
            value = 40.0 + 30 * np.cos(number / 24 * 6.283) + place
            value += (number * number * 37 % 97) / 9
            told = {"PM2.5": round(float(value), 1), "PM10": round(float(value) * 1.6, 1)}
            if name == "S0" and number > 850:
                told = {"PM2.5": 77.0, "PM10": 100.0 + number % 7, "SO2": -5.0, "CO": 300.0}
            if number == 700:
                told["NO2"] = 260.0 + place
            if name != "S3" or number < 860:
                city.tell(name, number, told)
        if number % 12 == 0 or number > 690:
            city.tick(1)
    city.tick(60)
    written = {one["type"] for one in city.context.entities.values()}
    assert {"AirQualityObserved", "AirQualityDay", "AirQualityForecast", "Alert"} == written
    kinds = {kind for kind, _, _ in city.alerts}
    assert {"exceedance", "flat_line", "silent_station"} <= kinds
    for entity in city.context.entities.values():
        shown = {name: one for name, one in entity.items() if one != "urn:ngsi-ld:null"}
        for attribute in shown.values():
            if isinstance(attribute, dict) and attribute.get("reason") == "urn:ngsi-ld:null":
                del attribute["reason"]
        assert [] == vocabulary.vocabulary().check(shown), entity["id"]


@needs_hours
def test_real_hours_are_read_as_they_are() -> None:
    """35,064 hours at each of three stations, with their holes."""
    for path in FILES:
        series = air_forecast.read(path)
        begin = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=series.first)
        assert (35_064, "2013-02-28T16:00:00+00:00") == (len(series), begin.isoformat())
        assert 700 < int(np.isnan(series.values).sum()) < 1_000


@needs_hours
def test_ten_real_days_have_days_indices_and_no_tampering() -> None:
    """Real hours of January 2014 with their holes: every day of them gets what its hours allow."""
    begin = datetime(2014, 1, 10, tzinfo=LOCAL)
    city = City(3, begin=begin)
    rows = {name: air_forecast.rows_of(path) for name, path in zip(city.names, FILES, strict=True)}
    first = int((begin - datetime(2013, 3, 1, tzinfo=LOCAL)).total_seconds()) // 3_600
    for number in range(240):
        for name in city.names:
            row = rows[name][first + number]
            told = {
                one.code: float(row[one.code]) / (1_000 if one.milli else 1)
                for one in POLLUTANTS
                if row[one.code] != "NA"
            }
            if told:
                city.tell_only(name, number, told)
        city.tick(1)
    city.tick(10)
    days = [one for one in city.context.entities.values() if one["type"] == "AirQualityDay"]
    assert 30 == len(days)
    assert {"HJ 633-2012"} == {one["indexTable"]["value"] for one in days if "indexTable" in one}
    assert sum("airQualityLevel" in one for one in days) >= 28
    assert ("exceedance", "S0~pm25", "open") in city.alerts
    assert [] == city.found("repeated", "flag_abuse")
