"""/api/v1/replay: any past hour at any speed, in the shape of the wall's live events.

A page opens a replay (`POST /replay {at, speed}`), shows `entities` and `GET /replay/ID/points`
(as `/wall/points`), then follows `GET /replay/ID/events`:

- `replay` `{session, at_us, until_us, speed, paused, ended, behind_ms, reset, why}`: where it is;
  after `reset: true` the page loads `GET /replay/ID` and its points again (it was sought), and what
  is told meanwhile holds after that; `why` says why it cannot go on;
- `wall` `{entities, gone, at_us, ages}` and `map` `{rows, gone, counts, open, size, …}` as they
  come from `/events`; rows are those of this replay's own points.

`POST /replay/ID {speed?, paused?, at?}` makes it faster or slower, stops it, seeks. The clock of a
replay stands still while nobody follows its events.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
from litestar import Response, delete, get, post
from litestar.response import Stream

from pintu.kernel.errors import BadRequestData, InvalidRequest
from pintu.web.api.lamps import Cells, map_data
from pintu.web.api.past_picture import checked_moment
from pintu.web.api.reading import as_json
from pintu.web.api.replay_session import SPEEDS, Replays, Session, hash_of
from pintu.web.house import house_of
from pintu.web.visit import AnyRequest, Visit, enter, still_allowed
from pintu.web.wall.reading import MOST_POINTS

T = TypeVar("T")
REPLAYS: Final = "replays"
"""Where `build_app` keeps them."""


class Opening(msgspec.Struct, forbid_unknown_fields=True):
    """Which moment (ISO 8601), how fast, and until when (now, where nothing is said)."""

    at: str
    speed: float = 1.0
    until: str = ""
    paused: bool = False


class Turning(msgspec.Struct, forbid_unknown_fields=True):
    """What is to change."""

    speed: float | None = None
    paused: bool | None = None
    at: str = ""


def _speed(told: float | None) -> float | None:
    if told is not None and not SPEEDS[0] <= told <= SPEEDS[1]:
        raise InvalidRequest(f"speed {told} is not between {SPEEDS[0]} and {SPEEDS[1]:.0f}")
    return told


def _read(request_body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(request_body or b"{}", type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise InvalidRequest(f"The body is no order of a replay: {error}") from error


def _visit(request: AnyRequest) -> tuple[Visit, Replays]:
    visit = enter(request, house_of(request).rooms)
    visit.whole_rows()
    replays: Replays = request.app.state[REPLAYS]
    return visit, replays


def _own(request: AnyRequest, id: str) -> tuple[Visit, Session]:
    visit, replays = _visit(request)
    return visit, replays.get(id, visit.number, visit.actor.id)


@post("/replay", summary="Begin a replay", status_code=201)
async def open_replay(request: AnyRequest) -> Response[bytes]:
    """`{at, speed, until, paused}` → where it is, with `entities` and `hash`."""
    visit, replays = _visit(request)
    asked = _read(await request.body(), Opening)
    speed = _speed(asked.speed)
    at_us = await checked_moment(visit.rooms, asked.at)
    until_us = visit.rooms.clock.now_us()
    if asked.until:
        until_us = await checked_moment(visit.rooms, asked.until)
    if until_us < at_us:
        raise BadRequestData("A replay cannot end before it begins")
    session = await replays.open(visit.number, visit.actor.id, at_us, until_us)
    session.control(speed, asked.paused)
    async with session.still():
        return as_json(session.told(whole=True), 201)


@get("/replay/now", summary="The hash of what the wall shows now")
async def now(request: AnyRequest) -> Response[bytes]:
    """`{at_us, position, hash}`: equal to what a replay that has come to `at_us` tells."""
    visit, replays = _visit(request)
    wall = await house_of(request).hub.walls.of(visit.number)
    picture = await replays.pictures.of(visit.number)
    at_us = visit.rooms.clock.now_us()
    told = {"at_us": at_us, "position": visit.rooms.store.head()}
    return as_json({**told, "hash": hash_of(wall, picture, at_us)})


@get("/replay/{id:str}", summary="Where a replay is, and what stands on its wall")
async def replay(request: AnyRequest, id: str) -> Response[bytes]:
    """`{session, at_us, until_us, speed, paused, ended, behind_ms, entities, gone, hash}`."""
    _, session = _own(request, id)
    async with session.still():
        return as_json(session.told(whole=True))


@get("/replay/{id:str}/points", summary="Every point as of where a replay is")
async def points(request: AnyRequest, id: str) -> Response[bytes]:
    """As `/wall/points`; rows are this replay's."""
    _, session = _own(request, id)
    async with session.still():
        return as_json(map_data(session.picture, Cells(), None, 12.0, most=MOST_POINTS))


@post("/replay/{id:str}", summary="Faster, slower, stop, go on, seek", status_code=200)
async def turn(request: AnyRequest, id: str) -> Response[bytes]:
    """`{speed, paused, at}`, what is to change of it → where it is."""
    visit, session = _own(request, id)
    asked = _read(await request.body(), Turning)
    speed = _speed(asked.speed)
    if asked.at:
        at_us = await checked_moment(visit.rooms, asked.at)
        await session.seek(min(at_us, session.until_us))
    session.control(speed, asked.paused)
    return as_json(session.told())


@delete("/replay/{id:str}", summary="End a replay", status_code=204)
async def drop(request: AnyRequest, id: str) -> None:
    """Nobody needs it any more."""
    _, session = _own(request, id)
    replays: Replays = request.app.state[REPLAYS]
    await replays.drop(session.id)


@get("/replay/{id:str}/events", summary="What happens in a replay", media_type="text/event-stream")
async def events(request: AnyRequest, id: str) -> Stream:
    """Server-sent events `replay`, `wall`, `map`; the last who opens them has them."""
    visit, session = _own(request, id)
    return Stream(
        session.stream(still_allowed(request, visit)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


HANDLERS: Final[tuple[Any, ...]] = (open_replay, now, replay, points, turn, drop, events)
