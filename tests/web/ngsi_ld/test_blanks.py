"""Queries that differ by a number or a place are answered as if each were the first of its kind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

from pintu.kernel.context.selection import Compare, GeoSelection, Selection
from pintu.kernel.context.selection import Path as QPath
from pintu.web.ngsi_ld.blanks import HOLE, holds, lifted
from tests.web.ngsi_ld.doors import Door, open_door
from tests.web.ngsi_ld.test_repeated import Counted, Line, connect

QUERY = b"/entities?type=Post&"
NEAR = b"georel=near%3BmaxDistance%3D%3D300&geometry=Point&"
FORMS: list[Callable[[int, float, float], bytes]] = [
    lambda n, lon, lat: QUERY + b"q=level%%3D%%3D%d&limit=5" % (n % 40),
    lambda n, lon, lat: b"/entities?q=level%%3C%d.5&type=Post&limit=3&count=true" % (n % 9),
    lambda n, lon, lat: QUERY + b"count=true&limit=0&q=level%%3e%%3D%d" % n,
    lambda n, lon, lat: QUERY + NEAR + b"coordinates=%%5B%.5f%%2C%.5f%%5D" % (lon, lat),
    lambda n, lon, lat: QUERY + b"coordinates=[%.6f,%.6f]&limit=4&count=true&" % (lon, lat) + NEAR,
    lambda n, lon, lat: QUERY + NEAR + b"coordinates=%%5B%.5f%%2C%.5f%%5D" % (lon, lat + 70),
    lambda n, lon, lat: QUERY + b"q=level%%3D%%3D%d&q=level==2" % n,
    lambda n, lon, lat: QUERY + b"q=level%%3D%%3D%d&orderBy=id" % n,
    lambda n, lon, lat: QUERY + NEAR + b"q=level==2&coordinates=[%.5f,%.5f]" % (lon, lat),
    lambda n, lon, lat: QUERY + b"q=level%%3D%%3D0%d" % n,
    lambda n, lon, lat: QUERY + b"q=nothing%%3E%d" % n,
]


async def test_every_number_and_place_gets_the_same_answer(tmp_path: Path) -> None:
    """Byte for byte, links and counts too, after writes as before."""
    chance = random.Random(8)
    async for door in open_door(tmp_path):
        door.broker.repeats = Counted(door.broker)
        await _posts(door)
        async for line in connect(door.broker):
            for turn in range(24):
                asked = turn, 120 + chance.random() / 100, 30 + chance.random() / 100
                for form in FORMS:
                    target = form(*asked)
                    fresh = await line.ask(target, b"x-number: %d" % turn)
                    assert fresh == await _thrice(line, target)
                if turn == 12:
                    await _moved(door, chance)
                if turn == 18:
                    await _scoped(door)
            repeats = door.broker.repeats
            assert isinstance(repeats, Counted)
            assert repeats.short > 200


async def _thrice(line: Line, target: bytes) -> bytes:
    first, *others = [await line.ask(target) for _ in range(3)]
    assert [first, first] == others
    return first


async def _posts(door: Door) -> None:
    chance = random.Random(1)
    posts = [
        {
            "id": f"urn:ngsi-ld:Post:{n}",
            "type": "Post",
            "level": {"type": "Property", "value": n % 40},
            "location": {
                "type": "GeoProperty",
                "value": {
                    "type": "Point",
                    "coordinates": [120 + chance.random() / 100, 30 + chance.random() / 100],
                },
            },
        }
        for n in range(700)
    ]
    await door("POST", "/entityOperations/create", posts)
    for _ in range(4):
        await door("GET", "/entities?type=Post&q=level==3")
    while door.broker.rooms.store.statistics().get("learning"):
        await asyncio.sleep(0.01)


async def _moved(door: Door, chance: random.Random) -> None:
    for _ in range(20):
        id = f"/entities/urn:ngsi-ld:Post:{chance.randrange(700)}"
        await door("PATCH", f"{id}/attrs", {"level": {"value": 3}})
        await door("DELETE", f"/entities/urn:ngsi-ld:Post:{chance.randrange(700)}")


async def _scoped(door: Door) -> None:
    """The first scopes of this city: shown as one text, stored as a list."""
    store = door.broker.rooms.store
    there = await door.json("GET", "/entities?type=Post&limit=300")
    for post in there[::3]:
        made = await door("POST", f"/entities/{post['id']}/attrs", {"scope": "/a"})
        assert 204 == made.status
    assert store.scoped()
    page = await door.json("GET", "/entities?type=Post&scopeQ=/a&limit=1")
    assert "/a" == page[0]["scope"]


def test_only_a_whole_number_or_place_is_lifted_out() -> None:
    """What the grammar of q or JSON reads otherwise stays where it is."""
    query = b"/ngsi-ld/v1/entities?type=A&"
    found = lifted(query + b"q=level%3D%3D-12.50&limit=2")
    assert found is not None
    assert (query + b"q=level%3D%3D" + HOLE + b"&limit=2", b"-12.50", -12.5) == (
        found.key, found.text, found.blank
    )  # fmt: skip
    place = lifted(query + b"coordinates=%5B120%2c-3.5%5D")
    assert place is not None
    assert (120.0, -3.5) == place.blank
    for left in (
        b"q=level==1e5", b"q=level==01", b"q=level==1.", b"q=level==5;a==1", b"q=level==5,6",
        b"q=level==2026-01-01", b"q=a.b==5", b"q=level!=5", b"q=5==5", b"coordinates=[181,3]",
        b"coordinates=[1,2,3]", b"coordinates=[[1,2]]", b"coordinates=[01,2]", b"xq=level==5",
        b"q=level==12345678901234567", b"coordinates=[1,91]", b"q=level==5%00",
    ):  # fmt: skip
        assert lifted(query + left) is None, left


def test_a_lifted_number_is_all_that_differs() -> None:
    """A selection that holds anything else of a number or place is none of the form."""
    one = Selection(tenant=1, q=Compare(QPath("level"), "==", 5))
    assert holds(one, 5)
    assert not holds(one, 5.0)
    assert not holds(one, (5.0, 5.0))
    place = {"type": "Point", "coordinates": [1.0, 2.0]}
    near = Selection(tenant=1, geo=GeoSelection("near", place, max_distance_m=5.0))
    assert holds(near, (1.0, 2.0))
    assert not holds(near, 1)
    assert not holds(Selection(tenant=1, geo=GeoSelection("within", place)), (1.0, 2.0))
