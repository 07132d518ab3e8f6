"""Points, looks and cells: what the map is told is what stands in the store."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pintu.kernel.errors import InvalidRequest
from pintu.kernel.store.port import Op
from pintu.kit.manifest import find_pieces
from pintu.web.api.lamps import Cells, map_data, read_box, read_zoom
from pintu.web.api.looks import ALERTED, COMMON, THING, Looks
from pintu.web.api.picture import Pictures
from pintu.web.api.points import Point, Points
from tests.web.small_city import LAMP, SmallCity, alert, changed, put


def at(lon: float, lat: float, state: int = THING) -> Point:
    return Point(lon, lat, "Streetlight", state, 100)


places = st.tuples(st.floats(-179.9, 179.9), st.floats(-89.9, 89.9))


@given(st.lists(places, min_size=1, max_size=60), places, st.floats(0.0001, 40))
def test_a_box_holds_what_is_in_it(
    found: list[tuple[float, float]], corner: tuple[float, float], side: float
) -> None:
    """A box answers exactly the points within it, borders included."""
    points = Points(list(COMMON))
    for number, (lon, lat) in enumerate(found):
        points.put(f"urn:{number}", at(lon, lat))
    west, south = corner
    box = (west, south, min(180.0, west + side), min(90.0, south + side))
    sides = [round(one * 1e6) for one in box]
    wanted = {
        row
        for row in range(len(found))
        if sides[0] <= points.longitude[row] <= sides[2]
        and sides[1] <= points.latitude[row] <= sides[3]
    }
    assert wanted == set(points.rows_in(box))


def test_one_wrong_place_does_not_take_the_map_away() -> None:
    """The first view leaves out the few of many that lie far off; a city with a wide edge, and one
    of few things, is seen whole."""
    points = Points(list(COMMON))
    assert points.view() is None
    for row in range(2_000):
        points.put(f"urn:{row}", at(120 + row % 50 / 1000, 30 + row % 40 / 1000))
    whole = points.bounds()
    assert whole == points.view()
    points.put("urn:lost", at(0.0, 0.0))
    assert whole == points.view() != points.bounds()
    points.put("urn:near", at(120.06, 30.05))
    points.remove("urn:lost")
    assert points.bounds() == points.view()
    few = Points(list(COMMON))
    few.put("urn:1", at(0.0, 0.0))
    few.put("urn:2", at(120.0, 30.0))
    assert few.bounds() == few.view()


def test_counts_follow_every_change() -> None:
    """Counts by look stay right through adding, changing, moving, alerting and removing."""
    chance = random.Random(3)
    points = Points(list(COMMON))
    for _ in range(3_000):
        id = f"urn:{chance.randrange(50)}"
        deed = chance.random()
        if deed < 0.6:
            points.put(id, at(chance.uniform(120, 120.1), 30 + chance.random() / 10))
        elif deed < 0.8:
            points.fault(id, chance.choice((1, -1)))
        else:
            points.remove(id)
        states = [points.state[row] for row in points.row_of.values()]
        assert [states.count(n) for n in range(len(COMMON))] == points.counts
        assert len(points.row_of) == sum(len(rows) for rows in points.cells.values())


def test_an_alert_shows_and_goes() -> None:
    """An open alert shows on what it is about, came it before or after; it goes with the last."""
    points = Points(list(COMMON))
    points.fault("urn:1", 1)
    row = points.put("urn:1", at(120, 30))
    assert row is not None
    assert ALERTED == points.state[row]
    assert None is points.fault("urn:1", 1)
    assert None is points.fault("urn:1", -1)
    assert row == points.fault("urn:1", -1, THING)
    assert THING == points.state[row]


def first_of(looks: Looks) -> dict[str, int]:
    """State → its first look: lamps' pieces come first, other things have states so called, too."""
    found: dict[str, int] = {}
    for number, look in enumerate(looks.all):
        found.setdefault(look.state, number)
    return found


def test_looks_come_from_the_pieces() -> None:
    """The first rule that holds decides; the same values are answered from memory."""
    looks = Looks(find_pieces())
    by_name = first_of(looks)

    def lamp(**values: object) -> dict[str, object]:
        return {name: {"type": "Property", "value": value} for name, value in values.items()}

    for _ in range(2):
        assert by_name["failed"] == looks.of(("Streetlight",), lamp(condition="failed"))[0]
        assert by_name["on"] == looks.of(("Streetlight",), lamp(powerState="on"))[0]
        assert by_name["off"] == looks.of(("Streetlight",), {})[0]
    assert (by_name["low"], 30) == looks.of(
        ("Streetlight",), lamp(powerState="low", illuminanceLevel=0.3)
    )
    assert (THING, 100) == looks.of(("Thing",), {})
    assert looks.unshown(("StreetlightGroup",))
    assert not looks.unshown(("Bench",))


def test_bad_boxes_are_named() -> None:
    """A box that cannot be is refused with what is wrong; so is a zoom."""
    for text in ("1,2,3", "a,b,c,d", "nan,0,1,1", "5,0,1,1", "0,0,1,100", "0,0,inf,1"):
        with pytest.raises(InvalidRequest, match="bbox"):
            read_box(text)
    for text in ("x", "-1", "25", "nan"):
        with pytest.raises(InvalidRequest, match="zoom"):
            read_zoom(text)
    assert None is read_box(None)


async def test_the_picture_follows_the_store(city: SmallCity) -> None:
    """What was there and what changes afterwards is in the picture: states, alerts, deletions."""
    tenant = city.rooms.store.tenant("demo") or 0
    pictures = Pictures(city.rooms)
    picture = await pictures.of(tenant)
    assert 60 == len(picture.points)
    assert {3, 12, 21} == {int(a.about[-5:]) for a in picture.open_alerts()}
    city.rooms.store.on_commit(lambda changes: picture.apply(changes) and None)
    row = picture.points.row_of[LAMP.format(4)]
    by_name = first_of(picture.looks)
    await city.rooms.store.submit([Op(tenant, LAMP.format(4), changed(powerState="off"))])
    assert by_name["off"] == picture.points.state[row]
    about_four = {**alert(4, "2026-01-01T00:00:00Z"), "id": "urn:a:4"}
    await city.rooms.store.submit([Op(tenant, "urn:a:4", fresh=put(about_four))])
    assert ALERTED == picture.points.state[row]
    await city.rooms.store.submit([Op(tenant, "urn:a:4", changed(status="closed"))])
    assert by_name["off"] == picture.points.state[row]


async def test_many_points_come_as_cells(city: SmallCity) -> None:
    """Above the limit a box is answered as cells that add up to every point; below, as columns."""
    tenant = city.rooms.store.tenant("demo") or 0
    picture = await Pictures(city.rooms).of(tenant)
    few = map_data(picture, Cells(), None, 12)
    assert "points" == few["mode"]
    assert 60 == len(few["rows"]) == len(few["ids"]) == len(few["lon"])
    assert LAMP.format(0) in [few["prefix"] + rest for rest in few["ids"]]
    many = map_data(picture, Cells(), None, 12, most=10)
    assert "cells" == many["mode"]
    assert 60 == sum(sum(cell[2:]) for cell in many["cells"])
    assert picture.points.counts == [
        sum(cell[2 + n] for cell in many["cells"]) for n in range(len(picture.points.counts))
    ]
