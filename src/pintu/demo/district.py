"""A made-up riverside district of about 80 km²: river, ring, grids, bridges, a tunnel, and lamps
along them.

No road, lamp or name in here exists. Positions are kilometres east and north of a corner, turned
into
WGS 84 degrees at the end.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

WEST, SOUTH = 120.150, 30.165
WIDTH_KM, HEIGHT_KM = 10.0, 8.0
KM_PER_DEGREE_LAT = 110.85
KM_PER_DEGREE_LON = 111.32 * math.cos(math.radians(30.2))
RIVER_HALF_KM = 0.42
Point = tuple[float, float]

NORTH_AVENUES = (
    "青榆",
    "听澜",
    "云栈",
    "白鹭",
    "秋棠",
    "景明",
    "望舒",
    "松涛",
    "沉香",
    "柳岸",
    "竹溪",
    "晴川",
    "梅影",
    "鹤鸣",
    "荷风",
    "观潮",
)
SOUTH_AVENUES = (
    "锦程",
    "新岸",
    "启帆",
    "星渡",
    "智汇",
    "长虹",
    "远志",
    "丰登",
    "凌波",
    "扬帆",
    "海晏",
    "河清",
    "朝晖",
    "东曦",
    "逐浪",
    "云图",
)
CROSS_STREETS = (
    "一",
    "二",
    "三",
    "四",
    "五",
    "六",
    "七",
    "八",
    "九",
    "十",
    "十一",
    "十二",
    "十三",
    "十四",
)


@dataclass(frozen=True, slots=True)
class Road:
    """One road: its name, class (ring, avenue, street, promenade, bridge, tunnel) and line in
    kilometres."""

    name: str
    kind: str
    line: tuple[Point, ...]

    def length_km(self) -> float:
        """Along the line."""
        return sum(math.dist(a, b) for a, b in pairwise(self.line))


@dataclass(frozen=True, slots=True)
class Lamp:
    """One lamp as the inventory knows it."""

    id: str
    lat: float
    lon: float
    road: str
    kind: str
    pole: str
    rated_w: int
    cct: int


@dataclass(slots=True)
class Site:
    """One gateway in its cabinet with the lamps it serves; feeders and groups are by position in
    the list."""

    gateway: str
    cabinet: str
    lat: float
    lon: float
    lamps: list[Lamp]
    feeders: dict[str, str] = field(default_factory=dict)  # lamp → feeder
    groups: dict[str, str] = field(default_factory=dict)  # lamp → group


def degrees(point: Point) -> tuple[float, float]:
    """(longitude, latitude) of a point in kilometres."""
    return (
        round(WEST + point[0] / KM_PER_DEGREE_LON, 6),
        round(SOUTH + point[1] / KM_PER_DEGREE_LAT, 6),
    )


def river_y(x: float) -> float:
    """The middle of the river: it bends like a 之."""
    return 3.9 + 1.05 * math.sin(x * 0.62 + 0.4) + 0.22 * math.sin(x * 1.7)


def build_roads() -> list[Road]:
    """Every road, in an order that does not change."""
    roads = [_ring(), *_banks(), *_avenues(), *_streets(), *_bridges()]
    return [one for one in roads if one.length_km() > 0.15]


def _ring() -> Road:
    turn = [math.radians(one * 3) for one in range(121)]
    line = tuple(
        (5.0 + 4.55 * _squircle(math.cos(t)), 4.0 + 3.6 * _squircle(math.sin(t))) for t in turn
    )
    return Road("拼河环路", "ring", line)


def _squircle(value: float) -> float:
    return math.copysign(abs(value) ** 0.72, value)


def _banks() -> list[Road]:
    xs = [one / 10 for one in range(3, 98)]
    off = RIVER_HALF_KM + 0.09
    return [
        Road("北岸滨河大道", "promenade", tuple((x, river_y(x) + off) for x in xs)),
        Road("南岸滨河大道", "promenade", tuple((x, river_y(x) - off) for x in xs)),
    ]


def _avenues() -> list[Road]:
    """Roads across the river's direction, one grid a bank; the northern one is older and leans."""
    roads = []
    for number, name in enumerate(NORTH_AVENUES):
        x = 0.55 + number * 0.6
        lean = 0.16 * math.sin(number * 1.3)
        low, high = river_y(x) + RIVER_HALF_KM + 0.09, 7.75
        steps = [low + (high - low) * k / 12 for k in range(13)]
        roads.append(
            Road(name + "路", "avenue", tuple((x + lean * (y - low) / 3, y) for y in steps))
        )
    for number, name in enumerate(SOUTH_AVENUES):
        x = 0.4 + number * 0.62
        high = river_y(x) - RIVER_HALF_KM - 0.09
        roads.append(
            Road(
                name + "大道",
                "avenue",
                tuple((x, 0.25 + (high - 0.25) * k / 10) for k in range(11)),
            )
        )
    return roads


