"""One expression, whichever engine answers (`make show NAME=engines`): DuckDB as plain Python,
a standalone Spark cluster as DuckDB, and what a question may cost."""

from __future__ import annotations

import asyncio
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from bench import expressions as bench
from claims.words import Claim, Finding, NotRun, judged
from pintu.kernel.analytics.engines.engine import DuckEngine
from pintu.kernel.analytics.engines.shapes import samples_of
from pintu.kernel.analytics.engines.words import Sums
from pintu.kernel.analytics.filed import rows_in

BILLIONTH = 1e-9
CITY = (60, 3, 120)  # things, days, rows of each and day
MILLION = (1_000, 4, 250)
EVER = (-(2**62), 2**62)


def as_python() -> list[Finding]:
    """Every expression on DuckDB is what plain Python makes of the same rows."""
    from tests.kernel.analytics.reference import differing, expected

    things, days, each = CITY
    with tempfile.TemporaryDirectory(prefix="pintu-days-") as name:
        paths = bench.write_days(Path(name), things, days, each)
        told = _told(paths, things)
        engine = DuckEngine(Path(name), bench.LIMITS)
        rows = things * days * each
        findings = []
        for what, ask in bench.QUESTIONS.items():
            one = bench.question(ask, days)
            found = bench.asked(engine, paths, rows, one)
            reason = differing(expected(told, one), found.columns, BILLIONTH)
            figure = f"{_count(found.columns):,} rows of {rows:,}"
            findings.append(
                judged(f"{what}: DuckDB as plain Python", figure, "≤ 1e-9", not reason, reason)
            )
        engine.close()
    return findings


def _told(paths: list[Path], things: int) -> dict[tuple[str, str, str, int], Any]:
    """What was told last of each moment, read row by row."""
    last: dict[tuple[str, str, str, int], tuple[int, Any]] = {}
    asked = bench.question(Sums(), len(paths))
    for path in paths:
        for number in range(things):
            for row in rows_in(path, (1, bench.thing(number)), EVER):
                for one in samples_of(row, asked):
                    key = (one.id, one.attribute, one.dataset, one.at_us)
                    value = one.value if one.number else one.text
                    last[key] = max(last.get(key, (0, None)), (one.told, value))
    return {key: value for key, (_, value) in last.items()}


def on_spark(city: tuple[int, int, int]) -> list[Finding]:
    """The same expressions over the same files, on a standalone cluster."""
    from tests.kernel.analytics.reference import same
    from tests.spark import missing

    if why := missing():
        raise NotRun(why)
    things, days, each = city
    rows = things * days * each
    findings = []
    with tempfile.TemporaryDirectory(prefix="pintu-days-") as name, bench.spark() as spark:
        paths = bench.write_days(Path(name), things, days, each)
        duck = DuckEngine(Path(name), bench.LIMITS)
        for what, ask in bench.QUESTIONS.items():
            one = bench.question(ask, days)
            ours = bench.asked(duck, paths, rows, one).columns
            theirs = bench.asked(spark, paths, rows, one).columns
            worst, differs = 0.0, 0 if list(ours) == list(theirs) else 1
            for column, values in ours.items():
                for a, b in zip(values, theirs.get(column, []), strict=True):
                    differs += not same(a, b, BILLIONTH)
                    if isinstance(a, float) and isinstance(b, float):
                        worst = max(worst, abs(a - b) / max(1.0, abs(a), abs(b)))
            figure = f"{worst:.1e} at most, {_count(ours):,} rows of {rows:,}"
            reason = f"{differs} values differ" if differs else ""
            findings.append(
                judged(f"{what}: Spark as DuckDB", figure, "≤ 1e-9", not differs, reason)
            )
        duck.close()
    return findings


def limits() -> list[Finding]:
    """What a question may cost, asked of a running process: time, memory, rows of the answer."""
    return asyncio.run(_limits())


async def _limits() -> list[Finding]:
    from pintu.kernel.analytics.engines.asking import Analyst
    from pintu.kernel.analytics.engines.words import Limits, Question
    from pintu.kernel.analytics.history import History
    from pintu.kernel.clock import CityClock
    from pintu.kernel.errors import DeadlineExceeded, PintuError, TooComplex, Unavailable
    from pintu.kernel.store.sqlite import open_sqlite
    from pintu.kernel.tables import open_tables

    bars: dict[str, tuple[Limits, tuple[type[PintuError], ...]]] = {
        "rows of an answer": (Limits(rows=5), (TooComplex,)),
        "memory": (Limits(memory_mb=60), (TooComplex, Unavailable)),
        "time": (Limits(seconds=0.001), (DeadlineExceeded,)),
    }
    found = []
    with tempfile.TemporaryDirectory(prefix="pintu-asked-") as name:
        made: Any = bench_log(2_000)
        tables = open_tables(Path(name))
        clock = CityClock()
        store = open_sqlite(Path(name) / "city.db", clock=clock)
        history = History(made, tables, clock)
        await history.pack()
        one = Question(
            ask=Sums(), types=("AirQualityObserved",), attributes=("temperature",),
            since_us=made.begin_us, until_us=made.now_us,
        )  # fmt: skip
        for what, (most, errors) in bars.items():
            analyst = Analyst(history, tables.data, "sqlite:")
            analyst.limits = most
            began, said = time.monotonic(), "answered all the same"
            try:
                await analyst.ask(1, one)
            except PintuError as error:
                said = f"{type(error).__name__}: {error}"
                refused = isinstance(error, errors)
            else:
                refused = False
            figure = f"{said[:60]} after {time.monotonic() - began:.1f} s"
            found.append(judged(f"a question's limit of {what}", figure, "refused", refused))
            await analyst.close()
        await store.close()
        tables.close()
    return found


def bench_log(samples: int) -> Any:
    """A log of readings, made while it is read."""
    from bench import temporal

    made: Any = temporal.Made(20, samples / 20 * temporal.EVERY_US / temporal.DAY_US)
    made.begin_us = temporal.BEGIN_US
    return made


def _count(columns: dict[str, list[Any]]) -> int:
    return len(next(iter(columns.values()), []))


CLAIMS = (
    Claim(name="expressions on DuckDB", measure=as_python),
    Claim(name="limits of a question", measure=limits),
    Claim(name="expressions on Spark", measure=partial(on_spark, MILLION), full=True),
)
