"""The next 24 hours of one pollutant beside persistence: a linear model on a station's own past.

One model an hour ahead, for how far the square root of the concentration will have moved, fitted
for the absolute error (iteratively reweighted ridge regression: each round weighs an hour by one
over its error). The penalty draws it to no movement: who has learnt little says what persistence
says. What it sees: the newest hours and means, their products, the hour and season it forecasts
for, and what the station measures beside (weather, other pollutants) at the time of issue. Nothing
of the future enters, not even a weather forecast. numpy only; `Fitting` does one of the 24 at a
time, so that who must not stand still can go on in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

HORIZON = 24
PAST = 120
"""Hours the features look back."""
LAGS = (0, 1, 2, 3, 4, 5, 6, 8, 11, 17, 23)
MEANS = (3, 6, 12, 24, 48, 96)
KEYS = (0, len(LAGS) + 1, len(LAGS) + 3, len(LAGS) + 5)
"""Columns whose products are features too: the newest hour, the means of 6, 24 and 96 hours."""
PENALTY, PENALTY_SHORT = 600.0, 3_000.0
YEAR = 8_766
"""Hours; who has seen fewer learns nothing of seasons, and is held nearer to persistence."""
ROUNDS = 2
LEAST_ROWS = 500
"""Hours to learn from, three weeks of them, before a forecast is given."""
HELD_OUT = 0.25
"""Newest share of the past on which the error is measured before all of it is learnt from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Hourly values without a hole in time, NaN where there is none. `first` is the hour since 1970
    UTC of the first; `beside` holds what else was measured, of the same length, also with NaN."""

    first: int
    values: Array
    beside: Mapping[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)

    def tail(self, length: int) -> Series:
        """The newest `length` hours."""
        start = max(0, len(self) - length)
        beside = {name: values[start:] for name, values in self.beside.items()}
        return Series(first=self.first + start, values=self.values[start:], beside=beside)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Mean absolute errors over all 24 hours ahead, on hours that were not learnt from."""

    model: float
    persistence: float
    count: int

    @property
    def gain(self) -> float:
        """By which share the model is below persistence; negative when it is worse."""
        return 1.0 - self.model / self.persistence if self.persistence > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Coefficients an hour ahead; features are scaled by `centre` and `spread`."""

    centre: Array
    spread: Array
    weights: tuple[Array, ...]
    yearly: bool
    low: float
    high: float


class Fitting:
    """Learning, one hour ahead a step. `rows` are the hours of issue to learn from, by index (all
    by default); nothing later than the last of them and its 24 hours is looked at."""

    def __init__(self, series: Series, rows: range | None = None) -> None:
        chosen = rows if rows is not None else range(len(series))
        self._series = series.tail(len(series)) if rows is None else _until(series, chosen.stop)
        features, known, self._now = _features(self._series)
        known[: chosen.start] = False
        self._first = self._series.first
        self._known = known
        self.possible = int(known.sum()) >= LEAST_ROWS
        if not self.possible:
            return
        inside = features[known]
        with np.errstate(all="ignore"):
            self._centre = np.nan_to_num(_nanmean(inside))
            self._spread = np.nan_to_num(_nanspread(inside, self._centre))
        self._spread[self._spread < 1e-9] = 1.0
        self._base = _design(inside, self._centre, self._spread)
        self._yearly = len(self._series) - chosen.start > YEAR
        self._at = self._first + np.flatnonzero(known)
        self._weights: list[Array] = []

    def step(self) -> bool:
        """Learn the next hour ahead; False when all 24 are done or it cannot be done."""
        if not self.possible or len(self._weights) == HORIZON:
            return False
        ahead = len(self._weights)
        roots = np.sqrt(np.maximum(self._series.values, 0.0))
        target = (_later(roots, ahead) - self._now)[self._known]
        usable = ~np.isnan(target)
        if int(usable.sum()) < LEAST_ROWS:
            self.possible = False
            return False
        design = _with_season(self._base, self._at, ahead, self._yearly)[usable]
        penalty = PENALTY if self._yearly else PENALTY_SHORT
        self._weights.append(_solved(design, target[usable], penalty))
        return len(self._weights) < HORIZON

    def model(self) -> Model | None:
        """What was learnt; None when the past is too short."""
        if not self.possible or len(self._weights) < HORIZON:
            return None
        finite = self._series.values[~np.isnan(self._series.values)]
        return Model(
            centre=self._centre,
            spread=self._spread,
            weights=tuple(self._weights),
            yearly=self._yearly,
            low=max(0.0, float(finite.min())),
            high=float(finite.max()),
        )


def fit(series: Series, rows: range | None = None) -> Model | None:
    """All of `Fitting` at once."""
    fitting = Fitting(series, rows)
    while fitting.step():
        pass
    return fitting.model()


def predict(model: Model, series: Series) -> Array | None:
    """The 24 hours after the end of a series, in its unit; None when too little is known."""
    found = predict_all(model, series.tail(PAST + 24))[-1]
    return None if np.isnan(found).any() else found


def predict_all(model: Model, series: Series) -> Array:
    """The forecasts of every hour of issue: hours by 24, NaN where too little is known."""
    features, known, now = _features(series)
    base = _design(features, model.centre, model.spread)
    at = series.first + np.arange(len(series))
    found = np.empty((len(series), HORIZON))
    for ahead in range(HORIZON):
        found[:, ahead] = now + _with_season(base, at, ahead, model.yearly) @ model.weights[ahead]
    found[~known] = np.nan
    return np.asarray(np.clip(np.maximum(found, 0.0) ** 2, model.low, model.high))


def measure(model: Model, series: Series, rows: Sequence[int]) -> Errors:
    """The errors of a model and of persistence, over the same hours and where both can be told."""
    picked = np.asarray(rows, dtype=int)
    forecast = predict_all(model, series)[picked]
    truth = np.column_stack([_later(series.values, ahead) for ahead in range(HORIZON)])[picked]
    held = np.broadcast_to(series.values[picked][:, None], truth.shape)
    usable = ~np.isnan(forecast) & ~np.isnan(truth) & ~np.isnan(held)
    count = int(usable.sum())
    if not count:
        return Errors(model=0.0, persistence=0.0, count=0)
    return Errors(
        model=float(np.abs(forecast - truth)[usable].mean()),
        persistence=float(np.abs(held - truth)[usable].mean()),
        count=count,
    )


def border(series: Series) -> int:
    """Where the hours begin on which the error is measured."""
    return int(len(series) * (1 - HELD_OUT))


def _until(series: Series, stop: int) -> Series:
    """The beginning of a series: who learns from it cannot see what comes after."""
    beside = {name: values[:stop] for name, values in series.beside.items()}
    return Series(first=series.first, values=series.values[:stop], beside=beside)


def _solved(design: Array, target: Array, held: float) -> Array:
    """Ridge, then again with each row weighed by one over its error: that way the absolute error
    is made small, which a few great errors do not rule."""
    penalty = held * np.eye(design.shape[1])
    weights = np.linalg.solve(design.T @ design + penalty, design.T @ target)
    for _ in range(ROUNDS):
        error = np.abs(design @ weights - target)
        trust = 1.0 / np.maximum(error, max(1e-9, float(np.percentile(error, 10))))
        trust /= trust.mean()
        weighed = design * trust[:, None]
        weights = np.linalg.solve(weighed.T @ design + penalty, weighed.T @ target)
    return np.asarray(weights)


def _later(values: Array, ahead: int) -> Array:
    """The value `ahead + 1` hours after each, NaN beyond the end."""
    gone = min(ahead + 1, len(values))
    return np.concatenate([values[gone:], np.full(gone, np.nan)])


def _design(features: Array, centre: Array, spread: Array) -> Array:
    """Scaled features with their products; what is unknown is the usual."""
    scaled = np.clip(np.nan_to_num((features - centre) / spread), -4.0, 4.0)
    first_beside = len(LAGS) + len(MEANS)
    keys = [*KEYS, *range(first_beside, features.shape[1], 4)]
    picked = scaled[:, keys]
    products = [picked[:, [one]] * picked[:, one:] for one in range(len(keys))]
    return np.column_stack([scaled, *products, np.ones(len(features))])


def _with_season(base: Array, at: npt.NDArray[np.int64], ahead: int, yearly: bool) -> Array:
    """The hour of day and time of year that are forecast for, alone and with the level now."""
    later = at + ahead + 1
    day, year = 2 * np.pi * (later % 24) / 24, 2 * np.pi * (later % 8766) / 8766
    waves = [wave(times * day) for times in (1, 2, 3) for wave in (np.sin, np.cos)]
    waves += [wave(times * year) * yearly for times in (1, 2) for wave in (np.sin, np.cos)]
    season = np.column_stack([*waves, *(a * b for a in waves[:2] for b in waves[6:8])])
    newest, usual = base[:, [KEYS[0]]], base[:, [KEYS[2]]]
    return np.column_stack([base, season, season[:, :10] * newest, season[:, :10] * usual])


def _features(series: Series) -> tuple[Array, Mask, Array]:
    """What is known at each hour of issue (NaN where it is not), where that is enough (the newest
    value is at most 3 hours old), and the root of that value."""
    logs = np.log1p(np.maximum(series.values, 0.0))
    carried = _carried(logs, 3)
    columns = [_earlier(carried, lag) for lag in LAGS]
    columns += [_rolled(logs, length) for length in MEANS]
    for name in sorted(series.beside):
        now = _carried(series.beside[name], 6)
        columns += [now, *(now - _earlier(now, back) for back in (3, 12, 24))]
    known = ~np.isnan(carried)
    known[: min(24, len(known))] = False
    return np.column_stack(columns), known, np.sqrt(np.expm1(carried))


def _carried(values: Array, most: int) -> Array:
    """The last known value, carried over gaps of at most `most` hours."""
    hours = np.arange(len(values))
    index = np.where(np.isnan(values), -1, hours)
    index = np.maximum.accumulate(index) if len(index) else index
    return np.where((index >= 0) & (hours - index <= most), values[index], np.nan)


def _rolled(values: Array, length: int) -> Array:
    """The mean of what is known of the last `length` hours, NaN when less than half of it is."""
    known = ~np.isnan(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    count = np.concatenate([[0], np.cumsum(known)])
    begin = np.maximum(np.arange(len(values)) + 1 - length, 0)
    amount = count[1:] - count[begin]
    sums = total[1:] - total[begin]
    return np.where(amount * 2 >= length, sums / np.maximum(amount, 1), np.nan)


def _earlier(values: Array, hours: int) -> Array:
    gone = min(hours, len(values))
    return np.concatenate([np.full(gone, np.nan), values[: len(values) - gone]])


def _nanmean(values: Array) -> Array:
    known = ~np.isnan(values)
    sums = np.where(known, values, 0.0).sum(axis=0)
    return np.asarray(sums / np.maximum(known.sum(axis=0), 1))


def _nanspread(values: Array, centre: Array) -> Array:
    return np.sqrt(_nanmean((values - centre) ** 2))
