"""What was on the wall is on it again: live and replayed states have one hash, on both stores."""

from __future__ import annotations

import asyncio
import random
from types import SimpleNamespace
from typing import Any

import httpx
import orjson
import pytest

from pintu.kernel.clock import iso
from pintu.kernel.context.record import Put, Record, Remove
from pintu.kernel.operations.wall_state import after, state_hash
from pintu.kernel.store.port import Change, Op
from pintu.kit.manifest import find_pieces
from pintu.web.api.picture import Pictures
from pintu.web.api.replay_session import Session, ThenPicture, ThenWall, hash_of, standing
from pintu.web.wall.shown import is_over
from tests.kernel.analytics.conftest import DAY_US, Town, town
from tests.web.small_city import LAMP, SmallCity, alert, changed, lamp

__all__ = ["town"]
MINUTE_US = 60_000_000
STATES = ("open", "closed", "assigned", "merged")


def thing(kind: str, number: int, chance: random.Random, now_us: int) -> dict[str, Any]:
    """Something of the wall, or a lamp, in a state of its own."""
    if kind == "Streetlight":
        return lamp(number, 9, iso(now_us), chance)
    if kind == "Alert":
        made = alert(number, iso(now_us))
        made["status"]["value"] = chance.choice(["open", "closed", "acknowledged"])
        if chance.random() < 0.4:
            ends = iso(now_us + chance.randrange(DAY_US))
            made["validTo"] = {"type": "Property", "value": {"@type": "DateTime", "@value": ends}}
        return made
    state = {"type": "Property", "value": chance.choice(STATES)}
    where = {"type": "Point", "coordinates": [120.2 + number / 100, 30.2]}
    return {
        "id": f"urn:ngsi-ld:{kind}:operations:{number}",
        "type": kind,
        "status": state,
        "location": {"type": "GeoProperty", "value": where},
    }


async def write(town: Town, made: dict[str, Any], whole: bool, source: str) -> None:
    """Create it, or write over some of its attributes."""

    def transform(record: Record | None, now: int) -> Put:
        if record is None or whole:
            return Put(made, "created" if record is None else "replaced")
        doc = orjson.loads(record.body)
        names = [name for name in made if name not in ("id", "type", "location", "name")]
        doc.update((name, made[name]) for name in names)
        return Put(doc, "updated", tuple(names))

    outcome = await town.store.submit([Op(1, made["id"], transform)], source)
    assert outcome[0].error is None


async def lived(town: Town, live: Any, noted: list[tuple[int, str]], seed: int) -> None:
    """Random writes; after each the hash of what is on the wall is noted."""
    chance = random.Random(seed)
    kinds = ["Streetlight", "Alert", "Incident", "RoadSegment", "WorkOrder", "PublicWarning"]
    for _ in range(45):
        town.clock.now += chance.randrange(40 * MINUTE_US)
        made = thing(chance.choice(kinds), chance.randrange(4), chance, town.clock.now)
        if chance.random() < 0.12:
            await town.store.submit([Op(1, made["id"], lambda record, now: Remove())], "token:x")
        else:
            source = chance.choice(["street_lights/mqtt", "token:x", "operations/incidents"])
            await write(town, made, chance.random() < 0.2, source)
        wall, picture = live
        noted.append((town.clock.now, hash_of(wall, picture, town.clock.now)))


def looked_at(town: Town) -> tuple[Pictures, Any]:
    """A wall and a map that follow the store live."""
    rooms: Any = SimpleNamespace(
        store=town.store, history=town.history, clock=town.clock, pieces=find_pieces()
    )
    pictures = Pictures(rooms)
    wall, picture = ThenWall(rooms, 1), ThenPicture(rooms, 1, pictures.looks)
    picture.at_us = town.clock.now
    wall._waiting = picture._waiting = None
    town.store.on_commit(wall.apply)

    def follow(changes: list[Change]) -> None:
        picture.apply(changes)

    town.store.on_commit(follow)
    return pictures, (wall, picture)


async def compare(town: Town, pictures: Pictures, noted: list[tuple[int, str]], seed: int) -> None:
    """A replay passes through the states that were noted, wherever it begins."""
    chance = random.Random(seed)
    for _ in range(3):
        first = chance.randrange(len(noted) - 5)
        session = Session(pictures, 1, "me", town.clock.now)
        await session.seek(noted[first][0])
        assert noted[first][1] == hash_of(session.wall, session.picture, session.at_us)
        for number in sorted(chance.sample(range(first, len(noted)), 4)):
            while not await session.advance(noted[number][0]):
                await asyncio.sleep(0.002)
            assert noted[number][1] == hash_of(session.wall, session.picture, session.at_us)
        await session.close()


