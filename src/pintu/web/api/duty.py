"""/api/v1/operations: the duty desk, the roster, receipts and handovers, for screens and
programs; and where channels report back."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response, delete, get, post

from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import BadRequestData, InvalidRequest, Unauthorized
from pintu.kernel.operations.roster.words import Reach
from pintu.web.api.reading import as_json
from pintu.web.house import house_of
from pintu.web.pages.handover import said as handover_said
from pintu.web.pages.roster_said import (
    DATA_SET,
    channel_titles,
    days_later,
    receipt_said,
    ring_said,
    room_of,
    shift_said,
)
from pintu.web.visit import AnyRequest, Visit, enter

MOST_BODY: Final = 16 * 1024


class Answering(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of an acknowledgement."""

    note: str = ""


class PushKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of a browser's subscription."""

    p256dh: str
    auth: str


class Pushing(msgspec.Struct, frozen=True, kw_only=True):
    """A browser's subscription, as the browser tells it."""

    endpoint: str
    keys: PushKeys


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel reports: that a message arrived, or why not."""

    failed: str = ""


@get("/operations/duty", summary="What rings, and who is on duty")
async def duty(request: AnyRequest) -> Response[bytes]:
    """Rings with what became of their messages; who is on duty, first in line first."""
    visit = _entered(request)
    room = room_of(visit)
    assert room.duty is not None and room.roster is not None and room.notifier is not None
    receipts = await room.notifier.list_receipts(visit.tenant, limit=500)
    return as_json(
        {
            "ringing": [ring_said(visit, one, receipts) for one in room.duty.ringing(visit.tenant)],
            "on_duty": [shift_said(visit, one) for one in room.roster.on_duty(visit.tenant)],
        }
    )


@post("/operations/rings/{id:str}/acknowledge", status_code=200, summary="Somebody has it")
async def acknowledge(request: AnyRequest, id: str) -> Response[bytes]:
    """The ring as it is now; again by the same person is no news."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND, DATA_SET)
    asked = await _body(request, Answering)
    room = room_of(visit)
    assert room.duty is not None
    ring = await room.duty.acknowledge(visit.actor, id, asked.note)
    return as_json(ring_said(visit, ring, []))


@get("/operations/roster", summary="Shifts of the next days")
async def roster(request: AnyRequest, days: int = 7) -> Response[bytes]:
    """Shifts and gaps from now on, at most sixty days."""
    visit = _entered(request)
    room = room_of(visit).roster
    assert room is not None
    now_us = visit.rooms.clock.now_us()
    until = days_later(visit, now_us, max(1, min(days, 60)))
    return as_json(
        {
            "shifts": [shift_said(visit, one) for one in room.shifts(visit.tenant, now_us, until)],
            "gaps": [
                {"since": visit.words.iso(a), "until": visit.words.iso(b)}
                for a, b in room.gaps(visit.tenant, now_us, until)
            ],
        }
    )


@get("/operations/receipts", summary="What became of messages")
async def receipts(request: AnyRequest, subject: str = "", limit: int = 200) -> Response[bytes]:
    """Receipts, the newest first; of one subject such as `warning:ID` where one is named."""
    visit = _entered(request)
    notifier = room_of(visit).notifier
    assert notifier is not None
    found = await notifier.list_receipts(visit.tenant, subject=subject, limit=max(1, limit))
    titles = channel_titles(visit)
    return as_json([receipt_said(visit, one, titles) for one in found])


@get("/operations/handovers", summary="The newest handover")
async def handovers(request: AnyRequest) -> Response[bytes]:
    """As it stands, with its sentences; null before the first."""
    visit = _entered(request)
    room = room_of(visit).handovers
    assert room is not None
    found = await room.latest(visit.tenant)
    return as_json(handover_said(visit, found) if found is not None else None)


@post("/operations/receipts/{id:str}/{mark:str}", status_code=200, summary="A channel reports back")
async def report(request: AnyRequest, id: str, mark: str) -> Response[bytes]:
    """That a message arrived, or why it did not (`{"failed": "…"}`). The mark that came with the
    message says that the channel was asked: nothing else does, and nothing else is told."""
    asked = await _body(request, Report)
    room = house_of(request).rooms.operations
    if room is None or room.notifier is None:
        raise Unauthorized("This city sends no messages")
    found = await room.notifier.arrived(id, mark, failed=asked.failed)
    return as_json({"state": found.state})


@get("/operations/push", summary="The key a browser subscribes with")
async def push_key(request: AnyRequest) -> Response[bytes]:
    """This city's public key among push services."""
    visit = _entered(request)
    channels = room_of(visit).channels
    assert channels is not None
    return as_json({"key": channels.push_key})


@post("/operations/push", status_code=201, summary="Ring in this browser, too")
async def push(request: AnyRequest) -> Response[bytes]:
    """Keeps the browser's subscription as a way to who asks."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND, DATA_SET)
    told = await _body(request, Pushing)
    if not visit.actor.person:
        raise Unauthorized("A browser rings for a person: sign in")
    if not told.endpoint.startswith("https://"):
        raise BadRequestData("A push service has an https address")
    ways = room_of(visit).ways
    assert ways is not None
    made = Reach(
        id="",
        person=visit.actor.person,
        kind="push",
        channel="push",
        address=told.endpoint,
        secrets={"p256dh": told.keys.p256dh, "auth": told.keys.auth},
        lang="zh" if visit.words.lang == "zh-CN" else "en",
    )
    kept = await ways.save(visit.actor, visit.tenant, made)
    return as_json({"id": kept.id}, 201)


@delete("/operations/push/{id:str}", status_code=204, summary="Ring in this browser no more")
async def push_no_more(request: AnyRequest, id: str) -> None:
    """Takes the subscription away."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND, DATA_SET)
    ways = room_of(visit).ways
    assert ways is not None
    await ways.remove(visit.actor, visit.tenant, id)


def _entered(request: AnyRequest) -> Visit:
    visit = enter(request, house_of(request).rooms, None, data_set=DATA_SET)
    visit.rooms.gate.decide(visit.actor, Act(deed=Deed.RESPOND, tenant=visit.tenant))
    return visit


async def _body(request: AnyRequest, kind: type[Any]) -> Any:
    body = await request.body()
    if len(body) > MOST_BODY:
        raise InvalidRequest(f"The body has more than {MOST_BODY:,} bytes")
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body cannot be read: {error}") from error


HANDLERS: Final[tuple[Any, ...]] = (
    duty, acknowledge, roster, receipts, handovers, report, push_key, push, push_no_more,
)  # fmt: skip
