"""What `python -m pintu.demo` is told about things along the streets, and how it starts them; and
what it hears on the topic `demo/control`: a storm, an incident, an end of both."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from pintu.demo.city_time import CityTime
from pintu.demo.collectors import LOOK_S, Collector, Talk
from pintu.demo.connecting import Broker
from pintu.demo.district import Road, Site
from pintu.demo.events import HOUR, KINDS, Course, Event, Planner
from pintu.demo.things import KINDS as THINGS
from pintu.demo.things import Layout, lay_out, node_list, road_list, sewer_list

CONTROL: Final = "demo/control"
STORM_H: Final = 5.0
MOST_THINGS: Final = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of things; all begin with --things."""
    parser.add_argument("--no-things", action="store_true", help="lamps and stations alone")
    parser.add_argument(
        "--things-interval", type=float, default=300.0,
        help="real seconds after which a thing tells though nothing changed (300)",
    )  # fmt: skip
    parser.add_argument(
        "--things-incidents", type=int, default=0, help="seeded incidents in the first six hours"
    )
    parser.add_argument("--things-lies", type=int, default=0, help="things that lie")
    parser.add_argument("--things-storm", action="store_true", help="a storm begins at once")
    parser.add_argument(
        "--things-truth", type=Path, help="write what really happens to this file, for a scorer"
    )


def mistakes(told: argparse.Namespace) -> list[str]:
    """What is wrong with them, in words."""
    checks = (
        (2 <= told.things_interval <= 86_400, "--things-interval is not between 2 and 86400"),
        (0 <= told.things_incidents <= 60, "--things-incidents is not between 0 and 60"),
        (0 <= told.things_lies <= 60, "--things-lies is not between 0 and 60"),
    )
    return [text for right, text in checks if not right]


@dataclass(slots=True, kw_only=True)
class World:
    """The things, what happens to them, and who makes it happen."""

    layout: Layout
    course: Course
    planner: Planner
    clock: CityTime
    truth: Path | None = None

    def hear(self, body: bytes) -> None:
        """A word on the control topic; what cannot be read is passed over: this is a demo."""
        try:
            told = orjson.loads(body)
            what = told.get("what")
        except (ValueError, AttributeError):
            return
        now_s = self.clock.now_s()
        if what == "storm":
            self.storm(now_s)
        elif what == "incident":
            self.incident(told, now_s)
        elif what == "end":
            self.course.end(now_s)
        self._write()

    def storm(self, now_s: float) -> list[Event]:
        """Let a storm of five hours begin."""
        self.course.rain.append((now_s, now_s + STORM_H * HOUR))
        return self._add(self.planner.storm(now_s, hours=STORM_H))

    def incident(self, told: dict[str, object], now_s: float) -> list[Event]:
        """Let one incident begin now: `kind`, and where told the number of things in it."""
        kind, things = str(told.get("kind", "pumps")), told.get("things")
        if kind not in KINDS:
            return []
        count = min(MOST_THINGS, int(things)) if isinstance(things, int) else None
        made = self.planner.make(kind, now_s, road=str(told.get("road") or ""), count=count)
        return self._add([made] if made is not None else [])

    def _add(self, events: list[Event]) -> list[Event]:
        for one in events:
            self.course.add(one)
        return events

    def _write(self) -> None:
        if self.truth is not None:
            self.course.write_truth(self.truth)


def prepare(told: argparse.Namespace, roads: list[Road], sites: list[Site]) -> World | None:
    """The things with what will happen to them; the file of the truth written where asked for."""
    if told.no_things:
        return None
    layout = lay_out(roads, sites, told.seed)
    now_s = told.clock.now_s()
    planner = Planner(layout, told.seed)
    events = planner.afternoon(now_s, count=told.things_incidents) if told.things_incidents else []
    lies = planner.lies(now_s, hours=6, count=told.things_lies)
    world = World(
        layout=layout, course=Course(events, lies), planner=planner, clock=told.clock,
        truth=told.things_truth,
    )  # fmt: skip
    if told.things_storm:
        world.storm(now_s)
    if world.truth is not None:
        world.course.write_truth(world.truth)
    return world


def start(told: argparse.Namespace, world: World, broker: Broker, group: asyncio.TaskGroup) -> str:
    """Let every platform talk; gives a line that says what they tell."""
    for number, kind in enumerate(THINGS):
        some = [one for one in world.layout.things if one.kind == kind]
        looks = int(told.things_interval / LOOK_S)
        talk = Talk(
            Collector(kind, some, world.course, again_after=looks), told.clock, seed=told.seed
        )
        if number == 0:  # one of them also tells what others hang on, and hears what is to happen
            talk.first += ground(world.layout)
            talk.listens_to, talk.on_message = CONTROL, world.hear
        group.create_task(talk.run(broker, 0.3 * (number + 1)))
    return f"演示 / demo: {len(world.layout.things)} things along the streets"


def ground(layout: Layout) -> list[tuple[str, bytes]]:
    """What things stand on and hang on, told once and kept by the broker."""
    told = {
        "roads": road_list(layout.stretches),
        "sewers": sewer_list(layout.sewers),
        "nodes": node_list(layout.nodes),
    }
    return [
        (f"things/{name}/inventory", orjson.dumps({"items": items})) for name, items in told.items()
    ]
