"""Subscriptions with a timeInterval are told by the clock what is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.errors import Forbidden
from pintu.kernel.subscriptions import delivering
from tests.kernel.subscriptions.town import Town, fast, until


@pytest.fixture
async def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    """A town with three lamps."""
    monkeypatch.setattr(delivering, "SAVE_S", 0.05)
    made = await Town(tmp_path, "sqlite:", fast()).open()
    for lamp in (1, 2, 3):
        await made.change(lamp, lamp)
    yield made
    await made.close()


async def test_at_each_interval_all_that_is_meant_is_told(town: Town) -> None:
    """Whether anything changed or not; changes themselves are not told."""
    uri = await town.subscribe("a", timeInterval=15, q="power>1")
    await until(lambda: len(town.ear.heard[uri]) >= 3)
    told = [[one["power"]["value"] for one in each["data"]] for each in town.ear.heard[uri][:3]]
    state = town.subscriptions.state(town.subscription("a"))
    assert ([[2, 3]] * 3, 0) == (told, state.times_failed)


async def test_after_a_restart_the_interval_goes_on(town: Town) -> None:
    """Who was told before the stop is told when the interval is over, not at once."""
    uri = await town.subscribe("a", timeInterval=25)
    await until(lambda: len(town.ear.heard[uri]) >= 1)
    await town.close()
    await town.open()
    await until(lambda: len(town.ear.heard[uri]) >= 1)
    state = town.subscriptions.state(town.subscription("a"))
    assert 2 <= state.times_sent


async def test_a_removed_one_is_told_no_more(town: Town) -> None:
    """Neither is a paused one."""
    uri = await town.subscribe("a", timeInterval=10)
    await until(lambda: len(town.ear.heard[uri]) >= 1)
    await town.subscriptions.remove(1, "urn:ngsi-ld:Subscription:a")
    told = town.ear.asked[uri]
    await asyncio.sleep(0.08)
    assert told == town.ear.asked[uri]


async def test_who_is_refused_is_paused(town: Town) -> None:
    """The next rounds send nothing, and the reason is kept."""
    town.ways.answer = Forbidden("No grant any more")
    uri = await town.subscribe("a", timeInterval=10)
    state = town.subscriptions.state(town.subscription("a"))
    await until(lambda: bool(state.paused))
    assert ("No grant any more", 0) == (state.paused, town.ear.asked[uri])


async def test_a_clock_that_was_set_back_makes_nobody_wait_longer(town: Town) -> None:
    """A last notification in the future counts as one just now."""
    uri = await town.subscribe("a", timeInterval=20)
    await until(lambda: len(town.ear.heard[uri]) >= 1)
    await town.close()
    set_back = town.clock.now_us() - 3_600_000_000
    town.clock = CityClock(set_back, fast().real_start_us, fast().rate)
    await town.open()
    await until(lambda: len(town.ear.heard[uri]) >= 1)
    assert town.clock.now_us() < set_back + 3_600_000_000
