"""Registrations of context sources: register, discover, retrieve, update, delete (5.9, 5.10)."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

from pintu.kernel.access import Act, Deed
from pintu.kernel.clock import iso
from pintu.kernel.errors import BadRequestData, Forbidden, Refused, Unavailable
from pintu.kernel.federation import Federation
from pintu.kernel.federation.finding import q_suits
from pintu.kernel.federation.forwarding import FROM_REQUEST
from pintu.kernel.federation.reading import TYPE, read, shown, stored
from pintu.kernel.federation.rules import check_alone
from pintu.kernel.federation.words import Registration
from pintu.web.ngsi_ld.answers import data, empty
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Operation, Result
from pintu.web.ngsi_ld.paging import PAGE_PARAMS, page_headers, window
from pintu.web.ngsi_ld.params import options
from pintu.web.ngsi_ld.routing import Methods
from pintu.web.ngsi_ld.sources_asking import DISCOVERY_PARAMS, read_wanted
from pintu.web.ngsi_ld.sources_beside import check_endpoint, check_entities

_PATH = "/ngsi-ld/v1/csourceRegistrations/"
_OPTIONS = frozenset(("sysAttrs",))
_EVERYBODYS = frozenset(("admin", "open"))
_PLAIN_INFO = frozenset(("jsonldContext", "Accept", "accept"))
_NEEDED = ("type", "information", "endpoint")
_ALONE = frozenset(("q", "limit", "offset", "count", "options", "local"))


async def register(call: Call) -> Response:
    """5.9.2: a new registration; 201 with its Location."""
    federation = room(call)
    document = dict(call.document)
    document.setdefault("id", f"urn:ngsi-ld:ContextSourceRegistration:{uuid.uuid4()}")
    made = await _checked(call, stored(document, call.terms))
    kept = await federation.registry.add(made)
    # written as RFC 9110 writes it: there are clients that look for it letter by letter
    return Response(201, b"", ((b"Location", (_PATH + kept.id).encode()), *call.echo))


async def update(call: Call) -> Response:
    """5.9.3: members told replace those registered, null takes one away; 204."""
    federation, id = room(call), uri(call.parts[0], "Registration id")
    before = federation.registry.get(call.tenant_name, id)
    if call.document.get("id", id) != id:
        raise BadRequestData("The id of a registration does not change")
    if call.document.get("type", TYPE) != TYPE:
        raise BadRequestData(f"The type of a registration is {TYPE}")
    fragment = stored(call.document, call.terms)
    merged = {**before.document, **fragment}
    for name in [name for name, value in merged.items() if value in (None, _NULL)]:
        if name in _NEEDED:
            raise BadRequestData(f"A registration cannot be without {name}")
        del merged[name]
    made = await _checked(call, merged)
    kept = dataclasses.replace(
        made, node=before.node, agreement=before.agreement, purpose=before.purpose,
        paused=before.paused,
    )  # fmt: skip
    await federation.registry.replace(kept)
    return empty(call)


_NULL = "urn:ngsi-ld:null"


async def delete(call: Call) -> Response:
    """5.9.4: forget a registration; 204."""
    id = uri(call.parts[0], "Registration id")
    await room(call).registry.remove(call.tenant_name, id)
    return empty(call)


def retrieve(call: Call) -> Result:
    """5.10.1: one registration, in the caller's names."""
    id = uri(call.parts[0], "Registration id")
    federation = room(call)
    found = federation.registry.get(call.tenant_name, id)
    return data(call, told(call, federation, found))


