"""Warnings: taken, changed by later messages, ended by their authority or by time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import Connection

from pintu.kernel.access import Act, Actor, Gate
from pintu.kernel.access import Deed as Right
from pintu.kernel.clock import Clock, iso
from pintu.kernel.errors import Forbidden, StateConflict
from pintu.kernel.operations.journal import Deed, Journal
from pintu.kernel.operations.warnings import rows, taking
from pintu.kernel.operations.warnings.following import Following
from pintu.kernel.operations.warnings.geometry import geocodes_of
from pintu.kernel.operations.warnings.judging import named_by_code
from pintu.kernel.operations.warnings.schema import MESSAGE, TABLES, WARNING
from pintu.kernel.operations.warnings.taking import Change
from pintu.kernel.operations.warnings.words import (
    Kept,
    Message,
    PublicWarning,
    Reference,
    Taken,
)

if TYPE_CHECKING:
    from pintu.kernel.tables import CityTables
    from pintu.kernel.timers import Firing, Timers

TIMER: Final = "operations.warnings"
MOST: Final = 500


Places = Callable[[str, frozenset[str]], Awaitable[dict[str, Any] | None]]
"""(tenant, codes) → GeoJSON of the places that have these codes, None when nobody knows any."""


class Warnings:
    """The part of the operations room that knows what the public is warned of.

    A message is kept and takes effect in one transaction; what other parts do because of it is
    written down in the same one and done afterwards, once, also after a crash.
    """

    def __init__(
        self, tables: CityTables, timers: Timers, clock: Clock, gate: Gate, journal: Journal
    ) -> None:
        self._opened = tables.register(TABLES)
        self._timers, self._clock, self._gate, self._journal = timers, clock, gate, journal
        journal.join(self._opened)
        self.following = Following(self._opened, timers, clock)
        self.places: Places | None = None
        timers.on(TIMER, self._due)

    async def start(self) -> None:
        """Clocks of what is in force, and what an earlier life left undone."""
        for one in await self._opened.read(lambda c: rows.in_force(c, None)):
            if self._timers.due(TIMER, one.id) != one.until_us:
                await self._timers.set(TIMER, one.id, one.until_us)
        await self.following.start()

    async def stop(self) -> None:
        """What is under way is done again at the next start."""
        await self.following.stop()

    # --- messages ---------------------------------------------------------------------------------
    async def take(
        self, actor: Actor, warning: Message, tenant: str = "", *, document: bytes = b""
    ) -> Taken:
        """Take a message of an authority; `document` is what it came as.

        The same message again changes nothing; its name with another content is a StateConflict.
        What a person hands in for the public takes effect when a second person approved it: a
        program with a grant of its own stands for its authority. Raises what the gate raises.
        """
        self._may(actor, tenant)
        now_us = self._clock.now_us()
        place = await self._place(tenant, warning)
        change = Change(tenant=tenant, who=actor.id, at_us=now_us, message=warning, place=place)
        if needs_two(actor, warning):
            return await self._do(lambda c: taking.propose(c, change, document))
        return await self._do(lambda c: taking.take(c, change, document))

    async def approve(self, actor: Actor, number: int) -> Taken:
        """The second person says yes to a message that waits: it takes effect.

        Forbidden for the one who wrote it, StateConflict when it does not wait any more."""
        kept = await self._waiting(actor, number)
        if kept.who == actor.id or not actor.person:
            raise Forbidden("A warning to the public needs a second person, not its writer")
        change = self._change(actor, kept)
        place = await self._place(kept.tenant, kept.message)
        change = msgspec.structs.replace(change, place=place)
        return await self._do(lambda c: taking.approve(c, change, number))

    async def propose_end(self, id: str, who: str, *, sender: str, at_us: int, note: str) -> Taken:
        """A Cancel of a warning of ours that waits for a person, whoever proposes it: a person, or
        a part of the house. `at_us` is the moment it is proposed for: the same again is the same.
        """
        warning = await self.get(id)
        one = warning.message
        if one.sender != sender or not warning.in_force:
            raise StateConflict(f"Warning {id} is not ours to end, or over")
        sent_us = max(at_us // 1_000_000 * 1_000_000, warning.sent_us)
        message = Message(
            identifier=f"{at_us // 1000}-cancel-{id}",
            sender=sender,
            sent=iso(sent_us).replace("Z", "+00:00"),
            status=one.status,
            msg_type="Cancel",
            scope=one.scope,
            restriction=one.restriction,
            note=note[:1_000],
            references=(Reference(sender=one.sender, identifier=one.identifier, sent=one.sent),),
            incidents=one.incidents,
        )
        change = Change(tenant=warning.tenant, who=who, at_us=self._clock.now_us(), message=message)
        return await self._do(lambda c: taking.propose(c, change, b""))

    async def for_incident(self, tenant: str, incident: str) -> list[PublicWarning]:
        """Warnings in force that say they are about an incident (CAP's `incidents`)."""
        return [one for one in await self.active(tenant) if incident in one.message.incidents]

    async def withdraw(self, actor: Actor, number: int, reason: str) -> Taken:
        """Take a message that waits back, or refuse it: it never takes effect."""
        change = self._change(actor, await self._waiting(actor, number), reason)
        return await self._do(lambda c: taking.withdraw(c, change, number))

    async def acknowledge(self, actor: Actor, id: str) -> PublicWarning:
        """Somebody on duty has seen it."""
        warning = await self._for(actor, id)
        change = Change(tenant=warning.tenant, who=actor.id, at_us=self._clock.now_us())
        await self._do(lambda c: taking.acknowledge(c, change, id))
        return await self.get(id)

    async def settle(self, actor: Actor, id: str, reason: str) -> PublicWarning:
        """A person says which of warnings that contradict each other is followed: this one."""
        warning = await self._for(actor, id)
        if not warning.contradicts:
            raise StateConflict(f"Nothing contradicts warning {id}")
        now_us = self._clock.now_us()
        change = Change(tenant=warning.tenant, who=actor.id, at_us=now_us, reason=reason)
        await self._do(lambda c: taking.settle(c, change, id))
        return await self.get(id)

    # --- reading ----------------------------------------------------------------------------------
    async def active(self, tenant: str = "") -> list[PublicWarning]:
        """Every warning in force, newest change first."""
        return await self._opened.read(lambda c: rows.in_force(c, tenant))

    async def get(self, id: str) -> PublicWarning:
        """One warning as it stands; ResourceNotFound."""
        return await self._opened.read(lambda c: rows.get_warning(c, id))

    async def recent(self, tenant: str = "", *, limit: int = 100) -> list[PublicWarning]:
        """In force or over, newest change first."""
        where = [WARNING.c.tenant == tenant]
        return await self._opened.read(lambda c: rows.warnings(c, where, min(limit, MOST)))

    async def messages(self, id: str) -> list[Kept]:
        """Every message of a warning, newest first, those that changed nothing too."""
        where = [MESSAGE.c.warning == id]
        return await self._opened.read(lambda c: rows.messages(c, where, MOST))

    async def message(self, number: int) -> Kept:
        """One message; ResourceNotFound."""
        return await self._opened.read(lambda c: rows.get_message(c, number))

    async def document(self, number: int) -> bytes:
        """A message as it came; empty for one written here."""
        return await self._opened.read(lambda c: rows.document_of(c, number))

    async def waiting(self, tenant: str = "") -> list[Kept]:
        """Messages that wait for a second person, newest first."""
        where = [MESSAGE.c.tenant == tenant, MESSAGE.c.effect == "proposed"]
        return await self._opened.read(lambda c: rows.messages(c, where, MOST))

    async def unfounded(self, tenant: str = "", *, limit: int = 50) -> list[Kept]:
        """The newest messages that changed nothing, each with its reason."""
        where = [MESSAGE.c.tenant == tenant, MESSAGE.c.effect == "kept"]
        return await self._opened.read(lambda c: rows.messages(c, where, limit))

    # --- inside -----------------------------------------------------------------------------------
    async def _place(self, tenant: str, message: Message) -> dict[str, Any] | None:
        """What the codes of a message without coordinates stand for."""
        if self.places is None or not named_by_code(message):
            return None
        codes = frozenset(value for _, value in geocodes_of(message))
        return await self.places(tenant, codes)

    def _may(self, actor: Actor, tenant: str) -> None:
        self._gate.decide(actor, Act(deed=Right.RESPOND, tenant=tenant))

    async def _for(self, actor: Actor, id: str) -> PublicWarning:
        warning = await self.get(id)
        self._may(actor, warning.tenant)
        return warning

    async def _waiting(self, actor: Actor, number: int) -> Kept:
        kept = await self.message(number)
        self._may(actor, kept.tenant)
        return kept

    def _change(self, actor: Actor, kept: Kept, reason: str = "") -> Change:
        return Change(
            tenant=kept.tenant,
            who=actor.id,
            at_us=self._clock.now_us(),
            message=kept.message,
            reason=reason,
        )

    async def _do(self, work: Callable[[Connection], tuple[Taken, list[Deed]]]) -> Taken:
        """One transaction, then clocks, the city, and others' work."""
        taken, deeds = await self._opened.run(work)
        for id in dict.fromkeys(one.subject.partition(":")[2] for one in deeds):
            await self._watch(id)
        self.following.wake()
        await self._journal.told(self._opened, deeds)
        return taken

    async def _watch(self, id: str) -> None:
        warning = await self._opened.read(lambda c: rows.find_warning(c, id))
        if warning is not None and warning.in_force:
            await self._timers.set(TIMER, id, warning.until_us)
        else:
            await self._timers.cancel(TIMER, id)

    async def _due(self, firing: Firing) -> None:
        """A warning's time is over, unless a message made it longer in between."""
        change = Change(tenant="", who="timer", at_us=max(self._clock.now_us(), firing.at_us))
        await self._do(lambda c: taking.expire(c, change, firing.key))


def needs_two(actor: Actor, message: Message) -> bool:
    """Whether a second person must say yes: what people say to the public in earnest. Receipts
    warn nobody."""
    public = message.scope == "Public" and message.status == "Actual"
    return bool(actor.person) and public and message.msg_type in ("Alert", "Update", "Cancel")
