"""What is on the wall of one tenant now: loaded once, kept by changes, told four times a second.

Nobody looking costs nothing: a tenant is kept from the first look until nobody looked for a while.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from pintu.kernel.context.record import PAST_VERBS
from pintu.kernel.context.selection import Selection, TypeSelection
from pintu.kernel.store.port import settled
from pintu.web.api.picture import IDLE_S, LOAD_PAGE, body_of
from pintu.web.wall.shown import SOON, TYPES, is_over, on_wall, seen

if TYPE_CHECKING:
    from pintu.kernel.store.port import Change
    from pintu.web.rooms import Rooms

MOST: Final = 200_000
LOADS: Final = 3
AT_ONCE: Final = 800
"""Entities of one event: more of one tick are told with the next ones, so that no page chokes."""


@dataclass(slots=True)
class Told:
    """What walls of a tenant have yet to hear: id → (document, or None when it is gone; µs)."""

    news: dict[str, tuple[dict[str, Any] | None, int]] = field(default_factory=dict)

    def put(self, id: str, document: dict[str, Any] | None, at_us: int) -> None:
        """The newest state of a thing counts, from the oldest change that was not told."""
        before = self.news.get(id)
        self.news[id] = (document, at_us if before is None else min(before[1], at_us))

    def take(self, now_us: int, rate: float) -> dict[str, Any] | None:
        """The next event; None when there is nothing to tell. `ages` (ms) beside `entities`."""
        if not self.news:
            return None
        ids = list(self.news)[:AT_ONCE]
        rows = {id: self.news.pop(id) for id in ids}
        there = [(document, at_us) for document, at_us in rows.values() if document is not None]
        return {
            "entities": [document for document, _ in there],
            "gone": [id for id, (document, _) in rows.items() if document is None],
            "at_us": max(at_us for _, at_us in rows.values()),
            "ages": [max(0, int((now_us - at_us) / rate / 1000)) for _, at_us in there],
        }


class Wall:
    """One tenant's wall: documents by id of what is not over."""

    def __init__(self, rooms: Rooms, tenant: int) -> None:
        self.rooms = rooms
        self.tenant = tenant
        self.entities: dict[str, dict[str, Any]] = {}
        self.told = Told()
        self.at_us = 0
        self.used_s = time.monotonic()
        self._waiting: list[Change] | None = []
        self._ready: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        """Wait until everything that was there at the start is in."""
        if self._ready is None or (self._ready.done() and self._ready.exception()):
            self._waiting = []
            self._ready = asyncio.get_running_loop().create_task(self._load())
        self.used_s = time.monotonic()
        await asyncio.shield(self._ready)

    async def _load(self) -> None:
        kinds = tuple(
            frozenset(kind.types)
            for kind in self.rooms.store.kinds(self.tenant)
            if on_wall(kind.types)
        )
        for _ in range(LOADS):
            await self._pages(kinds)
            if not any(change.verb == "deleted" for change in self._waiting or ()):
                break  # else what follows a deleted thing moved up, and a page may have missed one
        waiting, self._waiting = self._waiting or [], None
        self.apply(waiting)

    async def _pages(self, kinds: tuple[frozenset[str], ...]) -> None:
        now_us, offset = self.rooms.clock.now_us(), 0
        while kinds and offset < MOST:
            asked = Selection(
                tenant=self.tenant, types=TypeSelection(kinds), limit=LOAD_PAGE, offset=offset
            )
            page = await settled(self.rooms.store.select(asked))
            for record in page.records:
                self._take(record.id, orjson.loads(record.body), now_us)
            if len(page.records) < LOAD_PAGE:
                break
            offset += LOAD_PAGE
            await asyncio.sleep(0)

    def _take(self, id: str, entity: dict[str, Any], now_us: int) -> dict[str, Any]:
        document = seen(entity)
        if is_over(document, now_us):
            self.entities.pop(id, None)
        else:
            self.entities[id] = document
        return document

    def apply(self, changes: list[Change]) -> bool:
        """Take a commit in; what changed waits in `told`. Whether something must be told soon:
        an alert or an incident, not the street that it lies on."""
        soon = False
        for change in changes:
            if change.tenant != self.tenant or not on_wall(change.types):
                continue
            if change.verb in PAST_VERBS:
                continue
            if self._waiting is not None:
                self._waiting.append(change)
                continue
            self.at_us = change.at_us
            body = body_of(self.rooms.store, change)
            if body is None:
                if self.entities.pop(change.id, None) is not None:
                    self.told.put(change.id, None, change.at_us)
                continue
            document = self._take(change.id, orjson.loads(body), change.at_us)
            self.told.put(change.id, document, change.at_us)
            soon = soon or not SOON.isdisjoint(change.types)
        return soon

    def snapshot(self) -> dict[str, Any]:
        """What stands on it now, in the shape of an event; what is over by its time is left out."""
        now_us = self.rooms.clock.now_us()
        for id in [id for id, one in self.entities.items() if is_over(one, now_us)]:
            del self.entities[id]
        return {"entities": list(self.entities.values()), "gone": [], "at_us": now_us}


class Walls:
    """One wall a tenant that somebody looks at."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self.by_tenant: dict[int, Wall] = {}

    async def of(self, tenant: int) -> Wall:
        """The wall of a tenant, loaded."""
        wall = self.by_tenant.get(tenant)
        if wall is None:
            wall = self.by_tenant[tenant] = Wall(self.rooms, tenant)
        await wall.ready()
        return wall

    def committed(self, changes: list[Change]) -> bool:
        """Take one commit in; whether a wall must be told soon."""
        return any([wall.apply(changes) for wall in self.by_tenant.values()])

    def events(self, tenants: set[int]) -> dict[int, dict[str, Any]]:
        """What walls of these tenants are to be told; others' news is let go, a page that comes
        later loads what there is."""
        clock = self.rooms.clock
        found = {}
        for tenant, wall in self.by_tenant.items():
            if tenant not in tenants:
                wall.told.news.clear()
                continue
            wall.used_s = time.monotonic()
            event = wall.told.take(clock.now_us(), clock.rate)
            if event is not None:
                found[tenant] = event
        return found

    def forget_idle(self) -> None:
        """Drop walls nobody asked for in a while."""
        before_s = time.monotonic() - IDLE_S
        for tenant in [t for t, wall in self.by_tenant.items() if wall.used_s < before_s]:
            del self.by_tenant[tenant]


def figures(rooms: Rooms, tenant: str, changes: int) -> dict[str, Any]:
    """Beside the events, once a second: the clock, changes seen, commands under way, sources."""
    waiting = [one for one in rooms.commands.waiting() if one.command.tenant == tenant]
    sources = [one.health for one in rooms.intake.sources() if one.tenant in ("", tenant)]
    return {
        "now": rooms.clock.now_us() // 1000,
        "seen": changes,
        "commands": len(waiting),
        "unanswered": sum(1 for one in waiting if one.command.attempt > 1),
        "sources": len(sources),
        "silent": sum(1 for one in sources if one in ("silent", "down")),
    }


__all__ = ["TYPES", "Told", "Wall", "Walls", "figures"]
