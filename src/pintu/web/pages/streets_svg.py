"""A plan of streets by their state, over the city's water and roads: north is up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import shapely
from markupsafe import Markup

from pintu.web.pages.area_svg import drawn_path, under

if TYPE_CHECKING:
    from pintu.kernel.operations.streets import Street

WIDTH: Final = 960
TALLEST: Final = 620
MARGIN: Final = 0.04
LEAST: Final = 0.004
"""Degrees that are shown at least, so that one street has its neighbourhood around it."""
MOST_UNDER: Final = 600


def plan_svg(
    streets: list[Street], basemap: Path | None, label: str, titles: Mapping[str, str]
) -> Markup:
    """An SVG of streets, each with its title; dashed where nothing watches. Empty markup without
    any street."""
    lines = [(one, shapely.LineString(one.line)) for one in streets if len(one.line) > 1]
    if not lines:
        return Markup("")
    west, south, east, north = shapely.total_bounds([line for _, line in lines])
    pad_x = max((east - west) * MARGIN, (LEAST - (east - west)) / 2)
    pad_y = max((north - south) * MARGIN, (LEAST - (north - south)) / 2)
    west, south, east, north = west - pad_x, south - pad_y, east + pad_x, north + pad_y
    squash = max(math.cos(math.radians((south + north) / 2)), 0.05)
    scale = min(WIDTH / ((east - west) * squash), TALLEST / (north - south))
    origin, scales = (west, north), (squash * scale, scale)
    parts = [
        Markup('<svg class="plan" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}">').format(
            (east - west) * squash * scale, (north - south) * scale, label
        )
    ]
    frame = shapely.box(west, south, east, north)
    for kind, known in under(basemap)[:MOST_UNDER]:
        if kind != "road" and known.intersects(frame):
            drawn = drawn_path(known.intersection(frame), origin, scales)
            parts.append(Markup('<path class="{}" d="{}"/>').format(kind, drawn))
    for one, line in reversed(lines):  # the gravest is drawn last, over the others
        watched = "some" if one.coverage else "nothing"
        drawn = drawn_path(line, origin, scales)
        path = (
            '<path class="street" data-state="{}" data-watched="{}" d="{}"><title>{}</title></path>'
        )
        parts.append(Markup(path).format(one.state, watched, drawn, titles.get(one.id, "")))
    return Markup("").join([*parts, Markup("</svg>")])
