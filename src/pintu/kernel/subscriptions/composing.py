"""A notification: the document that tells of changed entities, as its subscriber asked for it and
as the gate lets it be seen at this moment (5.3.1, 5.8.6)."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any, Final
from uuid import uuid4

import orjson

from pintu.kernel.access import Projection
from pintu.kernel.clock import Clock, iso
from pintu.kernel.context.changes import NOT_ATTRIBUTES
from pintu.kernel.context.linking import Links
from pintu.kernel.context.match import match_q
from pintu.kernel.context.picking import WHOLE, Tree, parse_tree
from pintu.kernel.context.record import Record, Times
from pintu.kernel.context.render import View, feature_collection, render
from pintu.kernel.context.times import DEFAULT
from pintu.kernel.jsonld import ContextLibrary, Terms
from pintu.kernel.subscriptions.members import rename_projection
from pintu.kernel.subscriptions.narrowing import let, visible_names
from pintu.kernel.subscriptions.picturing import Gone, Picture, gone
from pintu.kernel.subscriptions.words import Hit, Key, Message, Subscription, Trigger

CORE_CONTEXT: Final = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld"
MOST_PLANS: Final = 20_000
_CONTEXT_REL: Final = "http://www.w3.org/ns/json-ld#context"
_EXPIRES: Final = b'"expiresAt"'
_SCOPE: Final = b'"scope"'
_TELLS_GONE: Final = frozenset({Trigger.ATTRIBUTE_DELETED, Trigger.ENTITY_UPDATED})

Doc = dict[str, Any]
Retrieve = Callable[[int, str], Record | Awaitable[Record | None] | None]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What of a subscription is the same for each of its notifications."""

    subscription: Subscription
    terms: Terms
    view: View  # before the gate
    tree: Tree
    headers: tuple[tuple[str, str], ...]
    context: Any  # of the body, None when the Link header has it

    @property
    def plain(self) -> bool:
        """Whether stored bytes may be told as they are."""
        telling = self.subscription.telling
        return (
            self.terms.is_core
            and self.tree is WHOLE
            and self.context is None
            and self.view == _PLAIN
            and not telling.show_changes
            and not telling.join
        )


_PLAIN: Final = View()


