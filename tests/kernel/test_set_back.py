"""A clock that is set back by an hour makes nobody wait for an hour."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.errors import TooManyRequests
from pintu.kernel.identity.attempts import FailedAttempts
from pintu.kernel.identity.sign_in_schema import TABLES
from pintu.kernel.identity.waiting import Waiting
from pintu.kernel.tables import open_tables
from pintu.kernel.timers import Timers, timers

HOUR_US = 3_600_000_000
NOW_US = 1_700_000_000_000_000


class HandClock:
    """Stands where it is put."""

    rate = 1.0

    def __init__(self) -> None:
        self.now = NOW_US

    def now_us(self) -> int:
        return self.now


def test_a_wrong_token_is_told_to_wait_as_before() -> None:
    """Not for as long as the clock was set back."""
    attempts = FailedAttempts(limit=3)
    waits = [attempts.record("192.0.2.1", NOW_US) for _ in range(3)]
    assert [0.0, 0.0, 0.0] == waits
    assert attempts.record("192.0.2.1", NOW_US - HOUR_US) <= 60


async def test_a_wrong_password_waits_no_longer_than_told(tmp_path: Path) -> None:
    """And the wait goes by."""
    clock, tables = HandClock(), open_tables(tmp_path, "sqlite:")
    waiting = Waiting(tables.register(TABLES), clock)
    told = 0
    while not told:
        try:
            await waiting.count(("account", "a"))
        except TooManyRequests as error:
            told = int(error.extra["retryAfter"])
    clock.now -= HOUR_US
    with pytest.raises(TooManyRequests) as again:
        await waiting.count(("account", "a"))
    assert again.value.extra["retryAfter"] <= told
    clock.now += (told + 1) * 1_000_000
    await waiting.count(("account", "a"))
    tables.close()


async def test_a_timer_that_failed_is_called_again_in_real_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the clock was set meanwhile."""
    monkeypatch.setattr(timers, "PAUSE_S", 0.01)
    monkeypatch.setattr(timers, "LONGEST_SLEEP_S", 0.01)
    clock, tables = HandClock(), open_tables(tmp_path, "sqlite:")
    room = Timers(tables, clock)
    calls: list[int] = []

    async def fail_once(firing: Any) -> None:
        calls.append(firing.attempt)
        if len(calls) == 1:
            clock.now -= HOUR_US // 3600
            raise ValueError("the relay is stuck")

    room.on("lamp", fail_once)
    await room.start()
    await room.set("lamp", "L1", NOW_US - HOUR_US)
    for _ in range(300):
        await asyncio.sleep(0.01)
        if len(calls) == 2:
            break
    assert [1, 2] == calls
    await room.stop()
    tables.close()
