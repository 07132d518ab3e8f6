"""What is alarmed now, in memory: incidents and alarms that wait, found by thing, cause and place.

A grid of cells finds neighbours while alarms come and go one at a time; a tree of rectangles would
have to be built anew for each. Of a crowded cell only the newest alarms of each incident are looked
at, so that a question costs the same however many alarms there are. Pure.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Set
from functools import lru_cache
from typing import Final

from pintu.kernel.operations.incidents.reading import DEGREE_M, metres
from pintu.kernel.operations.incidents.words import Alarm, Incident

AFFECTED: Final = 200
CELL_M: Final = 250.0
IN_CELL: Final = 24
WIDE_M: Final = 1_000
"""What is wider is near nothing in particular."""


class Cluster:
    """Alarms that are one: an incident, or (without one) an alarm that waits for another.

    A flood's alarms are on disk only: here are the first few, the rest is counted.
    """

    __slots__ = ("alarms", "detectors", "first_us", "incident", "key", "last_us", "sides")

    def __init__(self, key: str, incident: Incident | None = None) -> None:
        self.key, self.incident = key, incident
        self.alarms: dict[str, Alarm] = {}
        self.detectors: dict[str, int] = {}
        self.first_us = self.last_us = 0
        self.sides: tuple[float, float, float, float] | None = None

    @property
    def held(self) -> bool:
        """Whether a person decided what belongs to it."""
        return self.incident is not None and self.incident.held

    @property
    def flood(self) -> str:
        """The detector that is not to be believed."""
        return self.incident.flood if self.incident is not None else ""

    @property
    def affected(self) -> list[str]:
        """The things its alarms are about, each once."""
        found = dict.fromkeys(one.source for one in self.alarms.values() if one.source)
        return list(found)[:AFFECTED]

    @property
    def age(self) -> tuple[bool, int, str]:
        """What somebody has taken on before what nobody has, the older before the newer."""
        incident = self.incident
        if incident is None:
            return True, 0, self.key
        return incident.state == "open", incident.opened_us, incident.id

    def confirms(self, source: str) -> bool:
        """Whether somebody besides a source says that there is something."""
        return any(name.partition("/")[0] != source for name in self.detectors)

    def gap_us(self, at_us: int) -> int:
        """From its span to a moment; 0 within."""
        return max(self.first_us - at_us, at_us - self.last_us, 0)

    def extent_m(self, lon: float, lat: float) -> float:
        """Across, once a point would be in it."""
        if self.sides is None:
            return 0.0
        west, south, east, north = self.sides
        low = (min(west, lon), min(south, lat))
        return metres(low, (max(east, lon), max(north, lat)))


class Board:
    """Everything of one tenant that is live."""

    def __init__(self) -> None:
        self.clusters: dict[str, Cluster] = {}
        self.alerts: dict[str, Cluster] = {}
        self.floods: dict[str, Cluster] = {}  # by detector
        self._cells: dict[tuple[int, int], dict[str, deque[Alarm]]] = {}
        self._causes: dict[str, dict[str, list[int]]] = {}  # key → cluster → [how many, nearest]

    # --- changing ---------------------------------------------------------------------------------
    def open(self, cluster: Cluster) -> Cluster:
        """A cluster that is new, or known again."""
        self.clusters[cluster.key] = cluster
        if cluster.flood:
            self.floods[cluster.flood] = cluster
        for alarm in list(cluster.alarms.values()):
            self.put(cluster, alarm)
        return cluster

    def put(self, cluster: Cluster, alarm: Alarm) -> None:
        """An alarm belongs to a cluster."""
        cluster.alarms[alarm.alert] = alarm
        self.alerts[alarm.alert] = cluster
        cluster.detectors[alarm.detector] = cluster.detectors.get(alarm.detector, 0) + 1
        first = not cluster.last_us
        cluster.first_us = alarm.at_us if first else min(cluster.first_us, alarm.at_us)
        cluster.last_us = max(cluster.last_us, alarm.at_us)
        if cluster.flood:
            return
        for key, steps in alarm.causes.items():
            known = self._causes.setdefault(key, {}).setdefault(cluster.key, [0, steps])
            known[0] += 1
            known[1] = min(known[1], steps)
        if alarm.lon is not None and alarm.lat is not None and alarm.extent_m < WIDE_M:
            cell = self._cells.setdefault(_cell(alarm.lon, alarm.lat), {})
            cell.setdefault(cluster.key, deque(maxlen=IN_CELL)).append(alarm)
            west, south, east, north = cluster.sides or (180.0, 90.0, -180.0, -90.0)
            cluster.sides = (
                min(west, alarm.lon),
                min(south, alarm.lat),
                max(east, alarm.lon),
                max(north, alarm.lat),
            )

    def close(self, cluster: Cluster) -> None:
        """A cluster is nobody's business any more."""
        self.clusters.pop(cluster.key, None)
        if self.floods.get(cluster.flood) is cluster:
            del self.floods[cluster.flood]
        for alarm in cluster.alarms.values():
            self._forget(cluster, alarm)

    def move(self, alarms: list[Alarm], frm: Cluster, into: Cluster) -> None:
        """Alarms go from one cluster to another; one that is empty then is closed."""
        self.close(frm)
        gone = {one.alert for one in alarms}
        left = [one for one in frm.alarms.values() if one.alert not in gone]
        frm.alarms, frm.detectors, frm.sides = {}, {}, None
        frm.first_us = frm.last_us = 0
        if left or frm.flood:
            self.open(frm)
        for one in left:
            self.put(frm, one)
        for one in alarms:
            self.put(into, one)

    def _forget(self, cluster: Cluster, alarm: Alarm) -> None:
        if self.alerts.get(alarm.alert) is cluster:
            del self.alerts[alarm.alert]
        for key in alarm.causes:
            self._causes.get(key, {}).pop(cluster.key, None)
            if not self._causes.get(key, True):
                del self._causes[key]
        if alarm.lon is not None and alarm.lat is not None:
            cell = _cell(alarm.lon, alarm.lat)
            self._cells.get(cell, {}).pop(cluster.key, None)
            if not self._cells.get(cell, True):
                del self._cells[cell]

    # --- asking -----------------------------------------------------------------------------------
    def by_cause(self, key: str) -> Iterator[tuple[Cluster, int]]:
        """(cluster, fewest steps to it) of those with an alarm that depends on a thing."""
        for name, (_, steps) in self._causes.get(key, {}).items():
            yield self.clusters[name], steps

    def near(
        self, lon: float, lat: float, radius_m: float, found: Set[str]
    ) -> Iterator[tuple[Cluster, Alarm]]:
        """Alarms in the cells around a point, the nearest cells first, as far as a radius reaches
        (some are further). Clusters that come to be in `found` meanwhile are passed over in the
        cells that follow."""
        column, row = _cell(lon, lat)
        reach = math.ceil(radius_m / CELL_M)
        wide = math.ceil(reach / max(math.cos(math.radians(lat)), 0.01))
        for x, y in _rings(wide, reach):
            cell = self._cells.get((column + x, row + y))
            if cell is None:
                continue
            for name, alarms in cell.items():
                if name not in found:
                    cluster = self.clusters[name]
                    for alarm in alarms:
                        yield cluster, alarm


@lru_cache(maxsize=64)
def _rings(wide: int, reach: int) -> tuple[tuple[int, int], ...]:
    cells = [(x, y) for x in range(-wide, wide + 1) for y in range(-reach, reach + 1)]
    return tuple(sorted(cells, key=lambda one: (max(abs(one[0]), abs(one[1])), one)))


def _cell(lon: float, lat: float) -> tuple[int, int]:
    size = CELL_M / DEGREE_M
    return math.floor(lon / size), math.floor(lat / size)
