"""/api/v1/wall: what stands on the wall now, and every point under it, for a page that begins."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get

from pintu.web.api.lamps import Cells, map_data
from pintu.web.api.reading import as_json
from pintu.web.house import house_of
from pintu.web.visit import AnyRequest, enter
from pintu.web.wall.keeping import figures

MOST_POINTS: Final = 60_000
"""A page keeps so many points itself; of a larger city it shows cells that the city counted."""


@get("/wall", summary="What stands on the wall now")
async def wall_now(request: AnyRequest) -> Response[bytes]:
    """`{entities, gone, at_us, figures}`: open alerts and incidents, warnings in force, running
    plans, open orders, streets; further events come from `/events?topics=wall`."""
    house = house_of(request)
    visit = enter(request, house.rooms)
    visit.whole_rows()
    wall = await house.hub.walls.of(visit.number)
    picture = await house.pictures.of(visit.number)
    told = wall.snapshot()
    told["figures"] = figures(house.rooms, visit.tenant, picture.changes_seen)
    return as_json(told)


@get("/wall/points", summary="Every point of the city, in columns")
async def wall_points(request: AnyRequest) -> Response[bytes]:
    """As `/map/lamps`, for up to 60,000 points at once; `mode` is cells where there are more."""
    house = house_of(request)
    visit = enter(request, house.rooms)
    visit.whole_rows()
    picture = await house.pictures.of(visit.number)
    return as_json(map_data(picture, Cells(), None, 12.0, most=MOST_POINTS))


HANDLERS: Final[tuple[Any, ...]] = (wall_now, wall_points)