async def test_a_replay_passes_through_the_states_there_were(town: Town) -> None:
    """In the log, in packs, in day files: the hash of the wall is the one it had."""
    pictures, live = looked_at(town)
    noted: list[tuple[int, str]] = []
    await lived(town, live, noted, 1)
    await compare(town, pictures, noted, 1)
    await town.history.pack()
    await lived(town, live, noted, 2)
    await compare(town, pictures, noted, 2)
    town.clock.now += DAY_US
    await town.history.night()
    town.clock.now += DAY_US
    await town.history.night()
    await town.history.packing.trim(town.clock.now)
    await lived(town, live, noted, 3)
    await compare(town, pictures, noted, 3)


async def test_events_alone_make_the_same_wall(town: Town) -> None:
    """A page that keeps what the events say has what the city has."""
    pictures, live = looked_at(town)
    noted: list[tuple[int, str]] = []
    await lived(town, live, noted, 4)
    session = Session(pictures, 1, "me", town.clock.now)
    await session.seek(noted[5][0])
    told = session.told(whole=True)
    mine = {one["id"]: one for one in told["entities"]}
    while not await session.advance(town.clock.now):
        await asyncio.sleep(0.002)
    while event := session.wall.told.take(session.at_us, 60.0):
        mine = after(mine, event, is_over)
    left = [one for one in mine.values() if not is_over(one, session.at_us)]
    assert state_hash(standing(live[0], session.at_us)) == state_hash(left)
    await session.close()


def test_the_hash_looks_at_no_order() -> None:
    """Members and documents in any order; a value that differs, a point that moved do not pass."""
    one = {"id": "a", "x": 1, "y": {"p": 1, "q": 2}}
    other = {"y": {"q": 2, "p": 1}, "x": 1, "id": "a"}
    more = {"id": "b"}
    assert state_hash([one, more]) == state_hash([more, other])
    assert state_hash([one]) != state_hash([{**one, "x": 2}])
    assert state_hash([], [("p", (1, 2, 3, 4))]) != state_hash([], [("p", (1, 2, 3, 5))])


def frames(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Server-sent events as (name, data)."""
    found = []
    for part in text.split("\n\n"):
        if "event: " in part:
            lines = dict(line.split(": ", 1) for line in part.splitlines())
            found.append((lines["event"], orjson.loads(lines["data"])))
    return found


async def test_a_replay_over_http(city: SmallCity, page: httpx.AsyncClient) -> None:
    """Opened at a moment, followed at speed to its end, it has the hash of the wall now."""
    began_us = city.rooms.clock.now_us()
    tenant = city.rooms.store.tenant("demo") or 0
    op = Op(tenant, LAMP.format(1), changed(illuminanceLevel=0.9))
    await city.rooms.store.submit([op], "street_lights/mqtt")
    await page.get("/api/v1/wall")
    now = (await page.get("/api/v1/replay/now")).json()
    asked = {"at": iso(began_us), "until": iso(city.rooms.clock.now_us()), "speed": 60}
    answer = await page.post("/api/v1/replay", json={**asked, "paused": True})
    told = answer.json()
    assert (201, True, False) == (answer.status_code, told["paused"], told["ended"])
    path = f"/api/v1/replay/{told['session']}"
    before = (await page.get(path + "/points")).json()
    assert 60 == before["size"]
    assert 60.0 == (await page.post(path, json={"paused": False})).json()["speed"]
    found: list[tuple[str, dict[str, Any]]] = []
    task = asyncio.create_task(page.get(path + "/events"))
    for _ in range(200):
        told = (await page.get(path)).json()
        if told["ended"]:
            break
        await asyncio.sleep(0.02)
    assert now["hash"] == told["hash"]
    again = (await page.post(path, json={"at": iso(began_us), "paused": True})).json()
    assert (began_us // 1000, True) == (again["at_us"] // 1000, again["paused"])
    assert 204 == (await page.delete(path)).status_code
    found = frames((await task).text)
    assert {"replay", "map"} <= {name for name, _ in found}
    assert 404 == (await page.get(path)).status_code


@pytest.mark.parametrize(
    "order", [{}, {"at": "yesterday"}, {"at": "2999-01-01T00:00:00Z"}, {"at": "x", "speed": "9"}]
)
async def test_an_order_that_cannot_be_followed(
    shared_page: httpx.AsyncClient, order: dict[str, Any]
) -> None:
    """Is refused with a reason."""
    answer = await shared_page.post("/api/v1/replay", json=order)
    assert 400 == answer.status_code
    too_fast = {"at": iso(1_000_000_000_000_000), "speed": 1e9}
    assert 400 == (await shared_page.post("/api/v1/replay", json=too_fast)).status_code
