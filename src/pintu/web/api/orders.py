"""/api/v1/operations/orders: the same deeds as on the pages, for phones and programs."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response, get, post

from pintu.kernel.access import Act, Deed
from pintu.kernel.clock import iso
from pintu.kernel.errors import BadRequestData, InvalidRequest
from pintu.kernel.operations.orders import Order
from pintu.web.api.reading import as_json
from pintu.web.house import house_of
from pintu.web.pages.orders_said import orders_of
from pintu.web.visit import AnyRequest, enter, raw_headers

MOST_BODY: Final = 16 * 1024
DATA_SET: Final = "orders"


class Opening(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of an opening."""

    what: str
    target: str
    severity: str
    key: str
    cause: str = ""
    alarms: list[str] = []


class Doing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a deed. `ago_s`: how long ago it was done, by the sender's own clock."""

    verb: str
    key: str
    reason: str = ""
    crew: str = ""
    ago_s: float = 0.0


@get("/operations/orders", summary="The queue of work orders, most urgent first")
async def queue(request: AnyRequest, crew: str = "", cause: str = "") -> Response[bytes]:
    """Orders that go on, with what their place is made of; or every order of one cause."""
    visit = enter(request, house_of(request).rooms, None)
    visit.rooms.gate.decide(visit.actor, Act(deed=Deed.RESPOND, tenant=visit.tenant))
    room = orders_of(visit)
    if cause:
        found = [one for one in await room.list_for(cause) if one.tenant == visit.tenant]
        return as_json([told(one) for one in found])
    ranked = await room.queue(visit.tenant, crew)
    return as_json(
        [
            told(one.order)
            | {"points": one.points, "late": one.late, "due": iso(one.due_us) if one.due_us else ""}
            for one in ranked
        ]
    )


@get("/operations/orders/{id:str}", summary="One work order")
async def order(request: AnyRequest, id: str) -> Response[bytes]:
    """For the room, and for the crew that has it."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    found = await orders_of(visit).get(id)
    await orders_of(visit).allow(visit.actor, found)
    return as_json(told(found))


@post("/operations/orders", status_code=201, summary="Open a work order")
async def open_order(request: AnyRequest) -> Response[bytes]:
    """The order; the same key again is the same order, the same work another cause of it."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND)
    asked = await _body(request, Opening)
    made = await orders_of(visit).open_order(
        visit.actor,
        visit.tenant,
        asked.what,
        asked.target,
        cause=asked.cause,
        severity=asked.severity,
        key=asked.key,
        alarms=asked.alarms,
    )
    return as_json(told(made), 201)


@post("/operations/orders/{id:str}/deeds", status_code=200, summary="Do something with an order")
async def do(request: AnyRequest, id: str) -> Response[bytes]:
    """The order after it. The same key again is the same deed: a phone may send it until it hears
    an answer."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    house_of(request).rooms.identity.check_csrf(raw_headers(request))
    asked = await _body(request, Doing)
    made = await orders_of(visit).deed(
        visit.actor, id, asked.verb, asked.key, asked.reason, crew=asked.crew, ago_s=asked.ago_s
    )
    return as_json(told(made))


async def _body(request: AnyRequest, kind: Any) -> Any:
    body = await request.body()
    if len(body) > MOST_BODY:
        raise BadRequestData(f"A deed on an order is at most {MOST_BODY} bytes long")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"This cannot be used: {error}") from error
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"This is not JSON: {error}") from error


def told(order: Order) -> dict[str, Any]:
    """An order as JSON, its times in ISO 8601."""
    plain: dict[str, Any] = msgspec.to_builtins(order)
    for name in [one for one in plain if one.endswith("_us")]:
        at_us = plain.pop(name)
        plain[name.removesuffix("_us")] = iso(at_us) if at_us else ""
    plain["pauses"] = [
        {"since": iso(one.since_us), "until": iso(one.until_us) if one.until_us else ""}
        for one in order.pauses
    ]
    return {"id": order.id, "entity": order.entity, **plain}


HANDLERS: Final[tuple[Any, ...]] = (queue, order, open_order, do)
