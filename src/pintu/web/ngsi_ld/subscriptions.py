"""Subscriptions: create, list, retrieve, update, delete (5.8)."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import quote

import msgspec

from pintu.kernel.errors import BadRequestData, ResourceNotFound, Unauthorized, Unavailable
from pintu.kernel.jsonld import Terms
from pintu.kernel.subscriptions.keeping import Subscriptions
from pintu.kernel.subscriptions.narrowing import let
from pintu.kernel.subscriptions.reading import Filed, build, changed_document, read_document
from pintu.kernel.subscriptions.showing import shown
from pintu.kernel.subscriptions.words import Asker, Subscription
from pintu.web.ngsi_ld.answers import data, empty
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Operation, Result
from pintu.web.ngsi_ld.paging import PAGE_PARAMS, page_headers, window
from pintu.web.ngsi_ld.params import options
from pintu.web.ngsi_ld.preferring import applied
from pintu.web.ngsi_ld.routing import Methods
from pintu.web.ngsi_ld.subscriptions_contexts import drop_context, usable_context

_PATH = "/ngsi-ld/v1/subscriptions/"
_OPTIONS = frozenset(("sysAttrs",))
_EVERYBODYS = frozenset(("admin", "open"))
"""Bases of decisions that let somebody see what others subscribed to."""


async def create(call: Call) -> Response:
    """5.8.1: a new subscription; 201 with its Location."""
    room = _room(call)
    if call.projection.basis == "demo":
        raise Unauthorized("Who subscribes says who they are: show a token or sign in")
    sent = call.document
    id = uri(sent["id"], "id") if "id" in sent else f"urn:ngsi-ld:Subscription:{uuid.uuid4()}"
    now_us = call.rooms.clock.now_us()
    document = read_document(sent, call.terms, now_us)
    room.refuse_double(call.tenant, id)
    terms_from = await usable_context(call, document)
    made = build(document, _filed(call, id, call.terms, terms_from))
    let(made, call.projection)
    try:
        await room.add(made)
    except BaseException:
        drop_context(call.rooms.library, made)
        raise
    return Response(201, b"", ((b"Location", (_PATH + quote(id, safe=":")).encode()), *call.echo))


def _filed(call: Call, id: str, terms: Terms, terms_from: Any) -> Filed:
    assert call.actor is not None
    assert call.act is not None
    now_us = call.rooms.clock.now_us()
    return Filed(
        id=id,
        tenant=call.tenant,
        tenant_name=call.tenant_name,
        asker=Asker.of(call.actor, call.act),
        context=terms.source,
        terms_from=terms_from,
        created_us=now_us,
        modified_us=now_us,
    )


async def update(call: Call) -> Response:
    """5.8.2: members told replace those that were, null takes one away; 204."""
    room, before = _mine(call)
    fragment = call.document
    if fragment.get("id", before.id) != before.id:
        raise BadRequestData("The id of a subscription does not change")
    now_us = call.rooms.clock.now_us()
    document = changed_document(before.document, fragment, call.terms, now_us)
    anew = not call.terms.is_core
    filed = Filed(
        id=before.id,
        tenant=before.tenant,
        tenant_name=before.tenant_name,
        asker=before.asker,
        context=call.terms.source if anew else before.context,
        terms_from=before.terms_from,
        created_us=before.created_us,
        modified_us=max(now_us, before.modified_us + 1),
    )
    if anew or "jsonldContext" in fragment:
        terms_from = await usable_context(call, document, before)
        filed = msgspec.structs.replace(filed, terms_from=terms_from)
    made = build(document, filed)
    let(made, call.projection)
    await room.replace(made)
    if made.terms_from != before.terms_from:
        drop_context(call.rooms.library, before)
    return empty(call)


async def delete(call: Call) -> Response:
    """5.8.5: forget it; 204."""
    room, gone = _mine(call)
    await room.remove(call.tenant, gone.id)
    drop_context(call.rooms.library, gone)
    return empty(call)


async def retrieve(call: Call) -> Response:
    """5.8.3: one by its id, a message under way counted if it arrives in a moment."""
    room, found = _mine(call)
    delivery = getattr(call.rooms, "delivery", None)
    if delivery is not None:
        await delivery.settled(found)
    return data(call, _shown(call, room, found), *applied(call.request.headers))


def query(call: Call) -> Result:
    """5.8.4: a page of them, oldest first."""
    room = _room(call)
    part = window(call.params)
    if _sees_all(call):
        page = room.page(call.tenant, limit=part.limit + 1, offset=part.offset)
        count = room.count(call.tenant)
    else:
        own = [one for one in room.of(call.tenant) if _is_mine(call, one)]
        page, count = own[part.offset : part.offset + part.limit + 1], len(own)
    more = page_headers(
        call.request.path, call.request.query, part, more=len(page) > part.limit,
        count=count if part.count else None,
    )  # fmt: skip
    members = [_shown(call, room, one) for one in page[: part.limit]]
    return data(call, members, *more, *applied(call.request.headers))


# --- whose they are ---------------------------------------------------------------------------
def _room(call: Call) -> Subscriptions:
    room = getattr(call.rooms, "subscriptions", None)
    if room is None:
        raise Unavailable("This city keeps no subscriptions")
    found: Subscriptions = room
    return found


def _mine(call: Call) -> tuple[Subscriptions, Subscription]:
    """The subscription of a call, for whoever made it and whoever runs the city; to others it is
    not there: its endpoint may carry secrets."""
    room, id = _room(call), uri(call.parts[0], "Subscription id")
    found = room.find(call.tenant, id)
    if found is None or not (_sees_all(call) or _is_mine(call, found)):
        raise ResourceNotFound(f"Subscription {id} does not exist")
    return room, found


def _sees_all(call: Call) -> bool:
    return call.projection.basis in _EVERYBODYS


def _is_mine(call: Call, subscription: Subscription) -> bool:
    return call.actor_id != "anonymous" and subscription.asker.id == call.actor_id


def _shown(call: Call, room: Subscriptions, one: Subscription) -> dict[str, Any]:
    return shown(
        one,
        room.state(one),
        call.terms,
        call.rooms.clock.now_us(),
        sys_attrs="sysAttrs" in options(call.params, _OPTIONS),
    )


_LOCAL = frozenset(("local",))
TABLE: dict[str, Methods] = {
    "subscriptions": {
        "GET": Operation(
            name="listSubscriptions", clause="5.8.4", handler=query,
            params=PAGE_PARAMS | _LOCAL | {"options"}, offer="data",
        ),
        "POST": Operation(
            name="createSubscription", clause="5.8.1", handler=create, body="one", params=_LOCAL,
            opens_tenant=True,
        ),
    },
    "subscriptions/{id}": {
        "GET": Operation(
            name="retrieveSubscription", clause="5.8.3", handler=retrieve,
            params=_LOCAL | {"options"}, offer="data",
        ),
        "PATCH": Operation(
            name="updateSubscription", clause="5.8.2", handler=update, body="one",
            merge_patch=True, params=_LOCAL,
        ),
        "DELETE": Operation(
            name="deleteSubscription", clause="5.8.5", handler=delete, params=_LOCAL,
        ),
    },
}  # fmt: skip
"""Whoever may read may ask to be told: what is told is decided each time it is sent."""
