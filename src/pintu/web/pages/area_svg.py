"""A small drawing of where something holds, over the city's water and roads: north is up."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import shapely
from markupsafe import Markup
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

WIDTH: Final = 640
TALLEST: Final = 420
MARGIN: Final = 0.25
MOST_PATHS: Final = 600


def area_svg(areas: list[dict[str, Any]], basemap: Path | None, label: str) -> Markup:
    """An SVG of GeoJSON areas with the base map under them; empty markup without any area."""
    shapes = [shape(one) for one in areas]
    if not shapes:
        return Markup("")
    west, south, east, north = shapely.total_bounds(shapes)
    pad_x, pad_y = max(east - west, 0.002) * MARGIN, max(north - south, 0.002) * MARGIN
    west, south, east, north = west - pad_x, south - pad_y, east + pad_x, north + pad_y
    squash = max(math.cos(math.radians((south + north) / 2)), 0.05)
    scale = min(WIDTH / ((east - west) * squash), TALLEST / (north - south))
    width, height = (east - west) * squash * scale, (north - south) * scale

    def path(one: BaseGeometry) -> str:
        return _path(one, (west, north), (squash * scale, scale))

    parts = [
        Markup('<svg class="area" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}">').format(
            width, height, label
        )
    ]
    frame = shapely.box(west, south, east, north)
    for kind, known in _basemap(str(basemap) if basemap else "", _stamp(basemap)):
        if known.intersects(frame):
            seen = known.intersection(frame)
            parts.append(Markup('<path class="{}" d="{}"/>').format(kind, path(seen)))
            if len(parts) > MOST_PATHS:
                break
    parts += [Markup('<path class="zone" d="{}"/>').format(path(one)) for one in shapes]
    return Markup("").join([*parts, Markup("</svg>")])


def canvas_svg(basemap: Path | None, label: str) -> Markup:
    """The whole base map to draw on: `data-bounds` are west, south, east, north of the drawing.
    Empty markup where there is no base map."""
    known = _basemap(str(basemap) if basemap else "", _stamp(basemap))
    if not known:
        return Markup("")
    west, south, east, north = shapely.total_bounds([one for _, one in known])
    squash = max(math.cos(math.radians((south + north) / 2)), 0.05)
    scale = WIDTH / ((east - west) * squash)
    parts = [
        Markup(
            '<svg class="area draw" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}"'
            ' data-bounds="{:.6f} {:.6f} {:.6f} {:.6f}">'
        ).format(WIDTH, (north - south) * scale, label, west, south, east, north)
    ]
    for kind, one in known[:MOST_PATHS]:
        drawn = _path(one, (west, north), (squash * scale, scale))
        parts.append(Markup('<path class="{}" d="{}"/>').format(kind, drawn))
    return Markup("").join([*parts, Markup('<path class="zone" d=""/></svg>')])


def _stamp(path: Path | None) -> float:
    return path.stat().st_mtime if path is not None and path.exists() else 0.0


@lru_cache(maxsize=4)
def _basemap(path: str, stamp: float) -> tuple[tuple[str, BaseGeometry], ...]:
    """(water, green or road, geometry) of what an operator or the demo draws under the map."""
    if not stamp:
        return ()
    found = []
    for feature in json.loads(Path(path).read_bytes()).get("features", []):
        geometry = feature.get("geometry") or {}
        kind = str((feature.get("properties") or {}).get("kind", ""))
        if geometry.get("type") in ("LineString", "MultiLineString"):
            found.append(("road", shape(geometry)))
        elif geometry.get("type") in ("Polygon", "MultiPolygon"):
            wet = kind in ("river", "water", "lake", "canal")
            found.append(("water" if wet else "land", shape(geometry)))
    found.sort(key=lambda one: ("land", "water", "road").index(one[0]))
    return tuple(found)


def _path(one: BaseGeometry, origin: tuple[float, float], scale: tuple[float, float]) -> str:
    lines: list[str] = []
    for part in getattr(one, "geoms", [one]):
        if part.geom_type in ("Polygon", "MultiPolygon"):
            polygons = getattr(part, "geoms", [part])
            rings = [r for p in polygons for r in (p.exterior, *p.interiors)]
            lines += [_line(ring.coords, origin, scale) + "Z" for ring in rings]
        elif part.geom_type == "LineString":
            lines.append(_line(part.coords, origin, scale))
    return "".join(lines)


def _line(points: Any, origin: tuple[float, float], scale: tuple[float, float]) -> str:
    said = (
        f"{(x - origin[0]) * scale[0]:.1f} {(origin[1] - y) * scale[1]:.1f}" for x, y, *_ in points
    )
    return "M" + "L".join(said)


def under(basemap: Path | None) -> tuple[tuple[str, BaseGeometry], ...]:
    """(water, land or road, geometry) of what is drawn under everything else."""
    return _basemap(str(basemap) if basemap else "", _stamp(basemap))


def drawn_path(one: BaseGeometry, origin: tuple[float, float], scale: tuple[float, float]) -> str:
    """The `d` of a geometry's path: degrees from an origin (west, north), in pixels a degree."""
    return _path(one, origin, scale)
