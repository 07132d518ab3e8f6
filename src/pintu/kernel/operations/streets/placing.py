"""Streets in the plane: which of them something lies on, and how much of each is watched. Pure.

Degrees become metres about the city's middle; a city is small enough for that.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape

from pintu.kernel.operations.streets.reading import Watcher
from pintu.kernel.operations.streets.words import REACH_M, Street

DEGREE_M: Final = 111_320.0
STEP_M: Final = 10.0
"""Streets are looked at in steps of so many metres."""


class Plan:
    """The streets of a city by place; a street that changes makes a new one."""

    def __init__(self, streets: Iterable[Street]) -> None:
        self.ids: list[str] = []
        lines: list[Any] = []
        told = list(streets)
        every = [place for one in told for place in one.line]
        self._lon = sum(lon for lon, _ in every) / max(len(every), 1)
        self._lat = sum(lat for _, lat in every) / max(len(every), 1)
        self._wide = DEGREE_M * max(math.cos(math.radians(self._lat)), 0.05)
        for one in told:
            self.ids.append(one.id)
            lines.append(shapely.LineString([self.metres(*place) for place in one.line]))
        self.lines = np.array(lines, dtype=object)
        self._tree = shapely.STRtree(lines)
        self._steps, self._of = _steps(lines)
        self._step_tree = shapely.STRtree(self._steps)

    def metres(self, lon: float, lat: float) -> tuple[float, float]:
        """A place in the plane."""
        return (lon - self._lon) * self._wide, (lat - self._lat) * DEGREE_M

    def length_m(self) -> dict[str, int]:
        """The length of each street."""
        return {
            id: round(length)
            for id, length in zip(self.ids, shapely.length(self.lines), strict=True)
        }

    def beside(self, where: Mapping[str, Any], within_m: float) -> dict[str, int]:
        """The streets a GeoJSON geometry lies on: a point or line no further than that, an area
        those it touches; with the distance in metres. A point lies on its nearest streets only:
        those hardly further than the nearest one.
        """
        try:
            geometry = shapely.transform(shape(dict(where)), self._all_metres)
            found = self._tree.query(geometry, predicate="dwithin", distance=max(within_m, 0.01))
        except (ShapelyError, ValueError, KeyError, TypeError, IndexError, AttributeError):
            return {}
        away = {int(n): float(self.lines[n].distance(geometry)) for n in found}
        if geometry.geom_type == "Point" and away:
            nearest = min(away.values()) + STEP_M
            away = {n: distance for n, distance in away.items() if distance <= nearest}
        return {self.ids[n]: round(distance) for n, distance in away.items()}

    def watched(
        self, watchers: Sequence[Watcher], reach_m: Mapping[str, float] = REACH_M
    ) -> dict[str, tuple[float, dict[str, int]]]:
        """Street → (share of its length that a watcher reaches, watchers by type)."""
        seen = np.zeros(len(self._of), dtype=bool)
        by: dict[int, Counter[str]] = defaultdict(Counter)
        if watchers and len(self._of):
            places = shapely.points([self.metres(one.lon, one.lat) for one in watchers])
            reach = np.array([reach_m[one.type] for one in watchers])
            who, steps = self._step_tree.query(places, predicate="dwithin", distance=reach)
            seen[steps] = True
            pairs = np.unique(np.stack((who, self._of[steps])), axis=1)
            for number, street in pairs.T.tolist():
                by[street][watchers[number].type] += 1
        count = np.bincount(self._of, minlength=len(self.ids))
        covered = np.bincount(self._of[seen], minlength=len(self.ids))
        return {
            id: (round(float(covered[n]) / max(int(count[n]), 1), 2), dict(by[n]))
            for n, id in enumerate(self.ids)
        }

    def _all_metres(self, places: Any) -> Any:
        return (places - (self._lon, self._lat)) * (self._wide, DEGREE_M)


def _steps(lines: list[Any]) -> tuple[Any, Any]:
    """Points along the lines, and the number of the line each is of."""
    points: list[Any] = []
    of: list[int] = []
    for n, one in enumerate(lines):
        count = max(2, math.ceil(one.length / STEP_M) + 1)
        along = shapely.line_interpolate_point(one, np.linspace(0, one.length, count))
        points.extend(along)
        of += [n] * count
    return points, np.array(of, dtype=np.int64)
