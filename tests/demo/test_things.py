"""Things along the streets: the same from the same seed, read by the piece's mappings, silent on
the wire about what is wrong."""

from __future__ import annotations

import json
import math
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson

from pintu.demo.city_time import CityTime
from pintu.demo.collectors import Collector
from pintu.demo.district import build_roads, make_sites, place_lamps
from pintu.demo.events import APART_KM, HOUR, Course, Planner
from pintu.demo.sensing import shown
from pintu.demo.things import KINDS, TYPES, Thing, lay_out, road_list
from pintu.demo.things_command import World
from pintu.kernel.intake.doors.mapped import Mapped, compile_source
from pintu.kernel.intake.doors.mqtt import payload_of
from pintu.kernel.intake.words import Envelope, Unreadable, Update
from pintu.kit.declared import declared_sources
from pintu.kit.manifest import read_manifest
from pintu.vocabulary import check
from pintu.vocabulary.mapping_words import mapping_words

ROOT = Path(__file__).resolve().parents[2]
PIECE = ROOT / "src" / "pintu" / "pieces" / "street_things"
T = 1_795_370_400.0
ROADS = build_roads()
LAYOUT = lay_out(ROADS, make_sites(place_lamps(ROADS, 200, 1), 4), 1)
THINGS = LAYOUT.things


@cache
def reader() -> Mapped:
    """The piece's source, compiled as the field process does."""
    piece = read_manifest(PIECE / "piece.toml")
    (one,) = declared_sources([piece], lambda _p: {"broker": "mqtt://x", "tenant": ""}, PIECE)
    return compile_source(
        one.source, payload_of(one.source), one.mappings, mapping_words(), space=one.space
    )


def read(mapped: Mapped, topic: str, body: bytes, at_s: float) -> list[Any]:
    return mapped.normalise(Envelope("x", "k", int(at_s * 1e6), body, {"topic": topic}))


def collector(kind: str, course: Course, things: list[Thing] = THINGS) -> Collector:
    return Collector(kind, [one for one in things if one.kind == kind], course, again_after=20)


def test_the_same_seed_is_the_same_city() -> None:
    """Places and incidents are the same twice; another seed makes others."""
    told = [Planner(LAYOUT, seed).afternoon(T) for seed in (1, 1, 2)]
    assert (True, False) == (told[0] == told[1], told[0] == told[2])
    assert KINDS == Counter(one.kind for one in THINGS)


def test_every_fixture_is_read_and_valid() -> None:
    """Each message in `fixtures/` becomes entities that the vocabulary finds no fault with."""
    mapped = reader()
    found: Counter[str] = Counter()
    for path in sorted((PIECE / "fixtures").glob("*.json")):
        topic = "things/" + path.stem.replace("-", "/")
        for one in read(mapped, topic, path.read_bytes(), T + 200):
            assert isinstance(one, Update), one
            check(one.entity)
            found[one.entity["type"]] += 1
    assert {*TYPES.values(), "RoadSegment", "Sewer", "Device", "Alert"} == set(found)


def test_an_incident_is_alarms_that_come_and_go() -> None:
    """Every sign of an incident is raised once and ended once; the state hash of none stays."""
    (event,) = (Planner(LAYOUT, 3).make("power", T),)
    assert event is not None
    mapped, seen = reader(), []
    for kind in KINDS:
        one = collector(kind, Course([event]))
        for at_s in (T - 60, T + 600, event.ends_s + 60):
            for topic, body in one.look(at_s):
                if topic.endswith("alarms"):
                    seen += [
                        (found.entity["target"]["value"], found.entity["status"]["value"])
                        for found in read(mapped, topic, body, at_s + 1)
                        if found.entity["subCategory"]["value"] != "full"
                    ]
    assert Counter((thing, state) for thing in event.signs for state in ("open", "cleared")) == (
        Counter(seen)
    )


def test_nothing_on_the_wire_says_what_is_wrong() -> None:
    """Inventory and readings name no incident, no lie and no number of either."""
    planner = Planner(LAYOUT, 1)
    course = Course(planner.afternoon(T), planner.lies(T, hours=6))
    told = b"".join(
        body for kind in KINDS
        for one in (collector(kind, course),)
        for _, body in [one.inventory(T), *one.look(T + 2 * HOUR)]
    )  # fmt: skip
    words = [event.id.encode() for event in course.events] + [b"chatter", b"stuck", b"burst"]
    assert [] == [one for one in words if b'"' + one + b'"' in told]


