"""Instances aggregated over periods: of numbers, and of anything else as far as that can be
(4.5.19).

What a method cannot say of a value is left out. Truth values count as 1 and 0, lists by their
length; texts, dates and times have a smallest and a largest; objects and links are only counted.
"""

from __future__ import annotations

from collections.abc import Callable
from math import fsum, isfinite, sqrt
from typing import TYPE_CHECKING, Any, Final

import orjson

from pintu.kernel.clock import iso
from pintu.kernel.context.members import VALUE_OF
from pintu.kernel.context.temporal.asked import PERIOD_LIMIT, Asked
from pintu.kernel.context.temporal.durations import micros
from pintu.kernel.context.temporal.words import Doc, Instance, Series
from pintu.kernel.errors import BadRequestData

if TYPE_CHECKING:
    from pintu.kernel.context.temporal.choosing import Chosen

Bucket = tuple[int, int, list[Instance]]
"""(start, end, its instances), times in microseconds."""


def aggregated(kind: str, series: Series, chosen: Chosen) -> Doc:
    """One series as `{"type", method: [[value, start, end], …]}`, periods without values left
    out.

    Raises BadRequestData when the periods are too many.
    """
    asked = chosen.asked
    shown: Doc = {"type": kind}
    found: dict[str, list[list[Any]]] = {method: [] for method in asked.methods}
    member = VALUE_OF.get(kind, "value")
    for start, end, instances in buckets(series, chosen):
        values = [one.document.get(member) for one in instances if not one.deleted_us]
        if not values:
            continue
        times = [iso(start), iso(end)]
        for method in asked.methods:
            value = _said(method, values)
            if value is not None:
                found[method].append([value, *times])
    shown.update(found)
    return shown


def _said(method: str, values: list[Any]) -> Any:
    """What a method says of values; None also where no number holds it."""
    try:
        value = METHODS_OF[method](values)
    except OverflowError:
        return None
    return None if value.__class__ is float and not isfinite(value) else value


def buckets(series: Series, chosen: Chosen) -> list[Bucket]:
    """The periods that have instances, in order of time."""
    asked = chosen.asked
    timed = [(_time_us(one, asked), one) for one in series.instances]
    if not timed:
        return []
    origin, last = span(chosen)
    period = asked.period
    if period.whole:
        high = asked.high_us
        return [(origin, last if high is None else high, series.instances)]
    if (timed[-1][0] - timed[0][0]) > period.about_us * PERIOD_LIMIT:
        raise BadRequestData(
            f"aggrPeriodDuration cuts the time into more than {PERIOD_LIMIT} periods"
        )
    found: dict[int, list[Instance]] = {}
    end, current = -1, 0
    for at_us, one in timed:
        if at_us >= end:
            current = period.number(origin, at_us)
            end = period.start(origin, current + 1)
        found.setdefault(current, []).append(one)
    return [
        (period.start(origin, number), period.start(origin, number + 1), kept)
        for number, kept in found.items()
    ]


def span(chosen: Chosen) -> tuple[int, int]:
    """Where the periods of an entity begin, and the last time told: at the start of the time asked
    for, else with its first instance.
    """
    asked = chosen.asked
    ends = [
        _time_us(one, asked)
        for series in chosen.series
        for one in (series.instances[0], series.instances[-1])
    ] or [0]
    low = asked.low_us
    return (min(ends) if low is None else low), max(ends)


def _time_us(instance: Instance, asked: Asked) -> int:
    name = asked.timeproperty
    if name == "observedAt":
        return micros(instance.document["observedAt"])
    if name == "deletedAt":
        return instance.deleted_us
    return instance.created_us if name == "createdAt" else instance.modified_us


# --- methods ------------------------------------------------------------------------------------
def number_of(value: Any) -> float | None:
    """What a value counts as in sums."""
    if value.__class__ is bool:
        return 1.0 if value else 0.0
    if value.__class__ is int or value.__class__ is float:
        return float(value)
    if value.__class__ is list:
        return float(len(value))
    return None


def _numbers(values: list[Any]) -> list[float]:
    return [one for one in map(number_of, values) if one is not None]


def _sum(values: list[Any]) -> float | None:
    numbers = _numbers(values)
    return fsum(numbers) if numbers else None


def _sumsq(values: list[Any]) -> float | None:
    numbers = _numbers(values)
    return fsum(one * one for one in numbers) if numbers else None


def _avg(values: list[Any]) -> float | None:
    numbers = _numbers(values)
    return fsum(numbers) / len(numbers) if numbers else None


def _stddev(values: list[Any]) -> float | None:
    """Of all values there are, not an estimate from a sample."""
    numbers = _numbers(values)
    if not numbers:
        return None
    mean = fsum(numbers) / len(numbers)
    return sqrt(fsum((one - mean) ** 2 for one in numbers) / len(numbers))


def _extreme(choose: Callable[[Any], Any]) -> Callable[[list[Any]], Any]:
    def method(values: list[Any]) -> Any:
        numbers = _numbers(values)
        if numbers:
            return choose(numbers)
        texts = [one for one in values if one.__class__ is str]
        times = [one["@value"] for one in values if one.__class__ is dict and "@value" in one]
        texts += [one for one in times if one.__class__ is str]
        return choose(texts) if texts else None

    return method


def _distinct(values: list[Any]) -> int:
    return len({orjson.dumps(one, option=orjson.OPT_SORT_KEYS) for one in values})


METHODS_OF: Final[dict[str, Callable[[list[Any]], Any]]] = {
    "totalCount": len,
    "distinctCount": _distinct,
    "sum": _sum,
    "avg": _avg,
    "min": _extreme(min),
    "max": _extreme(max),
    "stddev": _stddev,
    "sumsq": _sumsq,
}
