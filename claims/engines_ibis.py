"""One expression, whichever engine answers (`make show NAME=engines`): DuckDB as plain Python,
a standalone Spark cluster as DuckDB, and what a question may cost."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from bench import expressions as bench
from bench import temporal
from claims.words import Claim, Finding, NotRun, judged
from pintu.kernel.analytics.engines.asking import Analyst
from pintu.kernel.analytics.engines.engine import DuckEngine
from pintu.kernel.analytics.engines.shapes import samples_of
from pintu.kernel.analytics.engines.words import Limits, Question, Sums
from pintu.kernel.analytics.filed import rows_in
from pintu.kernel.analytics.history import History
from pintu.kernel.clock import CityClock
from pintu.kernel.tables import open_tables

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
    from pintu.kernel.errors import DeadlineExceeded, PintuError, TooComplex, Unavailable

    bars: dict[str, tuple[Limits, tuple[type[PintuError], ...]]] = {
        "rows of an answer": (Limits(rows=5), (TooComplex,)),
        "memory": (Limits(memory_mb=60), (TooComplex, Unavailable)),
        "time": (Limits(seconds=0.001), (DeadlineExceeded,)),
    }
    found = []
    async with _city(2_000) as (history, one):
        for what, (most, errors) in bars.items():
            analyst = Analyst(history, history.filing.folder.parent, "sqlite:")
            analyst.limits = most
            began, said, refused = time.monotonic(), "answered all the same", False
            try:
                await analyst.ask(1, one)
            except PintuError as error:
                said = f"{type(error).__name__}: {error}"
                refused = isinstance(error, errors)
            figure = f"{said[:60]} after {time.monotonic() - began:.1f} s"
            found.append(judged(f"a question's limit of {what}", figure, "refused", refused))
            await analyst.close()
    return found


def through_the_city() -> list[Finding]:
    """A question asked of a city whose engine is a cluster, of files and of what is in none yet;
    and that nothing of it is left when the city lets go."""
    from tests.spark import cluster, missing

    if why := missing():
        raise NotRun(why)
    with tempfile.TemporaryDirectory(prefix="pintu-spark-") as name, cluster(Path(name)) as address:
        return asyncio.run(_through(address))


async def _through(address: str) -> list[Finding]:
    from tests.kernel.analytics.reference import same

    async with _city(20_000, filed=True) as (history, one):
        answers, began = [], time.monotonic()
        left: list[psutil.Process] = []
        for engine in ("duckdb", address):
            analyst = Analyst(history, history.filing.folder.parent, "sqlite:", engine)
            analyst.limits = Limits(seconds=300.0)
            answers.append((await analyst.ask(1, one)).columns)
            left += psutil.Process(analyst.pid).children(recursive=True)
            await analyst.close()
        ours, theirs = answers
        alike = list(ours) == list(theirs) and all(
            same(a, b) for name in ours for a, b in zip(ours[name], theirs[name], strict=True)
        )
        _, alive = psutil.wait_procs(left, timeout=20)
    figure = f"{_count(ours):,} rows in {time.monotonic() - began:.0f} s"
    return [
        judged("a city's engine is a cluster: equal to DuckDB", figure, "≤ 1e-9", alike),
        judged("processes left when it lets go", str(len(alive)), "0", not alive),
    ]


@contextlib.asynccontextmanager
async def _city(samples: int, *, filed: bool = False) -> AsyncIterator[tuple[History, Question]]:
    """A history of readings, packed, the older days in files; and a question about all of it."""
    with tempfile.TemporaryDirectory(prefix="pintu-asked-") as name:
        made: Any = temporal.Made(20, samples / 20 * temporal.EVERY_US / temporal.DAY_US)
        tables = open_tables(Path(name))
        history = History(made, tables, CityClock())
        await history.pack()
        if filed:
            await history.filing.night(made.now_us - temporal.DAY_US)
        yield history, Question(
            ask=Sums(), types=("AirQualityObserved",), attributes=("temperature",),
            since_us=temporal.BEGIN_US, until_us=made.now_us,
        )  # fmt: skip
        tables.close()


def _count(columns: dict[str, list[Any]]) -> int:
    return len(next(iter(columns.values()), []))


CLAIMS = (
    Claim(name="expressions on DuckDB", measure=as_python),
    Claim(name="limits of a question", measure=limits),
    Claim(name="expressions on Spark", measure=partial(on_spark, MILLION), full=True),
    Claim(name="a city on Spark", measure=through_the_city, full=True),
)
