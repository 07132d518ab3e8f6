"""What may happen in between: at an await, at a kill, while somebody else is slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pintu.kernel.store.port import Change, settled
from pintu.kernel.subscriptions import channel, delivering, following, telling
from pintu.kernel.subscriptions.matching import Matcher
from pintu.kernel.subscriptions.states import TAKEN, Outcome
from tests.kernel.subscriptions.town import Document, Town, fast, until


@pytest.fixture
async def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    """A town on a file."""
    monkeypatch.setattr(delivering, "SAVE_S", 0.02)
    made = await Town(tmp_path, "sqlite:", fast()).open()
    yield made
    await made.close()


def heard(town: Town, uri: str) -> list[int]:
    """The values an address was told, in order."""
    return [one["power"]["value"] for one in town.ear.entities(uri)]


async def test_a_change_is_not_lost_between_who_offers_and_who_reads(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slice of a change's subscribers was refused by one who is behind; before the next slice
    the reader is through: it says "here" only when it has read that change, too."""
    uri = await town.subscribe("a")
    await town.change(1, 1)
    await until(lambda: heard(town, uri) == [1])
    follower = town.delivery.follower
    reader = town.delivery._reader
    behind = town.delivery._channel(town.subscription("a"))
    behind.behind, behind.seen = True, 0
    follower.offered = follower.position + 1  # the next change is being told of
    await reader._page(0, [behind])
    assert behind.behind
    follower.offered = follower.position
    await reader._page(1, [behind])
    assert not behind.behind


async def test_who_has_unsubscribed_is_not_told_of_what_was_found_before(town: Town) -> None:
    """A hit that waits for its slice makes no channel and no state for a subscription that went."""
    uri = await town.subscribe("a")
    await town.change(1, 1)
    await until(lambda: heard(town, uri) == [1])
    [row] = await settled(town.store.changes(0, 10))
    hits = await town.delivery.follower.concerned(row)
    key = town.subscription("a").key
    await town.subscriptions.remove(*key)
    town.delivery._take(hits)
    assert (1, False, False) == (
        len(hits), key in town.delivery.channels, key in town.subscriptions.states,
    )  # fmt: skip


