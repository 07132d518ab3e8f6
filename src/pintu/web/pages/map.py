"""The city map: the first page, and the list of what is wrong now beside it."""

from __future__ import annotations

from typing import Any

import orjson
from litestar import Response, get

from pintu.kernel.store.port import settled
from pintu.web.api.picture import Alert, Picture
from pintu.web.api.states import value_of
from pintu.web.house import house_of
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter

SHOWN_ALERTS = 100


@get("/", include_in_schema=False)
async def city_map(request: AnyRequest) -> Response[str]:
    """The map, its legend with counts, and what is wrong now."""
    house = house_of(request)
    visit = enter(request, house.rooms)
    visit.whole_rows()
    picture = await house.pictures.of(visit.number)
    alerts = picture.open_alerts()
    return page(
        visit,
        "map.html",
        looks=legend(picture),
        size=len(picture.points),
        alerts=alerts[:SHOWN_ALERTS],
        names=await names_of(visit, alerts[:SHOWN_ALERTS]),
        alert_count=len(alerts),
        past=house.rooms.history is not None,
        bounds=picture.points.bounds(),
        chosen=_chosen(picture, request.query_params.get("thing", "")),
    )


@get("/parts/alerts", include_in_schema=False)
async def alert_list(request: AnyRequest) -> Response[str]:
    """The list of what is wrong now, alone: asked for again whenever it changed."""
    house = house_of(request)
    visit = enter(request, house.rooms)
    visit.whole_rows()
    picture = await house.pictures.of(visit.number)
    alerts = picture.open_alerts()
    shown = alerts[:SHOWN_ALERTS]
    names = await names_of(visit, shown)
    return page(visit, "part_alerts.html", alerts=shown, names=names, alert_count=len(alerts))


async def names_of(visit: Visit, alerts: list[Alert]) -> dict[str, str]:
    """What the things are called that alerts are about, by id; without those that have no name."""
    found = {}
    for id in {one.about for one in alerts if one.about}:
        record = await settled(visit.rooms.store.retrieve(visit.number, id))
        name = value_of(orjson.loads(record.body), "name") if record is not None else None
        if isinstance(name, dict | str) and name:
            found[id] = visit.words.pick(name)[:100]
    return found


def _chosen(picture: Picture, id: str) -> dict[str, Any] | None:
    """The thing that `?thing=` names, where it stands; None when it is not on the map."""
    row = picture.points.row_of.get(id)
    if row is None:
        return None
    points = picture.points
    return {"id": id, "lon": points.longitude[row] / 1e6, "lat": points.latitude[row] / 1e6}


def legend(picture: Picture) -> list[dict[str, Any]]:
    """Every look with its number and how many things have it; hidden are those of layers with
    nothing on the map, and alarms that nothing shows."""
    counted = list(zip(picture.looks.all, picture.points.counts, strict=True))
    there = {look.layer for look, count in counted if count and look.layer}
    return [
        {
            "number": number,
            "look": look,
            "count": count,
            "hidden": not count and (look.alarm or look.layer not in there),
        }
        for number, (look, count) in enumerate(counted)
    ]
