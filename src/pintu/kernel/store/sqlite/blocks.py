"""Points of the grid kept in memory, a block of cells at a time, so that those in a circle are
counted by the circle's edges and not one by one.

A block is a piece of one row of cells. Its points lie in a few bands, from south to north, each
sorted from west to east: of a band everything between two longitudes is certainly inside, and
everything beyond two others certainly outside; only what lies between is measured. `written` says
why no block is ever old. A block is read when it was asked for twice and nothing in it had moved
meanwhile: where things move all the time, SQLite counts as it would without this.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from itertools import islice
from math import sqrt
from typing import Any, Final

from pintu.kernel.context.match import distance_m
from pintu.kernel.store.choosing import Circle
from pintu.kernel.store.rows import PER_DEGREE
from pintu.kernel.store.sqlite.written import Remembered, Written

CELLS_BITS: Final = 5
"""A block has 2 ** this many cells: some 15 km from west to east."""

BANDS: Final = 3
"""Of a block: more of them leave fewer points to be measured, and cost two edges each."""

LARGEST: Final = 2_000
"""Points of a block that is read; one with more is counted by SQLite."""

MOST_POINTS: Final = 200_000
"""Points kept, of 16 bytes each."""

MOST_BLOCKS: Final = 4_096
"""Blocks kept or asked for once."""

_HAIR: Final = 1e-9
"""Degrees: more than rounding moves an edge, a tenth of a millimetre."""

_POINTS: Final = "SELECT lon, lat FROM point WHERE path=? AND cell BETWEEN ? AND ? LIMIT ?"
Band = tuple[float, float, "array[float]", "array[float]"]
"""Smallest and largest latitude, then longitudes from west to east and their latitudes."""

Block = tuple[int, list[Band] | None]
"""How many points, and where; nowhere when they are too many."""

Run = Callable[[str, tuple[Any, ...]], Any]


def block_of(path: int, cell: int) -> int:
    """The block a point under a path lies in."""
    return path << 32 | cell >> CELLS_BITS


def bands_of(points: list[tuple[float, float]]) -> list[Band]:
    """Points as bands, from south to north."""
    parts: list[list[tuple[float, float]]] = [[] for _ in range(BANDS)]
    for point in points:
        height = (point[1] + 90.0) * PER_DEGREE % 1.0
        parts[min(int(height * BANDS), BANDS - 1)].append(point)
    bands: list[Band] = []
    for part in parts:
        if part:
            part.sort()
            lats = array("d", [lat for _, lat in part])
            bands.append((min(lats), max(lats), array("d", [lon for lon, _ in part]), lats))
    return bands


def inside(band: Band, told: Circle, metres: float) -> int:
    """How many points of a band lie within metres of the place that `told` is of."""
    south, north, lons, lats = band
    lat, lon, more, most_inside, less, least_outside = told
    far = max(lat - south, north - lat)
    close = max(south - lat, lat - north, 0.0)
    rest = least_outside - close * close
    if rest < 0:
        return 0
    wide = sqrt(rest / less) + _HAIR
    first, last = bisect_left(lons, lon - wide), bisect_right(lons, lon + wide)
    rest = most_inside - far * far
    certain = sqrt(rest / more) - _HAIR if rest > 0 else -1.0
    if certain > 0:
        low = bisect_left(lons, lon - certain, first, last)
        high = bisect_right(lons, lon + certain, low, last)
    else:
        low = high = last
    count = high - low
    for start, end in ((first, low), (high, last)):
        for at in range(start, end):
            x, y = lons[at] - lon, lats[at] - lat
            if y * y + more * x * x <= most_inside or (
                y * y + less * x * x <= least_outside
                and distance_m(lon, lat, lons[at], lats[at]) <= metres
            ):
                count += 1
    return count


class Blocks(Remembered):
    """Of the loop only; `run` reads in the snapshot that the loop holds."""

    def __init__(self, run: Run, written: Written) -> None:
        super().__init__(written)
        self._run = run
        self._kept: dict[int, Block | None] = {}  # None: asked for once
        self.points = 0

    def __len__(self) -> int:
        return len(self._kept)

    def count(self, path: int, low: int, high: int, told: Circle, metres: float) -> int | None:
        """Points of a path in these cells of one row that lie within metres of a place; None when
        SQLite must count them. Ask only while a snapshot is held.
        """
        if self._told:
            self._take_out()
        total = 0
        first, last = block_of(path, low), block_of(path, high)
        for key in range(first, last + 1):
            if key not in self._kept:
                self._put(key, None)
                return None
            block = self._kept[key]
            if block is None:
                block = self._read(path, key)
            if block[1] is None:
                return None
            for band in block[1]:
                total += inside(band, told, metres)
        return total

    def _read(self, path: int, key: int) -> Block:
        cell = (key - (path << 32)) << CELLS_BITS
        bindings = (path, cell, cell + (1 << CELLS_BITS) - 1, LARGEST + 1)
        points: list[tuple[float, float]] = self._run(_POINTS, bindings).fetchall()
        many = len(points) > LARGEST
        block: Block = (0, None) if many else (len(points), bands_of(points))
        self._put(key, block)
        return block

    def _put(self, key: int, block: Block | None) -> None:
        self._kept[key] = block
        self.points += block[0] if block is not None else 0
        while self.points > MOST_POINTS or len(self._kept) > MOST_BLOCKS:
            self._forget([*islice(self._kept, 16)])

    def _forget(self, keys: list[int]) -> None:
        for key in keys:
            block = self._kept.pop(key, None)
            if block is not None:
                self.points -= block[0]
