"""The room of agreements: deeds that are written down before they are told, and what is in force,
from memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pintu.kernel.access import Actor, AuditLog
from pintu.kernel.access.reasons import check_reason
from pintu.kernel.clock import Clock
from pintu.kernel.errors import ResourceNotFound
from pintu.kernel.exchange.agreements import deeds, ledger, signing
from pintu.kernel.exchange.agreements.checking import Checking
from pintu.kernel.exchange.agreements.deadlines import Deadlines
from pintu.kernel.exchange.agreements.deeds import GATE, Asked
from pintu.kernel.exchange.agreements.policy import Policies
from pintu.kernel.exchange.agreements.room import Room
from pintu.kernel.exchange.agreements.standing import standing_of
from pintu.kernel.exchange.agreements.states import What
from pintu.kernel.exchange.agreements.words import (
    Agreement,
    Checked,
    Deletion,
    Held,
    Recall,
    Signature,
    Standing,
    Step,
    Terms,
)
from pintu.kernel.identity.keys import Keys
from pintu.kernel.identity.words import CITY
from pintu.kernel.tables import CityTables, keepable
from pintu.kernel.timers import Timers

if TYPE_CHECKING:
    from pintu.kernel.exchange.words import DataSet

CLOSED_SHOWN: Final = 500


class Agreements:
    """Every agreement of a node.

    Deeds are async: what they return is durable, in the audit log, and known to the gate. Looking
    is sync, from memory; what another process did is seen within 0.2 s while `start` runs.
    """

    def __init__(
        self,
        tables: CityTables,
        clock: Clock,
        timers: Timers,
        keys: Keys,
        *,
        audit: AuditLog | None,
        find_data_set: Callable[[str], DataSet],
        codes: Callable[[str], frozenset[str]],
        people: Any = None,
        notices: Any = None,
        policies: Policies | None = None,
        deadlines: Callable[[], Deadlines] = Deadlines,
    ) -> None:
        """`find_data_set` raises ResourceNotFound; `codes(list)` are the values of a code list.
        Raises Unavailable while the tables are away, ConfigurationError for policies of ours.
        """
        self._clock = clock
        checking = Checking(find_data_set, codes, policies or Policies(), clock, people)
        self._checking = checking
        self._room = Room(
            tables,
            clock,
            timers,
            keys,
            audit=audit,
            checking=checking,
            notices=notices,
            deadlines=deadlines,
            codes=codes,
        )
        self._memory, self._file = self._room.memory, self._room.file

    # --- asked at each call -------------------------------------------------------------------
    def active(self, id: str) -> Agreement | None:
        """The version that is in force at this moment, without its signatures; None: nothing may
        pass. Whatever timers do, none is in force before its first or after its last moment.
        """
        now_us = self._clock.now_us()
        if now_us >= self._memory.turn_us:
            self._memory.turn(now_us)
        return self._memory.active.get(id)

    def of_consumer(self, organisation: str) -> list[Agreement]:
        """Every agreement in force in which an organisation is the consumer, by id."""
        ids = sorted({one.id for one in self._memory.of_consumer(organisation)})
        return [found for id in ids if (found := self.active(id)) is not None]

    def held(self, agreement: Agreement | str, rows: int, *, to: str = "") -> None:
        """The consumer got rows that it may keep, or passed them on `to` another organisation:
        counted, not kept. `agreement` may be its id or name. Costs a microsecond."""
        known = (
            self.active(agreement.partition("/")[0]) if isinstance(agreement, str) else agreement
        )
        if known is None or rows <= 0:
            return
        if (known.terms.retention_days and not to) or (known.terms.onward and to):
            self._room.copies.add(known, rows, self._clock.now_us(), to=to)

    # --- reading ------------------------------------------------------------------------------
    def find(self, id: str, version: int | None = None) -> Agreement | None:
        """One version with its signatures: the named one, else the one in force, else the newest;
        from the tables, so that what is over is found too."""
        known = self.versions(id)
        if version is not None:
            return next((one for one in known if one.version == version), None)
        in_force = self._memory.active.get(id)
        for one in known:
            if in_force is not None and one.version == in_force.version:
                return one
        return known[-1] if known else None

    def versions(self, id: str) -> list[Agreement]:
        """Every version of an agreement, oldest first."""
        if not deeds.ID.fullmatch(id):
            return []
        return self._file.read_now(lambda c: ledger.versions_of(c, id))

    def get(self, actor: Actor, id: str, version: int | None = None) -> Agreement:
        """As `find`; ResourceNotFound also for who may not know of it."""
        found = self.find(id, version)
        if found is None or not self.may_see(actor, found):
            raise ResourceNotFound(f"Agreement {id[:40]} does not exist")
        return found

    def may_see(self, actor: Actor, agreement: Agreement) -> bool:
        """Whether the actor is of one of the two sides, or an auditor of the city or of a side."""
        whose = seen_by(actor)
        terms = agreement.terms
        return whose is None or terms.provider in whose or terms.consumer in whose

    def list_for(self, actor: Actor, *, closed: bool = False) -> list[Agreement]:
        """Every open version the actor may know of, newest change first; with `closed` also those
        that are over (the newest 500)."""
        whose = seen_by(actor)
        if whose is None:
            found = list(self._memory.every())
        else:
            found = list(
                {
                    one.name: one
                    for name in whose
                    for one in (*self._memory.of_consumer(name), *self._memory.of_provider(name))
                }.values()
            )
        if closed and (whose is None or whose):
            found += self._file.read_now(lambda c: ledger.closed(c, whose, CLOSED_SHOWN))
        return sorted(found, key=lambda one: (-one.changed_us, one.id, -one.version))

    async def steps(self, id: str) -> list[Step]:
        """Every deed that was done to an agreement, oldest first."""
        return await self._file.read(lambda c: ledger.steps_of(c, id))

    async def recalls(self, id: str) -> list[Recall]:
        """Every holder of copies of an agreement that was asked to delete them."""
        return await self._file.read(lambda c: ledger.recalls_of(c, id))

    async def copies(self, id: str) -> list[Held]:
        """Who got how much under an agreement, as counted up to now."""
        await self._room.write_copies()
        return await self._file.read(lambda c: ledger.held_of(c, id))

    async def list_recalls(self, actor: Actor) -> list[Recall]:
        """Recalls the actor may know of, of holders and of who asks, those due first."""
        whose = seen_by(actor)
        found = await self._file.read(lambda c: ledger.recalls_for(c, whose, CLOSED_SHOWN))
        return sorted(found, key=lambda one: (not one.open, one.due_us, one.id))

    async def standing(self, organisation: str) -> Standing:
        """How an organisation keeps its word, as measured."""
        now_us = self._clock.now_us()
        open_ones = list(self._memory.of_provider(organisation))
        return await self._file.read(lambda c: standing_of(c, organisation, open_ones, now_us))

    def listen(self, callback: Callable[[Agreement], None]) -> Callable[[], None]:
        """Call back on the loop with every agreement that changed, after it is durable and in the
        log; the answer stops that."""
        self._room.listeners.append(callback)
        return lambda: self._room.listeners.remove(callback)

    # --- deeds --------------------------------------------------------------------------------
    def check(self, terms: Terms, *, amends: str = "") -> Checked:
        """What is known of terms before they are sent: what keeps them from being asked for, what
        who decides should know, and what the consumer could put together of one person.
        ResourceNotFound without their data set."""
        return self._checking.check(terms, self._others(terms, amends))

    def _others(self, terms: Terms, id: str) -> list[Agreement]:
        return [one for one in self.of_consumer(terms.consumer) if one.id != id]

    async def request(
        self, actor: Actor, terms: Terms, *, reason: str, amends: str = "", key: str = ""
    ) -> Agreement:
        """Ask a data set's owner for an agreement, or for the next version of one.

        Raises BadRequestData for terms that cannot be and reasons that say nothing, Forbidden for
        who may not ask, StateConflict when there is a next version already.
        """
        why = check_reason(reason)
        if amends and not self._known(actor, amends):
            raise ResourceNotFound(f"Agreement {amends[:40]} does not exist")
        id = amends or deeds.new_id("ag-", f"{actor.person}/{key}" if key else "")
        asked = Asked(actor=actor, deed="request", id=id, why=why)
        rules = self._room.rules()
        body = ["request", amends, msgspec.to_builtins(terms), why]

        def plan(known: list[Agreement], _: list[Held], __: list[Recall]) -> Any:
            return deeds.asked_for(terms, asked, rules, known)

        self._checking.require(terms, self._others(terms, amends))
        begun = await self._room.record(asked, body, key, plan)
        return begun.change.agreements[0]

    async def approve(
        self, actor: Actor, id: str, *, version: int = 0, note: str = "", key: str = ""
    ) -> Agreement:
        """The owner's side agrees and signs. Forbidden for the requester, in whatever role."""
        return await self._do(actor, "approve", id, version=version, why=note, key=key)

    async def refuse(
        self, actor: Actor, id: str, *, version: int = 0, reason: str, key: str = ""
    ) -> Agreement:
        """The owner's side says no, and why."""
        why = check_reason(reason)
        return await self._do(actor, "refuse", id, version=version, why=why, key=key)

    async def sign(self, actor: Actor, id: str, *, version: int = 0, key: str = "") -> Agreement:
        """The consumer signs: from here on it is in force, and an older version is not."""
        return await self._do(actor, "sign", id, version=version, key=key)

    async def withdraw(
        self, actor: Actor, id: str, *, version: int = 0, reason: str = "", key: str = ""
    ) -> Agreement:
        """The consumer takes a request back or gives an agreement up."""
        return await self._do(actor, "withdraw", id, version=version, why=reason, key=key)

    async def suspend(
        self, actor: Actor, id: str, *, version: int = 0, reason: str, key: str = ""
    ) -> Agreement:
        """Nothing passes until it is resumed."""
        why = check_reason(reason)
        return await self._do(actor, "suspend", id, version=version, why=why, key=key)

    @property
    def breaks_a_day(self) -> int:
        """In how many minutes of a day limits may be gone over until the gate suspends."""
        return self._room.deadlines().breaks_a_day

    async def suspend_for(self, id: str, reason: str) -> Agreement:
        """The gate suspends what is in force (an id, or `ID/VERSION`) because its limits were
        gone over; both sides and the city's auditor are told, the owner resumes it."""
        id, _, version = id.partition("/")
        asked = Asked(actor=GATE, deed="break", id=id, version=int(version or 0), why=reason)
        return await self._room.deed(asked)

    async def resume(
        self, actor: Actor, id: str, *, version: int = 0, note: str = "", key: str = ""
    ) -> Agreement:
        """In force again."""
        return await self._do(actor, "resume", id, version=version, why=note, key=key)

    async def revoke(
        self, actor: Actor, id: str, *, version: int = 0, reason: str, key: str = ""
    ) -> Agreement:
        """The owner ends it, and every version that was to follow; copies are asked back."""
        why = check_reason(reason)
        return await self._do(actor, "revoke", id, version=version, why=why, key=key)

    async def sign_remote(
        self, actor: Actor, id: str, signature: Signature, *, version: int = 0, key: str = ""
    ) -> Agreement:
        """A consumer of another node signed there: `actor` is the person as that node names them.
        Forbidden for a signature that is not its organisation's over these terms."""
        asked = self._seen(
            Asked(actor=actor, deed="sign", id=id, version=version, signature=signature)
        )
        chosen = deeds.chosen(self.versions(id), asked)
        self._room.check_remote(signature, chosen.terms.consumer, signing.canonical(chosen))
        body = ["sign", id, version, signature.signature]
        return await self._room.deed(asked, key, body=body)

    async def _do(
        self, actor: Actor, deed: What, id: str, *, version: int, why: str = "", key: str = ""
    ) -> Agreement:
        asked = Asked(actor=actor, deed=deed, id=id, version=version, why=keepable(why))
        return await self._room.deed(self._seen(asked), key, body=[deed, id, version, asked.why])

    def _known(self, actor: Actor, id: str) -> list[Agreement]:
        """The versions of an agreement that an actor may know of."""
        known = self.versions(id)
        return known if known and self.may_see(actor, known[-1]) else []

    def _seen(self, asked: Asked) -> Asked:
        """The deed on exactly the version that was looked at and may be agreed about."""
        known = self._known(asked.actor, asked.id)
        if not known:
            raise ResourceNotFound(f"Agreement {asked.id[:40]} does not exist")
        if asked.deed in ("approve", "sign", "resume"):
            chosen = deeds.chosen(known, asked)
            self._checking.allow(chosen, asked.deed)
            return replace(asked, version=chosen.version)
        return asked

    # --- recalls ------------------------------------------------------------------------------
    async def answer_recall(
        self,
        actor: Actor,
        recall: str,
        *,
        what: str,
        rows: int = 0,
        kept_by_law: str = "",
        why: str = "",
        key: str = "",
    ) -> Recall:
        """A holder of copies says what it deleted, or by which law it must keep them; signed with
        its key. Nobody can check that it did. ResourceNotFound, Forbidden, StateConflict when it
        was answered."""
        told = Deletion(
            recall=recall,
            what=keepable(what),
            rows=rows,
            person=actor.person,
            at_us=0,
            kept_by_law=kept_by_law,
            why=keepable(why),
        )
        return await self._room.answer(actor, told, key)

    async def answer_remote(
        self, actor: Actor, told: Deletion, signature: Signature, *, key: str = ""
    ) -> Recall:
        """A holder of another node answered and signed there."""
        self._room.check_remote(signature, actor.organisation, signing.canonical_deletion(told))
        return await self._room.answer(actor, told, key, signature)

    # --- life ---------------------------------------------------------------------------------
    def know_keys(self, known_key: Callable[[str], str]) -> None:
        """Who tells the public key (base64) of an organisation of another node; "" for nobody."""
        self._room.known_key = known_key

    def use(self, *, audit: AuditLog | None = None, notices: Any = None) -> None:
        """Rooms that came later."""
        if audit is not None:
            self._room.recorder.audit = audit
        if notices is not None:
            self._room.telling.notices = notices

    async def start(self) -> None:
        """Finish what a crash cut off, do what came due meanwhile, look for what others do."""
        await self._room.clockwork.start()

    async def do_due(self) -> None:
        """Do what is due at this moment by itself: the timer does the same at its time."""
        await self._room.clockwork.do_due()

    def look(self) -> None:
        """See now what other processes did."""
        self._room.look()

    async def stop(self) -> None:
        """Wait for deeds under way; nothing happens by itself from here on."""
        await self._room.recorder.stop()
        await self._room.clockwork.stop()


def seen_by(actor: Actor) -> frozenset[str] | None:
    """Whose agreements an actor may know of: None for all (an auditor of the city)."""
    if actor.organisation == CITY and "auditor" in actor.roles:
        return None
    if actor.organisation and (actor.roles or not actor.person):
        return frozenset((actor.organisation,))
    return frozenset()
