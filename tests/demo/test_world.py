"""The made-up district: the same from the same seed, plausible, and silent about what is broken."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from astral import Observer
from astral.sun import sun

from pintu.demo.city_time import read_clock
from pintu.demo.district import base_map, build_roads, make_sites, place_lamps, river_y
from pintu.demo.faults import KINDS, Fault, FaultPlan, counted_plan, standing_plan
from pintu.demo.gateways import Gateway
from pintu.demo.lamps import SiteState, scheduled_level
from pintu.demo.sky import dark_hours_since_2024, dark_seconds_of_day, sun_elevation

NIGHT = datetime(2026, 11, 20, 14, tzinfo=UTC).timestamp()
NOON = datetime(2026, 11, 20, 4, tzinfo=UTC).timestamp()
SITES = make_sites(place_lamps(build_roads(), 300, 3), 6)


class Told:
    """A clock that is told."""

    rate = 1.0

    def __init__(self, at_s: float) -> None:
        self.at_s = at_s

    def now_s(self) -> float:
        return self.at_s


def gateway(plan: FaultPlan | None = None, at_s: float = NIGHT) -> tuple[Gateway, Told]:
    clock = Told(at_s)
    state = SiteState(SITES[0], plan or FaultPlan([]), 3)
    return Gateway(state, clock, interval_s=10, seed=3), clock


def test_the_same_seed_is_the_same_district() -> None:
    """Lamps, sites and faults are the same twice, and others with another seed."""
    lamps = place_lamps(build_roads(), 300, 3)
    assert [one.lamps for one in make_sites(lamps, 6)] == [one.lamps for one in SITES]
    plans = [standing_plan(SITES, rate=0.05, seed=n, from_s=NIGHT).faults for n in (1, 1, 2)]
    assert (True, False) == (plans[0] == plans[1], plans[0] == plans[2])


@pytest.mark.parametrize("count", [24, 300, 5_000])
def test_there_are_as_many_lamps_as_asked_for(count: int) -> None:
    """Each once, shared out evenly, all inside of the district and none in the river."""
    sites = make_sites(place_lamps(build_roads(), count, 1), max(1, count // 100))
    ids = [one.id for site in sites for one in site.lamps]
    sizes = [len(site.lamps) for site in sites]
    assert (count, count) == (len(ids), len(set(ids)))
    assert max(sizes) - min(sizes) <= 1 + count // 1000
    assert all(30.16 < one.lat < 30.24 and 120.14 < one.lon < 120.26
               for site in sites for one in site.lamps)  # fmt: skip


def test_the_district_is_about_80_km2_with_a_river_and_bridges() -> None:
    """Its base map is GeoJSON, labelled as a demo, with every kind of line a map needs."""
    told = base_map(build_roads())
    west, south, east, north = told["bbox"]
    km2 = (east - west) * 96.2 * (north - south) * 110.85
    kinds = {one["properties"]["kind"] for one in told["features"]}
    assert 75 < km2 < 85
    assert {"district", "river", "park", "ring", "avenue", "street", "promenade", "bridge",
            "tunnel"} == kinds  # fmt: skip
    assert "demo" in told["name"]
    assert 0 < min(river_y(x / 10) for x in range(101)) < 8


def test_the_sun_is_where_astral_says() -> None:
    """Two ways of reckoning agree to two minutes, in every season."""
    for month in (3, 6, 9, 12):
        day = datetime(2026, month, 21, tzinfo=UTC)
        dawn, dusk = dark_seconds_of_day(int((day + timedelta(hours=4)).timestamp() // 86_400))
        noon = datetime.fromtimestamp((dawn + dusk) / 2, UTC)
        found = sun(Observer(30.2, 120.2), date=noon.date(), tzinfo=UTC)
        assert abs(found["noon"].timestamp() - (dawn + dusk) / 2) < 120
        assert sun_elevation(found["noon"].timestamp()) > sun_elevation(dawn) > -1.1


def test_hours_of_darkness_add_up() -> None:
    """A day of honest counting is a night long."""
    assert 12 < dark_hours_since_2024(NOON + 86_400) - dark_hours_since_2024(NOON) < 14
    assert dark_hours_since_2024(NOON) == dark_hours_since_2024(NOON - 60)


def test_nothing_on_the_wire_says_what_is_broken() -> None:
    """With every kind of fault in it a message has the same members as without."""
    lamps = [one.id for one in SITES[0].lamps]
    kinds = [kind for kind in KINDS if kind not in ("low_voltage", "dead_gateway")]
    faults = [Fault(f"F{n}", kind, lamps[n], 0, NIGHT * 2) for n, kind in enumerate(kinds)]
    broken, _ = gateway(FaultPlan(faults))
    told = json.loads(broken.telemetry())
    assert {"seq", "ts", "lamps"} == set(told)
    assert [{"id", "p", "v", "lvl", "hrs", "t"}] == [
        set(one) for one in {tuple(lamp): lamp for lamp in told["lamps"]}.values()
    ]
    text = json.dumps(broken.inventory()) + json.dumps(told)
    assert [] == [kind for kind in (*KINDS, "fault", "alarm") if kind in text]


@pytest.mark.parametrize(
    ("kind", "at_s", "low", "high"),
    [
        ("failed", NIGHT, 0, 2), ("day_burner", NOON, 40, 400), ("dim_ignored", NIGHT, 60, 400),
    ],
)  # fmt: skip
def test_a_fault_shows_in_what_is_measured(kind: str, at_s: float, low: float, high: float) -> None:
    """A failed lamp draws nothing at night, a stuck relay draws power at noon."""
    lamp = next(one.id for one in SITES[0].lamps if one.kind != "tunnel")
    broken, _ = gateway(FaultPlan([Fault("F1", kind, lamp, 0, at_s * 2)]), at_s)
    told = {one["id"]: one for one in json.loads(broken.telemetry())["lamps"]}
    assert low <= told[lamp]["p"] <= high


def test_low_voltage_is_a_whole_feeders() -> None:
    """All lamps of the feeder, and no other."""
    feeder = sorted(set(SITES[0].feeders.values()))[0]
    broken, _ = gateway(FaultPlan([Fault("F1", "low_voltage", feeder, 0, NIGHT * 2)]))
    told = json.loads(broken.telemetry())["lamps"]
    low = {one["id"] for one in told if one["v"] < 198}
    assert {lamp for lamp, name in SITES[0].feeders.items() if name == feeder} == low


def test_a_command_is_obeyed_once_and_for_an_hour() -> None:
    """Acknowledged, answered the same when sent again, over after an hour; nonsense is refused."""
    mine, clock = gateway()
    lamp = next(one.id for one in SITES[0].lamps if one.kind != "tunnel")
    body = json.dumps({"cmd": "c1", "lamp": lamp, "level": 13}).encode()
    assert mine.answer(body) == mine.answer(body)
    clock.at_s += 10
    assert 13 == json.loads(mine.telemetry([lamp]))["lamps"][0]["lvl"]
    clock.at_s += 3600
    assert 13 != json.loads(mine.telemetry([lamp]))["lamps"][0]["lvl"]
    for wrong in (b"{", b"[]", json.dumps({"cmd": "c2", "lamp": "L9", "level": 5}).encode(),
                  json.dumps({"cmd": "c3", "lamp": lamp, "level": 500}).encode()):  # fmt: skip
        assert json.loads(mine.answer(wrong)[1])["ok"] is False


def test_levels_move_by_night_and_lamps_are_tested_by_day() -> None:
    """The map moves: traffic changes a group's level; once a day crews test it; tunnels never
    sleep."""
    night = {
        scheduled_level("C001-G01", "avenue", NIGHT + 8 * 3600 - 5 * 3600 + n * 60)
        for n in range(60)
    }
    day = [scheduled_level("C001-G01", "avenue", NOON - 7_200 + n * 60) for n in range(300)]
    assert len(night) > 1
    assert 3 <= day.count(100) <= 5
    assert 90 == scheduled_level("C001-G01", "tunnel", NOON)


def test_a_counted_plan_has_the_count_and_every_kind() -> None:
    """What a scorer asks for, all inside of the window, none hidden in a dead gateway."""
    sites = make_sites(place_lamps(build_roads(), 2_000, 1), 20)
    plan = counted_plan(sites, count=100, seed=4, window=(100.0, 200.0), until_s=900.0)
    dead = {one.target for one in plan.faults if one.kind == "dead_gateway"}
    hidden = {lamp.id for site in sites if site.gateway in dead for lamp in site.lamps}
    assert (100, set(KINDS)) == (len(plan.faults), {one.kind for one in plan.faults})
    assert all(100 <= one.begins_s < 200 and one.ends_s == 900 for one in plan.faults)
    assert set() == hidden & {one.target for one in plan.faults}


@pytest.mark.parametrize("text", ["tomorrow", "2026-01-01T00:00Z x0", "2026-01-01T00:00Z xfast"])
def test_a_clock_that_is_none_is_refused(text: str) -> None:
    """Before anything starts."""
    with pytest.raises(ValueError):
        read_clock(text)


def test_an_anchored_clock_is_shared() -> None:
    """Two processes that read one text read one time."""
    text = "2026-01-01T00:00Z x60 @2026-11-22T19:00:00Z"
    clock = read_clock(text)
    wanted = (clock.real_start_s, clock.rate, clock.start_s)
    assert (1_795_374_000.0, 60.0, 1_767_225_600.0) == wanted
