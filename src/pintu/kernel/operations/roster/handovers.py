"""Handovers: written by themselves at their time, completed by the officer, handed over, taken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.access import Actor
from pintu.kernel.errors import BadRequestData, ResourceNotFound, StateConflict
from pintu.kernel.operations.journal import MOST, Deed
from pintu.kernel.operations.roster.book import Book, new_id
from pintu.kernel.operations.roster.rota import CLOCK, at_wall, day_of
from pintu.kernel.operations.roster.schema import HANDOVER, SETTING
from pintu.kernel.operations.roster.telling import tell_watch
from pintu.kernel.operations.roster.words import Handover, Text
from pintu.kernel.tables import put_rows
from pintu.kernel.timers import Firing

TIMER: Final = "operations.handover"
DEFAULT: Final = ("07:00",)
SETTING_NAME: Final = "handover"
BACK_US: Final = 14 * 86_400_000_000
"""So far back something that is still open is looked for."""

FIRST_US: Final = 12 * 3_600_000_000
"""What the first handover of a city tells of."""

MOST_DEEDS: Final = 100_000
MOST_SENTENCE: Final = 2_000
MOST_SENTENCES: Final = 100
MOST_TIMES: Final = 12

Named = Callable[[str], Awaitable[Text | None]]
"""What something of the journal is called; None when nobody knows."""

NEXT: Final = {("written", "hand_over"): "handed_over", ("handed_over", "take"): "taken",
               ("written", "take"): "taken"}  # fmt: skip
"""(state, deed) → state. Who comes may take a watch over from somebody who just left."""


class Handovers:
    """The book that goes from watch to watch."""

    def __init__(self, book: Book, named: Named) -> None:
        self._book, self._named = book, named
        self._times: dict[str, tuple[str, ...]] = book.opened.read_now(_times)
        book.timers.on(TIMER, self._due)

    # --- when -------------------------------------------------------------------------------------
    def times(self, tenant: str) -> tuple[str, ...]:
        """At which times of the wall clock a handover writes itself."""
        return self._times.get(tenant, DEFAULT)

    async def set_times(self, actor: Actor, tenant: str, times: tuple[str, ...]) -> None:
        """Have it written at other times; for supervisors and administrators."""
        self._book.plan(actor, tenant)
        wrong = not 1 <= len(times) <= MOST_TIMES or len(set(times)) != len(times)
        if wrong or not all(CLOCK.fullmatch(one) for one in times):
            raise BadRequestData("A handover is written at one to twelve times like 07:00")
        row = {"tenant": tenant, "name": SETTING_NAME, "value": " ".join(sorted(times))}
        detail = {"times": sorted(times)}
        deed = self._book.deed("shift:handover", "planned", actor.id, tenant, detail=detail)
        await self._book.note(deed, lambda c: put_rows(c, SETTING, [row]))
        self._times[tenant] = tuple(sorted(times))
        await self._set(tenant)

    def next_us(self, tenant: str, after_us: int) -> int:
        """When the next one is written."""
        today = day_of(after_us, self._book.zone)
        moments = (
            at_wall(today + timedelta(days=days), one, self._book.zone)
            for days in (0, 1)
            for one in self.times(tenant)
        )
        return min(one for one in moments if one > after_us)

    # --- writing ----------------------------------------------------------------------------------
    async def write(
        self, tenant: str, until_us: int | None = None, *, by: str = "timer"
    ) -> Handover:
        """Write the handover of what happened since the one before; the same moment again is the
        same handover."""
        until = self._book.clock.now_us() if until_us is None else until_us
        before = await self.latest(tenant)
        if before is not None and before.until_us >= until:
            return before
        since = before.until_us if before is not None else until - FIRST_US
        content = tell_watch(await self._deeds(tenant, since - BACK_US, until), since, until)
        await self._name(content)
        made = Handover(
            id=new_id(),
            tenant=tenant,
            since_us=since,
            until_us=until,
            state="written",
            content=content,
            changed_us=self._book.clock.now_us(),
        )
        detail = {"deeds": content["deeds"], "open": sum(content["open_count"].values())}
        deed = self._book.deed(f"shift:{made.id}", "written", by, tenant, detail=detail)
        await self._book.note(deed, lambda c: _put(c, made))
        return made

    async def _deeds(self, tenant: str, since_us: int, until_us: int) -> list[Deed]:
        """All of a span, a page of the journal at a time, the newest first; at most 100,000."""
        found: dict[tuple[str, int], Deed] = {}
        while len(found) < MOST_DEEDS:
            page = await self._book.journal.list_deeds(
                since_us=since_us, until_us=until_us, tenant=tenant, limit=MOST
            )
            before = len(found)
            found.update({(one.room, one.number): one for one in page})
            if len(page) < MOST or len(found) == before:
                break
            until_us = page[0].at_us + 1  # others of that moment may have been cut off
        return list(found.values())

    async def _name(self, content: dict[str, Any]) -> None:
        lines = [*content["open"], *content["ended"], *content["attention"]]
        known: dict[str, Text | None] = {}
        for line in lines:
            subject = line["subject"]
            if subject not in known:
                known[subject] = await self._named(subject)
            line["name"] = known[subject] or {}

    # --- people -----------------------------------------------------------------------------------
    async def add(self, actor: Actor, id: str, text: str) -> Handover:
        """A sentence of an officer, kept with who wrote it and when; never changed afterwards."""
        said = text.strip()
        if not 1 <= len(said) <= MOST_SENTENCE:
            raise BadRequestData(f"A sentence has 1 to {MOST_SENTENCE:,} characters")
        line = {"who": actor.id, "at_us": self._book.clock.now_us(), "text": said}

        def change(now: Handover) -> Handover:
            if len(now.sentences) >= MOST_SENTENCES:
                raise StateConflict(f"A handover has at most {MOST_SENTENCES} sentences")
            return msgspec.structs.replace(now, sentences=(*now.sentences, line))

        return await self._change(actor, id, "sentence_added", change)

    async def hand_over(self, actor: Actor, id: str) -> Handover:
        """The officer who leaves says that this is what there is."""

        def change(now: Handover) -> Handover:
            state = _after(now, "hand_over")
            return msgspec.structs.replace(now, state=state, by=actor.id)

        return await self._change(actor, id, "handed_over", change)

    async def take(self, actor: Actor, id: str) -> Handover:
        """The officer who comes has read it. Nobody takes over from themself."""

        def change(now: Handover) -> Handover:
            state = _after(now, "take")
            if now.by == actor.id:
                raise StateConflict(
                    "Whoever hands a watch over does not take it", zh="交班人不能自己接班"
                )
            return msgspec.structs.replace(now, state=state, taken_by=actor.id)

        return await self._change(actor, id, "taken", change)

    async def _change(
        self, actor: Actor, id: str, verb: str, change: Callable[[Handover], Handover]
    ) -> Handover:
        known = await self.get(id)
        self._book.respond(actor, known.tenant)
        deed = self._book.deed(f"shift:{id}", verb, actor.id, known.tenant)

        def work(connection: Connection) -> Handover:
            made = msgspec.structs.replace(
                change(_get(connection, id)), changed_us=self._book.clock.now_us()
            )
            _put(connection, made)
            return made

        return await self._book.do(lambda c: (work(c), [deed]))

    # --- looking ----------------------------------------------------------------------------------
    async def get(self, id: str) -> Handover:
        """One handover; ResourceNotFound."""
        return await self._book.opened.read(lambda c: _get(c, id))

    async def latest(self, tenant: str) -> Handover | None:
        """The newest."""
        found = await self.list_handovers(tenant, limit=1)
        return found[0] if found else None

    async def list_handovers(self, tenant: str, *, limit: int = 30) -> list[Handover]:
        """Handovers, the newest first."""
        asked = (
            sa.select(HANDOVER.c.told)
            .where(HANDOVER.c.tenant == tenant)
            .order_by(HANDOVER.c.until_us.desc())
            .limit(min(limit, 400))
        )
        rows = await self._book.opened.read(lambda c: c.execute(asked).all())
        return [msgspec.json.decode(row.told, type=Handover) for row in rows]

    # --- life -------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Each tenant somebody works for has its next handover; one that came due while the city
        was down is written now."""
        tenants = {one for org in self._book.people.organisations() for one in org.tenants}
        for tenant in sorted(tenants | self._times.keys()):
            if self._book.timers.due(TIMER, tenant or "default") is None:
                await self._set(tenant)

    async def stop(self) -> None:
        """Nothing is under way."""

    async def keep(self, tenant: str) -> None:
        """See to it that a tenant has its next handover: once it has a roster."""
        if self._book.timers.due(TIMER, tenant or "default") is None:
            await self._set(tenant)

    async def _set(self, tenant: str) -> None:
        at_us = self.next_us(tenant, self._book.clock.now_us())
        await self._book.timers.set(TIMER, tenant or "default", at_us, tenant)

    async def _due(self, firing: Firing) -> None:
        await self.write(firing.payload, firing.at_us)
        await self._set(firing.payload)


def _after(now: Handover, deed: str) -> Any:
    state = NEXT.get((now.state, deed))
    if state is None:
        raise StateConflict(f"A handover that is {now.state} cannot {deed}", zh="该交班记录已处理")
    return state


def _times(connection: Connection) -> dict[str, tuple[str, ...]]:
    rows = connection.execute(sa.select(SETTING).where(SETTING.c.name == SETTING_NAME))
    return {row.tenant: tuple(row.value.split()) for row in rows}


def _put(connection: Connection, one: Handover) -> None:
    row = {"id": one.id, "tenant": one.tenant, "until_us": one.until_us}
    put_rows(connection, HANDOVER, [{**row, "told": msgspec.json.encode(one)}])


def _get(connection: Connection, id: str) -> Handover:
    row = connection.execute(sa.select(HANDOVER.c.told).where(HANDOVER.c.id == id)).first()
    if row is None:
        raise ResourceNotFound(f"Handover {id[:40]} does not exist")
    return msgspec.json.decode(row.told, type=Handover)
