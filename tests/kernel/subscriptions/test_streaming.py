"""Who looks on hears what subscribers hear, from where they were, as long as they keep up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from pintu.kernel.errors import Forbidden, TooManyRequests
from pintu.kernel.jsonld import CORE
from pintu.kernel.subscriptions import delivering, streaming
from pintu.kernel.subscriptions.reading import Filed, build, read_document
from pintu.kernel.subscriptions.streaming import Streams, Told
from pintu.kernel.subscriptions.words import Asker, Subscription
from tests.kernel.subscriptions.town import Town, fast, until


@pytest.fixture
async def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    """A town to which nobody subscribes."""
    monkeypatch.setattr(delivering, "SAVE_S", 0.02)
    made = await Town(tmp_path, "sqlite:", fast()).open()
    await made.change(1, 0)
    yield made
    await made.close()


def lamps(town: Town) -> Subscription:
    """One that is kept nowhere."""
    sent = {
        "type": "Subscription",
        "entities": [{"type": "Lamp"}],
        "notification": {"endpoint": {"uri": "http://s.invalid/"}, "format": "keyValues"},
    }
    filed = Filed(id=f"urn:s:{id(sent)}", tenant=1, tenant_name="", asker=Asker(id="t"))
    return build(read_document(sent, CORE, town.clock.now_us()), filed)


async def take(streams: Streams, town: Town, count: int, after: int | None = None) -> list[Told]:
    """The first so many events of a stream."""
    found: list[Told] = []
    async for told in streams.stream(lamps(town), after):
        if told is not None:
            found.append(told)
        if len(found) == count:
            break
    return found


def powers(told: list[Told]) -> list[int]:
    """What the messages tell."""
    return [
        one["power"]
        for each in told
        if each.message is not None
        for one in msgspec.json.decode(each.message.body)["data"]
    ]


async def test_a_stream_tells_what_happens_and_where_it_is(town: Town) -> None:
    """First where it begins, then each change with its place in the feed."""
    streams = Streams(town.delivery)
    taking = asyncio.create_task(take(streams, town, 4))
    await until(lambda: streams.count == 1)
    for value in (1, 2, 3):
        await town.change(1, value)
    async with asyncio.timeout(5):
        told = await taking
    assert ([1, 2, 3], [1, 2, 3, 4]) == (powers(told), [one.position for one in told])


async def test_who_comes_back_hears_what_was_missed(town: Town) -> None:
    """Read again from the log, each change once, then on with what happens."""
    streams = Streams(town.delivery)
    for value in (1, 2, 3):
        await town.change(1, value)
    taking = asyncio.create_task(take(streams, town, 5, after=2))
    await until(lambda: streams.count == 1)
    await asyncio.sleep(0.02)
    await town.change(1, 4)
    await town.change(1, 5)
    async with asyncio.timeout(5):
        told = await taking
    assert [2, 3, 4, 5] == powers(told)


async def test_who_was_away_too_long_loads_again(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a bound nothing is replayed."""
    monkeypatch.setattr(streaming, "REPLAY", 2)
    for value in (1, 2, 3):
        await town.change(1, value)
    told = await take(Streams(town.delivery), town, 1, after=1)
    assert ["gap"] == [one.resync for one in told]


async def test_a_reader_too_slow_is_let_go(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its hits are dropped over a bound, and it is told to load again."""
    monkeypatch.setattr(streaming, "MOST_WAITING", 3)
    streams = Streams(town.delivery)
    stream = streams.stream(lamps(town), None)
    first = await anext(stream)
    for value in range(10):
        await town.change(value, value)
    await until(lambda: town.delivery.position >= 11)
    told = [one async for one in stream]
    assert first is not None
    assert ["slow"] == [one.resync for one in told if one is not None]
    assert 0 == streams.count


async def test_what_the_gate_refuses_ends_a_stream(town: Town) -> None:
    """It is asked at each message; the reason is told."""
    streams = Streams(town.delivery)
    taking = asyncio.create_task(take(streams, town, 9))
    await until(lambda: streams.count == 1)
    town.ways.answer = Forbidden("The agreement is over")
    await town.change(1, 1)
    async with asyncio.timeout(5):
        told = await taking
    assert ["", "The agreement is over"] == [one.ended for one in told]


async def test_nobody_follows_when_nobody_looks(town: Town) -> None:
    """The last reader's going ends the follower, and nothing of the log is held."""
    await take(Streams(town.delivery), town, 1)
    await until(lambda: not town.delivery.follower.running)
    assert not [name for name in town.store.cursors() if name.startswith("notifications")]
    assert not town.subscriptions.matcher.any(1)


async def test_streams_are_a_bounded_number(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused before anything was answered."""
    monkeypatch.setattr(streaming, "MOST_STREAMS", 0)
    with pytest.raises(TooManyRequests):
        Streams(town.delivery).admit()
