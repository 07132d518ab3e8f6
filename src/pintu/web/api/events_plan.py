"""/api/v1/operations/events: plans for major events, their checks, their reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from litestar import Response, get, post, put

from pintu.kernel.access import Deed
from pintu.kernel.clock import iso
from pintu.kernel.context.decode import decode_json
from pintu.kernel.errors import BadRequestData, ResourceNotFound
from pintu.kernel.operations.events import EventPlan, MajorEvents
from pintu.web.api.reading import as_json
from pintu.web.house import house_of
from pintu.web.visit import AnyRequest, Visit, enter

if TYPE_CHECKING:
    from pintu.web.rooms import Rooms

DATA_SET: Final = "operations"
PATH: Final = "/operations/events"
T = TypeVar("T")


class Looked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a look at something."""

    wrong: bool = False
    note: str = ""


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a deed with a reason."""

    reason: str = ""


def room_of(rooms: Rooms) -> MajorEvents:
    """The room of major events; ResourceNotFound in a city without one."""
    room = rooms.operations.events if rooms.operations is not None else None
    if room is None:
        raise ResourceNotFound("This city has no room of major events")
    return room


async def get_plan(visit: Visit, id: str) -> EventPlan:
    """A plan of the visitor's tenant."""
    plan = await room_of(visit.rooms).get(id)
    if plan.tenant != visit.tenant:
        raise ResourceNotFound(f"Plan {id[:50]!r} does not exist")
    return plan


def told(plan: EventPlan) -> dict[str, Any]:
    """A plan as JSON; times as ISO 8601 beside the µs they are kept in."""
    plain: dict[str, Any] = msgspec.to_builtins(plan)
    for name in ("from", "until", "changed"):
        plain[f"{name}At"] = iso(plain[f"{name}_us"])
    return plain


@get(PATH, summary="Plans for major events")
async def listed(request: AnyRequest) -> Response[bytes]:
    """The latest end first; with the posts of people, so for the operations room only."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND, data_set=DATA_SET)
    return as_json([told(one) for one in await room_of(visit.rooms).list_plans(visit.tenant)])


@put(PATH + "/{id:str}", summary="Make or change a plan", status_code=200)
async def save(request: AnyRequest, id: str) -> Response[bytes]:
    """Zones with GeoJSON, checks, posts; a changed plan must be approved again."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND, data_set=DATA_SET)
    body: Any = decode_json(await request.body())[0]
    if not isinstance(body, dict):
        raise BadRequestData("A plan is an object")
    kept = {"id": id, "tenant": visit.tenant, "state": "draft", "by": "", "approved_by": ""}
    plan = _read({**body, **kept}, EventPlan)
    return as_json(told(await room_of(visit.rooms).save(visit.actor, plan)))


@get(PATH + "/{id:str}", summary="One plan with its rounds and its report so far")
async def one_plan(request: AnyRequest, id: str) -> Response[bytes]:
    """The report is whole when the event is over."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND, data_set=DATA_SET)
    plan, room = await get_plan(visit, id), room_of(visit.rooms)
    rounds = [msgspec.to_builtins(one) for one in await room.rounds(id)]
    report = msgspec.to_builtins(await room.report(id))
    return as_json({**told(plan), "rounds": rounds, "report": report})


@post(PATH + "/{id:str}/approve", summary="The second person", status_code=200)
async def approve(request: AnyRequest, id: str) -> Response[bytes]:
    """It begins by itself then; 403 for who wrote it."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND, data_set=DATA_SET)
    await get_plan(visit, id)
    return as_json(told(await room_of(visit.rooms).approve(visit.actor, id)))


@post(PATH + "/{id:str}/call-off", summary="It does not take place", status_code=200)
async def call_off(request: AnyRequest, id: str) -> Response[bytes]:
    """Or ends now, when it runs."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND, data_set=DATA_SET)
    await get_plan(visit, id)
    said = await _body(request, Said)
    return as_json(told(await room_of(visit.rooms).call_off(visit.actor, id, said.reason)))


@post(PATH + "/{id:str}/checks/{name:str}", summary="Somebody looked", status_code=200)
async def look(request: AnyRequest, id: str, name: str) -> Response[bytes]:
    """404 when the check is not due, 403 for the same person twice."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND, data_set=DATA_SET)
    await get_plan(visit, id)
    said = await _body(request, Looked)
    room = room_of(visit.rooms)
    done = await room.look(visit.actor, id, name, wrong=said.wrong, note=said.note)
    return as_json(msgspec.to_builtins(done))


async def _body(request: AnyRequest, kind: type[T]) -> T:
    body = await request.body()
    return _read(decode_json(body)[0] if body else {}, kind)


def _read(value: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The body cannot be used: {error}") from error


HANDLERS: Final[tuple[Any, ...]] = (listed, save, one_plan, approve, call_off, look)
