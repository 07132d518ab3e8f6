"""Everything of a tenant that stands at a point, in columns: what the map asks, without the disk.

Rows never move: an entity keeps its row number until the process ends, so that a browser can hold
on to it. 50,000 lamps take about 15 MB.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from pintu.web.api.looks import ALERTED, THING, Look

CELL_E6 = 2_000  # 0.002 degrees, about 200 m
FAR = 3  # so many times as wide with the few that lie far off: the first view goes without them
Box = tuple[float, float, float, float]  # west, south, east, north


@dataclass(frozen=True, slots=True)
class Point:
    """What one entity shows on the map."""

    longitude: float
    latitude: float
    kind: str
    state: int
    level: int


class Points:
    """Columns by row, rows by id, and counts by cell of a fine grid and state."""

    def __init__(self, looks: list[Look]) -> None:
        self.alarming = frozenset(n for n, look in enumerate(looks) if look.alarm)
        self.ids: list[str] = []
        self.row_of: dict[str, int] = {}
        self.longitude = array("i")
        self.latitude = array("i")
        self.state = array("B")
        self.level = array("B")
        self.kind = array("B")
        self.kinds: list[str] = []
        self.cells: dict[tuple[int, int], set[int]] = {}
        self.faults: dict[str, int] = {}  # id → open alerts; also of ids not (yet) here
        self.counts: list[int] = [0] * len(looks)
        self.version = 0

    def __len__(self) -> int:
        return len(self.row_of)

    def put(self, id: str, point: Point) -> int | None:
        """Add or change one; its row when anything the map shows changed, else None."""
        row = self.row_of.get(id)
        longitude, latitude = round(point.longitude * 1e6), round(point.latitude * 1e6)
        state = self._seen_with_alerts(id, point.state)
        if row is None:
            return self._add(id, point, longitude, latitude, state)
        moved = (longitude, latitude) != (self.longitude[row], self.latitude[row])
        if not moved and (state, point.level) == (self.state[row], self.level[row]):
            return None
        if moved:
            self._leave(row)
            self.longitude[row], self.latitude[row] = longitude, latitude
            self.cells.setdefault(self._cell(row), set()).add(row)
        self._show(row, state, point.level)
        return row

    def _seen_with_alerts(self, id: str, state: int) -> int:
        """An open alert shows, unless what the thing says of itself is an alarm already."""
        return ALERTED if id in self.faults and state not in self.alarming else state

    def _add(self, id: str, point: Point, longitude: int, latitude: int, state: int) -> int:
        row = len(self.ids)
        self.ids.append(id)
        self.row_of[id] = row
        self.longitude.append(longitude)
        self.latitude.append(latitude)
        self.state.append(state)
        self.level.append(point.level)
        if point.kind not in self.kinds:
            self.kinds.append(point.kind)
        self.kind.append(min(self.kinds.index(point.kind), 255))
        self.cells.setdefault(self._cell(row), set()).add(row)
        self.counts[state] += 1
        self.version += 1
        return row

    def _cell(self, row: int) -> tuple[int, int]:
        return self.longitude[row] // CELL_E6, self.latitude[row] // CELL_E6

    def _leave(self, row: int) -> None:
        cell = self._cell(row)
        rows = self.cells.get(cell)
        if rows is not None:
            rows.discard(row)
            if not rows:
                del self.cells[cell]

    def _show(self, row: int, state: int, level: int) -> None:
        self.counts[self.state[row]] -= 1
        self.counts[state] += 1
        self.state[row], self.level[row] = state, level
        self.version += 1

    def remove(self, id: str) -> int | None:
        """Forget an entity; the row it had."""
        row = self.row_of.pop(id, None)
        if row is None:
            return None
        self._leave(row)
        self.counts[self.state[row]] -= 1
        self.ids[row] = ""
        self.version += 1
        return row

    def fault(self, id: str, step: int, otherwise: int = THING) -> int | None:
        """One open alert more or less about an entity, which looks `otherwise` without; its row
        when its look changed."""
        count = self.faults.get(id, 0) + step
        if count > 0:
            self.faults[id] = count
        else:
            self.faults.pop(id, None)
        row = self.row_of.get(id)
        if row is None:
            return None
        wanted = self._seen_with_alerts(id, otherwise)
        if self.state[row] == wanted:
            return None
        self._show(row, wanted, self.level[row])
        return row

    def rows_in(self, box: Box) -> Iterator[int]:
        """Rows within a box, borders included; walks cells, or all rows when the box is wide."""
        west, south, east, north = (round(side * 1e6) for side in box)
        columns = range(west // CELL_E6, east // CELL_E6 + 1)
        lines = range(south // CELL_E6, north // CELL_E6 + 1)
        if len(columns) * len(lines) > len(self.cells):
            cells = [c for c in self.cells if c[0] in columns and c[1] in lines]
        else:
            cells = [(x, y) for x in columns for y in lines if (x, y) in self.cells]
        longitude, latitude = self.longitude, self.latitude
        for x, y in cells:
            inside = west <= x * CELL_E6 and (x + 1) * CELL_E6 - 1 <= east
            inside = inside and south <= y * CELL_E6 and (y + 1) * CELL_E6 - 1 <= north
            for row in self.cells[x, y]:
                if inside or (west <= longitude[row] <= east and south <= latitude[row] <= north):
                    yield row

    def view(self) -> Box | None:
        """The box to begin with: around everything, but for one thing in a thousand on each side
        that lies far from all others, as what was given a wrong place does."""
        whole = self.bounds()
        if whole is None:
            return None
        spans = []
        for axis in (0, 1):
            low, high = whole[axis], whole[axis + 2]
            first, last = self._most(axis)
            far = (last - first) * FAR < high - low
            spans.append((first, last) if far else (low, high))
        return spans[0][0], spans[1][0], spans[0][1], spans[1][1]

    def _most(self, axis: int) -> tuple[float, float]:
        """From where to where most things lie; 0 is longitude, 1 latitude."""
        counts: dict[int, int] = {}
        for cell, rows in self.cells.items():
            counts[cell[axis]] = counts.get(cell[axis], 0) + len(rows)
        few = sum(counts.values()) // 1000
        edges = []
        for side in (sorted(counts), sorted(counts, reverse=True)):
            seen = 0
            for edge in side:
                seen += counts[edge]
                if seen > few:
                    edges.append(edge)
                    break
        return edges[0] * CELL_E6 / 1e6, (edges[1] + 1) * CELL_E6 / 1e6

    def bounds(self) -> Box | None:
        """The box around everything; None when there is nothing."""
        if not self.cells:
            return None
        columns = [cell[0] for cell in self.cells]
        lines = [cell[1] for cell in self.cells]
        size = CELL_E6 / 1e6
        return (
            min(columns) * size,
            min(lines) * size,
            (max(columns) + 1) * size,
            (max(lines) + 1) * size,
        )
