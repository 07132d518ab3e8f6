"""Those who want to hear of registrations: kept in private tables, told in order, bounded in
memory (5.11).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import msgspec
import orjson
import sqlalchemy as sa

from pintu.kernel.access import Act, Actor, Deed, Gate
from pintu.kernel.calling import Ask, Caller
from pintu.kernel.clock import Clock
from pintu.kernel.errors import (
    AlreadyExists,
    Forbidden,
    PintuError,
    ResourceNotFound,
    TooLarge,
    Unavailable,
)
from pintu.kernel.federation.registry import Happened, Registry
from pintu.kernel.federation.schema import TABLES, WATCHER
from pintu.kernel.federation.telling import Counts, Pairs, Telling, notification
from pintu.kernel.federation.watching import Endpoint, Watcher, Why, read_watcher
from pintu.kernel.jsonld import CORE, ContextLibrary, Terms
from pintu.kernel.tables import CityTables, put_rows

log = logging.getLogger("pintu.federation")

MOST: Final = 10_000
"""Subscribers of one city."""
WAITING: Final = 200
"""Notifications that may wait for one slow endpoint; the oldest are counted as failed."""
AT_ONCE: Final = 1_000
"""Registrations in one notification."""
SHORTEST_S: Final = 0.02
"""Real seconds of an interval: nobody takes a city's breath by asking often."""


PAUSES_S: Final = (10.0, 60.0, 300.0)
"""City seconds before a notification that was not taken is sent again; then it is let go."""
Publish = Callable[[Endpoint, Pairs, bytes], Awaitable[None]]
"""(endpoint, headers, body); raises PintuError when it was not taken."""


@dataclass(slots=True)
class _Standing:
    """One subscriber with what waits for it."""

    watcher: Watcher
    terms: Terms = CORE
    counts: Counts = field(default_factory=Counts)
    waiting: deque[tuple[Why, Telling]] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None
    ticking: asyncio.Task[None] | None = None
    not_before_us: int = 0
    silent: bool = False  # the broker's own: shown among the others, told in another way


Key = tuple[str, str]
Watchings = list[Watcher]