def query(call: Call) -> Result:
    """5.10.2: the registrations that match, whole, oldest first."""
    federation, part = room(call), dataclasses.replace(window(call.params), as_asked=True)
    wanted, q = read_wanted(call.params, call.terms)
    registry = federation.registry
    found: dict[str, Registration] = {}
    for share in registry.discover(call.tenant_name, wanted):
        found.setdefault(share.registration.id, share.registration)
    if q is not None:
        alone = call.params.keys() <= _ALONE
        found = {id: one for id, one in found.items() if q_suits(one, q, alone=alone)}
    ordered = sorted(found.values(), key=lambda one: (one.created_us, one.id))
    page = ordered[part.offset : part.offset + part.limit]
    headers = page_headers(
        call.request.path, call.request.query, part,
        more=len(ordered) > part.offset + part.limit,
        count=len(ordered) if part.count else None,
    )  # fmt: skip
    return data(call, [told(call, federation, one) for one in page], *headers)


# --- one by one ----------------------------------------------------------------------------------
def room(call: Call) -> Federation:
    """The registrations of this city, for those who may see or change all of a tenant.

    Raises Forbidden for who sees only a part: a registration tells where data lies and how it is
    asked for.
    """
    federation = call.rooms.federation
    if federation is None:
        raise Unavailable("This broker has no registrations")
    if not call.projection.whole:
        raise Forbidden("Registrations are for those who may see all of a tenant")
    return federation


def told(call: Call, federation: Federation, registration: Registration) -> dict[str, Any]:
    """A registration as 5.2.9 shows it: what was registered, what it stands for, how its source
    does.
    """
    document = {"mode": "inclusive", "operations": ["federationOps"], **registration.document}
    if document.get("contextSourceInfo") and not _registers(call):
        document["contextSourceInfo"] = [_veiled(one) for one in document["contextSourceInfo"]]
    document = shown(document, call.terms)
    document |= federation.doing(registration)
    if "options" in call.params and "sysAttrs" in options(call.params, _OPTIONS):
        document["createdAt"] = iso(registration.created_us)
        document["modifiedAt"] = iso(registration.modified_us)
    return document


def _registers(call: Call) -> bool:
    """Whether the caller may register sources here, and so see what they are called with."""
    if call.projection.basis in _EVERYBODYS:
        return True
    assert call.actor is not None
    try:
        call.rooms.gate.decide(call.actor, Act(deed=Deed.REGISTER, tenant=call.tenant_name))
    except Refused:
        return False
    return True


def _veiled(info: dict[str, Any]) -> dict[str, Any]:
    """One header for a source as somebody sees it who may not use it: it may be a token."""
    if info.get("key") in _PLAIN_INFO or info.get("value") == FROM_REQUEST:
        return info
    return {**info, "value": "***"}


async def _checked(call: Call, document: dict[str, Any]) -> Registration:
    """The registration of a stored document, everything checked but its neighbours."""
    registration = read(document, tenant=call.tenant_name, now_us=call.rooms.clock.now_us())
    check_alone(registration)
    await check_endpoint(call.rooms, registration)
    await check_entities(call.rooms, call.tenant, registration)
    return registration


TABLE: dict[str, Methods] = {
    "csourceRegistrations": {
        "GET": Operation(
            name="queryContextSourceRegistrations", clause="5.10.2", handler=query,
            params=DISCOVERY_PARAMS | PAGE_PARAMS | {"options", "local"}, offer="data",
        ),
        "POST": Operation(
            name="registerContextSource", clause="5.9.2", handler=register, deed=Deed.REGISTER,
            body="one", params=frozenset(("local",)), opens_tenant=True,
        ),
    },
    "csourceRegistrations/{id}": {
        "GET": Operation(
            name="retrieveContextSourceRegistration", clause="5.10.1", handler=retrieve,
            params=frozenset(("options", "local")), offer="data",
        ),
        "PATCH": Operation(
            name="updateContextSourceRegistration", clause="5.9.3", handler=update,
            deed=Deed.REGISTER, body="one", merge_patch=True, params=frozenset(("local",)),
        ),
        "DELETE": Operation(
            name="deleteContextSourceRegistration", clause="5.9.4", handler=delete,
            deed=Deed.REGISTER, params=frozenset(("local",)),
        ),
    },
}  # fmt: skip
