"""The forecast: it learns what there is to learn, sees nothing of the future, and tells its
error."""

from __future__ import annotations

import json
from datetime import datetime

import numpy as np

from pintu.pieces.environment.model.forecast import (
    HORIZON,
    Fitting,
    Series,
    border,
    fit,
    measure,
    predict,
    predict_all,
)
from pintu.pieces.environment.model.outlook import Forecaster
from pintu.pieces.environment.tests.city import LOCAL, City


def daily(hours: int, holes: bool = False) -> Series:
    """PM2.5 that is high in the morning and low in the afternoon, with some noise (synthetic)."""
    at = np.arange(hours)
    noise = np.random.default_rng(7).normal(0, 3, hours)
    values = np.maximum(1.0, 60 + 30 * np.cos(2 * np.pi * (at % 24) / 24) + noise)
    if holes:
        values[100:104] = np.nan
        values[500:540] = np.nan
    return Series(first=400_000, values=values)


def test_a_daily_course_is_learnt() -> None:
    """Far below persistence on hours that were not learnt from."""
    series = daily(1_500)
    model = fit(series, range(border(series)))
    assert model is not None
    errors = measure(model, series, range(border(series), len(series)))
    assert errors.gain > 0.5
    assert errors.model < 12


def test_holes_are_no_reason_to_be_silent() -> None:
    """With gaps in the past it learns and forecasts; with the newest four hours gone it does
    not."""
    series = daily(1_500, holes=True)
    model = fit(series)
    assert model is not None
    found = predict(model, series)
    assert found is not None
    assert found.shape == (HORIZON,)
    series.values[-4:] = np.nan
    assert predict(model, series) is None


def test_nothing_is_learnt_from_three_weeks_less_a_day() -> None:
    """Too short a past gives no model."""
    assert fit(daily(500)) is None
    assert not Fitting(daily(300)).possible


def test_the_future_is_not_looked_at() -> None:
    """A forecast stays as it is whatever comes after; so does a model learnt from before."""
    series, other = daily(1_500), daily(1_500)
    other.values[1_200:] = 999.0
    one, two = fit(series, range(1_200)), fit(other, range(1_200))
    assert one is not None
    assert two is not None
    np.testing.assert_allclose(one.weights[5], two.weights[5])
    np.testing.assert_allclose(predict_all(one, series)[1_199], predict_all(one, other)[1_199])


def test_a_forecast_stays_within_what_was_ever_measured() -> None:
    """No negative concentration, none above the highest of the past."""
    series = daily(1_200)
    model = fit(series)
    assert model is not None
    wild = Series(first=series.first, values=series.values * 50)
    found = predict_all(model, wild)
    known = found[~np.isnan(found)]
    assert known.min() >= 0
    assert known.max() <= series.values.max()


def test_noise_is_not_forecast() -> None:
    """Where nothing can be learnt, the piece tells persistence and says so, or is better."""
    forecaster = Forecaster()
    values = np.random.default_rng(3).lognormal(3.5, 0.02, 900).cumsum() % 97 + 5
    for hour, value in enumerate(values):
        forecaster.take("S0", 400_000 + hour, {"PM2.5": float(value)})
    for _ in range(60):
        forecaster.step()
    told = forecaster.outlook("S0")
    assert told is not None
    if told.errors.gain <= 0:
        assert ("persistence", {round(float(values[-1]), 1)}) == (told.method, set(told.values))
    else:
        assert told.method == "ridge"


def test_a_past_that_comes_late_is_learnt_too() -> None:
    """Three days first, then the month before them, newest hours first: a forecast follows."""
    forecaster, series = Forecaster(), daily(900)
    order = [*range(828, 900), *range(827, -1, -1)]
    for number in order:
        forecaster.take("S0", 400_000 + number, {"PM2.5": float(series.values[number])})
        forecaster.step()
    for _ in range(120):
        forecaster.step()
    told = forecaster.outlook("S0")
    assert told is not None
    assert (told.hour, told.method) == (400_899, "ridge")


def test_the_piece_publishes_a_forecast_with_its_error_and_basis() -> None:
    """After five weeks of hours there is one: 24 hours, persistence beside, error, words."""
    city = City(1, forecast=True, begin=datetime(2026, 10, 1, tzinfo=LOCAL))
    series = daily(24 * 36)
    for number, value in enumerate(series.values):
        city.tell("S0", number, {"PM2.5": round(float(value), 1), "PM10": 150.0 + number % 7})
        if number % 12 == 0:
            city.tick(1)
    city.tick(120)
    told = city.context.entities["urn:ngsi-ld:AirQualityForecast:environment:S0"]
    hours = told["forecastHours"]["json"]
    assert (len(hours), len({one["persistence"] for one in hours})) == (24, 1)
    assert "2026-11-05T16:00:00Z" == told["validFrom"]["value"]["@value"] == hours[0]["at"]
    assert told["meanAbsoluteError"]["value"] < told["persistenceError"]["value"]
    assert "小时学得" in told["basis"]["languageMap"]["zh"]
    assert (told["owner"]["value"], told["method"]["value"]) == ("environment/derive", "ridge")
    json.dumps(told, allow_nan=False)
