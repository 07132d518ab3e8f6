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

from pintu.kernel.context.match import Lookup
from pintu.kernel.context.record import Record
from pintu.kernel.errors import TooComplex
from pintu.kernel.store.port import Change
from pintu.kernel.subscriptions.bunches import Bunch, Group, Groups
from pintu.kernel.subscriptions.events import Event
from pintu.kernel.subscriptions.words import Hit, Key, Selector, Subscription, Trigger

Retrieve = Callable[[int, str], Record | Awaitable[Record | None] | None]
Names = tuple[str, ...]
Told = tuple[Names, frozenset[Trigger]]

MOST_ASKED: Final = 2_000
"""Different conditions of one tenant that no index finds; each costs some µs a change."""

_ROUNDS: Final = 16
"""How often documents that a linked query leads to are fetched for one change."""


class Place:
    """Groups that wait at one place."""

    __slots__ = ("any_name", "by_name")

    def __init__(self) -> None:
        self.any_name = Bunch()
        self.by_name: dict[str, Bunch] = {}

    def __bool__(self) -> bool:
        return bool(self.any_name or self.by_name)

    def put(self, group: Group) -> None:
        """Let a group wait here."""
        if not group.by_name:
            self.any_name.put(group)
        else:
            for name in group.watched or ():
                self.by_name.setdefault(name, Bunch()).put(group)

    def take(self, group: Group) -> None:
        """A group waits here no more."""
        self.any_name.take(group)
        for name in group.watched or () if group.by_name else ():
            bunch = self.by_name.get(name)
            if bunch is not None:
                bunch.take(group)
                if not bunch:
                    del self.by_name[name]

    def collect(self, event: Event, found: Groups) -> None:
        """Add those who may be concerned."""
        if self.any_name:
            self.any_name.collect(event, found)
        if self.by_name:
            for name in event.names:
                bunch = self.by_name.get(name)
                if bunch is not None:
                    bunch.collect(event, found)


class _Tenant:
    """Everybody who waits for changes of one tenant."""

    __slots__ = ("asked", "everywhere", "groups", "ids", "linked", "types")

    def __init__(self) -> None:
        self.ids: dict[str, Place] = {}
        self.types: dict[str, Place] = {}
        self.everywhere = Place()
        self.groups: Groups = {}
        self.linked = 0
        self.asked = 0  # groups that no index finds by what they ask

    def places(self, selector: Selector | None) -> Iterator[tuple[dict[str, Place], str]]:
        """Where a selector waits: (table, name); nothing means everywhere."""
        if selector is None:
            return
        if selector.ids:
            for id in selector.ids:
                yield self.ids, id
        elif selector.types is not None:
            for name in {min(every) for every in selector.types.any_of}:
                yield self.types, name

    def put(self, group: Group, selector: Selector | None) -> None:
        """Let a group wait wherever its selector says."""
        places = list(self.places(selector))
        group.spread(len(places) or 1)
        for table, name in places:
            place = table.get(name)
            if place is None:
                place = table[name] = Place()
            place.put(group)
        if not places:
            self.everywhere.put(group)

    def take(self, group: Group, selector: Selector | None) -> None:
        """Let it wait there no more."""
        self.everywhere.take(group)
        for table, name in self.places(selector):
            place = table.get(name)
            if place is not None:
                place.take(group)
                if not place:
                    del table[name]


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
                tenant.asked += group.asked
                tenant.put(group, selector)
            group.members[subscription.id] = subscription

    def check_room(self, subscription: Subscription) -> None:
        """Raise TooComplex when it brings one more condition that no index finds (a pattern, a
        negation, alternatives, a linked entity) to a tenant that has many already."""
        tenant = self._tenants.get(subscription.tenant)
        if tenant is None or tenant.asked < MOST_ASKED or not _waits(subscription):
            return
        for selector in subscription.selectors or (None,):
            key = _key(subscription, selector)
            if key not in tenant.groups and Group(key, subscription, selector).asked:
                raise TooComplex(
                    f"{tenant.asked} conditions of subscriptions have to be asked at each change "
                    "already: one that begins with a value, a limit or a place is found by it"
                )

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
            tenant.asked -= group.asked
            tenant.take(group, selector)
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
    if tenant.everywhere:
        found.append(tenant.everywhere)
    return found


def _candidates(tenant: _Tenant, event: Event) -> Groups:
    """Groups that wait where the change happened."""
    found: Groups = {}
    for place in _places(tenant, event.change):
        place.collect(event, found)
    return found


def _hits(event: Event, groups: Groups, lookup: Lookup | None) -> list[Hit]:
    """The members of those groups whose triggers and conditions hold, each once."""
    told: dict[Any, Told | None] = {}
    found: dict[Key, Hit] = {}
    change, possible = event.change, event.possible
    for group in groups.values():
        if group.triggers.isdisjoint(possible) or not _holds(group, event, lookup):
            continue
        wanted = (group.triggers, group.watched)
        if wanted not in told:
            told[wanted] = _told(event, group.triggers, group.watched)
        one = told[wanted]
        if one is None:
            continue
        names, why = one
        for subscription in group.members.values():
            if subscription.key not in found:
                found[subscription.key] = Hit(subscription, change, names, why)
    return list(found.values())


def _holds(group: Group, event: Event, lookup: Lookup | None) -> bool:
    test = group.test
    if test is None:
        return True
    try:
        return test(event.document, event.record, lookup)
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
