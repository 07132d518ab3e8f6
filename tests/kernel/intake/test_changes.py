"""Changes over the socket: what there is, then what changes, each once, at the reader's pace."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pintu.kernel.intake import changes
from pintu.kernel.intake.words import (
    Batch,
    Changed,
    Update,
)

from .conftest import batch, lamp
from .door import LAMP, Door, Reader


# --- changes --------------------------------------------------------------------------------------
def values(taken: list[Changed]) -> list[tuple[str, str, Any]]:
    """(lamp, verb, power) of what a watcher saw."""
    return [
        (c.id.removeprefix(LAMP), c.verb, c.entity.get("activePower", {}).get("value"))
        for c in taken
    ]


async def test_a_watcher_sees_what_there_is_and_then_what_changes(door: Door) -> None:
    """Of its types and tenant, whole entities, in order."""
    link = await door.link()
    await link.accept(batch("b1", lamp(1, power=1), lamp(2, power=2)))
    watcher = Reader(link.changes(["Streetlight"], "demo"))
    assert {("1", "created", 1), ("2", "created", 2)} == set(values(await watcher.wait(2)))
    await link.accept(batch("b2", lamp(1, power=3), Update({"id": "urn:a:b", "type": "Other"})))
    await link.accept(Batch("x/y", "elsewhere", "k", [lamp(5)]))
    await link.accept(batch("b3", lamp(3, power=4)))
    assert [("1", "updated", 3), ("3", "created", 4)] == values(await watcher.wait(4))[2:]
    seen = watcher.taken[2]
    assert (("activePower",), "street_lights/mqtt") == (seen.changed, seen.source)
    await watcher.stop()


async def test_a_tenant_may_come_later_than_its_watcher(door: Door) -> None:
    """Nobody has to wait for the first message to subscribe."""
    link = await door.link()
    watcher = Reader(link.changes([], "later"))
    await asyncio.sleep(0.05)
    await link.accept(Batch("x/y", "later", "k", [lamp(5)]))
    assert [("5", "created", 60)] == values(await watcher.wait(1))
    await watcher.stop()


async def test_a_slow_watcher_loses_nothing(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker keeps few changes in memory and reads the rest from its log; the lag is shown."""
    monkeypatch.setattr(changes, "RECENT", 20)
    monkeypatch.setattr(changes, "FRAME_LINES", 10)
    link = await door.link()
    stream = link.changes([], "demo")
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.05)
    for number in range(30):
        await link.accept(batch(f"b{number}", *(lamp(n, power=number) for n in range(10))))
    seen = [await waiting]
    await asyncio.sleep(0.05)
    lag = door.server.lags()["field"]  # type: ignore[union-attr]
    while len(seen) < 300:
        seen.append(await asyncio.wait_for(anext(stream), 5))
    assert 290 <= lag
    assert [str(n % 10) for n in range(300)] == [lamp_number for lamp_number, _, _ in values(seen)]
    await stream.aclose()


async def test_a_watcher_goes_on_over_a_restart_of_the_broker(door: Door) -> None:
    """Each change once, those during the gap too."""
    link = await door.link()
    watcher = Reader(link.changes([], "demo"))
    await asyncio.sleep(0.05)
    await link.accept(batch("b1", lamp(1, power=1)))
    await watcher.wait(1)
    await door.shut()
    await door.scene.intake.accept(batch("b2", lamp(1, power=2)))
    await door.open()
    await link.accept(batch("b3", lamp(2, power=3)))
    await watcher.wait(3)
    await asyncio.sleep(0.05)
    assert [("1", "created"), ("1", "updated"), ("2", "created")] == [
        v[:2] for v in values(watcher.taken)
    ]
    await watcher.stop()


async def test_a_subscription_that_ends_is_forgotten(door: Door) -> None:
    """On both sides."""
    link = await door.link()
    for _ in range(100):
        stream = link.changes([], "demo")
        task = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await stream.aclose()
    assert 1 == (await link.accept(batch("b1", lamp(1)))).accepted
    assert {} == link._subscribed


async def test_everything_there_is_comes_in_pages(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More entities than fit a frame."""
    monkeypatch.setattr(changes, "PAGE", 7)
    link = await door.link()
    await link.accept(batch("b1", *(lamp(n) for n in range(50))))
    watcher = Reader(link.changes([], "demo"))
    assert 50 == len({change.id for change in await watcher.wait(50)})
    await watcher.stop()
