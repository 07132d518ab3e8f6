"""The feed: catch-up and live as one stream, durable cursors, bounded buffers, coalescing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.context.record import Put, Remove
from pintu.kernel.errors import BadRequestData, StateConflict, Unavailable
from pintu.kernel.feed import Coalescer, Feed, Subscription, cursor_of, position_of, stream
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Change, Op, Store, settled


@pytest.fixture
async def store(stores: str, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store, of each sort."""
    made = await open_store(stores, tmp_path, clock=CityClock())
    yield made
    await made.close()


def write(id: int, value: int = 0, type: str = "Lamp", tenant: int = 1) -> Op:
    """Create or update one entity."""
    doc: dict[str, Any] = {
        "id": f"urn:x:{id}",
        "type": type,
        "power": {"type": "Property", "value": value},
    }
    return Op(
        tenant,
        doc["id"],
        lambda record, now: (
            Put(doc, "created") if record is None else Put(doc, "updated", ("power",))
        ),
    )


async def take(subscription: Subscription, count: int) -> list[Change]:
    """The next so many changes."""
    taken: list[Change] = []
    async for change in subscription:
        taken.append(change)
        if len(taken) == count:
            break
    return taken


async def test_catch_up_and_live_are_one_stream_without_gap_or_double(store: Store) -> None:
    """Readers that join at any time while 16 writers write see every later change exactly once."""
    feed = Feed(store)
    total = 16 * 60
    results: list[tuple[int, list[int]]] = []

    async def writer(which: int) -> None:
        for step in range(60):
            await store.submit([write(which * 100 + step)])

    async def reader(delay_s: float, buffer: int) -> None:
        await asyncio.sleep(delay_s)
        subscription = feed.subscribe(after=cursor_of(0), buffer=buffer)
        seen: list[int] = []
        async for change in subscription:
            seen.append(change.position)
            if buffer < 10 and len(seen) % 50 == 0:
                await asyncio.sleep(0.002)
            if change.position == total:
                break
        results.append((subscription.fallen_back, seen))
        subscription.close()

    readers = [reader(0.01 * i, 5 if i % 2 else 1000) for i in range(6)]
    await asyncio.gather(*[writer(which) for which in range(16)], *readers)
    assert 6 == len(results)
    assert all(list(range(1, total + 1)) == seen for _, seen in results)


class Slow:
    """A store whose log answers later, as a server's does; between asking and answering anything
    may be committed.
    """

    def __init__(self, store: Store, chance: random.Random) -> None:
        self._store, self._chance = store, chance
        self.head, self.on_commit = store.head, store.on_commit
        self.cursors, self.save_cursor = store.cursors, store.save_cursor
        self.away = 0  # reads that find nobody

    async def changes(self, after: int, limit: int) -> list[Change]:
        """The log as it was at some moment of waiting."""
        await asyncio.sleep(self._chance.random() * 0.004)
        if self.away:
            self.away -= 1
            raise Unavailable("The store is away")
        found = await settled(self._store.changes(after, limit))
        await asyncio.sleep(self._chance.random() * 0.004)
        return found


