"""Whom a change concerns: an index from what changed to who waits for it.

A subscription waits at places: the ids it names, else a type of each of its conjunctions, else
everywhere; and there under each watched attribute, or under all. Those that wait for the same under
the same conditions are one group, asked once. So a change costs what it has to do with, not how
many subscriptions there are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import orjson

from pintu.kernel.context.match import Lookup, compile_selection, linked_depth
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import Selection
from pintu.kernel.errors import TooComplex
from pintu.kernel.store.port import Change
from pintu.kernel.subscriptions.events import Event
from pintu.kernel.subscriptions.words import Hit, Key, Selector, Subscription, Trigger

Test = Callable[..., bool]
Retrieve = Callable[[int, str], Record | Awaitable[Record | None] | None]
Names = tuple[str, ...]
Told = tuple[Names, frozenset[Trigger]]

_ROUNDS: Final = 16
"""How often documents that a linked query leads to are fetched for one change."""


class Group:
    """Subscriptions that wait for the same: triggers, attributes, a selector and conditions."""

    __slots__ = ("key", "linked", "members", "test", "triggers", "watched")

    def __init__(self, key: Any, subscription: Subscription, selector: Selector | None) -> None:
        self.key = key
        self.triggers = subscription.triggers
        self.watched = subscription.watched
        self.linked = linked_depth(subscription.q) > 0
        self.test = _test(subscription, selector)
        self.members: dict[str, Subscription] = {}


class Place:
    """Groups that wait at one place."""

    __slots__ = ("any_name", "by_name")

    def __init__(self) -> None:
        self.any_name: dict[Any, Group] = {}
        self.by_name: dict[str, dict[Any, Group]] = {}

    def put(self, group: Group) -> None:
        """Let a group wait here."""
        if group.watched is None:
            self.any_name[group.key] = group
        else:
            for name in group.watched:
                self.by_name.setdefault(name, {})[group.key] = group

    def take(self, group: Group) -> bool:
        """A group waits here no more; true when nobody does."""
        self.any_name.pop(group.key, None)
        for name in group.watched or ():
            kept = self.by_name.get(name)
            if kept is not None:
                kept.pop(group.key, None)
                if not kept:
                    del self.by_name[name]
        return not self.any_name and not self.by_name


class _Tenant:
    __slots__ = ("everywhere", "groups", "ids", "linked", "types")

    def __init__(self) -> None:
        self.ids: dict[str, Place] = {}
        self.types: dict[str, Place] = {}
        self.everywhere = Place()
        self.groups: dict[Any, Group] = {}
        self.linked = 0

    def places(self, selector: Selector | None) -> Iterator[tuple[dict[str, Place], str]]:
        """Where a selector waits: (table, name); nothing for everywhere."""
        if selector is None:
            return
        if selector.ids:
            for id in selector.ids:
                yield self.ids, id
        elif selector.types is not None:
            for name in {min(every) for every in selector.types.any_of}:
                yield self.types, name


class Matcher:
    """The index of all subscriptions that changes are told to; lives on the loop."""

    def __init__(self) -> None:
        self._tenants: dict[int, _Tenant] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def any(self, tenant: int) -> bool:
        """Whether somebody waits for changes of a tenant."""
        return tenant in self._tenants

    def add(self, subscription: Subscription) -> None:
        """Let a subscription wait; paused ones and those told by the clock wait for nothing."""
        if not _waits(subscription):
            return
        tenant = self._tenants.get(subscription.tenant)
        if tenant is None:
            tenant = self._tenants[subscription.tenant] = _Tenant()
        self._count += 1
        for selector in subscription.selectors or (None,):
            key = _key(subscription, selector)
            group = tenant.groups.get(key)
            if group is None:
                group = tenant.groups[key] = Group(key, subscription, selector)
                tenant.linked += group.linked
                named = False
                for table, name in tenant.places(selector):
                    named = True
                    place = table.get(name)
                    if place is None:
                        place = table[name] = Place()
                    place.put(group)
                if not named:
                    tenant.everywhere.put(group)
            group.members[subscription.id] = subscription

    def remove(self, subscription: Subscription) -> None:
        """Let it wait no more; exactly the value that was added."""
        tenant = self._tenants.get(subscription.tenant)
        if tenant is None or not _waits(subscription):
            return
        found = False
        for selector in subscription.selectors or (None,):
            group = tenant.groups.get(_key(subscription, selector))
            if group is None or group.members.pop(subscription.id, None) is None:
                continue
            found = True
            if group.members:
                continue
            del tenant.groups[group.key]
            tenant.linked -= group.linked
            tenant.everywhere.take(group)
            for table, name in tenant.places(selector):
                if table[name].take(group):
                    del table[name]
        self._count -= found
        if not tenant.groups:
            del self._tenants[subscription.tenant]

    def linked(self, tenant: int) -> bool:
        """Whether somebody of a tenant asks for linked entities: then ask `concerned_linked`."""
        found = self._tenants.get(tenant)
        return found is not None and found.linked > 0

    def may_concern(self, change: Change) -> bool:
        """Whether anybody could want to hear of a change, by what a row of the log says: then it
        is worth making whole."""
        tenant = self._tenants.get(change.tenant)
        if tenant is None:
            return False
        names = change.changed
        return any(
            place.any_name or names is None or not place.by_name.keys().isdisjoint(names)
            for place in _places(tenant, change)
        )

    def concerned(self, change: Change, lookup: Lookup | None = None) -> list[Hit]:
        """Who wants to hear of a change that carries the documents before and after it."""
        tenant = self._tenants.get(change.tenant)
        if tenant is None:
            return []
        event = Event(change)
        groups = _candidates(tenant, event)
        return _hits(event, groups, lookup) if groups else []

    async def concerned_linked(self, change: Change, retrieve: Retrieve) -> list[Hit]:
        """`concerned` where conditions follow relationships: what they lead to is fetched first.

        One that leads too far concerns nobody by that condition.
        """
        known: dict[str, Any] = {}
        for _ in range(_ROUNDS):
            missing: set[str] = set()

            def look(id: str, missing: set[str] = missing) -> Any:
                if id not in known:
                    missing.add(id)
                return known.get(id)

            hits = self.concerned(change, look)
            if not missing:
                return hits
            for id in missing:
                found = retrieve(change.tenant, id)
                record = await found if isinstance(found, Awaitable) else found
                known[id] = None if record is None else orjson.loads(record.body)
        return hits


def _waits(subscription: Subscription) -> bool:
    return subscription.active and subscription.interval_s is None


def _key(one: Subscription, selector: Selector | None) -> Any:
    """Equal for subscriptions that can be asked as one."""
    geo = None if one.geo is None else repr(one.geo)  # GeoJSON cannot be hashed
    return (one.triggers, one.watched, selector, one.q, geo, one.scope)


def _test(one: Subscription, selector: Selector | None) -> Test | None:
    """All conditions of a group that its place does not answer, or None."""
    ids, pattern, types = (), None, None
    if selector is not None:
        types = selector.types
        pattern = None if selector.ids else selector.id_pattern
        if types is not None and not selector.ids and all(len(e) == 1 for e in types.any_of):
            types = None  # its places are these types
    if all(part is None for part in (pattern, types, one.q, one.geo, one.scope)):
        return None
    selection = Selection(
        tenant=0, ids=ids, id_pattern=pattern, types=types, q=one.q, geo=one.geo, scope=one.scope
    )
    return compile_selection(selection)


def _places(tenant: _Tenant, change: Change) -> list[Place]:
    """Where somebody may wait for a change of this entity."""
    found = []
    if tenant.ids:
        place = tenant.ids.get(change.id)
        if place is not None:
            found.append(place)
    if tenant.types:
        types = tenant.types
        for name in change.types:
            place = types.get(name)
            if place is not None:
                found.append(place)
    everywhere = tenant.everywhere
    if everywhere.any_name or everywhere.by_name:
        found.append(everywhere)
    return found


def _candidates(tenant: _Tenant, event: Event) -> dict[Any, Group]:
    """Groups that wait where the change happened."""
    found: dict[Any, Group] = {}
    for place in _places(tenant, event.change):
        _collect(place, event, found)
    return found


def _collect(place: Place, event: Event, found: dict[Any, Group]) -> None:
    found.update(place.any_name)
    by_name = place.by_name
    if by_name:
        for name in event.names:
            groups = by_name.get(name)
            if groups is not None:
                found.update(groups)


def _hits(event: Event, groups: dict[Any, Group], lookup: Lookup | None) -> list[Hit]:
    """The members of those groups whose triggers and conditions hold, each once."""
    told: dict[Any, Told | None] = {}
    found: dict[Key, Hit] = {}
    for group in groups.values():
        wanted = (group.triggers, group.watched)
        if wanted not in told:
            told[wanted] = _told(event, group.triggers, group.watched)
        one = told[wanted]
        if one is None or not _holds(group, event, lookup):
            continue
        names, why = one
        change = event.change
        for subscription in group.members.values():
            if subscription.key not in found:
                found[subscription.key] = Hit(subscription, change, names, why)
    return list(found.values())


def _holds(group: Group, event: Event, lookup: Lookup | None) -> bool:
    test = group.test
    if test is None:
        return True
    change = event.change
    record = None
    if change.created_us:
        at_us = change.at_us
        record = Record(0, change.id, change.types, b"", change.created_us, at_us, change.times)
    try:
        return test(event.document, record, lookup)
    except TooComplex:
        return False


def _told(
    event: Event, triggers: frozenset[Trigger], watched: frozenset[str] | None
) -> Told | None:
    """(attributes that made it so, triggers that hold) for what somebody waits for, or None."""
    attributes = event.attributes
    if watched is not None:
        attributes = {name: one for name, one in attributes.items() if name in watched}
        if not attributes:
            return None
    entity = event.entity & triggers
    if entity and not attributes and event.change.verb == "updated" and not event.members:
        entity = frozenset()  # only history learned something
    names = tuple(name for name, one in attributes.items() if entity or one & triggers)
    why = entity.union(*(one & triggers for one in attributes.values()))
    return (names, why) if why else None