class Composer:
    """Makes messages; remembers what of a subscription never changes."""

    def __init__(self, retrieve: Retrieve, library: ContextLibrary, clock: Clock) -> None:
        """`retrieve` finds an entity by tenant and id: those that relationships lead to."""
        self._retrieve = retrieve
        self._library = library
        self._clock = clock
        self._plans: dict[Key, Plan] = {}
        # a random part once, then numbers: cheaper than randomness for each message
        self._names = map(f"urn:ngsi-ld:Notification:{uuid4().hex}-{{}}".format, count(1))

    async def compose(
        self, subscription: Subscription, hits: Sequence[Hit], projection: Projection
    ) -> Message | None:
        """The notification of some changes, one an entity; None when nothing may be seen of them.

        Raises Forbidden when the subscription asks about what the projection does not let be asked,
        LdContextNotAvailable when its @context is away.
        """
        let(subscription, projection)
        plan = await self._plan(subscription)
        if not plan.subscription.telling.join:
            return self._composed(plan, hits, projection)
        view = self._seen_by(plan.view, projection)
        told: list[Any] = []
        links = self._links(plan, view, projection)
        for hit in hits:
            pair = _pictured(plan, view, hit, projection)
            if pair is not None:
                told += await _linked(plan, links, *pair)
        return self._message(plan, told) if told else None

    def compose_now(
        self, subscription: Subscription, hits: Sequence[Hit], projection: Projection
    ) -> Message | None:
        """`compose` where neither a @context nor linked entities have to be waited for; None also
        where they have."""
        plan = self._plans.get(subscription.key)
        if plan is None or plan.subscription is not subscription or subscription.telling.join:
            return None
        let(subscription, projection)
        return self._composed(plan, hits, projection)

    def _composed(self, plan: Plan, hits: Sequence[Hit], projection: Projection) -> Message | None:
        if plan.plain and projection.whole:
            bodies = [_whole(hit) for hit in hits]
            if all(body is not None for body in bodies):
                return self._message(plan, [orjson.Fragment(one) for one in bodies if one])
        view = self._seen_by(plan.view, projection)
        pairs = (_pictured(plan, view, hit, projection) for hit in hits)
        told = [pair[1] for pair in pairs if pair is not None and pair[1]]
        return self._message(plan, told) if told else None

    async def compose_entities(
        self, subscription: Subscription, records: Sequence[Record], projection: Projection
    ) -> Message | None:
        """The notification of some entities as they are: what `timeInterval` asks for; None when
        nothing may be seen of them. Raises as `compose`."""
        let(subscription, projection)
        plan = await self._plan(subscription)
        view = self._seen_by(plan.view, projection)
        links = self._links(plan, view, projection)
        told: list[Any] = []
        for record in records:
            there = seen_record(record, projection)
            if there is not None:
                shown = render(there, plan.terms, plan.tree.applied(view, plan.terms))
                told += await _linked(plan, links, there, shown)
        return self._message(plan, told) if told else None

    def forget(self, key: Key) -> None:
        """A subscription is gone or another one."""
        self._plans.pop(key, None)

    async def _plan(self, subscription: Subscription) -> Plan:
        plan = self._plans.get(subscription.key)
        if plan is None or plan.subscription is not subscription:
            source = subscription.terms_from
            terms = self._library.now(source)
            if terms is None:
                terms = await self._library.terms(source)
            if len(self._plans) >= MOST_PLANS:
                self._plans.pop(next(iter(self._plans)))
            plan = self._plans[subscription.key] = make_plan(subscription, terms)
        return plan

    def _seen_by(self, view: View, projection: Projection) -> View:
        if projection.whole:
            return dataclasses.replace(view, now_us=self._clock.now_us())
        return dataclasses.replace(
            view,
            now_us=self._clock.now_us(),
            sys_attrs=view.sys_attrs and projection.seen is None,
            allowed=projection.attributes,
            hidden=projection.hidden if projection.seen is not None else projection.withheld,
        )

    def _links(self, plan: Plan, view: View, projection: Projection) -> Links | None:
        telling = plan.subscription.telling
        if not telling.join:
            return None
        tenant = plan.subscription.tenant

        async def look(id: str) -> Record | None:
            found = self._retrieve(tenant, id)
            record = await found if isinstance(found, Awaitable) else found
            return None if record is None else seen_record(record, projection)

        return Links(
            terms=plan.terms,
            inline=telling.join == "inline",
            levels=telling.join_level,
            view=dataclasses.replace(view, attrs=None),
            tree=plan.tree,
            look=look,
        )

    def _message(self, plan: Plan, told: list[Any]) -> Message:
        subscription = plan.subscription
        geojson = plan.view.geojson
        id = next(self._names)
        document: Doc = {
            "id": id,
            "type": "Notification",
            "subscriptionId": subscription.id,
            "notifiedAt": iso(self._clock.now_us()),
        }
        context = plan.context
        if geojson:
            document["data"] = feature_collection(told)
            if context is not None:
                document["data"]["@context"] = context
        elif context is not None:
            document["@context"] = context
            document["data"] = [{**one, "@context": context} for one in told]
        else:
            document["data"] = told
        return Message(
            id=id,
            content_type=subscription.endpoint.accept,
            headers=plan.headers,
            body=orjson.dumps(document),
            entities=len(told),
        )


def make_plan(subscription: Subscription, terms: Terms) -> Plan:
    """How notifications of a subscription are made, with a @context that is at hand."""
    telling, endpoint = subscription.telling, subscription.endpoint
    geojson = endpoint.accept == "application/geo+json"
    view = View(
        format=telling.format,
        geojson=geojson,
        sys_attrs=telling.sys_attrs,
        lang=telling.lang,
        attrs=telling.attributes,
        dataset_ids=telling.dataset_ids,
        geometry_property=telling.geometry_property,
    )
    source = subscription.terms_from or CORE_CONTEXT
    told = (*endpoint.notifier_info, *endpoint.receiver_info)
    prefers = {value.replace(" ", "") for key, value in told if key.lower() == "prefer"}
    prefers_link = geojson and "body=json" in prefers
    linked = endpoint.accept == "application/json" or prefers_link
    headers = list(endpoint.receiver_info)
    if linked and isinstance(source, str):
        headers.append(("Link", f'<{source}>; rel="{_CONTEXT_REL}"; type="application/ld+json"'))
    if subscription.tenant_name:
        headers.append(("NGSILD-Tenant", subscription.tenant_name))
    return Plan(
        subscription=subscription,
        terms=terms,
        view=view,
        tree=_tree(subscription, terms),
        headers=tuple(headers),
        context=None if linked else source,
    )


def _tree(subscription: Subscription, terms: Terms) -> Tree:
    """pick and omit by the names that are shown."""
    notification = subscription.document["notification"]
    pick, omit = notification.get("pick"), notification.get("omit")
    if pick is None and omit is None:
        return WHOLE
    return parse_tree(
        None if pick is None else rename_projection(pick, terms.shown),
        None if omit is None else rename_projection(omit, terms.shown),
    )


