"""Streets: the gravest thing that lies on one is its state, and what nothing watches is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from pintu.kernel.clock import iso
from pintu.kernel.intake import Intake
from pintu.kernel.intake.words import Batch, Mode, Update
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.operations.journal import Journal
from pintu.kernel.operations.streets.deriving import derive
from pintu.kernel.operations.streets.placing import Plan
from pintu.kernel.operations.streets.reading import Matter, Watcher
from pintu.kernel.operations.streets.room import Streets
from pintu.kernel.operations.streets.words import BY, SEVERITIES, SILENT_US, STATES, Street
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import settled
from pintu.kernel.tables import open_tables
from tests.kernel.operations.conftest import Home
from tests.kernel.operations.incidents_town import HandClock

LAT = 30.25
M = 1 / 111_320.0  # degrees of a metre northwards
WIDE = M / 0.8638  # eastwards, at this latitude


def street_id(number: int) -> str:
    return f"urn:ngsi-ld:RoadSegment:test:{number}"


def street(number: int) -> dict[str, Any]:
    """Streets from west to east, 400 m long, 200 m apart."""
    lat = LAT + number * 200 * M
    line = [[120.2, lat], [120.2 + 400 * WIDE, lat]]
    where = {"type": "LineString", "coordinates": line}
    return {
        "id": street_id(number),
        "type": "RoadSegment",
        "name": {"type": "LanguageProperty", "languageMap": {"zh": f"{number} 街", "en": "S"}},
        "location": {"type": "GeoProperty", "value": where},
    }


def said(value: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value}


def at(east_m: float, north_m: float) -> dict[str, Any]:
    """A point so many metres from the west end of street 0."""
    where = {"type": "Point", "coordinates": [120.2 + east_m * WIDE, LAT + north_m * M]}
    return {"type": "GeoProperty", "value": where}


def lamp(number: int, east_m: float, north_m: float = 5) -> dict[str, Any]:
    id = f"urn:ngsi-ld:Streetlight:test:{number}"
    return {"id": id, "type": "Streetlight", "location": at(east_m, north_m)}


def manhole(number: int, east_m: float) -> dict[str, Any]:
    id = f"urn:ngsi-ld:Manhole:test:{number}"
    return {"id": id, "type": "Manhole", "location": at(east_m, 5)}


def alert(number: int, severity: str, status: str = "open", **more: Any) -> dict[str, Any]:
    return {
        "id": f"urn:ngsi-ld:Alert:test:{number}",
        "type": "Alert",
        "category": said("infrastructure"),
        "severity": said(severity),
        "status": said(status),
        **more,
    }


class Town:
    """One city with its room of streets; `restart` reads it again."""

    def __init__(self, folder: Path, home: Home, store: Any) -> None:
        self.home, self.store = home, store
        self.clock: HandClock = store.hand_clock
        self.tables = home()
        self.intake = Intake(store, ContextLibrary(folder / "contexts"), self.clock, self.tables)
        self.journal = Journal(self.intake, self.clock)
        self.streets = Streets(self.tables, self.journal, store, self.clock)
        self._keys = 0

    async def tell(self, *entities: dict[str, Any], mode: Mode = "upsert") -> int:
        """Entities come in; how many streets the city was told of."""
        self._keys += 1
        updates = [Update(one, mode) for one in entities]
        batch = Batch(source="test", tenant="demo", key=f"k{self._keys}", updates=updates)
        receipt = await self.intake.accept(batch)
        assert [] == receipt.errors
        return await self.streets.look()

    async def shown(self, number: int) -> dict[str, Any]:
        """What the context says of a street: attribute → value."""
        record = await settled(self.store.retrieve(self.store.tenant("demo"), street_id(number)))
        assert record is not None
        members = ("value", "object", "json", "languageMap")
        return {
            name: next((told[m] for m in members if m in told), None)
            for name, told in orjson.loads(record.body).items()
            if isinstance(told, dict)
        }


async def opened(folder: Path, home: Home, address: str) -> AsyncIterator[Town]:
    """Three streets, manholes along the first one's western half, a lamp in the east."""
    clock = HandClock()
    store: Any = await open_store(address, folder, clock=clock)
    store.hand_clock = clock
    made = Town(folder, home, store)
    await made.streets.start()
    things = [street(n) for n in range(3)] + [manhole(n, n * 40) for n in range(6)]
    things.append(lamp(2, 390))
    await made.tell(*things)
    yield made
    await made.streets.stop()
    await store.close()
    made.tables.close()


@pytest.fixture
async def town(home: Home, tmp_path: Path, stores: str) -> AsyncIterator[Town]:
    """On each store."""
    async for made in opened(tmp_path, home, stores):
        yield made


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Town]:
    """On the first one, where nothing depends on it."""
    home = partial(open_tables, tmp_path, "sqlite:")
    async for made in opened(tmp_path, home, "sqlite:"):
        yield made


async def test_what_lies_on_a_street_is_its_state_until_it_is_over(town: Town) -> None:
    """An alert about a lamp, a graver incident beside it, then both over: told each time."""
    assert "normal" == (await town.shown(0))["streetState"]
    about: Any = {"alertTarget": {"type": "Relationship", "object": lamp(2, 80)["id"]}}
    assert 1 == await town.tell(alert(1, "high", **about))
    now = await town.shown(0)
    assert ("attention", "high") == (now["streetState"], now["severity"])
    assert "urn:ngsi-ld:Alert:test:1" == now["refCause"]
    incident = {
        **alert(2, "critical", "open", location=at(200, 30)),
        "id": "urn:ngsi-ld:Incident:operations:1",
        "type": "Incident",
    }
    assert 1 == await town.tell(incident)
    now = await town.shown(0)
    assert ("critical", incident["id"]) == (now["streetState"], now["refCause"])
    assert 30 == now["causes"][0]["distance_m"]
    assert "normal" == (await town.shown(1))["streetState"]
    assert 0 == await town.streets.look()
    await town.tell({**incident, "status": said("closed")}, alert(1, "high", "cleared", **about))
    now = await town.shown(0)
    assert ("normal", [], None) == (now["streetState"], now["causes"], now.get("refCause"))
    deeds = await town.journal.list_deeds(subject=f"street:{street_id(0)}")
    steps = ["attention", "critical", "normal"]
    assert steps == [one.detail["to"] for one in deeds]


