"""/events/entities: changes of entities for browsers, told as notifications are, on one matcher."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Final

from litestar import get
from litestar.response import Stream

from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import InvalidRequest, NonexistentTenant, Unavailable
from pintu.kernel.subscriptions.narrowing import let
from pintu.kernel.subscriptions.reading import Filed, build, read_document
from pintu.kernel.subscriptions.streaming import Streams, Told
from pintu.kernel.subscriptions.words import Asker, Subscription
from pintu.web.house import house_of
from pintu.web.readers import frame
from pintu.web.visit import AnyRequest, Visit, enter

STREAMS: Final = "streams"
"""Where the application's state has the open streams."""

LISTS: Final = ("attrs", "pick", "omit", "watched", "triggers", "type", "id")
DIGITS: Final = 20  # of a position: more are none
KNOWN: Final = frozenset(
    (*LISTS, "idPattern", "q", "scopeQ", "format", "showChanges", "lang", "context", "tenant",
     "after", "georel", "geometry", "coordinates", "geoproperty", "agreement", "purpose", "reason")
)  # fmt: skip
_GEO: Final = ("georel", "geometry", "coordinates", "geoproperty")


@get("/events/entities", summary="Changes of entities as server-sent events",
     media_type="text/event-stream")  # fmt: skip
async def entity_events(request: AnyRequest) -> Stream:
    """What a subscription with these members would be told: `type`, `id`, `idPattern`, `watched`,
    `triggers`, `q`, `scopeQ`, `georel` …, told with `attrs` or `pick` / `omit`, `format`, `lang`,
    `showChanges`, names of `context`. `Last-Event-ID` (or `after`) is where to go on from;
    `resync` says: load again, `end` that the gate lets no more be seen."""
    rooms = house_of(request).rooms
    params = {name: request.query_params[name] for name in request.query_params}
    unknown = sorted(params.keys() - KNOWN)
    if unknown:
        raise InvalidRequest(f"Parameter {unknown[0][:60]!r} is none of an entity stream")
    visit = enter(request, rooms, None)
    streams: Streams | None = request.app.state.get(STREAMS)
    if streams is None:
        raise Unavailable("This city tells nobody of changes")
    streams.admit()
    subscription = await _subscription(visit, params)
    after = request.headers.get("last-event-id", "") or params.get("after", "")
    position = int(after) if len(after) < DIGITS and after.isascii() and after.isdigit() else None
    limits, tenant = rooms.limits, subscription.tenant_name

    def suspended() -> bool:
        hosted = None if limits is None else limits.tenants.get(tenant)
        return hosted is not None and hosted.suspended

    return Stream(
        _frames(streams.stream(subscription, position), suspended),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _subscription(visit: Visit, params: dict[str, str]) -> Subscription:
    """One that is kept nowhere; the gate is asked now, and at each message again."""
    rooms = visit.rooms
    tenant = params.get("tenant", visit.tenant)
    why = visit.why
    act = Act(
        deed=Deed.READ,
        tenant=tenant,
        agreement=why.agreement,
        purpose=why.purpose or None,
        reason=why.reason or None,
    )
    if rooms.limits is not None:
        rooms.limits.ask(tenant)
    projection = rooms.gate.decide(visit.actor, act)
    number = rooms.store.tenant(tenant)
    if number is None:
        raise NonexistentTenant(f"Tenant {tenant!r} does not exist")
    terms = await rooms.library.terms(params.get("context"))
    now_us = rooms.clock.now_us()
    document = read_document(_sent(params), terms, now_us)
    filed = Filed(
        id=f"urn:pintu:stream:{uuid.uuid4()}",
        tenant=number,
        tenant_name=tenant,
        asker=Asker.of(visit.actor, act),
        context=params.get("context"),
        terms_from=terms.source,
        created_us=now_us,
        modified_us=now_us,
    )
    subscription = build(document, filed)
    let(subscription, projection)
    return subscription


def _sent(params: dict[str, str]) -> dict[str, Any]:
    """The subscription that the parameters describe (5.2.12)."""
    lists = {name: params[name].split(",") for name in LISTS if params.get(name)}
    sent: dict[str, Any] = {"type": "Subscription"}
    ids = {"idPattern": params["idPattern"]} if "idPattern" in params else {}
    named = [{"id": id} for id in lists.get("id", ())] or [ids]
    if "type" in params or ids or "id" in params:
        sent["entities"] = [{"type": params.get("type", "*"), **one} for one in named]
    geo = {name: params[name] for name in _GEO if name in params}
    for name, value in (
        ("watchedAttributes", lists.get("watched")),
        ("notificationTrigger", lists.get("triggers")),
        ("q", params.get("q")),
        ("scopeQ", params.get("scopeQ")),
        ("lang", params.get("lang")),
        ("geoQ", geo or None),
    ):
        if value is not None:
            sent[name] = value
    notification: dict[str, Any] = {
        "endpoint": {"uri": "http://stream.invalid/", "accept": "application/json"},
        "format": params.get("format", "normalized"),
    }
    for name, member in (("attrs", "attributes"), ("pick", "pick"), ("omit", "omit")):
        if name in lists:
            notification[member] = lists[name]
    if params.get("showChanges") == "true":
        notification["showChanges"] = True
    sent["notification"] = notification
    return sent


async def _frames(
    messages: AsyncGenerator[Told | None, None], suspended: Callable[[], bool]
) -> AsyncIterator[bytes]:
    yield b"retry: 2000\n\n"
    async with contextlib.aclosing(messages):
        async for told in messages:
            if suspended():
                yield frame("end", {"why": "suspended"})
                return
            yield b": alive\n\n" if told is None else _frame(told)


def _frame(told: Told) -> bytes:
    id = str(told.position)
    if told.message is not None:
        return f"id: {id}\nevent: notification\ndata: ".encode() + told.message.body + b"\n\n"
    if told.resync:
        return frame("resync", {"why": told.resync}, id)
    if told.ended:
        return frame("end", {"why": told.ended})
    return frame("hello", {}, id)
