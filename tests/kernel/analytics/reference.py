"""What questions about history as a whole are to answer, in plain Python and slowly: the reference
that engines are held against."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pintu.kernel.analytics.engines.words import (
    Chart,
    Hours,
    Profile,
    Question,
    Running,
    Sums,
    reads_from_us,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
Told = Mapping[tuple[str, str, str, int], Any]
"""(entity, attribute, data set, time in µs) → the value that was told last."""
Rows = list[tuple[Any, ...]]


def local(at_us: int, zone: str) -> datetime:
    """What a clock of the zone showed."""
    return (EPOCH + timedelta(microseconds=at_us)).astimezone(ZoneInfo(zone))


def day_of(at_us: int, zone: str) -> int:
    """The day of the zone, since 1970-01-01."""
    return local(at_us, zone).date().toordinal() - EPOCH.date().toordinal()


def first_of_day(day: int, zone: str, low: int, high: int) -> int:
    """The first moment between two at which it is that day or later."""
    while high - low > 1:
        middle = (low + high) // 2
        if day_of(middle, zone) >= day:
            high = middle
        else:
            low = middle
    return high


def expected(told: Told, question: Question) -> Rows:
    """The rows of the answer, in order."""
    inside = {
        key: value
        for key, value in told.items()
        if reads_from_us(question) <= key[3] < question.until_us
        and key[1] in question.attributes
        and (not question.ids or key[0] in question.ids)
    }
    numbers = {
        key: float(value)
        for key, value in inside.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    ask = question.ask
    match ask:
        case Sums():
            return [
                (*key, len(some), math.fsum(some), math.fsum(one * one for one in some), min(some),
                 max(some))
                for key, some in _by(numbers, lambda k: (*k[:3], _start(k[3], question)))
            ]  # fmt: skip
        case Chart():
            things = defaultdict(set)
            for id, name, _, at_us in numbers:
                things[name, _start(at_us, question)].add(id)
            return [
                (*key, len(things[key]), *_spread(some))
                for key, some in _by(numbers, lambda k: (k[1], _start(k[3], question)))
            ]
        case Profile():

            def hour(key: tuple[str, str, str, int]) -> tuple[Any, ...]:
                at = local(key[3], question.zone)
                return (*key[: 1 if ask.each else 0], key[1], at.weekday(), at.hour)

            return [(*key, *_spread(some)) for key, some in _by(numbers, hour)]
        case Hours():
            return _hours(inside, question, ask)
        case Running():
            return _running(numbers, question, ask)


def _by(numbers: Mapping[Any, float], key: Any) -> Iterator[tuple[tuple[Any, ...], list[float]]]:
    groups = defaultdict(list)
    for one, value in numbers.items():
        groups[key(one)].append(value)
    for group in sorted(groups):
        yield group, groups[group]


def _start(at_us: int, question: Question) -> int:
    ask: Any = question.ask
    step_us = ask.step_s * 1_000_000
    if step_us < DAY_US:
        past = (at_us - question.since_us) // step_us * step_us
        return question.since_us + int(past)
    first = day_of(question.since_us, question.zone)
    length = step_us // DAY_US
    day = first + (day_of(at_us, question.zone) - first) // length * length
    return first_of_day(day, question.zone, at_us - (length + 2) * DAY_US, at_us + 1)


def _spread(some: list[float]) -> tuple[Any, ...]:
    mean = math.fsum(some) / len(some)
    sd = math.sqrt(math.fsum((one - mean) ** 2 for one in some) / len(some))
    return len(some), mean, sd, min(some), statistics.median(some), max(some)


def _hours(inside: Told, question: Question, ask: Hours) -> Rows:
    series = defaultdict(list)
    for (id, name, dataset, at_us), value in inside.items():
        series[id, name, dataset].append((at_us, value))
    lasted: dict[tuple[Any, ...], list[int]] = {}
    for key, some in series.items():
        some.sort(key=lambda one: one[0])
        ends = [at_us for at_us, _ in some[1:]] + [question.until_us]
        for (at_us, value), after in zip(some, ends, strict=True):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if ask.at_least is not None:
                holds = number and value >= ask.at_least
            else:
                holds = not number and value in ask.states
            begin = max(at_us, question.since_us)
            end = min(after, at_us + ask.hold_s * 1_000_000, question.until_us)
            while begin < end:
                day = day_of(begin, question.zone)
                stop = end
                if day_of(end - 1, question.zone) > day:
                    stop = first_of_day(day + 1, question.zone, begin, end)
                sums = lasted.setdefault((*key, day), [0, 0])
                sums[0] += (stop - begin) * bool(holds)
                sums[1] += stop - begin
                begin = stop
    return [(*key, held / 1e6, known / 1e6) for key, (held, known) in sorted(lasted.items())]


def _running(numbers: Mapping[Any, float], question: Question, ask: Running) -> Rows:
    def hour(key: tuple[str, str, str, int]) -> tuple[Any, ...]:
        at = local(key[3], question.zone)
        return (*key[:3], day_of(key[3], question.zone), at.hour)

    days: dict[tuple[Any, ...], dict[int, float]] = defaultdict(dict)
    for key, some in _by(numbers, hour):
        days[key[:-1]][key[-1]] = math.fsum(some) / len(some)
    found = []
    for key, means in sorted(days.items()):
        best, runs = None, 0
        for last in range(ask.hours - 1, 24):
            row = [means[h] for h in range(last - ask.hours + 1, last + 1) if h in means]
            if len(row) >= ask.least:
                runs += 1
                mean = math.fsum(row) / len(row)
                best = mean if best is None else max(best, mean)
        found.append(
            (
                *key,
                len(means),
                math.fsum(means.values()) / len(means),
                max(means.values()),
                best,
                runs,
            )
        )
    return found


def differing(right: Rows, columns: Mapping[str, list[Any]], most: float = 1e-9) -> str:
    """The first thing in which an answer differs from what it is to be; empty: nothing."""
    rows = list(zip(*columns.values(), strict=True))
    if len(rows) != len(right):
        return f"{len(rows)} rows instead of {len(right)}"
    for row, wanted in zip(rows, right, strict=True):
        for name, one, other in zip(columns, row, wanted, strict=True):
            if not same(one, other, most):
                return f"{name} of {wanted} is {one!r} instead of {other!r}"
    return ""


def same(one: Any, other: Any, most: float = 1e-9) -> bool:
    """Equal; as numbers with a fraction, up to a billionth of the larger one, or of 1."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= most * max(1.0, abs(one), abs(other))
    return bool(one == other)
