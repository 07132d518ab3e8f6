"""Subscribers are told at least once and in order, whatever their endpoints and the city do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.access import Projection
from pintu.kernel.clock import iso
from pintu.kernel.errors import Forbidden, TooManyRequests
from pintu.kernel.subscriptions import channel, delivering, following
from pintu.kernel.subscriptions.states import TAKEN, Outcome
from tests.kernel.subscriptions.town import Document, Town, fast, until

FAILED = Outcome(why="answered", detail="The endpoint answered 500")


@pytest.fixture
async def town(stores: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    """A town on each sort of store."""
    monkeypatch.setattr(delivering, "SAVE_S", 0.05)
    made = await Town(tmp_path, stores, fast()).open()
    yield made
    await made.close()


async def again(town: Town, *, killed: bool = False) -> Town:
    """The next life of a town, in the same object."""
    behave = town.ear.behave
    await (town.kill() if killed else town.close())
    await town.open()
    town.ear.behave = behave
    return town


def powers(entities: list[Document], lamp: int | None = None) -> list[int]:
    """What was told of one lamp, or of all, in order."""
    id = f"urn:ngsi-ld:Lamp:{lamp}"
    return [one["power"]["value"] for one in entities if lamp is None or one["id"] == id]


async def test_each_change_is_told_once_and_in_order(town: Town) -> None:
    """A healthy endpoint hears every value of a lamp in the order in which it was written."""
    uri = await town.subscribe("a")
    for value in range(30):
        await town.change(1, value)
    await until(lambda: len(town.ear.entities(uri)) >= 30)
    assert list(range(30)) == powers(town.ear.entities(uri))


async def test_a_new_subscription_hears_nothing_of_what_was_before(town: Town) -> None:
    """What happened before it was there is no business of it, also after a kill."""
    await town.change(1, 1)
    uri = await town.subscribe("a")
    await again(town, killed=True)
    await town.change(1, 2)
    await until(lambda: bool(town.ear.entities(uri)))
    await asyncio.sleep(0.02)
    assert [2] == powers(town.ear.entities(uri))


async def test_several_that_wait_share_a_message_each_entity_once(town: Town) -> None:
    """While one message is under way the others gather; one entity's changes stay apart."""
    gate = asyncio.Event()

    async def first_slow(_: Document) -> Outcome:
        await gate.wait()
        return TAKEN

    uri = await town.subscribe("a")
    town.ear.behave[uri] = first_slow
    await town.change(9, 0)
    await until(lambda: town.ear.asked[uri] == 1)
    for lamp, value in ((1, 1), (2, 1), (3, 1), (1, 2), (2, 2)):
        await town.change(lamp, value)
    await asyncio.sleep(0.02)
    gate.set()
    await until(lambda: len(town.ear.entities(uri)) == 6)
    sizes = [len(one["data"]) for one in town.ear.heard[uri]]
    assert ([1, 3, 2], [1, 2]) == (sizes, powers(town.ear.entities(uri), 1))


async def test_an_endpoint_that_fails_for_a_while_loses_nothing(town: Town) -> None:
    """500 again and again, then well: everything comes, in order, and is counted."""
    uri = await town.subscribe("a")

    async def failing(_: Document) -> Outcome:
        return FAILED if town.ear.asked[uri] < 6 else TAKEN

    town.ear.behave[uri] = failing
    for value in range(10):
        await town.change(1, value)
    await until(lambda: len(town.ear.entities(uri)) == 10)
    state = town.subscriptions.state(town.subscription("a"))
    assert list(range(10)) == powers(town.ear.entities(uri))
    assert (5, 0, "") == (state.times_failed, state.attempts, state.last_error)
    assert state.times_sent == state.times_failed + len(town.ear.heard[uri])