def _streets() -> list[Road]:
    roads = []
    for number, name in enumerate(CROSS_STREETS[:10]):
        y = 0.35 + number * 0.42
        for part in _dry([(x / 20, y) for x in range(6, 195)], below=True):
            roads.append(Road(f"南塘{name}路", "street", part))
    for number, name in enumerate(CROSS_STREETS):
        line = [(x / 20, 7.6 - number * 0.37 + 0.05 * math.sin(x / 20)) for x in range(8, 194)]
        for part in _dry(line, below=False):
            roads.append(Road(f"北埠{name}街", "street", part))
    return roads


def _dry(line: list[Point], *, below: bool) -> list[tuple[Point, ...]]:
    """The parts of a line on one bank."""
    parts: list[list[Point]] = [[]]
    for x, y in line:
        gap = (river_y(x) - y) if below else (y - river_y(x))
        if gap > RIVER_HALF_KM + 0.16:
            parts[-1].append((x, y))
        elif parts[-1]:
            parts.append([])
    return [tuple(one) for one in parts if len(one) > 3]


def _bridges() -> list[Road]:
    roads = []
    for x, name, kind in (
        (1.75, "青榆渡大桥", "bridge"),
        (3.6, "听澜大桥", "bridge"),
        (5.35, "江心隧道", "tunnel"),
        (6.85, "星渡大桥", "bridge"),
        (8.65, "长虹大桥", "bridge"),
    ):
        reach = RIVER_HALF_KM + 0.12
        line = tuple((x, river_y(x) - reach + reach * k / 6) for k in range(13))
        roads.append(Road(name, kind, line))
    return roads


RATED_W = {"ring": 220, "avenue": 150, "street": 90, "promenade": 70, "bridge": 180, "tunnel": 110}
DENSITY = {
    "ring": 1.3,
    "avenue": 1.0,
    "street": 0.8,
    "promenade": 1.3,
    "bridge": 1.7,
    "tunnel": 2.6,
}


def place_lamps(roads: list[Road], count: int, seed: int) -> list[Lamp]:
    """`count` lamps along the roads, on alternating sides, denser where a road is important."""
    chance = random.Random(seed)
    weight = sum(one.length_km() * DENSITY[one.kind] for one in roads)
    per_km = count / weight
    lamps: list[Lamp] = []
    debt = 0.0
    for road in roads:
        exact = road.length_km() * DENSITY[road.kind] * per_km + debt
        here = round(exact)
        debt = exact - here
        for number in range(here):
            x, y = _along(road.line, (number + 0.5) / here, 0.011 if number % 2 else -0.011)
            lon, lat = degrees(
                (x + chance.uniform(-0.001, 0.001), y + chance.uniform(-0.001, 0.001))
            )
            lamps.append(
                Lamp(
                    f"L{len(lamps) + 1:05d}",
                    lat,
                    lon,
                    road.name,
                    road.kind,
                    f"{road.name}{number + 1}号杆",
                    RATED_W[road.kind] + chance.choice((-10, 0, 0, 10)),
                    chance.choice((3000, 4000, 4000)),
                )
            )
    return lamps[:count]


