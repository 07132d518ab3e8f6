"""The map's data: points of a box in columns, or cells with counts where there are too many."""

from __future__ import annotations

import math
import time
from typing import Any

from pintu.kernel.errors import InvalidRequest
from pintu.web.api.picture import Picture
from pintu.web.api.points import CELL_E6, Box

MAX_POINTS = 15_000
CELL_PX = 40
CELLS_KEPT_S = 1.0


def read_box(text: str | None) -> Box | None:
    """`west,south,east,north` in degrees; InvalidRequest says what is wrong with it."""
    if not text:
        return None
    try:
        sides = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InvalidRequest(f"bbox {text[:80]!r} holds something that is no number") from error
    if len(sides) != 4 or not all(math.isfinite(side) for side in sides):
        raise InvalidRequest(f"bbox {text[:80]!r} is not west,south,east,north")
    west, south, east, north = sides
    if not (-540 <= west <= east <= 540 and -90 <= south <= north <= 90):
        raise InvalidRequest(f"bbox {text[:80]!r} does not run west to east and south to north")
    return west, south, east, north


def read_zoom(text: str | None) -> float:
    """A zoom between 0 and 24; 12 when not given."""
    try:
        zoom = float(text or 12)
    except ValueError as error:
        raise InvalidRequest(f"zoom {str(text)[:20]!r} is no number") from error
    if not 0 <= zoom <= 24:
        raise InvalidRequest(f"zoom {zoom} is not between 0 and 24")
    return zoom


class Cells:
    """Counts by cell and state for a whole tenant at a zoom, kept for a second."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[float, int, list[list[int]]]] = {}

    def at(self, picture: Picture, zoom: int) -> tuple[int, list[list[int]]]:
        """(size of a cell in millionths of a degree, rows of [lon, lat, count by state…])."""
        now = time.monotonic()
        kept = self._kept.get(zoom)
        if kept is not None and now - kept[0] < CELLS_KEPT_S:
            return kept[1], kept[2]
        size = max(1, round(360 / (512 * 2**zoom) * CELL_PX * 1e6 / CELL_E6)) * CELL_E6
        sums: dict[tuple[int, int], list[int]] = {}
        points = picture.points
        step = size // CELL_E6
        for (x, y), rows in points.cells.items():
            counts = sums.setdefault((x // step, y // step), [0] * (len(points.counts) + 2))
            for row in rows:
                counts[points.state[row] + 2] += 1
                counts[0] += points.longitude[row]
                counts[1] += points.latitude[row]
        cells = []
        for counts in sums.values():
            total = sum(counts[2:])
            cells.append([counts[0] // total, counts[1] // total, *counts[2:]])
        self._kept[zoom] = (now, size, cells)
        return size, cells


def map_data(
    picture: Picture, cells: Cells, box: Box | None, zoom: float, *, most: int = MAX_POINTS
) -> dict[str, Any]:
    """What the map draws: `mode` points (columns, coordinates in millionths of a degree) or cells
    where there are more than `most`.

    `position` is where the event stream must go on from.
    """
    points = picture.points
    data: dict[str, Any] = {
        "epoch": picture.epoch,
        "position": picture.rooms.store.head(),
        "counts": points.counts,
        "size": len(points),
        "now": picture.now_us() // 1000,
        "open": len(picture.alerts),
        "bounds": points.bounds(),
        "kinds": points.kinds,
    }
    rows: list[int] = []
    if box is None or len(points) <= most:
        wanted = box or points.bounds() or (0.0, 0.0, 0.0, 0.0)
        rows = list(points.rows_in(wanted)) if len(points) <= most else []
    else:
        for row in points.rows_in(box):
            rows.append(row)
            if len(rows) > most:
                break
    if len(rows) > most or (box is None and len(points) > most):
        size, all_cells = cells.at(picture, int(zoom))
        west, south, east, north = (s * 1e6 for s in box or (-180.0, -90.0, 180.0, 90.0))
        inside = [c for c in all_cells if west <= c[0] <= east and south <= c[1] <= north]
        return {**data, "mode": "cells", "cell": size, "cells": inside}
    rows.sort()
    ids = [points.ids[row] for row in rows]
    prefix = _prefix(ids)
    return {
        **data,
        "mode": "points",
        "prefix": prefix,
        "ids": [id[len(prefix) :] for id in ids],
        "rows": rows,
        "lon": [points.longitude[row] for row in rows],
        "lat": [points.latitude[row] for row in rows],
        "state": [points.state[row] for row in rows],
        "level": [points.level[row] for row in rows],
        "kind": [points.kind[row] for row in rows],
    }


def _prefix(ids: list[str]) -> str:
    """What all begin with (ids of one piece share most of it)."""
    if not ids:
        return ""
    low, high = min(ids), max(ids)
    same = 0
    while same < min(len(low), len(high)) and low[same] == high[same]:
        same += 1
    return low[:same]
