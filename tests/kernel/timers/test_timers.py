"""Timers: what must happen at a time happens, over restarts and crashes, on the city's clock."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pintu.kernel.clock import CityClock, Clock
from pintu.kernel.errors import BadRequestData, TooLarge
from pintu.kernel.tables import open_tables
from pintu.kernel.timers import Firing, Timers, timers

S = 1_000_000


@dataclass(slots=True)
class HandClock:
    """Time moves when the test says so."""

    us: int = 1_000 * S
    rate: float = 1.0

    def now_us(self) -> int:
        return self.us


async def until(holds: Callable[[], object], timeout_s: float = 5.0) -> None:
    """Wait until something holds."""
    end_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end_s, "it never came true"
        await asyncio.sleep(0.005)


@dataclass(frozen=True, slots=True)
class Home:
    """Where a city keeps its timers: its folder, and its store's address."""

    data: Path
    address: str


@pytest.fixture
def home(tmp_path: Path, stores: str) -> Home:
    """A new city, on each store."""
    return Home(tmp_path, stores)


class Life:
    """One life of a city's timers, with a handler that remembers."""

    def __init__(self, home: Home, clock: Clock) -> None:
        self.tables = open_tables(home.data, home.address)
        self.timers = Timers(self.tables, clock)
        self.fired: list[Firing] = []

    async def remember(self, firing: Firing) -> None:
        self.fired.append(firing)

    async def end(self) -> None:
        await self.timers.stop()
        self.tables.close()


async def test_a_timer_fires_when_its_time_has_come_and_not_before(home: Home) -> None:
    """With its payload, once."""
    clock = HandClock()
    life = Life(home, clock)
    life.timers.on("lamp", life.remember)
    await life.timers.start()
    await life.timers.set("lamp", "L1", clock.us + 10 * S, {"level": 40})
    await asyncio.sleep(0.05)
    assert [] == life.fired
    clock.us += 10 * S
    await until(lambda: life.fired)
    (firing,) = life.fired
    assert ("lamp", "L1", {"level": 40}, 1) == (
        firing.name,
        firing.key,
        firing.payload,
        firing.attempt,
    )
    await until(lambda: life.timers.count() == 0)
    await life.end()


async def test_setting_again_moves_and_cancelling_forgets(home: Home) -> None:
    """One (name, key) is one timer."""
    clock = HandClock()
    life = Life(home, clock)
    life.timers.on("lamp", life.remember)
    await life.timers.start()
    await life.timers.set("lamp", "L1", clock.us + S)
    await life.timers.set("lamp", "L1", clock.us + 100 * S)
    await life.timers.set("lamp", "L2", clock.us + S)
    assert await life.timers.cancel("lamp", "L2")
    assert not await life.timers.cancel("lamp", "L2")
    assert clock.us + 100 * S == life.timers.due("lamp", "L1")
    clock.us += 50 * S
    await asyncio.sleep(1.1)
    assert [] == life.fired
    clock.us += 50 * S
    await until(lambda: life.fired)
    await life.end()


async def test_a_clock_that_runs_600_times_as_fast_is_followed(home: Home) -> None:
    """A minute of the city's is a tenth of a second."""
    real = time.time_ns() // 1000
    clock = CityClock(0, real, 600.0)
    life = Life(home, clock)
    life.timers.on("lamp", life.remember)
    await life.timers.start()
    begin = time.monotonic()
    await life.timers.set("lamp", "L1", clock.now_us() + 120 * S)
    await until(lambda: life.fired)
    assert 0.15 < time.monotonic() - begin < 60
    await life.end()


async def test_what_came_due_while_the_city_was_down_fires_at_once(home: Home) -> None:
    """In the order of time, and what is not due does not."""
    clock = HandClock()
    life = Life(home, clock)
    await life.timers.set("lamp", "late", clock.us + 20 * S)
    await life.timers.set("lamp", "early", clock.us + 10 * S)
    await life.timers.set("lamp", "future", clock.us + 10_000 * S)
    await life.end()
    clock.us += 1000 * S
    life = Life(home, clock)
    await life.timers.start()
    life.timers.on("lamp", life.remember)
    await until(lambda: len(life.fired) == 2)
    assert ["early", "late"] == [firing.key for firing in life.fired]
    assert 1 == life.timers.count()
    await life.end()


