"""The city map: the first page, and the list of what is wrong now beside it."""

from __future__ import annotations

from typing import Any

import orjson
from litestar import Response, get

from pintu.kernel.store.port import settled
from pintu.web.agreed import answering, enter_agreed, sent
from pintu.web.api.agreed_picture import picture_for
from pintu.web.api.picture import Alert, Picture
from pintu.web.api.states import value_of
from pintu.web.house import house_of
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit

SHOWN_ALERTS = 100


@get("/", include_in_schema=False)
async def city_map(request: AnyRequest) -> Response[str]:
    """The map, its legend with counts, and what is wrong now."""
    house = house_of(request)
    visit = enter_agreed(request, house.rooms)
    async with answering(visit):
        picture = await picture_for(house.pictures, visit)
        alerts = picture.open_alerts()
        most = visit.projection.most_rows or SHOWN_ALERTS
        told = alerts[: min(SHOWN_ALERTS, most)]
        found = page(
            visit,
            "map.html",
            looks=legend(picture),
            size=len(picture.points),
            alerts=told,
            names=await names_of(visit, told),
            alert_count=len(alerts),
            past=house.rooms.history is not None and not visit.agreed,
            bounds=picture.points.view(),
            chosen=_chosen(picture, request.query_params.get("thing", "")),
        )
        return await sent(visit, found, len(told))


@get("/parts/alerts", include_in_schema=False)
async def alert_list(request: AnyRequest) -> Response[str]:
    """The list of what is wrong now, alone: asked for again whenever it changed."""
    house = house_of(request)
    visit = enter_agreed(request, house.rooms)
    async with answering(visit):
        picture = await picture_for(house.pictures, visit)
        alerts = picture.open_alerts()
        shown = alerts[: min(SHOWN_ALERTS, visit.projection.most_rows or SHOWN_ALERTS)]
        names = await names_of(visit, shown)
        found = page(visit, "part_alerts.html", alerts=shown, names=names, alert_count=len(alerts))
        return await sent(visit, found, len(shown))


async def names_of(visit: Visit, alerts: list[Alert]) -> dict[str, str]:
    """What the things are called that alerts are about, by id; without those that have no name."""
    found = {}
    for id in {one.about for one in alerts if one.about}:
        record = await settled(visit.rooms.store.retrieve(visit.number, id))
        entity = visit.see(orjson.loads(record.body)) if record is not None else {}
        name = value_of(entity, "name")
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