def _along(line: tuple[Point, ...], share: float, side_km: float) -> Point:
    left = share * sum(math.dist(a, b) for a, b in pairwise(line))
    for a, b in pairwise(line):
        step = math.dist(a, b)
        if left <= step or b is line[-1]:
            t = left / step if step else 0.0
            nx, ny = -(b[1] - a[1]) / step, (b[0] - a[0]) / step
            return a[0] + (b[0] - a[0]) * t + nx * side_km, a[1] + (b[1] - a[1]) * t + ny * side_km
        left -= step
    return line[-1]


def make_sites(lamps: list[Lamp], gateways: int) -> list[Site]:
    """Lamps shared out by neighbourhood, one cabinet and gateway each; three feeders, groups by
    road."""
    sites = []
    for number, part in enumerate(_split(lamps, gateways), start=1):
        part.sort(key=lambda one: (one.road, one.id))
        site = Site(
            f"GW{number:03d}",
            f"C{number:03d}",
            round(sum(one.lat for one in part) / len(part), 6),
            round(sum(one.lon for one in part) / len(part), 6),
            part,
        )
        roads = sorted({one.road for one in part})
        for position, lamp in enumerate(part):
            site.feeders[lamp.id] = f"{site.cabinet}-F{position * 3 // len(part) + 1}"
            site.groups[lamp.id] = f"{site.cabinet}-G{roads.index(lamp.road) + 1:02d}"
        sites.append(site)
    return sites


def _split(lamps: list[Lamp], parts: int) -> list[list[Lamp]]:
    if parts <= 1 or len(lamps) < 2:
        return [list(lamps)]
    wide = max(one.lon for one in lamps) - min(one.lon for one in lamps)
    tall = max(one.lat for one in lamps) - min(one.lat for one in lamps)
    ordered = sorted(
        lamps,
        key=(lambda one: (one.lon, one.id)) if wide > tall else (lambda one: (one.lat, one.id)),
    )
    left = parts // 2
    cut = len(ordered) * left // parts
    return _split(ordered[:cut], left) + _split(ordered[cut:], parts - left)


def base_map(roads: list[Road]) -> dict[str, Any]:
    """Outline, river, roads and green as one GeoJSON FeatureCollection (RFC 7946), labelled as a
    demo."""
    xs = [one / 10 for one in range(0, 101)]
    north = [degrees((x, river_y(x) + RIVER_HALF_KM)) for x in xs]
    south = [degrees((x, river_y(x) - RIVER_HALF_KM)) for x in xs]
    corners = [(0.0, 0.0), (WIDTH_KM, 0.0), (WIDTH_KM, HEIGHT_KM), (0.0, HEIGHT_KM), (0.0, 0.0)]
    features = [
        _feature("district", "拼河区（演示）", "Polygon", [[degrees(one) for one in corners]]),
        _feature("river", "拼河", "Polygon", [[*south, *reversed(north), south[0]]]),
    ]
    for number, (x, y, radius) in enumerate(
        ((2.1, 6.7, 0.32), (7.9, 6.3, 0.4), (4.6, 1.2, 0.36), (8.6, 1.6, 0.28))
    ):
        ring = [
            degrees(
                (
                    x + radius * math.cos(math.radians(t)),
                    y + 0.7 * radius * math.sin(math.radians(t)),
                )
            )
            for t in range(0, 361, 15)
        ]
        features.append(_feature("park", f"{'春夏秋冬'[number]}园", "Polygon", [ring]))
    features += [
        _feature(one.kind, one.name, "LineString", [degrees(p) for p in one.line]) for one in roads
    ]
    west, south_edge = degrees((0.0, 0.0))
    east, north_edge = degrees((WIDTH_KM, HEIGHT_KM))
    return {
        "type": "FeatureCollection",
        "name": "演示 / demo: a made-up district",
        "bbox": [west, south_edge, east, north_edge],
        "features": features,
    }


def _feature(kind: str, name: str, geometry: str, coordinates: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {"kind": kind, "name": name},
        "geometry": {"type": geometry, "coordinates": coordinates},
    }
