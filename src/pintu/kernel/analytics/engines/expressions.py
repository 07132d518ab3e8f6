"""What is asked of samples, as expressions: pure functions from a table to a table, without a word
of SQL. Every engine that Ibis speaks to computes them alike.

Whole numbers stay whole numbers (times in µs, days, seconds that lasted), so only sums of values
depend on the order in which an engine adds.
"""

from __future__ import annotations

from typing import Any, Final

import ibis

from pintu.kernel.analytics.engines.calendar import days, offsets
from pintu.kernel.analytics.engines.samples import Table
from pintu.kernel.analytics.engines.words import (
    DAY_S,
    SECOND_US,
    Chart,
    Hours,
    Profile,
    Question,
    Running,
    Sums,
)
from pintu.kernel.analytics.rollups import DAY_US, HOUR_US

SERIES: Final = ("id", "attribute", "dataset")
Column = Any


def answer(samples: Table, question: Question) -> Table:
    """What a question asks of its samples, in order of the first columns."""
    ask = question.ask
    match ask:
        case Sums():
            return sums(samples, question, ask)
        case Chart():
            return chart(samples, question, ask)
        case Profile():
            return profile(samples, question, ask)
        case Hours():
            return hours(samples, question, ask)
        case Running():
            return running(samples, question, ask)


def sums(samples: Table, question: Question, ask: Sums) -> Table:
    """count, sum, sumsq, low, high of each series and period."""
    some = begun(samples.filter(samples.number), question, ask.step_s)
    value = some.value
    return some.group_by(*SERIES, "start_us").agg(
        count=some.count(), sum=value.sum(), sumsq=(value * value).sum(),
        low=value.min(), high=value.max(),
    ).order_by(*SERIES, "start_us")  # fmt: skip


def chart(samples: Table, question: Question, ask: Chart) -> Table:
    """How all entities together did in each period."""
    some = begun(samples.filter(samples.number), question, ask.step_s)
    keys = ("attribute", "start_us")
    return some.group_by(*keys).agg(things=some.id.nunique(), **spread(some)).order_by(*keys)


def profile(samples: Table, question: Question, ask: Profile) -> Table:
    """How each hour of the week usually is."""
    local = on_the_clock(samples.filter(samples.number), question)
    day = local.local_us // DAY_US
    some = local.mutate(weekday=(day + 3) % 7, hour=local.local_us % DAY_US // HOUR_US)
    keys = (*(("id",) if ask.each else ()), "attribute", "weekday", "hour")
    return some.group_by(*keys).agg(**spread(some)).order_by(*keys)


def spread(some: Table) -> dict[str, Column]:
    """What is told of many values."""
    value = some.value
    return {
        "count": some.count(),
        "mean": value.mean(),
        "sd": value.std(how="pop"),
        "low": value.min(),
        "median": value.median(),
        "high": value.max(),
    }


def hours(samples: Table, question: Question, ask: Hours) -> Table:
    """How long a state lasted on each day, and of how long anything is known."""
    if ask.at_least is not None:
        holds = samples.number & (samples.value >= ask.at_least)
    else:
        holds = samples.text.isin(ask.states)
    row = ibis.window(group_by=list(SERIES), order_by="at_us")
    after = samples.at_us.lead().over(row)
    most = samples.at_us + ask.hold_s * SECOND_US
    some = samples.mutate(
        holds=holds,
        at_us=ibis.greatest(samples.at_us, ibis.literal(question.since_us)),
        end_us=ibis.least(ibis.coalesce(after, most), most, ibis.literal(question.until_us)),
    )
    some = on_the_clock(some.filter(some.end_us > some.at_us), question)
    some = some.mutate(day=some.local_us // DAY_US)
    some = some.inner_join(_days(question).select("day", day_end_us="end_us"), "day")
    today = some.select(
        *SERIES, "day", "holds", lasted=ibis.least(some.end_us, some.day_end_us) - some.at_us
    )
    over = some.filter(some.end_us > some.day_end_us)
    tomorrow = over.select(
        *SERIES, "holds", day=over.day + 1, lasted=over.end_us - over.day_end_us
    ).select(*today.columns)
    parts = today.union(tomorrow)
    keys = (*SERIES, "day")
    return parts.group_by(*keys).agg(
        seconds=parts.lasted.sum(where=parts.holds).fill_null(0) / float(SECOND_US),
        known=parts.lasted.sum() / float(SECOND_US),
    ).order_by(*keys)  # fmt: skip


def running(samples: Table, question: Question, ask: Running) -> Table:
    """The mean of each day's hours, and the largest of its means of some hours in a row."""
    local = on_the_clock(samples.filter(samples.number), question)
    some = local.mutate(day=local.local_us // DAY_US, hour=local.local_us % DAY_US // HOUR_US)
    keys = (*SERIES, "day")
    told = some.group_by(*keys, "hour").agg(mean=some.value.mean())
    # a row of hours may end with one that nobody told of
    every = ibis.memtable([{"hour": hour} for hour in range(24)], schema={"hour": "int64"})
    whole = told.select(*keys).distinct().cross_join(every).select(*keys, "hour")
    hourly = whole.left_join(told, [*keys, "hour"]).select(*keys, "hour", "mean")
    row = ibis.range_window(
        group_by=list(keys), order_by="hour", preceding=ask.hours - 1, following=0
    )
    mean = hourly["mean"]
    seen = hourly.mutate(run=mean.mean().over(row), known=mean.count().over(row))
    fits = (seen.known >= ask.least) & (seen.hour >= ask.hours - 1)
    return seen.group_by(*keys).agg(
        hours=seen["mean"].count(), mean=seen["mean"].mean(), high=seen["mean"].max(),
        best=seen.run.max(where=fits), runs=fits.sum(),
    ).order_by(*keys)  # fmt: skip


# --- time ---------------------------------------------------------------------------------------
def on_the_clock(some: Table, question: Question) -> Table:
    """With `local_us`: what a clock of the zone showed, as if it were UTC."""
    *changes, (_, last) = offsets(question.zone, question.since_us, question.until_us)
    at_us = some.at_us
    offset = (
        ibis.cases(*((at_us < until, told) for until, told in changes), else_=last)
        if changes
        else ibis.literal(last)
    )
    return some.mutate(local_us=at_us + offset.cast("int64"))


def begun(some: Table, question: Question, step_s: int) -> Table:
    """With `start_us`: when a sample's period began. Parts of a day are counted from the beginning
    of the time asked for; whole days are the zone's, counted from its first one."""
    step_us, since_us = step_s * SECOND_US, question.since_us
    if step_s < DAY_S:
        return some.mutate(start_us=some.at_us - (some.at_us - since_us) % step_us)
    clock = on_the_clock(some, question)
    first = days(question.zone, question.since_us, question.until_us)[0].day
    day = clock.local_us // DAY_US
    numbered = clock.mutate(day=day - (day - first) % (step_us // DAY_US))
    return numbered.inner_join(_days(question).select("day", start_us="begin_us"), "day")


def _days(question: Question) -> Table:
    told = days(question.zone, question.since_us, question.until_us)
    schema = ibis.schema({"day": "int64", "begin_us": "int64", "end_us": "int64"})
    return ibis.memtable([one._asdict() for one in told], schema=schema)
