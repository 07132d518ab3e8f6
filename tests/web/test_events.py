"""Event streams: coalesced, bounded, going on from where a reader was."""

from __future__ import annotations

import asyncio

import httpx
import orjson
import pytest

from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import TooManyRequests, Unauthorized
from pintu.kernel.exchange.gate import ExchangeGate
from pintu.kernel.store.port import Op
from pintu.web.api.picture import Pictures
from pintu.web.events import ALIVE_TICKS, Hub
from pintu.web.readers import MAX_FRAMES, Client, frame
from tests.web.small_city import LAMP, SmallCity, changed

WORLD = (-180.0, -90.0, 180.0, 90.0)


def client(city: SmallCity, *topics: str, **more: object) -> Client:
    tenant = city.rooms.store.tenant("demo") or 0
    return Client(tenant=tenant, topics=frozenset(topics), **more)  # type: ignore[arg-type]


def read(data: bytes) -> tuple[str, dict[str, object]]:
    lines = dict(line.split(": ", 1) for line in data.decode().strip().splitlines())
    return lines["event"], orjson.loads(lines["data"])


async def write(city: SmallCity, number: int, **values: object) -> None:
    tenant = city.rooms.store.tenant("demo") or 0
    await city.rooms.store.submit([Op(tenant, LAMP.format(number), changed(**values))])


def collected(reader: Client) -> list[tuple[str, dict[str, object]]]:
    found = [read(one) for one in reader.frames]
    reader.frames.clear()
    reader.waiting_bytes = 0
    return found


async def listening(hub: Hub, reader: Client) -> Client:
    """A client that has been greeted and whose frames stay queued for the test."""
    if {"map", "alerts"} & reader.topics:
        picture = await hub.pictures.of(reader.tenant)
        hub._alerts.setdefault(reader.tenant, picture.alerts_version)
        await hub._greet(reader, picture)
    hub.clients.add(reader)
    return reader


async def test_a_tick_tells_the_newest_state_once(city: SmallCity) -> None:
    """Ten changes of one lamp within a tick are one row with its newest state."""
    hub = Hub(city.rooms, Pictures(city.rooms))
    reader = await listening(hub, client(city, "map", box=WORLD))
    collected(reader)
    for _ in range(5):
        await write(city, 7, powerState="on", illuminanceLevel=1.0)
        await write(city, 7, powerState="low", illuminanceLevel=0.4)
    hub.tick()
    [(event, data)] = collected(reader)
    assert "map" == event
    rows = data["rows"]
    assert isinstance(rows, list)
    assert 4 == len(rows)
    assert 40 == rows[2]
    hub.tick()
    assert [] == collected(reader)
    for _ in range(ALIVE_TICKS):
        hub.tick()
    [(_, still)] = collected(reader)
    assert [] == still["rows"]


async def test_a_box_hears_only_its_own(city: SmallCity) -> None:
    """What changes outside of the box is no row of it, though the counts are of the whole."""
    hub = Hub(city.rooms, Pictures(city.rooms))
    reader = await listening(hub, client(city, "map", box=(0.0, 0.0, 1.0, 1.0)))
    collected(reader)
    await write(city, 7, powerState="off")
    await write(city, 7, powerState="on", illuminanceLevel=1.0)
    await write(city, 7, powerState="off")
    hub.tick()
    told = [data for event, data in collected(reader) if event == "map"]
    assert [[]] == [data["rows"] for data in told]


async def test_a_reader_too_slow_is_told_to_load_again(city: SmallCity) -> None:
    """A full queue is thrown away for one `resync`, and the stream ends."""
    reader = client(city, "map")
    for number in range(MAX_FRAMES + 5):
        reader.push(frame("map", {"n": number}))
    assert ["resync"] == [event for event, _ in collected(reader)]
    assert reader.ended


async def test_going_on_from_the_last_event(city: SmallCity) -> None:
    """Last-Event-ID brings what was missed; of another process, or too long ago, `resync`."""
    hub = Hub(city.rooms, Pictures(city.rooms))
    picture = await hub.pictures.of(city.rooms.store.tenant("demo") or 0)
    here = f"{picture.epoch}-{city.rooms.store.head()}"
    await write(city, 9, powerState="off")
    reader = await listening(hub, client(city, "map", box=WORLD, after=here))
    events = dict(collected(reader))
    assert {"missed": 1} == events["hello"]
    rows = events["map"]["rows"]
    assert isinstance(rows, list)
    assert picture.points.row_of[LAMP.format(9)] == rows[0]
    strange = await listening(hub, client(city, "map", box=WORLD, after="0badcafe-1"))
    assert ["resync"] == [event for event, _ in collected(strange)]