def _whole(hit: Hit) -> bytes | None:
    """The stored bytes when they are what is told of a change."""
    change = hit.change
    body = change.body
    if body is None or _EXPIRES in body or _SCOPE in body:
        return None
    if hit.why & _TELLS_GONE or hit.subscription.triggers & _TELLS_GONE:
        return None  # something may be gone
    return body


# --- one change ---------------------------------------------------------------------------------
def _pictured(
    plan: Plan, view: View, hit: Hit, projection: Projection
) -> tuple[Record | None, Doc] | None:
    """(what its links are followed from, what is told) of one change; None when nothing of it may
    be seen. Nothing is followed from what is gone."""
    before, after = seen_documents(hit, projection)
    names = visible_names(hit, before, after, projection)
    if names is None:
        return None
    change, telling = hit.change, plan.subscription.telling
    shown_view = plan.tree.applied(view, plan.terms)
    if change.verb == "deleted":
        return None, _deleted(plan, shown_view, hit, before)
    if not after:
        return None
    lost = gone(before, after, names) if hit.subscription.triggers & _TELLS_GONE else {}
    picture = Picture(
        terms=plan.terms,
        view=shown_view,
        previous=telling.show_changes,
        deleted_us=change.at_us,
    )
    record = _record(hit, change.body if projection.whole else orjson.dumps(after))
    return record, picture.shown(record, before, names, lost)


async def _linked(plan: Plan, links: Links | None, record: Record | None, shown: Doc) -> list[Any]:
    """An entity with those its relationships lead to, in it or after it."""
    if not shown:
        return []
    if links is None or record is None:
        return [shown]
    document: Doc = orjson.loads(record.body)
    attributes = plan.subscription.telling.attributes
    if attributes is not None:
        document = {name: one for name, one in document.items() if name in attributes}
    if links.inline:
        path = frozenset({record.id})
        return [await links.placed_inline(shown, document, plan.tree, 0, path)]
    return [shown, *await links.linked_flat([(record, document)])]


def _deleted(plan: Plan, view: View, hit: Hit, before: Doc) -> Doc:
    """What is told of an entity that is gone: that it is, and what it was when somebody asked."""
    change, telling = hit.change, plan.subscription.telling
    times = _times(hit)
    names: tuple[str, ...] = ()
    if telling.show_changes:
        names = tuple(name for name in before if name not in NOT_ATTRIBUTES)
    elif Trigger.ATTRIBUTE_DELETED in hit.why:
        names = hit.names
    lost: Gone = gone(before, {}, names)
    head = {key: before[key] for key in ("id", "type", "scope") if key in before}
    modified = max(stamp[1] for stamp in times.values())
    record = Record(
        0, change.id, change.types, orjson.dumps(head), change.created_us, modified, change.times
    )
    picture = Picture(
        terms=plan.terms,
        view=view,
        previous=telling.show_changes,
        deleted_us=change.at_us,
        times=times,
    )
    shown = picture.shown(record, before, (), lost)
    place = shown.get("properties", shown) if view.geojson else shown
    place["deletedAt"] = iso(change.at_us)
    return shown


def _times(hit: Hit) -> Times:
    change = hit.change
    created = change.created_us or change.at_us
    found: Times = {DEFAULT: [created, created]}
    if change.times is not None:
        found |= orjson.loads(change.times)
    return found


def _record(hit: Hit, body: bytes | None) -> Record:
    change = hit.change
    created = change.created_us or change.at_us
    return Record(0, change.id, change.types, body or b"{}", created, change.at_us, change.times)


# --- the gate -----------------------------------------------------------------------------------
def seen_record(record: Record, projection: Projection) -> Record | None:
    """A record as it is there under a projection; None when it is not."""
    if projection.whole:
        return record
    if projection.seen is not None:
        body = projection.seen(record.body)
        if body is None:
            return None
        types = tuple(one for one in record.types if one in (projection.types or ()))
        return Record(record.number, record.id, types, body, 0, 0, None)
    if projection.rows is not None and not match_q(orjson.loads(record.body), projection.rows):
        return None
    return record


def seen_documents(hit: Hit, projection: Projection) -> tuple[Doc, Doc]:
    """(before, after) of a change as they are there under a projection; empty when not."""
    return (_seen(hit.change.before, projection), _seen(hit.change.body, projection))


def _seen(body: bytes | None, projection: Projection) -> Doc:
    if body is None:
        return {}
    document: Doc = orjson.loads(body)
    if projection.whole:
        return document
    if projection.seen is not None:
        return projection.seen.entity(document) or {}
    if projection.rows is not None and not match_q(document, projection.rows):
        return {}
    return document
