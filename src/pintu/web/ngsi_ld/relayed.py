"""What a source is asked to tell of, and what of its notifications is believed (5.8.1.4, 5.8.6)."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson

from pintu.kernel.context.match import matches
from pintu.kernel.context.read import read_entity
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import Selection
from pintu.kernel.errors import BadRequestData, PintuError, ResourceNotFound, TooLarge
from pintu.kernel.federation import Registration, Share, Wanted
from pintu.kernel.federation.registry import Registry
from pintu.kernel.jsonld import CORE, Terms
from pintu.kernel.subscriptions.showing import shown
from pintu.kernel.subscriptions.words import Selector, State, Subscription, Trigger
from pintu.web.ngsi_ld.answers import JSON, problem
from pintu.web.ngsi_ld.documents import read_json
from pintu.web.ngsi_ld.message import Request, Response
from pintu.web.ngsi_ld.negotiation import linked_context
from pintu.web.ngsi_ld.operation import Call

if TYPE_CHECKING:
    from pintu.web.ngsi_ld.relaying import Relaying

NOTIFIED: Final = "/ngsi-ld/ex/remote-notify"
"""Where sources tell; who knows the id of a subscription there was given it by this broker."""

GONE: Final = b""
"""The document of an entity that was deleted."""
MOST: Final = 1_000
"""Entities of one notification."""
_HANDED_ON: Final = (
    "watchedAttributes", "notificationTrigger", "timeInterval", "throttling", "expiresAt",
    "isActive", "splitEntities",
)  # fmt: skip
_FILTERS: Final = ("q", "geoQ", "scopeQ")
_SYSTEM: Final = frozenset(("createdAt", "modifiedAt", "deletedAt", "@context"))


# --- asked --------------------------------------------------------------------------------------
def shares_of(subscription: Subscription, registry: Registry) -> dict[str, list[Share]]:
    """What each source has of what a subscription is about, by registration."""
    found: dict[str, list[Share]] = {}
    for selector in subscription.selectors or (Selector(),):
        wanted = Wanted(
            operation="createSubscription", ids=tuple(sorted(selector.ids)),
            id_pattern=selector.id_pattern, types=selector.types,
            names=subscription.watched or frozenset(),
        )  # fmt: skip
        for share in registry.matching(subscription.tenant_name, wanted):
            if share.registration.mode != "auxiliary":
                found.setdefault(share.registration.id, []).append(share)
    return found


def reduced(
    subscription: Subscription, shares: list[Share], terms: Terms, place: tuple[str, str]
) -> dict[str, Any]:
    """The copy a source is to keep, in the subscriber's names: what it is registered for, told to
    `place` = (id there, our address). An entity that is split among sources is looked at when it is
    put together, so that the filters stay here.
    """
    id, address = place
    own = shown(subscription, State(), terms, 0)
    names = [_registered_names(share) for share in shares]
    limit = frozenset[str]().union(*names) if all(names) else frozenset()
    notification: dict[str, Any] = {"endpoint": {"uri": address, "accept": "application/json"}}
    if limit:
        notification["attributes"] = sorted(terms.shown(name) for name in limit)
    told = subscription.document
    copied: dict[str, Any] = {
        name: own[name] for name in _HANDED_ON if name in own and name in told
    }
    if not subscription.split_entities:
        copied |= {name: own[name] for name in _FILTERS if name in own}
    if limit and not subscription.interval_s:
        watched = limit & subscription.watched if subscription.watched else limit
        copied["watchedAttributes"] = sorted(map(terms.shown, watched))
    entities = [one for share in shares for one in _entities(share, terms)]
    return {
        "id": id, "type": "Subscription", **({"entities": entities} if entities else {}), **copied,
        "notification": notification,
    }  # fmt: skip


def _registered_names(share: Share) -> frozenset[str]:
    """The attributes the source is registered for, empty when for all."""
    every = [one.names for one in share.registration.information]
    return frozenset().union(*every) if all(every) else frozenset()


def _entities(share: Share, terms: Terms) -> list[dict[str, Any]]:
    types = [] if share.types is None else [next(iter(one)) for one in share.types.any_of if one]
    found: list[dict[str, Any]] = []
    for type in types:
        said: dict[str, Any] = {"type": terms.shown(type)}
        if share.ids:
            found += [{**said, "id": id} for id in share.ids]
        elif share.id_pattern:
            found.append({**said, "idPattern": share.id_pattern})
        else:
            found.append(said)
    return found


# --- told ---------------------------------------------------------------------------------------
async def notified(relaying: Relaying, request: Request) -> Response:
    """Take a notification of a source: 200 once it is kept, 404 for a subscription nobody has."""
    try:
        if request.method != "POST":
            raise ResourceNotFound("There is nothing but notifications of sources here")
        document, _ = read_json(request.body, many=False)
        if not isinstance(document, dict) or not isinstance(document.get("data"), list):
            raise BadRequestData("A notification has no list `data`")
        if len(document["data"]) > MOST:  # taken in part, the rest would be lost unseen
            raise TooLarge(f"A notification has at most {MOST} entities")
        relay = relaying.relays.find(str(document.get("subscriptionId")))
        if relay is None or relay.state == "unwanted":
            raise ResourceNotFound("Nobody here has subscribed to that")
        key = relay.tenant, relay.subscription
        subscription = relaying.subscription(key)
        federation = relaying.rooms.federation
        assert federation is not None
        registration = federation.registry.find(relay.tenant, relay.registration)
        if subscription is None or registration is None:
            raise ResourceNotFound("Nobody here has subscribed to that any more")
        terms = await _terms(relaying, request, document)
        records = []
        for number, member in enumerate(document["data"]):
            record = await _believed(relaying, subscription, registration, (member, terms, number))
            if record is not None:
                records.append(record)
        if records:
            await relaying.relays.take(key, records)
            relaying.tell(key)
        return Response(200, b"")
    except PintuError as error:
        return problem(error)


async def _terms(relaying: Relaying, request: Request, document: Mapping[str, Any]) -> Terms:
    library = relaying.rooms.library
    context: Any = document.get("@context") or linked_context(request.headers.get(b"link"))
    if context is None and document["data"] and isinstance(document["data"][0], dict):
        context = document["data"][0].get("@context")
    return CORE if context is None else await library.terms(context)


async def _believed(
    relaying: Relaying,
    subscription: Subscription,
    registration: Registration,
    told: tuple[Any, Terms, int],
) -> Record | None:
    """An entity a source tells of, as far as it is registered for it and the subscription wants it;
    with splitEntities put together with what is here. None: nothing of it.
    """
    member, terms, number = told
    if not isinstance(member, dict):
        return None
    plain = {name: value for name, value in member.items() if name not in _SYSTEM}
    try:
        entity = read_entity(plain, terms)
    except PintuError:
        return None
    said = entity["type"]
    types = frozenset((said,)) if isinstance(said, str) else frozenset(said)
    mine = _cut(entity, types, registration)
    if mine is None or not _meant(entity["id"], types, subscription):
        return None
    entity = mine
    now_us = relaying.rooms.clock.now_us()
    head = number, entity["id"], tuple(sorted(types))
    if "deletedAt" in member:
        wants = Trigger.ENTITY_DELETED in subscription.triggers
        return Record(*head, GONE, now_us, now_us) if wants else None
    if subscription.split_entities:
        besides = await _besides(relaying, subscription, registration, entity["id"])
        entity = {**besides, **entity}
    record = Record(*head, orjson.dumps(entity), now_us, now_us)
    wanted = Selection(
        tenant=subscription.tenant, q=subscription.q, geo=subscription.geo, scope=subscription.scope
    )
    return record if matches(entity, wanted, record) else None


class _Others:
    """The registrations but the one whose source has just told."""

    def __init__(self, registry: Registry, id: str) -> None:
        self._registry, self._id = registry, id

    def matching(self, tenant: str, wanted: Wanted) -> list[Share]:
        """As the registry has it."""
        found = self._registry.matching(tenant, wanted)
        return [share for share in found if share.registration.id != self._id]


async def _besides(
    relaying: Relaying, subscription: Subscription, told: Registration, id: str
) -> dict[str, Any]:
    """What this broker and all other sources have of an entity; empty when nobody has any
    (5.8.6).
    """
    from pintu.web.ngsi_ld.routes import ROUTES

    rooms, asker = copy.copy(relaying.rooms), subscription.asker
    assert rooms.federation is not None
    others: Any = _Others(rooms.federation.registry, told.id)
    rooms.federation = dataclasses.replace(rooms.federation, registry=others)
    path = f"/ngsi-ld/v1/entities/{quote(id, safe=':')}".encode()
    operation, parts = ROUTES.find("GET", path)
    act = asker.act(subscription.tenant_name)
    actor = relaying.standing(asker)
    if actor is None:
        return {}
    projection = rooms.gate.decide(actor, act)
    call = Call(
        operation, Request("GET", path, b"", {}), parts, {}, rooms, subscription.tenant_name,
        subscription.tenant, projection, CORE, JSON, actor=actor, act=act,
    )  # fmt: skip
    try:
        result = (operation.distributed or operation.handler)(call)
        response = result if isinstance(result, Response) else await result
    except PintuError:
        return {}
    found: dict[str, Any] = orjson.loads(response.body) if response.status == 200 else {}
    return read_entity(found, CORE) if found else {}


def _cut(
    entity: dict[str, Any], types: frozenset[str], registration: Registration
) -> dict[str, Any] | None:
    """What of an entity lies in what the source is registered for."""
    id, names, whole, covered = entity["id"], set[str](), False, False
    for one in registration.information:
        if not one.selectors or any(selector.covers(id, types) for selector in one.selectors):
            covered, whole = True, whole or not one.names
            names |= one.names
    if not covered:
        return None
    if whole:
        return entity
    kept = names | {"id", "type"}
    return {name: value for name, value in entity.items() if name in kept}


def _meant(id: str, types: frozenset[str], subscription: Subscription) -> bool:
    """Whether a subscription is about an entity of that id and those types."""
    selectors = subscription.selectors
    return not selectors or any(_selects(one, id, types) for one in selectors)


def _selects(selector: Selector, id: str, types: frozenset[str]) -> bool:
    kind: Any = next(iter(types)) if len(types) == 1 else sorted(types)
    wanted = Selection(
        tenant=0, ids=tuple(selector.ids), id_pattern=selector.id_pattern, types=selector.types
    )
    return matches({"id": id, "type": kind}, wanted, None)
