"""/api/v1: what may be read: map, entities and their past, sources, alerts, search; /events."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import orjson
from litestar import Response, get
from litestar.params import Parameter
from litestar.response import Stream

from pintu.kernel.clock import iso
from pintu.kernel.context.record import Record
from pintu.kernel.errors import Forbidden, InvalidRequest, ResourceNotFound
from pintu.kernel.store.port import settled
from pintu.web.agreed import answering, enter_agreed, enter_one, sent, there
from pintu.web.api import past
from pintu.web.api.agreed_picture import AgreedPicture, no_past, picture_for
from pintu.web.api.lamps import MAX_POINTS, Cells, map_data, read_box, read_zoom
from pintu.web.api.names import best
from pintu.web.api.past_picture import past_picture
from pintu.web.api.picture import Picture
from pintu.web.api.search import find_things, plain
from pintu.web.events import TOPICS
from pintu.web.house import House, house_of
from pintu.web.readers import Client
from pintu.web.visit import AnyRequest, Visit, enter, still_allowed

CELLS: dict[str, Cells] = {}
HOUR_US = 3_600_000_000


def as_json(value: Any, status: int = 200) -> Response[bytes]:
    """A JSON response that nobody keeps."""
    return Response(
        orjson.dumps(value),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


async def entity_of(visit: Visit, id: str) -> Record:
    """One entity of the visitor's tenant; ResourceNotFound names it, in the same words when it is
    there for others only."""
    found = await settled(visit.rooms.store.retrieve(visit.number, id)) if visit.number else None
    if found is None or not there(visit, (found,)):
        raise ResourceNotFound(f"Entity {id} does not exist")
    return found


@get("/map/lamps", summary="Points of a box, or cells with counts where there are too many")
async def map_lamps(
    request: AnyRequest,
    bbox: Annotated[str | None, Parameter(description="west,south,east,north")] = None,
    zoom: Annotated[str | None, Parameter(description="0-24; decides the size of cells")] = None,
    at: Annotated[str | None, Parameter(description="as of this moment instead of now")] = None,
) -> Response[bytes]:
    """Columns `rows, ids, lon, lat, state, level` (mode points) or `cells` (mode cells)."""
    house = house_of(request)
    visit = enter_agreed(request, house.rooms)
    async with answering(visit):
        if at is not None:
            no_past(visit)
            picture: Picture = await past_picture(house.pictures, visit.number, at)
        else:
            picture = await picture_for(house.pictures, visit)
        living = at is None and not visit.agreed
        cells = CELLS.setdefault(picture.epoch, Cells()) if living else Cells()
        most = min(MAX_POINTS, visit.projection.most_rows or MAX_POINTS)
        found = map_data(picture, cells, read_box(bbox), read_zoom(zoom), most=most)
        drawn = len(found.get("rows", ())) or len(found.get("cells", ()))
        if visit.agreed and drawn > most:  # a cell of one thing tells as much as the thing
            raise Forbidden(f"A call lets at most {most} rows: look closer, or at a smaller part")
        return await sent(visit, as_json(found), drawn)


@get("/map/base", summary="What lies under the map: GeoJSON, or an empty collection")
async def map_base(request: AnyRequest) -> Response[bytes]:
    """The district's water, roads and places, as `city.py` handed them in."""
    house = house_of(request)
    enter(request, house.rooms)
    path = house.rooms.basemap
    body = path.read_bytes() if path is not None and path.exists() else b""
    return Response(
        body or b'{"type":"FeatureCollection","features":[]}',
        media_type="application/geo+json",
        headers={"Cache-Control": "private, max-age=300"},
    )


@get("/entities", summary="One entity with where each value came from")
async def one_entity(request: AnyRequest, id: str) -> Response[bytes]:
    """`entity` as stored, `origins` by attribute, `alerts` that are open about it."""
    house = house_of(request)
    visit = enter_one(request, house.rooms)
    async with answering(visit):
        record = await entity_of(visit, id)
        entity = visit.see(orjson.loads(record.body))
        if visit.agreed:  # nobody is shown its times, sources and alerts
            return await sent(visit, as_json({"entity": entity}), 1)
    log = await settled(house.rooms.store.history(visit.number, id, limit=past.LOOK_BACK))
    names = [name for name in entity if name not in ("id", "type", "scope", "expiresAt")]
    found = past.origins(log, names, entity)
    picture = await house.pictures.of(visit.number)
    return as_json(
        {
            "entity": entity,
            "createdAt": iso(record.created_us),
            "modifiedAt": iso(record.modified_us),
            "origins": {
                name: {"source": origin.source, "at": iso(origin.at_us)}
                for name, origin in found.items()
            },
            "alerts": [alert.id for alert in picture.open_alerts(id)],
        }
    )