async def test_who_comes_while_the_last_one_is_forgotten_is_followed_for(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cursor of the new one is written down, and a kill loses nothing of it."""
    first = await town.subscribe("a")
    await town.change(1, 1)
    await until(lambda: heard(town, first) == [1])
    save = town.store.save_cursor

    async def slowly(name: str, position: int | None) -> None:
        await asyncio.sleep(0.03)
        await save(name, position)

    monkeypatch.setattr(town.store, "save_cursor", slowly)
    await town.subscriptions.remove(1, "urn:ngsi-ld:Subscription:a")
    await until(lambda: not town.delivery.follower.running)
    second = await town.subscribe("b")
    await town.change(1, 2)
    await until(lambda: heard(town, second) == [2])
    await until(lambda: town.store.cursors().get(delivering.FOLLOWED) == 2)


async def test_a_subscription_that_is_answered_is_told_after_a_kill(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the first one of a city, killed before anything else was written down."""

    async def nothing() -> None: ...

    monkeypatch.setattr(town.delivery, "save", nothing)
    await town.change(1, 1)
    uri = await town.subscribe("a")

    async def away(_: Document) -> Outcome:
        return Outcome(why="unreached")

    town.ear.behave[uri] = away
    await town.change(1, 2)
    await town.kill()
    await town.open()
    await until(lambda: heard(town, uri) == [2])


async def test_large_documents_wait_in_the_log(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel holds so many bytes; nothing of what it does not hold is lost."""
    monkeypatch.setattr(channel, "MOST_HELD", 1_000)
    gate = asyncio.Event()

    async def slow(_: Document) -> Outcome:
        await gate.wait()
        return TAKEN

    uri = await town.subscribe("a")
    town.ear.behave[uri] = slow
    for value in range(60):
        await town.change(1, value)
    owed = town.delivery.channels[town.subscription("a").key]
    assert owed.behind
    assert len(owed.queue) < 15
    gate.set()
    await until(lambda: len(heard(town, uri)) == 60)
    assert list(range(60)) == heard(town, uri)


async def test_a_host_that_is_slow_leaves_places_to_others(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many subscriptions one application has that takes its time."""
    monkeypatch.setattr(telling, "ONE_HOST", 2)
    monkeypatch.setattr(town.delivery.teller, "_quick", telling.Places(3))
    gate = asyncio.Event()

    async def slow(_: Document) -> Outcome:
        await gate.wait()
        return TAKEN

    for at_once in (True, False):
        gate.clear()
        town.ways.at_once = at_once
        slowly = [
            await town.subscribe(f"slow{number}{at_once}", "http://slow.example/")
            for number in range(8)
        ]
        town.ear.behave.update((uri, slow) for uri in slowly)
        quick = await town.subscribe(f"quick{at_once}", "http://quick.example/")
        await town.change(1, 7)
        await until(lambda: heard(town, quick) == [7])  # noqa: B023
        assert [] == [one for uri in slowly for one in heard(town, uri)]
        gate.set()
        await until(lambda: all(heard(town, uri) == [7] for uri in slowly))  # noqa: B023
        await town.change(1, 8)
        await until(lambda: all(heard(town, uri) == [7, 8] for uri in slowly))  # noqa: B023


async def test_parking_in_the_middle_of_a_message_is_no_failure(town: Town) -> None:
    """It arrives or not: nothing is counted that did not happen."""
    gate = asyncio.Event()

    async def slow(_: Document) -> Outcome:
        await gate.wait()
        return TAKEN

    for id, town.ways.at_once in (("a", True), ("b", False)):
        gate.clear()
        uri = await town.subscribe(id)
        town.ear.behave[uri] = slow
        await town.change(1, 1)
        await until(lambda: town.ear.asked[uri] == 1)  # noqa: B023
        town.delivery.park(town.subscription(id), "A person said so")
        gate.set()
        await until(lambda: heard(town, uri) == [1])  # noqa: B023
        state = town.subscriptions.state(town.subscription(id))
        assert (0, "A person said so") == (state.times_failed, state.parked)


async def test_one_change_that_cannot_be_matched_stops_nobody(
    town: Town, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said in the log; the next one is told."""
    uri = await town.subscribe("a")
    right = Matcher.concerned

    def breaks(self: Matcher, change: object, lookup: object = None) -> object:
        if getattr(change, "position", 0) == 2:
            raise KeyError("coordinates")
        return right(self, change, lookup)  # type: ignore[arg-type]

    monkeypatch.setattr(Matcher, "concerned", breaks)
    for value in (1, 2, 3):
        await town.change(1, value)
    await until(lambda: heard(town, uri) == [1, 3])
    assert "Change 2 concerns nobody" in caplog.text
    assert following.log.name == caplog.records[0].name


@pytest.mark.parametrize("at_once", [True, False])
async def test_who_fails_while_the_log_is_read_for_it_misses_nothing(
    town: Town, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    """A message fails amid a page: what is over the bound of one that fails is given up, and read
    again, not passed over with the rest of the page. It is sent before the page is through."""
    monkeypatch.setattr(channel, "MOST_RESTING", 3)
    town.ways.at_once = at_once
    for value in range(1, 31):
        await town.change(1, value)
    uri = await town.subscribe("a")
    fails, gate = asyncio.Event(), asyncio.Event()

    async def slow(_: Document) -> Outcome:
        if gate.is_set():
            return TAKEN
        fails.set()
        await gate.wait()
        return Outcome(why="unreached", detail="away")

    town.ear.behave[uri] = slow
    rebuild = town.ways._rebuilder.rebuild
    read = 0

    async def slowly(change: Change) -> Change:
        nonlocal read
        read += 1
        if read == 12:
            await fails.wait()
            gate.set()
            await asyncio.sleep(0.02)  # it fails now
        return await rebuild(change)

    monkeypatch.setattr(town.ways._rebuilder, "rebuild", slowly)
    behind = town.delivery._channel(town.subscription("a"))
    behind.behind, behind.seen = True, 0
    town.delivery._reader.wake()
    await until(lambda: len(heard(town, uri)) == 30)
    assert list(range(1, 31)) == heard(town, uri)
