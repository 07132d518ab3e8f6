"""Each station's own past, the model learnt from it a little at a time, and what it says next."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pintu.pieces.environment.model.forecast import (
    PAST,
    Array,
    Errors,
    Fitting,
    Model,
    Series,
    border,
    measure,
    predict,
)

KEPT = 9_500
"""Hours of the past that are learnt from: a year and a month."""
LEARN_EVERY, LEARN_SHARE = 24, 0.1
"""Hours that came since, older ones too, after which a station is learnt anew: a day of them, and
while much of its past still comes in, a tenth of it."""
MOST_STATIONS = 200
TARGET = "PM2.5"
BESIDE = ("PM10", "SO2", "NO2", "O3", "CO", "temperature", "relativeHumidity",
          "atmosphericPressure", "windSpeed", "east", "north")  # fmt: skip
KNOWN_SHARE = 0.5
"""What is known in fewer of the hours is not learnt from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is forecast: 24 hours after `hour`, and how far such forecasts were off."""

    hour: int
    now: float
    values: tuple[float, ...]
    method: str  # ridge | persistence
    errors: Errors
    learnt_hours: int


@dataclass(slots=True)
class _Past:
    hours: dict[int, dict[str, float]] = field(default_factory=dict)
    newest: int = 0
    model: Model | None = None
    names: tuple[str, ...] = ()
    errors: Errors | None = None
    added: int = 0  # hours since it was learnt
    learnt_hours: int = 0


@dataclass(slots=True)
class _Job:
    """Learning under way: first without the newest quarter, to measure, then with all."""

    code: str
    names: tuple[str, ...]
    series: Series
    fitting: Fitting
    errors: Errors | None = None


class Forecaster:
    """Takes hours, learns one step a call of `step`, answers with forecasts."""

    def __init__(self) -> None:
        self._pasts: dict[str, _Past] = {}
        self._queue: deque[str] = deque()
        self._job: _Job | None = None

    def take(self, code: str, hour: int, values: Mapping[str, float]) -> None:
        """One hour of a station: only values that may be used; told again, it is replaced."""
        past = self._pasts.get(code)
        if past is None:
            if len(self._pasts) >= MOST_STATIONS:
                return
            past = self._pasts[code] = _Past()
        past.added += hour not in past.hours
        past.hours[hour] = dict(values)
        if hour > past.newest:
            past.newest = hour
            if len(past.hours) > KEPT + 500:
                for old in [one for one in past.hours if one <= hour - KEPT]:
                    del past.hours[old]

    def step(self) -> None:
        """Learn a little; what is due is queued here."""
        if self._job is None:
            self._job = self._next_job()
            return
        job = self._job
        if job.fitting.step():
            return
        model = job.fitting.model()
        past = self._pasts[job.code]
        if model is None:
            self._job = None
        elif job.errors is None:
            job.errors = measure(model, job.series, range(border(job.series), len(job.series)))
            job.fitting = Fitting(job.series)
        else:
            past.model, past.errors, past.names = model, job.errors, job.names
            past.learnt_hours = int((~np.isnan(job.series.values)).sum())
            self._job = None

    def ready(self, code: str) -> bool:
        """Whether something is learnt of a station."""
        past = self._pasts.get(code)
        return past is not None and past.model is not None

    def outlook(self, code: str) -> Outlook | None:
        """The next 24 hours of a station; None while nothing is learnt or its newest hour is
        unknown. Where the model was no better than persistence, persistence is told."""
        past = self._pasts.get(code)
        if past is None or past.model is None or past.errors is None:
            return None
        series = _series(past, PAST + 24, past.names)
        now = series.values[-1]
        found = predict(past.model, series)
        if found is None or np.isnan(now):
            return None
        better = past.errors.count > 0 and past.errors.gain > 0
        values = found if better else np.full(len(found), now)
        return Outlook(
            hour=past.newest,
            now=float(now),
            values=tuple(round(float(one), 1) for one in values),
            method="ridge" if better else "persistence",
            errors=past.errors,
            learnt_hours=past.learnt_hours,
        )

    def _next_job(self) -> _Job | None:
        if not self._queue:
            self._queue.extend(
                code
                for code, past in self._pasts.items()
                if past.added >= max(LEARN_EVERY, LEARN_SHARE * len(past.hours))
            )
        if not self._queue:
            return None
        past = self._pasts[code := self._queue.popleft()]
        past.added = 0
        names = _known_names(past)
        series = _series(past, KEPT, names)
        fitting = Fitting(series, range(border(series)))
        return _Job(code, names, series, fitting) if fitting.possible else None


def _known_names(past: _Past) -> tuple[str, ...]:
    hours = list(past.hours.values())
    least = KNOWN_SHARE * len(hours)
    known = {one: sum(_told(hour, one) is not None for hour in hours) for one in BESIDE}
    return tuple(one for one in BESIDE if known[one] > least)


def _told(hour: Mapping[str, float], name: str) -> float | None:
    """A quantity of an hour; wind as its parts from the west and the south."""
    if name not in ("east", "north"):
        return hour.get(name)
    speed, direction = hour.get("windSpeed"), hour.get("windDirection")
    if speed is None or direction is None:
        return None
    turn = math.radians(direction)
    return speed * (math.sin(turn) if name == "east" else math.cos(turn))


def _series(past: _Past, length: int, names: tuple[str, ...]) -> Series:
    """The newest hours as columns; other pollutants as logarithms, which are nearer to straight
    lines."""
    first = max(min(past.hours), past.newest - length + 1)
    hours = [past.hours.get(one, {}) for one in range(first, past.newest + 1)]

    def column(name: str) -> Array:
        told = [_told(one, name) for one in hours]
        return np.array([np.nan if one is None else one for one in told], dtype=np.float64)

    beside = {name: column(name) for name in names}
    for name in names:
        if name[0].isupper():
            beside[name] = np.log1p(np.maximum(beside[name], 0.0))
    return Series(first=first, values=column(TARGET), beside=beside)