@get("/history", summary="The past of one attribute")
async def history(
    request: AnyRequest, id: str, attribute: str, hours: float = 24.0
) -> Response[bytes]:
    """`times` in milliseconds and `values`, oldest first; null where the source was silent."""
    house = house_of(request)
    visit = enter(request, house.rooms)
    if not 0 < hours <= 24 * 366:
        raise InvalidRequest(f"hours {hours} is not between 0 and 8784")
    if attribute not in visit.see({attribute: {}}):
        raise ResourceNotFound(f"Attribute {attribute} of {id} does not exist")
    since_us = house.rooms.clock.now_us() - int(hours * HOUR_US)
    points = past.with_gaps(
        await past.series(house.rooms.store, visit.number, id, attribute, since_us=since_us)
    )
    return as_json(
        {
            "id": id,
            "attribute": attribute,
            "times": [at_us // 1000 for at_us, _ in points],
            "values": [value for _, value in points],
        }
    )


@get("/alerts", summary="What is wrong now, worst first")
async def alerts(request: AnyRequest, about: str | None = None) -> Response[bytes]:
    """Open alerts, at most 500 of them, and how many there are."""
    house = house_of(request)
    visit = enter(request, house.rooms)
    visit.whole_rows()
    picture = await house.pictures.of(visit.number)
    found = picture.open_alerts(about)
    shown = [
        {
            "id": alert.id,
            "category": alert.category,
            "severity": alert.severity,
            "about": alert.about,
            "description": alert.description,
            "since": iso(alert.since_us),
        }
        for alert in found[:500]
    ]
    return as_json({"count": len(found), "alerts": shown})


@get("/sources", summary="The sources and their health")
async def sources(request: AnyRequest) -> Response[bytes]:
    """What each source said of itself and what intake saw of it."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set="sources")
    return as_json(
        msgspec.to_builtins(
            [
                source
                for source in house.rooms.intake.sources()
                if getattr(source, "tenant", visit.tenant) in ("", visit.tenant)
            ]
        )
    )


@get("/search", summary="Things by id, or by name in Chinese, English or pinyin")
async def search(request: AnyRequest, q: str = "") -> Response[bytes]:
    """Up to twelve entities, best first."""
    house = house_of(request)
    visit = enter_agreed(request, house.rooms)
    async with answering(visit):
        found = await things_found(house, visit, q)
        return await sent(visit, as_json(found), len(found))


async def things_found(house: House, visit: Visit, q: str) -> list[dict[str, Any]]:
    """Up to twelve things by part of an id or of a name, best first, as the visitor may see."""
    picture = await picture_for(house.pictures, visit)
    if isinstance(picture, AgreedPicture):
        names = picture.names
    else:
        names = (await house.hub.names.of(visit.number)).by_id
    return await find_things(visit, picture, q, best(names.items(), plain(q)))


@get("/events", summary="Server-sent events", media_type="text/event-stream")
async def events(
    request: AnyRequest,
    topics: str = "map,alerts",
    bbox: str | None = None,
    entity: str = "",
    after: str = "",
) -> Stream:
    """`topics` of map, alerts, entity, commands, sources, wall; `bbox` narrows map; `after` (or
    Last-Event-ID) is where to go on from. `resync` says: load again."""
    house = house_of(request)
    wanted = frozenset(topics.split(","))
    if not wanted <= TOPICS:
        raise InvalidRequest(f"Topic {min(wanted - TOPICS)!r} is none of {sorted(TOPICS)}")
    visit = enter_one(request, house.rooms)
    if visit.agreed:
        return agreed_stream(house, visit, wanted)
    if {"map", "alerts", "entity", "wall"} & wanted:
        visit.whole_rows()
    peer = request.client.host if request.client else ""
    who = visit.actor.id if visit.signed_in else f"from {peer}"
    house.hub.admit(who)
    client = Client(
        tenant=visit.number,
        topics=wanted,
        tenant_name=visit.tenant,
        box=read_box(bbox),
        entity=entity[:2_000],
        after=request.headers.get("last-event-id", "") or after,
        still=still_allowed(request, visit),
        who=who,
    )
    return Stream(
        house.hub.stream(client),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def agreed_stream(house: House, visit: Visit, wanted: frozenset[str]) -> Stream:
    """Under an agreement a stream tells nothing but `resync` after a minute: the page then asks
    again, through the gate, with a row of the log. Forbidden for topics that are not of the map."""
    if not wanted <= {"map", "alerts"}:
        raise Forbidden("Under an agreement a stream is of the map alone")
    house.hub.admit()
    client = Client(tenant=visit.number, topics=frozenset(), tenant_name=visit.tenant)
    return Stream(
        house.hub.minute(client),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