async def test_a_dead_endpoint_keeps_nobody_else_waiting_and_no_memory(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it is owed stays in the log over a bound; when it is well again it hears all of it."""
    monkeypatch.setattr(channel, "MOST_RESTING", 8)
    dead, well = await town.subscribe("dead"), await town.subscribe("well")
    broken = True

    async def behave(_: Document) -> Outcome:
        return FAILED if broken else TAKEN

    town.ear.behave[dead] = behave
    for value in range(60):
        await town.change(value % 3, value)
    await until(lambda: len(town.ear.entities(well)) == 60)
    owed = town.delivery.channels[town.subscription("dead").key]
    assert (8, True) == (len(owed.queue), owed.behind)
    broken = False
    town.delivery.retry(town.subscription("dead"))
    await until(lambda: len(town.ear.entities(dead)) == 60)
    for lamp in range(3):
        assert list(range(lamp, 60, 3)) == powers(town.ear.entities(dead), lamp)
    await town.change(1, 99)
    await until(lambda: powers(town.ear.entities(dead))[-1] == 99)
    assert 61 == len(town.ear.entities(dead))


async def test_after_a_kill_nothing_is_missing(town: Town) -> None:
    """What was owed is read from the log again: at least once, in order an entity."""
    uri = await town.subscribe("a")
    broken = True

    async def behave(_: Document) -> Outcome:
        return FAILED if broken else TAKEN

    town.ear.behave[uri] = behave
    for value in range(20):
        await town.change(1, value)
    await asyncio.sleep(0.15)  # how it does is written down
    for value in range(20, 30):
        await town.change(1, value)
    heard = town.ear.heard
    await again(town, killed=True)
    broken = False
    town.ear.heard = heard
    await until(lambda: powers(town.ear.entities(uri))[-1:] == [29])
    found = powers(town.ear.entities(uri))
    assert list(range(30)) == list(dict.fromkeys(found))
    assert found == sorted(found)


async def test_a_stop_in_order_repeats_nothing(town: Town) -> None:
    """A city that is stopped goes on where it was."""
    uri = await town.subscribe("a")
    for value in range(5):
        await town.change(1, value)
    await until(lambda: len(town.ear.entities(uri)) == 5)
    await again(town)
    await town.change(1, 5)
    await until(lambda: bool(town.ear.entities(uri)))
    await asyncio.sleep(0.02)
    assert [5] == powers(town.ear.entities(uri))


async def test_nothing_is_sent_after_unsubscribing(town: Town) -> None:
    """What waited is forgotten, and the message under way is cut off."""
    uri = await town.subscribe("a")
    started = asyncio.Event()

    async def slow(_: Document) -> Outcome:
        started.set()
        await asyncio.sleep(10)
        return TAKEN

    town.ear.behave[uri] = slow
    await town.change(1, 1)
    await started.wait()
    await town.change(1, 2)
    await town.subscriptions.remove(1, "urn:ngsi-ld:Subscription:a")
    await town.change(1, 3)
    await asyncio.sleep(0.1)
    assert ([], 1) == (town.ear.entities(uri), town.ear.asked[uri])
    await until(lambda: not any(one.startswith("notif") for one in town.store.cursors()))


async def test_one_that_failed_too_often_is_parked_until_somebody_retries(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parked: nothing is sent, nothing of the log is held for it; a retry tells what is there."""
    monkeypatch.setattr("pintu.kernel.subscriptions.states.PARKED_AFTER", 3)
    uri = await town.subscribe("a")
    broken = True

    async def behave(_: Document) -> Outcome:
        return FAILED if broken else TAKEN

    town.ear.behave[uri] = behave
    await town.change(1, 1)
    state = town.subscriptions.state(town.subscription("a"))
    await until(lambda: bool(state.parked))
    await town.change(1, 2)
    await asyncio.sleep(0.12)
    assert (3, FAILED.detail) == (town.ear.asked[uri], state.parked)
    assert "notifications owed" not in town.store.cursors()
    await again(town)
    assert 2 == town.delivery.lag(town.subscription("a"))
    broken = False
    town.delivery.retry(town.subscription("a"))
    await until(lambda: len(town.ear.entities(uri)) == 2)
    assert [1, 2] == powers(town.ear.entities(uri))


async def test_a_refused_one_is_paused_with_the_reason(town: Town) -> None:
    """A notification is a read: what the gate refuses is not sent, also not later."""
    uri = await town.subscribe("a")
    town.ways.answer = Forbidden("The agreement is over")
    await town.change(1, 1)
    state = town.subscriptions.state(town.subscription("a"))
    await until(lambda: bool(state.paused))
    await town.change(1, 2)
    town.ways.answer = Projection()
    town.delivery.retry(town.subscription("a"))
    await town.change(1, 3)
    await until(lambda: bool(town.ear.entities(uri)))
    assert [3] == powers(town.ear.entities(uri))


async def test_a_rate_that_is_used_up_is_waited_for(town: Town) -> None:
    """Too many calls a minute are nobody's failure: nothing is counted, nothing lost."""
    uri = await town.subscribe("a")
    town.ways.answer = TooManyRequests("Sixty a minute", retryAfter=5)
    await town.change(1, 1)
    await asyncio.sleep(0.03)
    town.ways.answer = Projection()
    await until(lambda: bool(town.ear.entities(uri)))
    state = town.subscriptions.state(town.subscription("a"))
    assert (1, 0) == (state.times_sent, state.times_failed)


async def test_what_must_be_written_down_is_written_before_it_is_sent(town: Town) -> None:
    """A recorded projection: the row first, then the message."""
    uri = await town.subscribe("a")
    town.ways.answer = Projection(recorded=True)
    seen: list[int] = []

    async def behave(_: Document) -> Outcome:
        seen.append(len(town.ways.written))
        return TAKEN

    town.ear.behave[uri] = behave
    await town.change(1, 1)
    await until(lambda: bool(seen))
    assert [1] == seen


async def test_throttling_tells_the_latest_of_each_entity_at_its_end(town: Town) -> None:
    """Within the time nothing is sent; then once, each entity as it is."""
    uri = await town.subscribe("a", throttling=50)
    await town.change(1, 1)
    await until(lambda: len(town.ear.heard[uri]) == 1)
    for value in (2, 3, 4):
        await town.change(1, value)
        await town.change(2, value)
    await until(lambda: len(town.ear.heard[uri]) == 2)
    await asyncio.sleep(0.02)
    told: list[Any] = [(one["id"][-1], one["power"]["value"]) for one in
                       town.ear.entities(uri)]  # fmt: skip
    assert [("1", 1), ("1", 4), ("2", 4)] == told


async def test_an_expired_one_is_told_nothing(town: Town) -> None:
    """After its end no change is told, and nothing of the log is held for it."""
    ends_us = town.clock.now_us() // 1_000_000 * 1_000_000 + 60_000_000
    uri = await town.subscribe("a", expiresAt=iso(ends_us))
    await until(lambda: town.clock.now_us() > ends_us)
    await town.change(1, 1)
    await asyncio.sleep(0.05)
    assert ([], 0) == (town.ear.entities(uri), town.delivery.lag(town.subscription("a")))


async def test_an_endpoint_that_answers_410_is_parked_at_once(town: Town) -> None:
    """It said that it wants no more."""
    uri = await town.subscribe("a")

    async def gone(_: Document) -> Outcome:
        return Outcome(why="gone", detail="The endpoint answered 410")

    town.ear.behave[uri] = gone
    await town.change(1, 1)
    state = town.subscriptions.state(town.subscription("a"))
    await until(lambda: bool(state.parked))
    assert 1 == town.ear.asked[uri]


async def test_a_failing_endpoint_keeps_few_hits_in_memory(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it failed, what is over a small bound is left to the log."""
    monkeypatch.setattr(channel, "MOST_RESTING", 4)
    uri = await town.subscribe("a")
    asked = asyncio.Event()

    async def fail(_: Document) -> Outcome:
        await asked.wait()
        return FAILED

    town.ear.behave[uri] = fail
    for value in range(12):
        await town.change(1, value)
    owed = town.delivery.channels[town.subscription("a").key]
    await until(lambda: len(owed.queue) == 12)
    asked.set()
    await until(lambda: owed.behind)
    kept = len(owed.queue)
    town.ear.behave.clear()
    await until(lambda: len(town.ear.entities(uri)) == 12)
    assert (4, list(range(12))) == (kept, powers(town.ear.entities(uri)))


async def test_many_subscribers_of_one_change_are_all_told(town: Town) -> None:
    """More than are told in one turn of the loop."""
    uris = [await town.subscribe(f"n{number}") for number in range(120)]
    await town.change(1, 1)
    await until(lambda: all(len(town.ear.entities(uri)) == 1 for uri in uris))
    assert 120 == sum(town.ear.asked.values())


async def test_who_is_far_behind_keeps_nobody_nearer_waiting(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that come back at once: the one that is owed little is through first."""
    monkeypatch.setattr(following, "PAGE", 2)
    far = await town.subscribe("far")
    for value in range(30):
        await town.change(1, value)
    near = await town.subscribe("near")
    await until(lambda: len(town.ear.entities(far)) == 30)
    await town.change(1, 30)
    await until(lambda: bool(town.ear.entities(near)))
    for id, seen in (("far", 0), ("near", 30)):
        found = town.delivery.channels.get(town.subscription(id).key)
        found = found or town.delivery._channel(town.subscription(id))
        found.behind, found.seen = True, seen
    town.ear.heard.clear()
    town.delivery.hungry(found)
    await until(lambda: len(town.ear.entities(far)) == 31)
    await until(lambda: len(town.ear.entities(near)) == 1)
    assert list(range(31)) == powers(town.ear.entities(far))