@pytest.mark.parametrize("seed", range(4))
async def test_what_commits_while_the_log_is_read_is_seen_once(
    store: Store, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that answers later leaves no gap and no double at its end, with small buffers too, nor
    when it is away meanwhile.
    """
    monkeypatch.setattr(stream, "READ", 40)
    monkeypatch.setattr(stream, "AWAY_S", 0.002)
    chance = random.Random(seed)
    slow = Slow(store, chance)
    feed = Feed(slow)
    total = 8 * 60

    async def writer(which: int) -> None:
        for step in range(60):
            await store.submit([write(which * 100 + step, type="Lamp" if step % 3 else "Bin")])
            await asyncio.sleep(chance.random() * 0.002)

    async def reader(number: int) -> list[int]:
        await asyncio.sleep(number * 0.01)
        slow.away += number % 2
        narrow = {"Bin"} if number == 3 else None
        subscription = feed.subscribe(
            after=cursor_of(0), types=narrow, buffer=5 if number % 2 else 1000
        )
        seen: list[int] = []
        async for change in subscription:
            assert subscription.position == change.position  # what `save` would keep
            seen.append(change.position)
            if chance.random() < 0.1:
                await asyncio.sleep(0.001)
            if len(seen) == (total if narrow is None else total // 3):
                break
        subscription.close()
        return seen

    readers = [asyncio.ensure_future(reader(number)) for number in range(5)]
    await asyncio.gather(*[writer(which) for which in range(8)])
    found = await asyncio.wait_for(asyncio.gather(*readers), 20)
    written = await settled(store.changes(0, 10_000))
    bins = [one.position for one in written if one.types == ("Bin",)]
    assert [True] * 5 == [
        seen == (bins if number == 3 else list(range(1, total + 1)))
        for number, seen in enumerate(found)
    ]


async def test_a_cursor_saved_in_the_middle_skips_nothing(store: Store) -> None:
    """While a batch is worked on, changes of other types pass by: the place to save stays."""
    feed = Feed(store)
    subscription = feed.subscribe("detect", types={"Lamp"}, after=cursor_of(0))
    await store.submit([write(i) for i in range(5)])
    saved = []
    async for change in subscription:
        await store.submit([write(100 + change.position, type="Bin")])
        await subscription.save()
        saved.append(store.cursors()["detect"])
        if len(saved) == 5:
            break
    assert [1, 2, 3, 4, 5] == saved


async def test_a_named_stream_goes_on_where_it_was_saved(store: Store) -> None:
    """Also after a new feed over the store; until it is forgotten no trim passes it."""
    feed = Feed(store)
    subscription = feed.subscribe("derive", after=cursor_of(0))
    await store.submit([write(i) for i in range(10)])
    assert [1, 2, 3] == [one.position for one in await take(subscription, 3)]
    await subscription.save()
    with pytest.raises(StateConflict):
        feed.subscribe("derive")
    subscription.close()
    assert 3 == await store.trim(2**60, 100)
    again = Feed(store).subscribe("derive")
    assert 7 == again.lag and position_of(again.cursor) == 3
    assert list(range(4, 11)) == [one.position for one in await take(again, 7)]
    assert {"derive": 7} == feed.lag()
    await feed.forget("derive")
    assert {} == feed.lag()
    assert 7 == await store.trim(2**60, 100)


async def test_a_stream_without_a_cursor_begins_now(store: Store) -> None:
    """What was before is not seen; a stream without a name cannot be saved."""
    feed = Feed(store)
    await store.submit([write(1)])
    subscription = feed.subscribe()
    await store.submit([write(2)])
    assert [2] == [one.position for one in await take(subscription, 1)]
    with pytest.raises(StateConflict):
        await subscription.save()


async def test_types_and_tenants_narrow_a_stream(store: Store) -> None:
    """Live and while catching up; progress passes over what is not wanted."""
    feed = Feed(store)
    east = await store.open_tenant("east")
    live = feed.subscribe(types={"Lamp"}, tenants={1})
    begun = asyncio.ensure_future(take(live, 2))
    await asyncio.sleep(0)
    await store.submit([write(1), write(2, type="Bin"), write(3, tenant=east), write(4)])
    await store.submit([write(5, type="Bin")])
    assert ["urn:x:1", "urn:x:4"] == [one.id for one in await begun]
    late = feed.subscribe(types={"Bin"}, after=cursor_of(0))
    assert ["urn:x:2", "urn:x:5"] == [one.id for one in await take(late, 2)]


async def test_trimmed_changes_are_told_as_a_gap(store: Store) -> None:
    """A cursor older than the log does not pretend."""
    feed = Feed(store)
    await store.submit([write(i) for i in range(10)])
    await store.trim(2**60, 6)
    subscription = feed.subscribe(after=cursor_of(2))
    assert [7] == [one.position for one in await take(subscription, 1)]
    assert (2, 7) == subscription.gap


async def test_closing_ends_iteration(store: Store) -> None:
    """A waiting reader is let go."""
    subscription = Feed(store).subscribe()
    waiting = asyncio.ensure_future(take(subscription, 1))
    await asyncio.sleep(0.01)
    subscription.close()
    assert [] == await waiting


@pytest.mark.parametrize(
    "text", ["", "x", "AAAA", cursor_of(5) + "x", "cDIAAAAAAAAAAAA", "é", "****"]
)
def test_a_foreign_cursor_is_refused(text: str) -> None:
    """With an error that names it."""
    with pytest.raises(BadRequestData, match="cursor"):
        position_of(text)


async def test_a_watcher_gets_the_latest_of_each_entity_once_a_tick(store: Store) -> None:
    """Hundreds of changes become a few lists; the last state of each entity is among them."""
    feed = Feed(store)
    coalescer = Coalescer(feed, tick_s=0.05)
    watch = coalescer.watch(types={"Lamp"})
    lists: list[list[Change]] = []

    async def look() -> None:
        async for changes in watch:
            lists.append(changes)

    looking = asyncio.ensure_future(look())
    await store.submit([write(900, type="Bin")])
    for value in range(40):
        await store.submit([write(id, value) for id in range(5)])
    await asyncio.sleep(0.12)
    coalescer.close()
    await looking
    assert 1 <= len(lists) < 40
    assert all(len(changes) <= 5 for changes in lists)
    last = {change.id: change for changes in lists for change in changes}
    assert {f"urn:x:{id}" for id in range(5)} == set(last)
    assert all(b'"value":39' in (change.body or b"") for change in last.values())
    assert "created" == lists[0][0].verb


async def test_merging_tells_what_happened_altogether(store: Store) -> None:
    """Created then updated is created; deleted is deleted; deleted and made again is replaced."""
    feed = Feed(store)
    coalescer = Coalescer(feed, tick_s=0.01)
    watch = coalescer.watch()
    await store.submit([write(2), write(3)])
    await asyncio.sleep(0.03)
    one = await anext(aiter(watch))
    assert ["created", "created"] == [change.verb for change in one]
    gone = Op(1, "urn:x:2", lambda record, now: Remove())
    gone3 = Op(1, "urn:x:3", lambda record, now: Remove())
    await store.submit([write(1), write(1, 5), write(2, 6), gone, gone3, write(3, 7)])
    await asyncio.sleep(0.03)
    two = await anext(aiter(watch))
    assert {"urn:x:1": "created", "urn:x:2": "deleted", "urn:x:3": "replaced"} == {
        change.id: change.verb for change in two
    }
    coalescer.close()


async def test_a_listener_that_breaks_keeps_nothing_from_the_others(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged; the next listener and the writer's answer come as ever."""
    feed = Feed(store)
    heard: list[Change] = []

    def broken(changes: list[Change]) -> None:
        raise ZeroDivisionError

    feed.listen(broken)
    stop = feed.listen(heard.extend)
    await store.submit([write(1)])
    assert [1] == [one.position for one in heard]
    assert "A listener to the feed broke" in caplog.text
    stop()
    await store.submit([write(2)])
    assert 1 == len(heard)
