"""1,440 things (演示) along the streets besides lamps: water levels, manholes, bins, signals and
cameras (their state alone); and the stretches of road they stand on."""

from __future__ import annotations

import math
import random
import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from pintu.demo.district import RIVER_HALF_KM, Point, Road, Site, degrees, river_y

KINDS: Final = {
    "river": 60, "underpass": 60, "drain": 200, "manhole": 408, "bin": 300, "camera": 220,
    "signal": 180, "station": 12,
}  # fmt: skip
SEWERS: Final = 68
"""Stretches whose sewer is watched: six manholes each, three drains, most an underpass."""
NODES: Final = 24
LETTER: Final = {
    "river": "R", "underpass": "U", "drain": "D", "manhole": "M", "bin": "B", "camera": "V",
    "signal": "S", "station": "P",
}  # fmt: skip
OWNERS: Final = {
    "river": "水务（演示）", "underpass": "水务（演示）", "drain": "排水（演示）",
    "manhole": "市政（演示）", "bin": "环卫（演示）", "camera": "视频（演示）",
    "signal": "交警（演示）", "station": "水务（演示）",
}  # fmt: skip
NAMES: Final = {
    "river": ("河道水位", "River level"), "underpass": ("下穿水位", "Underpass level"),
    "drain": ("雨水管", "Drain"), "manhole": ("检查井", "Manhole"), "bin": ("垃圾箱", "Bin"),
    "camera": ("摄像机", "Camera"), "signal": ("信号灯", "Signal"),
    "station": ("雨水泵站", "Pumping station"),
}  # fmt: skip
STRETCH_KM: Final = 0.6
TYPES: Final = {
    "river": "FloodMonitoring", "underpass": "FloodMonitoring", "drain": "FloodMonitoring",
    "manhole": "Manhole", "bin": "WasteContainer", "camera": "Camera", "signal": "TrafficSignal",
    "station": "PumpingStation",
}  # fmt: skip
THING_ID: Final = "urn:ngsi-ld:{type}:street_things:{id}"
ON_A_SEWER: Final = ("underpass", "drain", "manhole")
CABINET_ID: Final = "urn:ngsi-ld:StreetlightControlCabinet:street_lights:"
FED_BY_A_CABINET: Final = ("camera", "signal", "station")
CLASSES: Final = {
    "ring": "trunk", "avenue": "primary", "street": "secondary", "promenade": "tertiary",
    "bridge": "primary", "tunnel": "primary",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A piece of a road of about 600 m: its line in kilometres."""

    id: str
    road: str
    kind: str
    line: tuple[Point, ...]

    @property
    def middle(self) -> Point:
        """The point half-way along its points."""
        return self.line[len(self.line) // 2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sewer:
    """The sewer below a stretch, and the pumping station it drains into."""

    id: str
    stretch: Stretch
    station: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One thing as its owner's inventory knows it; `x`, `y` in kilometres. What it hangs on:
    `cabinet` by power, `sewer` by water, `node` by its data."""

    id: str
    kind: str
    x: float
    y: float
    road: str
    stretch: str
    cabinet: str = ""
    sewer: str = ""
    node: str = ""

    @property
    def entity(self) -> str:
        """What the city calls it, as the city told its owner."""
        return THING_ID.format(type=TYPES[self.kind], id=self.id)

    @property
    def turn(self) -> int:
        """A number of its own, 0 to 4095, the same in every life."""
        return zlib.crc32(self.id.encode()) % 4096


def cut_roads(roads: list[Road]) -> list[Stretch]:
    """Every road in stretches of about 600 m, in an order that does not change."""
    found: list[Stretch] = []
    for road in roads:
        parts = max(1, round(road.length_km() / STRETCH_KM))
        line = list(road.line)
        per = (len(line) - 1) / parts
        for number in range(parts):
            begin, end = round(number * per), round((number + 1) * per)
            if end > begin:
                part = tuple(line[begin : end + 1])
                one = Stretch(
                    id=f"G{len(found) + 1:04d}", road=road.name, kind=road.kind, line=part
                )
                found.append(one)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where everything is and what it hangs on."""

    stretches: list[Stretch]
    things: list[Thing]
    sewers: list[Sewer]
    nodes: list[tuple[str, Point]]


def lay_out(roads: list[Road], sites: list[Site], seed: int) -> Layout:
    """Everything, its place chosen by the seed; cameras, signals and stations are fed by the
    nearest lamp cabinet of `sites`."""
    stretches = cut_roads(roads)
    chance = random.Random(f"things {seed}")
    dry = [one for one in stretches if _fits("station", one)]
    nodes = [(f"N{n:03d}", chance.choice(dry).middle) for n in range(1, NODES + 1)]
    cabinets = [(one.cabinet, _kilometres(one.lon, one.lat)) for one in sites]
    hangs = _Hangs(cabinets=cabinets, nodes=nodes)
    stations = [
        hangs.thing("station", number, chance.choice(dry), chance)
        for number in range(1, KINDS["station"] + 1)
    ]
    places = [(one.id, (one.x, one.y)) for one in stations]
    below = chance.sample(dry, SEWERS)
    sewers = [
        Sewer(id=f"W{n:03d}", stretch=one, station=_nearest(places, one.middle))
        for n, one in enumerate(below, 1)
    ]
    things = list(stations)
    for kind, count in KINDS.items():
        among = [one for one in stretches if _fits(kind, one)]
        for number in range(1, count + 1 if kind != "station" else 1):
            if kind in ON_A_SEWER:
                sewer = sewers[(number - 1) % SEWERS]
                things.append(hangs.thing(kind, number, sewer.stretch, chance, sewer.id))
            else:
                things.append(hangs.thing(kind, number, chance.choice(among), chance))
    return Layout(stretches=stretches, things=things, sewers=sewers, nodes=nodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hangs:
    """What things can hang on: names and places."""

    cabinets: list[tuple[str, Point]]
    nodes: list[tuple[str, Point]]

    def thing(
        self, kind: str, number: int, stretch: Stretch, chance: random.Random, sewer: str = ""
    ) -> Thing:
        x, y = _place(kind, stretch, chance)
        return Thing(
            id=f"{LETTER[kind]}{number:04d}", kind=kind, x=x, y=y, road=stretch.road,
            stretch=stretch.id, sewer=sewer,
            cabinet=_nearest(self.cabinets, (x, y)) if kind in FED_BY_A_CABINET else "",
            node=_nearest(self.nodes, (x, y)) if kind == "camera" else "",
        )  # fmt: skip


def _nearest(named: list[tuple[str, Point]], place: Point) -> str:
    return min(named, key=lambda one: math.dist(one[1], place))[0] if named else ""


def _fits(kind: str, stretch: Stretch) -> bool:
    if kind == "river":
        return stretch.kind in ("promenade", "bridge")
    if kind == "underpass":
        return stretch.kind in ("avenue", "street", "tunnel")
    return stretch.kind not in ("bridge", "tunnel")


def _place(kind: str, stretch: Stretch, chance: random.Random) -> Point:
    if kind == "signal":
        x, y = chance.choice((stretch.line[0], stretch.line[-1]))
    else:
        (ax, ay), (bx, by) = chance.choice(list(pairwise(stretch.line)))
        part = chance.random()
        x, y = ax + (bx - ax) * part, ay + (by - ay) * part
    if kind == "river":
        middle = river_y(x)
        y = middle + math.copysign(RIVER_HALF_KM - 0.03, y - middle)
    spread = 0.012
    return (
        round(x + chance.uniform(-spread, spread), 5),
        round(y + chance.uniform(-spread, spread), 5),
    )


def _kilometres(lon: float, lat: float) -> Point:
    (west, south), (east, north) = degrees((0.0, 0.0)), degrees((1.0, 1.0))
    return (lon - west) / (east - west), (lat - south) / (north - south)


def inventory(things: list[Thing]) -> list[dict[str, Any]]:
    """What an owner tells of its things once: number, name, place, road; nothing of their state."""
    told = []
    for one in things:
        lon, lat = degrees((one.x, one.y))
        item: dict[str, Any] = {
            "id": one.id,
            "name": f"{one.road}{NAMES[one.kind][0]} {one.id}",
            "name_en": f"{NAMES[one.kind][1]} {one.id}, {one.road}",
            "owner": OWNERS[one.kind],
            "lon": lon,
            "lat": lat,
            "road": one.road,
            "stretch": one.stretch,
            "demo": True,
        }
        if one.cabinet:
            item["fed_by"] = CABINET_ID + one.cabinet
        if one.sewer:
            item["sewer"] = one.sewer
        if one.node:
            item["node"] = one.node
        if one.kind in ("river", "underpass", "drain"):
            item |= {
                "place": one.kind,
                "alert_m": ALERT_M[one.kind],
                "danger_m": DANGER_M[one.kind],
            }
        told.append(item)
    return told


def sewer_list(sewers: list[Sewer]) -> list[dict[str, Any]]:
    """The sewers as their owner tells them once, each with the station it drains into."""
    return [
        {
            "id": one.id,
            "name": f"{one.stretch.road}雨水管段 {one.id}",
            "name_en": f"Sewer {one.id}, {one.stretch.road}",
            "stretch": one.stretch.id,
            "station": one.station,
            "owner": OWNERS["drain"],
            "demo": True,
            "line": _line(one.stretch),
        }
        for one in sewers
    ]


def node_list(nodes: list[tuple[str, Point]]) -> list[dict[str, Any]]:
    """The nodes of the network that cameras hang on."""
    found = []
    for name, place in nodes:
        lon, lat = degrees(place)
        told = {
            "id": name,
            "name": f"网络节点 {name}",
            "name_en": f"Node {name}",
            "lon": lon,
            "lat": lat,
            "demo": True,
        }
        found.append({**told, "owner": OWNERS["camera"], "kind": "gateway"})
    return found


def road_list(stretches: list[Stretch]) -> list[dict[str, Any]]:
    """The stretches of road as their owner tells them once."""
    return [
        {
            "id": one.id,
            "name": f"{one.road}（{one.id}）",
            "name_en": f"{one.road} ({one.id})",
            "road": one.road,
            "class": CLASSES[one.kind],
            "length_km": round(sum(math.dist(a, b) for a, b in pairwise(one.line)), 3),
            "demo": True,
            "line": _line(one),
        }
        for one in stretches
    ]


def _line(one: Stretch) -> dict[str, Any]:
    return {"type": "LineString", "coordinates": [list(degrees(p)) for p in one.line]}


ALERT_M: Final = {"river": 6.0, "underpass": 0.15, "drain": 1.6}
DANGER_M: Final = {"river": 7.0, "underpass": 0.4, "drain": 2.2}
"""Metres above the bed, the roadway, the pipe's sole."""