class Watchers:
    """Told of every change of the registry, they tell whoever wants to hear of it."""

    def __init__(
        self, tables: CityTables, registry: Registry, library: ContextLibrary, clock: Clock
    ) -> None:
        self._tables = tables.register(TABLES)
        self._registry, self._library, self._clock = registry, library, clock
        self._standing: dict[Key, _Standing] = {}
        self._changing = asyncio.Lock()
        self.caller: Caller | None = None
        self.publish: Publish | None = None
        """To MQTT brokers; None: none are spoken to."""
        self.closing: Callable[[], Awaitable[None]] | None = None
        self.pauses_s = PAUSES_S
        self.gate: Gate | None = None
        self.known: Callable[[Actor], Actor | None] = lambda actor: actor
        """What an actor may do now; None when their account has ended."""
        self._rows = self._tables.read_now(lambda c: c.execute(_ALL).mappings().all())
        registry.listen(self._heard)

    async def start(self) -> None:
        """Take up what was kept; a subscriber whose @context is away is told in core names."""
        rows, self._rows = self._rows, []
        for row in rows:
            await self._take_up(row)
        for one in self._standing.values():
            self._tick(one)

    async def stop(self) -> None:
        """Stop telling; what waits is let go, as it is when the power goes."""
        tasks = [
            task
            for one in self._standing.values()
            for task in (one.task, one.ticking)
            if task is not None
        ]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self.closing is not None:
            await self.closing()

    async def _take_up(self, row: Any) -> None:
        context = orjson.loads(row["context"])
        try:
            terms = CORE if context is None else await self._library.terms(context)
        except PintuError as error:
            log.warning("the @context of a subscription is away: %s", error.detail)
            terms = CORE
        document = orjson.loads(row["document"])
        read = read_watcher(document, terms, tenant=row["tenant"], now_us=None)
        watcher = replace(
            read,
            context=context,
            asker=orjson.loads(row["asker"]),
            created_us=row["created_us"],
            modified_us=row["modified_us"],
        )
        counts = msgspec.json.decode(row["counts"], type=Counts)
        self._standing[watcher.tenant, watcher.id] = _Standing(watcher, terms, counts)

    # --- asked ----------------------------------------------------------------------------------
    def get(self, tenant: str, id: str) -> Watcher:
        """One subscription; raises ResourceNotFound."""
        found = self._standing.get((tenant, id))
        if found is None:
            raise ResourceNotFound(f"{id} does not exist")
        return found.watcher

    def list(self, tenant: str) -> Watchings:
        """All of a tenant, oldest first."""
        return [one.watcher for key, one in self._standing.items() if key[0] == tenant]

    def counts(self, watcher: Watcher) -> Counts:
        """What was sent so far."""
        found = self._standing.get((watcher.tenant, watcher.id))
        return Counts() if found is None else found.counts

    # --- changed --------------------------------------------------------------------------------
    async def add(self, watcher: Watcher, terms: Terms, actor: Actor) -> None:
        """Keep a new one and tell it of what matches already; raises AlreadyExists, TooLarge."""
        key = (watcher.tenant, watcher.id)
        async with self._changing:
            if key in self._standing:
                raise AlreadyExists(f"{watcher.id} is a subscription already")
            if len(self._standing) >= MOST:
                raise TooLarge(f"The city has {MOST} subscriptions to registrations already")
            now_us = self._clock.now_us()
            asker = _asker(actor)
            kept = replace(watcher, created_us=now_us, modified_us=now_us, asker=asker)
            standing = _Standing(kept, terms)
            await self._keep(standing)
            self._standing[key] = standing
            self._begin(standing)

    async def change(self, watcher: Watcher, terms: Terms, actor: Actor) -> None:
        """Keep it in place of the one with its id, and tell it of all that matches now; raises
        ResourceNotFound.
        """
        async with self._changing:
            before = self.get(watcher.tenant, watcher.id)
            standing = self._standing[watcher.tenant, watcher.id]
            standing.watcher = replace(
                watcher,
                created_us=before.created_us,
                modified_us=self._clock.now_us(),
                asker=_asker(actor),
            )
            standing.terms = terms
            await self._keep(standing)
            self._begin(standing)

    async def remove(self, tenant: str, id: str) -> None:
        """Forget one: nothing is sent to it afterwards; raises ResourceNotFound."""
        async with self._changing:
            self.get(tenant, id)
            standing = self._standing.pop((tenant, id))
            standing.waiting.clear()
            for task in (standing.task, standing.ticking):
                if task is not None:
                    task.cancel()
            same = (WATCHER.c.tenant == tenant) & (WATCHER.c.id == id)
            await self._tables.run(lambda c: c.execute(WATCHER.delete().where(same)))

    async def _keep(self, standing: _Standing) -> None:
        row = _row(standing)
        await self._tables.run(lambda connection: put_rows(connection, WATCHER, [row]))

    def show(self, watcher: Watcher) -> None:
        """One of the broker's own: seen, never told, forgotten when the broker stops."""
        self._standing[watcher.tenant, watcher.id] = _Standing(watcher, silent=True)

    def hide(self, tenant: str, id: str) -> None:
        """One of the broker's own is over."""
        self._standing.pop((tenant, id), None)

    # --- telling --------------------------------------------------------------------------------
    def _begin(self, standing: _Standing) -> None:
        """The first notification tells of everything that matches (5.11.7)."""
        if standing.ticking is not None:
            standing.ticking.cancel()
            standing.ticking = None
        if standing.watcher.interval_s:
            self._tick(standing)
        else:
            self._tell_all(standing, "newlyMatching")

    def _tick(self, standing: _Standing) -> None:
        if standing.watcher.interval_s and standing.ticking is None:
            standing.ticking = asyncio.create_task(self._ticks(standing))

    async def _ticks(self, standing: _Standing) -> None:
        why: Why = "newlyMatching"
        while True:
            self._tell_all(standing, why)
            why = "updated"
            await asyncio.sleep(max(SHORTEST_S, standing.watcher.interval_s / self._clock.rate))

    def _tell_all(self, standing: _Standing, why: Why) -> None:
        now_us, watcher = self._clock.now_us(), standing.watcher
        telling = []
        for registration in self._registry.list(watcher.tenant):
            part = watcher.part_of(registration, now_us)
            if part:
                telling.append((registration, part))
                if len(telling) == AT_ONCE:
                    break
        if telling:
            self._queue(standing, why, telling)

    def _heard(self, happened: Happened) -> None:
        tenant, now_us = happened.registration.tenant, self._clock.now_us()
        for key, standing in self._standing.items():
            if key[0] != tenant or standing.watcher.interval_s or standing.silent:
                continue
            found = _news(standing.watcher, happened, now_us)
            if found is not None:
                self._queue(standing, *found)

    def _queue(self, standing: _Standing, why: Why, telling: Telling) -> None:
        if standing.watcher.status(self._clock.now_us()) != "active":
            return
        if len(standing.waiting) >= WAITING:
            standing.waiting.popleft()
            self._count(standing, "The endpoint is too slow")
        standing.waiting.append((why, telling))
        if standing.task is None or standing.task.done():
            standing.task = asyncio.create_task(self._drain(standing))

    async def _drain(self, standing: _Standing) -> None:
        while standing.waiting:
            wait_us = standing.not_before_us - self._clock.now_us()
            if wait_us > 0:
                await asyncio.sleep(wait_us / 1e6 / self._clock.rate)
            why, telling = standing.waiting.popleft()
            if standing.watcher.status(self._clock.now_us()) != "active":
                standing.waiting.clear()
                return
            await self._through(standing, why, telling)

    async def _through(self, standing: _Standing, why: Why, telling: Telling) -> None:
        """One notification until it is taken, or nobody tries any more; those after it wait."""
        for pause_s in (*self.pauses_s, None):
            try:
                await self._send(standing, why, telling)
            except PintuError as error:
                self._count(standing, error.detail)
                if pause_s is None or isinstance(error, Forbidden):
                    return
            else:
                return self._count(standing, "")
            rest_s = max(pause_s, standing.watcher.endpoint.cooldown_s)
            await asyncio.sleep(rest_s / self._clock.rate)
            if standing.watcher.status(self._clock.now_us()) != "active":
                return

    async def _send(self, standing: _Standing, why: Why, telling: Telling) -> None:
        watcher, endpoint = standing.watcher, standing.watcher.endpoint
        self._permit(watcher)
        headers, body = notification(watcher, why, telling, standing.terms, self._clock.now_us())
        if endpoint.uri.startswith("mqtt"):
            if self.publish is None:
                raise Forbidden("This broker publishes to no MQTT broker")
            return await self.publish(endpoint, headers, body)
        if self.caller is None:
            raise Forbidden("This broker calls nobody")
        reply = await self.caller.call(
            Ask(
                method="POST", url=endpoint.uri, headers=headers, body=body,
                timeout_s=endpoint.timeout_s, limit=64_000,
            )
        )  # fmt: skip
        if not 200 <= reply.status < 300:
            raise Unavailable(f"The endpoint answered {reply.status}")

    def _permit(self, watcher: Watcher) -> None:
        """A notification is a read: raises Forbidden when who subscribed may not see all of the
        tenant any more.
        """
        if self.gate is None:
            return
        told = watcher.asker
        actor = self.known(
            Actor(
                **{
                    **told,
                    "grants": frozenset(told["grants"]),
                    "roles": frozenset(told["roles"]),
                }
            )
        )
        if actor is None:
            raise Forbidden("Who subscribed has no account any more")
        if not self.gate.decide(actor, Act(deed=Deed.READ, tenant=watcher.tenant)).whole:
            raise Forbidden("Who subscribed may not see all of the tenant any more")

    def _count(self, standing: _Standing, failure: str) -> None:
        counts, now_us = standing.counts, self._clock.now_us()
        counts.sent += 1
        counts.last_us = now_us
        rest_s = standing.watcher.throttling_s
        if failure:
            counts.failed += 1
            counts.failed_us, counts.why = now_us, failure[:300]
            rest_s = max(rest_s, standing.watcher.endpoint.cooldown_s)
        else:
            counts.succeeded_us = now_us
        standing.not_before_us = now_us + int(rest_s * 1e6)
        watcher, encoded = standing.watcher, msgspec.json.encode(counts)
        same = (WATCHER.c.tenant == watcher.tenant) & (WATCHER.c.id == watcher.id)
        self._tables.later(lambda c: c.execute(WATCHER.update().where(same).values(counts=encoded)))


def _news(watcher: Watcher, happened: Happened, now_us: int) -> tuple[Why, Telling] | None:
    """What a change is to one subscriber."""
    before = [] if happened.before is None else watcher.part_of(happened.before, 0)
    now = [] if happened.now is None else watcher.part_of(happened.now, now_us)
    if happened.now is not None and now:
        return ("updated" if before else "newlyMatching"), [(happened.now, now)]
    if happened.before is not None and before:
        return "noLongerMatching", [(happened.registration, before)]
    return None


_ALL = sa.select(WATCHER).order_by(WATCHER.c.created_us, WATCHER.c.id)


def _asker(actor: Actor) -> dict[str, Any]:
    told = asdict(actor)
    return {**told, "grants": sorted(actor.grants), "roles": sorted(actor.roles)}


def _row(standing: _Standing) -> dict[str, Any]:
    watcher = standing.watcher
    return {
        "tenant": watcher.tenant, "id": watcher.id, "document": orjson.dumps(watcher.document),
        "context": orjson.dumps(watcher.context), "asker": orjson.dumps(watcher.asker),
        "created_us": watcher.created_us, "modified_us": watcher.modified_us,
        "counts": msgspec.json.encode(standing.counts),
    }  # fmt: skip