def test_things_are_quiet_when_nothing_changes() -> None:
    """At rest a look tells what is due and what changed, a hundredth of the things and less."""
    course = Course()
    collectors = [collector(kind, course) for kind in KINDS]
    told = [
        len(orjson.loads(body)["items"])
        for number in range(40)
        for one in collectors
        for _, body in one.look(T + number * 2)
        if number >= 20
    ]
    assert sum(told) <= 1.2 * len(THINGS)


def test_a_clock_a_day_ahead_waits_in_quarantine_and_its_alarm_does_not() -> None:
    """A reading from tomorrow is held with its reason; an alarm is heard at once."""
    planner = Planner(LAYOUT, 1)
    lies = [one for one in planner.lies(T - HOUR, hours=1, count=8) if one.kind == "clock_ahead"]
    lie = lies[0]
    thing = next(one for one in THINGS if one.id == lie.thing)
    one = Collector(thing.kind, [thing], Course([], lies), again_after=1)
    at_s = (lie.begins_s + lie.ends_s) / 2
    found = [
        each for number in range(12)
        for topic, body in one.look(at_s + number)
        for each in read(reader(), topic, body, at_s + number)
    ]  # fmt: skip
    assert [True] == sorted({isinstance(each, Unreadable) for each in found})


def test_a_chatterer_chatters() -> None:
    """It raises and ends its alarm every half minute."""
    planner = Planner(LAYOUT, 1)
    lie = next(one for one in planner.lies(T, hours=6) if one.kind == "chatter")
    thing = next(one for one in THINGS if one.id == lie.thing)
    course = Course([], [lie])
    signs = [shown(thing, lie.begins_s + number * 5, course) for number in range(200)]
    turns = sum(a != b for a, b in pairwise(signs))
    assert turns >= 30


def test_incidents_of_a_plan_are_apart(tmp_path: Path) -> None:
    """Two of one plan are apart in place or in time, and the truth tells each once."""
    planner = Planner(LAYOUT, 5)
    course = Course(planner.afternoon(T) + planner.storm(T + 6 * HOUR))
    near = [
        (a.id, b.id) for a in course.events for b in course.events
        if a.id < b.id and math.dist((a.x, a.y), (b.x, b.y)) < APART_KM
        and a.begins_s < b.ends_s and b.begins_s < a.ends_s
    ]  # fmt: skip
    course.write_truth(tmp_path / "truth")
    told = [json.loads(line) for line in (tmp_path / "truth").read_text("utf-8").splitlines()]
    assert ([], len(course.events)) == (near, len(told))
    assert len(course.events) >= 18


def test_roads_have_lines() -> None:
    """Every stretch is a line of two points and more, none as long as two stretches and a half."""
    told = road_list(LAYOUT.stretches)
    assert all(len(one["line"]["coordinates"]) > 1 and one["length_km"] < 1.5 for one in told)


def test_a_word_on_the_control_topic_makes_it_happen(tmp_path: Path) -> None:
    """A storm, an incident of so many things, an end of both; nonsense changes nothing."""
    clock = CityTime()
    world = World(
        layout=LAYOUT, course=Course(), planner=Planner(LAYOUT, 1), clock=clock,
        truth=tmp_path / "truth",
    )  # fmt: skip
    for body in (b"{", b"[]", b'{"what": "incident", "kind": "none"}'):
        world.hear(body)
    assert [] == world.course.events
    world.hear(b'{"what": "incident", "kind": "pumps", "things": 41}')
    assert [41] == [len(one.signs) for one in world.course.events]
    world.hear(b'{"what": "storm"}')
    assert (True, 1) == (len(world.course.events) > 6, len(world.course.rain))
    world.hear(b'{"what": "end"}')
    now_s = clock.now_s() + 3 * HOUR
    assert set() == {world.course.sign(one.id, now_s) for one in THINGS} - {""}