async def test_a_handler_that_fails_is_called_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same id, so that its work is done once; other timers go on meanwhile."""
    clock = CityClock(0, time.time_ns() // 1000, 1000.0)
    life = Life(home, clock)

    async def fail_twice(firing: Firing) -> None:
        life.fired.append(firing)
        if firing.attempt < 3:
            raise ValueError("the relay is stuck")

    monkeypatch.setattr(timers, "PAUSE_S", 0.01)
    life.timers.on("lamp", fail_twice)
    await life.timers.start()
    await life.timers.set("lamp", "L1", clock.now_us())
    await until(lambda: len(life.fired) == 3 and life.timers.count() == 0)
    assert [1, 2, 3] == [firing.attempt for firing in life.fired]
    assert 1 == len({firing.id for firing in life.fired})
    await life.end()


async def test_after_ten_failures_a_timer_stays_with_its_error(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost silently, and nothing is tried for ever."""
    monkeypatch.setattr(timers, "PAUSE_S", 0.0001)
    clock = CityClock()
    life = Life(home, clock)

    async def fail(_: Firing) -> None:
        raise ValueError("the relay is stuck")

    life.timers.on("lamp", fail)
    await life.timers.start()
    await life.timers.set("lamp", "L1", clock.now_us())
    await until(lambda: life.timers.list_failed())
    assert [("lamp", "L1", "ValueError: the relay is stuck")] == life.timers.list_failed()
    await life.end()
    again = Life(home, clock)
    again.timers.on("lamp", again.remember)
    await again.timers.start()
    await asyncio.sleep(0.05)
    assert [] == again.fired
    await again.timers.set("lamp", "L1", clock.now_us())
    await until(lambda: again.fired)
    await again.end()


async def test_a_handler_may_set_its_own_timer_again(home: Home) -> None:
    """The next time is kept, the present one is done."""
    clock = HandClock()
    life = Life(home, clock)

    async def every_minute(firing: Firing) -> None:
        life.fired.append(firing)
        await life.timers.set("lamp", "L1", firing.at_us + 60 * S)

    life.timers.on("lamp", every_minute)
    await life.timers.start()
    await life.timers.set("lamp", "L1", clock.us)
    await until(lambda: life.fired)
    clock.us += 60 * S
    await until(lambda: len(life.fired) == 2)
    await asyncio.sleep(0.05)
    assert clock.us + 60 * S == life.timers.due("lamp", "L1")
    await life.end()
    again = Life(home, clock)
    assert 1 == again.timers.count()
    await again.end()


async def test_many_due_at_once_are_all_called(home: Home) -> None:
    """No more than 32 at the same time."""
    clock = HandClock()
    life = Life(home, clock)
    running = most = 0

    async def count(firing: Firing) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        life.fired.append(firing)

    life.timers.on("lamp", count)
    for number in range(150):
        await life.timers.set("lamp", f"L{number}", clock.us)
    await life.timers.start()
    await until(lambda: life.timers.count() == 0, 10)
    assert 150 == len({firing.key for firing in life.fired}) == len(life.fired)
    assert most <= 32
    await life.end()


async def test_limits(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Payloads, names and counts are bounded."""
    life = Life(home, HandClock())
    with pytest.raises(TooLarge, match="payload"):
        await life.timers.set("lamp", "L1", 0, "x" * 20_000)
    with pytest.raises(BadRequestData, match="name and a key"):
        await life.timers.set("", "L1", 0)
    monkeypatch.setattr(timers, "MAX_TIMERS", 1)
    await life.timers.set("lamp", "L1", 0)
    await life.timers.set("lamp", "L1", 1)
    with pytest.raises(TooLarge, match="already"):
        await life.timers.set("lamp", "L2", 0)
    with pytest.raises(ValueError, match="handler already"):
        life.timers.on("x", life.remember)
        life.timers.on("x", life.remember)
    await life.end()


CHILD = textwrap.dedent(
    """
    import asyncio, sys, time
    from pathlib import Path
    from pintu.kernel.clock import CityClock
    from pintu.kernel.tables import open_tables
    from pintu.kernel.timers import Timers

    async def main():
        tables = open_tables(Path(sys.argv[1]), sys.argv[3])
        timers = Timers(tables, CityClock())
        async def stuck(firing):
            print("fired", firing.key, firing.id, flush=True)
            if sys.argv[2] == "stuck":
                await asyncio.sleep(100)
        timers.on("lamp", stuck)
        await timers.start()
        if sys.argv[2] == "stuck":
            for number in range(5):
                await timers.set("lamp", f"L{number}", time.time_ns() // 1000 + 200_000)
            print("set", flush=True)
        while True:
            await asyncio.sleep(0.05)
            if sys.argv[2] == "free" and timers.count() == 0:
                await timers.stop()
                return tables.close()
    asyncio.run(main())
    """
)


def test_kill_9_loses_no_timer(home: Home) -> None:
    """Killed while handlers run: after the start every one of them runs again, with the same id."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(home.data), "stuck", home.address],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert child.stdout is not None
    seen = [child.stdout.readline() for _ in range(6)]
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert 5 == sum(line.startswith("fired") for line in seen)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(home.data), "free", home.address],
        capture_output=True,
        text=True,
        timeout=30,
        env=environment,
        check=True,
    )
    assert sorted(line for line in seen if line.startswith("fired")) == sorted(
        done.stdout.splitlines(True)
    )
    left = Life(home, CityClock())
    assert 0 == left.timers.count()
    left.tables.close()
