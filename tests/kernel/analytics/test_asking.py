"""Questions about history as a whole are asked in a process of their own, which has its limits."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.analytics.engines.engine import open_engine
from pintu.kernel.analytics.engines.words import Limits, Question, Sums
from pintu.kernel.errors import ConfigurationError, DeadlineExceeded, TooComplex, TooManyRequests
from tests.kernel.analytics.conftest import BEGIN_US, DAY_US, Town, reading, sensor

ONE_STORE = pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
SPAN: dict[str, Any] = {"since_us": BEGIN_US, "until_us": BEGIN_US + DAY_US}
QUESTION = Question(ask=Sums(), types=("Sensor",), attributes=("t",), **SPAN)


@ONE_STORE
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
    """Of rows, time and how many wait: each is said; and a question that was given up is not
    answered to whoever asks next."""
    analyst = town.history.analyst
    try:
        await town.write(sensor(1), t=reading(1, BEGIN_US))
        await town.write(sensor(1), t=reading(1, BEGIN_US + 3_600_000_000))
        analyst.limits = Limits(rows=1)
        with pytest.raises(TooComplex, match="more than 1 rows"):
            await analyst.ask(1, QUESTION)
        analyst.limits = Limits(seconds=0.001)
        with pytest.raises(DeadlineExceeded, match="ask for less"):
            await analyst.ask(1, QUESTION)
        assert analyst.pid is None
        monkeypatch.setattr("pintu.kernel.analytics.engines.asking.WAITING", 0)
        with pytest.raises(TooManyRequests):
            await analyst.ask(1, QUESTION)
        monkeypatch.undo()
        task = asyncio.create_task(analyst.ask(1, QUESTION))
        while analyst.pid is None:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert analyst.pid is None
    finally:
        await analyst.close()


def test_an_engine_that_is_not_there_is_said(tmp_path: Path) -> None:
    """What is no engine's address, and an engine that no memory holds: a sentence."""
    with pytest.raises(ConfigurationError, match="neither duckdb nor"):
        open_engine("nonsense", tmp_path, Limits())


def test_the_broker_loads_no_engine() -> None:
    """What the broker imports brings in neither Ibis nor DuckDB, pandas or Spark."""
    program = (
        "import sys, pintu.kernel.analytics.opening, pintu.kit.work, pintu.web.api.analyses\n"
        "print(*sorted({'ibis', 'duckdb', 'pandas', 'pyspark', 'sqlglot'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "" == done.stdout.strip()