async def test_an_entity_is_watched(city: SmallCity) -> None:
    """A page of one thing hears of that thing only, with what changed."""
    hub = Hub(city.rooms, Pictures(city.rooms))
    reader = await listening(hub, client(city, "entity", entity=LAMP.format(2)))
    await write(city, 2, voltage=219.0)
    await write(city, 8, voltage=219.0)
    hub.tick()
    assert [("entity", {"id": LAMP.format(2), "changed": ["voltage"]})] == collected(reader)


async def test_streams_end_with_the_city(city: SmallCity) -> None:
    """Closing the hub ends every open stream at once."""
    hub = Hub(city.rooms, Pictures(city.rooms))
    reader = client(city, "map", box=WORLD)
    got: list[bytes] = []

    async def follow() -> None:
        async for data in hub.stream(reader):
            got.append(data)

    task = asyncio.create_task(follow())
    while len(got) < 2:
        await asyncio.sleep(0.01)
    await hub.close()
    await asyncio.wait_for(task, 2)
    assert set() == hub.clients
    assert got[1].startswith(b"id: ")


async def test_streams_are_counted(city: SmallCity, monkeypatch: pytest.MonkeyPatch) -> None:
    """One stream too many is refused with a time to come back."""
    monkeypatch.setattr("pintu.web.events.MAX_CLIENTS", 0)
    hub = Hub(city.rooms, Pictures(city.rooms))
    with pytest.raises(TooManyRequests):
        hub.admit()


async def test_one_reader_cannot_take_all_streams(
    city: SmallCity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams of one person are counted while they are open; others still get theirs."""
    monkeypatch.setattr("pintu.web.events.MAX_OF_ONE", 1)
    hub = Hub(city.rooms, Pictures(city.rooms))
    first = hub.stream(client(city, "commands", who="person:one"))
    await anext(first)
    with pytest.raises(TooManyRequests):
        hub.admit("person:one")
    hub.admit("person:two")
    await first.aclose()  # type: ignore[attr-defined]
    hub.admit("person:one")


def test_what_is_wrong_goes_first() -> None:
    """A frame of the wall overtakes telemetry that waits; too much of both ends the stream."""
    reader = Client(tenant=1, topics=frozenset({"map"}))
    reader.push(b"telemetry")
    reader.push(b"alarm", first=True)
    assert [b"alarm", b"telemetry", None] == [reader.pop() for _ in range(3)]
    for n in range(MAX_FRAMES + 1):
        reader.push(b"alarm", first=n % 2 == 0)
    assert (True, True) == (reader.slow, reader.ended)
    assert b"resync" in (reader.pop() or b"")
    assert reader.pop() is None


async def test_unknown_topics_are_named(page: httpx.AsyncClient) -> None:
    """A topic that is none is refused by name."""
    answer = await page.get("/events?topics=map,gossip")
    assert 400 == answer.status_code
    assert "gossip" in answer.json()["detail"]


async def test_a_stream_ends_with_the_right_to_it(city: SmallCity) -> None:
    """Within a second or so after a token is revoked, and nothing more is told."""
    identity = city.rooms.identity
    secret, token = await identity.create_token("screen", frozenset({"read:demo"}))
    headers = {b"authorization": f"Bearer {secret}".encode()}
    act = Act(deed=Deed.READ, tenant="demo")
    gate = city.rooms.gate
    assert isinstance(gate, ExchangeGate)
    assert gate.allows(identity.actor(headers, "10.0.0.1", asks=False), act)
    pictures = Pictures(city.rooms)
    hub = Hub(city.rooms, pictures)
    told = {"may": True}
    reader = client(city, "sources", still=lambda: told["may"])
    hub.clients.add(reader)
    for _ in range(ALIVE_TICKS):
        hub.tick()
    assert not reader.ended
    await identity.revoke_token(token.id)
    with pytest.raises(Unauthorized):
        identity.actor(headers, "10.0.0.1", asks=False)
    told["may"] = False
    for _ in range(ALIVE_TICKS):
        hub.tick()
    assert (True, 0) == (reader.ended, len(reader.frames))
    hub.clients.clear()