async def test_a_warning_covers_an_area_until_its_time(here: Town) -> None:
    """Streets it touches are warned; when it is over by its time nobody has to say so."""
    west, east, south = 119.0, 121.0, LAT + 100 * M
    ring = [[west, south], [east, south], [east, 31.0], [west, 31.0], [west, south]]
    ends = {"@type": "DateTime", "@value": iso(here.clock.now_us() + 3_600_000_000)}
    warning = {
        "id": "urn:ngsi-ld:PublicWarning:operations:1",
        "type": "PublicWarning",
        "warningState": said("issued"),
        "severity": said("high"),
        "category": said("Met"),
        "validTo": said(ends),
        "location": {"type": "GeoProperty", "value": {"type": "Polygon", "coordinates": [ring]}},
    }
    assert 2 == await here.tell(warning)
    states = [(await here.shown(n))["streetState"] for n in range(3)]
    assert ["normal", "warned", "warned"] == states
    here.clock.pass_minutes(61)
    assert 2 == await here.streets.look()
    assert ["normal"] * 3 == [(await here.shown(n))["streetState"] for n in range(3)]


async def test_coverage_is_the_length_that_something_heard_of_watches(here: Town) -> None:
    """Manholes over the western half; silent ones watch nothing; a camera on another street does,
    a lamp never."""
    now = await here.shown(0)
    assert 0.55 <= now["coverage"] <= 0.65
    assert ["Manhole"] == now["watchedBy"]
    assert 0 == (await here.shown(1))["coverage"]
    camera = {"id": "urn:ngsi-ld:Camera:test:1", "type": "Camera", "location": at(200, 200)}
    await here.tell(camera)
    now = await here.shown(1)
    assert (["Camera"], True) == (now["watchedBy"], 0.35 <= now["coverage"] <= 0.45)
    here.clock.pass_minutes(SILENT_US / 60_000_000 + 1)
    await here.tell({**manhole(0, 0), "status": said("closed")}, mode="merge")
    now = await here.shown(0)
    assert ({"Manhole": 1}, True) == (
        here.streets.get("demo", street_id(0)).watched_by,
        now["coverage"] < 0.15,
    )
    assert None is (await here.shown(1)).get("watchedBy")


async def test_a_restart_tells_nothing_twice(town: Town) -> None:
    """What the city knows already is not told again, what happened meanwhile is."""
    await town.tell({**street(1), "status": said("closed")})
    assert "closed" == (await town.shown(1))["streetState"]
    since = town.streets.get("demo", street_id(1)).since_us
    await town.streets.stop()
    town.clock.pass_minutes(1)
    tables = town.home()
    again = Streets(tables, town.journal, town.store, town.clock)
    await again.start()
    assert 0 == await again.look()
    assert ("closed", since) == (
        again.get("demo", street_id(1)).state,
        again.get("demo", street_id(1)).since_us,
    )
    deeds = await town.journal.list_deeds(subject=f"street:{street_id(1)}")
    assert ["closed"] == [one.detail["to"] for one in deeds]
    await again.stop()
    tables.close()


async def test_a_street_that_went_is_not_made_again(here: Town) -> None:
    """Its state is told into what is there, and it is not there any more."""
    gone = {"id": street_id(2), "type": "RoadSegment"}
    await here.tell(gone, mode="delete")
    await here.tell(alert(1, "critical", location=at(100, 400)))
    assert None is await settled(here.store.retrieve(here.store.tenant("demo"), street_id(2)))


def test_every_state_is_reached_and_none_is_unknown() -> None:
    """The table names states there are, and every one but the first is brought about by one."""
    told = {state for states in BY.values() for state in states.values()}
    assert set(STATES[1:]) == told
    for kind, states in BY.items():
        for severity, state in states.items():
            one = Street(id="s", status="")
            matter = Matter(id="m", kind=kind, severity=severity)
            assert derive(one, [(matter, "distance", 3)])
            assert (state, severity) == (one.state, one.severity)
            assert severity in SEVERITIES


def test_a_place_lies_on_its_nearest_streets() -> None:
    """A point between two streets lies on the nearer one; far from all on none; rubbish too."""
    line = [(120.2, LAT), (120.2 + 400 * WIDE, LAT)]
    other = [(lon, lat + 60 * M) for lon, lat in line]
    plan = Plan([Street(id="a", line=line), Street(id="b", line=other)])
    assert {"a": 400, "b": 400} == plan.length_m()
    assert {"a": 20} == plan.beside(at(100, 20)["value"], 60.0)
    assert {"a", "b"} == set(plan.beside(at(100, 29)["value"], 60.0))
    assert {} == plan.beside(at(100, 900)["value"], 60.0)
    assert {} == plan.beside({"type": "Point", "coordinates": ["x"]}, 60.0)
    assert {} == plan.beside({"type": "Nothing"}, 60.0)
    assert {"a": (0.0, {}), "b": (0.0, {})} == plan.watched([])
    lamp_here = Watcher(id="l", type="Manhole", lon=120.2, lat=LAT)
    assert {"Manhole": 1} == plan.watched([lamp_here])["a"][1]
