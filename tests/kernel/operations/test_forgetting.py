"""The ledger forgets what ended long ago, a little at a time, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from pintu.kernel.errors import ResourceNotFound
from pintu.kernel.operations import commands

from .conftest import Home
from .test_commands import SLOW, Life


class _Calendar:
    """A clock whose days the test counts."""

    rate = 1.0

    def __init__(self) -> None:
        self.us = 1_790_000_000_000_000

    def now_us(self) -> int:
        return self.us


async def test_what_ended_long_ago_is_forgotten_a_little_at_a_time(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 400 days a final command goes with its steps, an open one stays for ever."""
    monkeypatch.setattr(commands, "TRIM_AT_ONCE", 2)
    calendar = _Calendar()
    life = Life(home, SLOW, calendar)
    old = [await life.dim(f"k{number}") for number in range(3)]
    waiting = await life.dim("open")
    for command in old:
        await life.report(command, "failed")
    await life.timers.cancel(commands.TIMER, waiting.id)
    calendar.us += 200 * 86_400_000_000
    young = await life.dim("young")
    await life.report(young, "failed")
    await life.timers.start()
    calendar.us += 200 * 86_400_000_000 - 1
    assert 5 == len(await life.commands.recent())

    async def left() -> set[str]:
        return {entry.command.id for entry in await life.commands.recent()}

    async with asyncio.timeout(5):
        while await left() != {waiting.id, young.id}:
            calendar.us += 6 * 3_600_000_000
            await asyncio.sleep(0.02)
    with pytest.raises(ResourceNotFound):
        await life.commands.history(old[0].id)
    assert "desired" == await life.state(waiting)
    assert old[0].id != (await life.dim("k0")).id
    await life.end()
