"""Subscriptions to registrations: create, list, retrieve, update, delete (5.11)."""

from __future__ import annotations

import uuid
from typing import Any

from pintu.kernel.access import Deed
from pintu.kernel.clock import iso
from pintu.kernel.errors import BadRequestData, Unavailable
from pintu.kernel.federation.watchers import Watchers
from pintu.kernel.federation.watching import (
    COUNTED,
    Watcher,
    read_watcher,
    shown_watcher,
    stored_watcher,
)
from pintu.web.ngsi_ld.answers import data, empty
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Operation, Result
from pintu.web.ngsi_ld.paging import PAGE_PARAMS, page_headers, window
from pintu.web.ngsi_ld.params import options
from pintu.web.ngsi_ld.routing import Methods
from pintu.web.ngsi_ld.sources import room

_PATH = "/ngsi-ld/v1/csourceSubscriptions/"
_OPTIONS = frozenset(("sysAttrs",))
_NEEDED = ("type", "notification")
_NULL = "urn:ngsi-ld:null"


async def subscribe(call: Call) -> Response:
    """5.11.2: a new subscription, told of what matches already; 201 with its Location."""
    watchers = _room(call)
    document = dict(call.document)
    document.setdefault("id", f"urn:ngsi-ld:Subscription:{uuid.uuid4()}")
    watcher = _read(call, stored_watcher(document, call.terms))
    assert call.actor is not None
    await watchers.add(watcher, call.terms, call.actor)
    return Response(201, b"", ((b"Location", (_PATH + watcher.id).encode()), *call.echo))


async def update(call: Call) -> Response:
    """5.11.3: members told replace those there were, null takes one away; 204."""
    watchers, id = _room(call), uri(call.parts[0], "Subscription id")
    before = watchers.get(call.tenant_name, id)
    if call.document.get("id", id) != id:
        raise BadRequestData("The id of a subscription does not change")
    merged = {**before.document, **stored_watcher(call.document, call.terms)}
    for name in [name for name, value in merged.items() if value in (None, _NULL)]:
        if name in _NEEDED:
            raise BadRequestData(f"A subscription cannot be without {name}")
        del merged[name]
    terms = call.terms
    if terms.is_core and before.context is not None:
        # who names no @context in an update goes on speaking the one of before
        terms = await call.rooms.library.terms(before.context)
    assert call.actor is not None
    now_us = None if call.document.keys() & {"expiresAt"} else call.rooms.clock.now_us()
    watcher = read_watcher(merged, terms, tenant=call.tenant_name, now_us=now_us)
    await watchers.change(watcher, terms, call.actor)
    return empty(call)


async def unsubscribe(call: Call) -> Response:
    """5.11.6: forget it; nothing is sent to it afterwards; 204."""
    id = uri(call.parts[0], "Subscription id")
    await _room(call).remove(call.tenant_name, id)
    return empty(call)


def retrieve(call: Call) -> Result:
    """5.11.4: one subscription, in the caller's names."""
    id = uri(call.parts[0], "Subscription id")
    watchers = _room(call)
    return data(call, _told(call, watchers, watchers.get(call.tenant_name, id)))


def query(call: Call) -> Result:
    """5.11.5: the subscriptions of a tenant, oldest first."""
    watchers, part = _room(call), window(call.params)
    every = watchers.list(call.tenant_name)
    page = every[part.offset : part.offset + part.limit]
    headers = page_headers(
        call.request.path, call.request.query, part,
        more=len(every) > part.offset + part.limit, count=len(every) if part.count else None,
    )  # fmt: skip
    return data(call, [_told(call, watchers, one) for one in page], *headers)


def _room(call: Call) -> Watchers:
    """Those who watch registrations; raises Forbidden as `room` does."""
    watchers = room(call).watchers
    if watchers is None:
        raise Unavailable("This broker tells nobody of registrations")
    return watchers


def _read(call: Call, document: dict[str, Any]) -> Watcher:
    now_us = call.rooms.clock.now_us()
    return read_watcher(document, call.terms, tenant=call.tenant_name, now_us=now_us)


def _told(call: Call, watchers: Watchers, watcher: Watcher) -> dict[str, Any]:
    document = shown_watcher(watcher.document, call.terms)
    own = {k: v for k, v in document["notification"].items() if k not in COUNTED}
    document["notification"] = own | watchers.counts(watcher).shown()
    document["status"] = watcher.status(call.rooms.clock.now_us())
    if "options" in call.params and "sysAttrs" in options(call.params, _OPTIONS):
        document["createdAt"] = iso(watcher.created_us)
        document["modifiedAt"] = iso(watcher.modified_us)
    return document


_SHOWN = frozenset(("options", "local"))
_LOCAL = frozenset(("local",))
TABLE: dict[str, Methods] = {
    "csourceSubscriptions": {
        "GET": Operation(
            name="queryRegistrationSubscriptions", clause="5.11.5", handler=query,
            params=PAGE_PARAMS | _SHOWN, offer="data",
        ),
        "POST": Operation(
            name="createRegistrationSubscription", clause="5.11.2", handler=subscribe,
            deed=Deed.WRITE, body="one", params=_LOCAL, opens_tenant=True,
        ),
    },
    "csourceSubscriptions/{id}": {
        "GET": Operation(
            name="retrieveRegistrationSubscription", clause="5.11.4", handler=retrieve,
            params=_SHOWN, offer="data",
        ),
        "PATCH": Operation(
            name="updateRegistrationSubscription", clause="5.11.3", handler=update,
            deed=Deed.WRITE, body="one", merge_patch=True, params=_LOCAL,
        ),
        "DELETE": Operation(
            name="deleteRegistrationSubscription", clause="5.11.6", handler=unsubscribe,
            deed=Deed.WRITE, params=_LOCAL,
        ),
    },
}  # fmt: skip
