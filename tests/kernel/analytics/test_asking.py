"""Questions about history as a whole are asked in a process of their own, which has its limits."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from pintu.kernel.analytics.engines.asking import WAITING, Analyst
from pintu.kernel.analytics.engines.words import Limits, Question, Sums
from pintu.kernel.errors import DeadlineExceeded, TooComplex, TooManyRequests, Unavailable
from tests.kernel.analytics.conftest import BEGIN_US, DAY_US, Town, reading, sensor

ONE_STORE = pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
SPAN: dict[str, Any] = {"since_us": BEGIN_US, "until_us": BEGIN_US + DAY_US}
QUESTION = Question(ask=Sums(), types=("Sensor",), attributes=("t",), **SPAN)


async def test_one_process_answers_what_the_log_holds_now(town: Town) -> None:
    """Rows that nobody packed yet count, one process answers again and again, and it is over with
    the city."""
    analyst = town.history.analyst
    await town.write(sensor(1), t=reading(2.5, BEGIN_US + 5))
    found = await analyst.ask(1, QUESTION)
    assert ([2.5], [1], "duckdb") == (found.columns["sum"], found.columns["count"], found.engine)
    process = analyst.pid
    assert {} == (await analyst.ask(2, QUESTION)).columns  # another tenant's
    assert process == analyst.pid
    await town.history.stop()
    assert analyst.pid is None


@ONE_STORE
async def test_a_question_has_limits(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of time, memory and rows: each is said, and the next question is answered."""
    analyst = town.history.analyst
    try:
        await town.write(sensor(1), t=reading(1, BEGIN_US))
        await town.write(sensor(1), t=reading(1, BEGIN_US + 3_600_000_000))
        analyst.limits = Limits(rows=1)
        with pytest.raises(TooComplex, match="more than 1 rows"):
            await analyst.ask(1, QUESTION)
        await analyst.close()
        analyst.limits = Limits(memory_mb=60)
        with pytest.raises((TooComplex, Unavailable), match="memory"):
            await analyst.ask(1, QUESTION)
        await analyst.close()
        analyst.limits = Limits(seconds=0.001)
        with pytest.raises(DeadlineExceeded, match="ask for less"):
            await analyst.ask(1, QUESTION)
        assert analyst.pid is None
        monkeypatch.setattr("pintu.kernel.analytics.engines.asking.WAITING", 0)
        with pytest.raises(TooManyRequests):
            await analyst.ask(1, QUESTION)
        assert WAITING > 0
    finally:
        await analyst.close()


@ONE_STORE
async def test_who_goes_away_leaves_no_answer_behind(town: Town) -> None:
    """A question that was given up is not answered to whoever asks next."""
    analyst = town.history.analyst
    await town.write(sensor(1), t=reading(7, BEGIN_US))
    task = asyncio.create_task(analyst.ask(1, QUESTION))
    while analyst.pid is None:
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    later = msgspec.structs.replace(QUESTION, ids=("urn:ngsi-ld:Sensor:nobody",))
    try:
        assert {} == {k: v for k, v in (await analyst.ask(1, later)).columns.items() if v}
    finally:
        await analyst.close()


@ONE_STORE
async def test_an_engine_that_is_not_there_is_said(town: Town) -> None:
    """A cluster nobody runs, and a city without Spark: a sentence, not a traceback."""
    analyst = Analyst(town.history, town.history.filing.folder.parent, "sqlite:", "nonsense")
    with pytest.raises(Unavailable, match="neither duckdb nor"):
        await analyst.ask(1, QUESTION)
    assert analyst.pid is None


def test_the_broker_loads_no_engine() -> None:
    """What the broker imports brings in neither Ibis nor DuckDB, pandas or Spark."""
    program = (
        "import sys, pintu.city, pintu.kernel.analytics.engines.asking\n"
        "print(*sorted({'ibis', 'duckdb', 'pandas', 'pyspark', 'sqlglot'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "" == done.stdout.strip()
