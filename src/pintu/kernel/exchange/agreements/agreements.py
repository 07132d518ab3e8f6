"""The room of agreements: deeds that are written down before they are told, and what is in force,
from memory."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pintu.kernel.access import Actor, AuditLog
from pintu.kernel.access.reasons import check_reason
from pintu.kernel.clock import Clock
from pintu.kernel.errors import BadRequestData, ResourceNotFound, Unavailable
from pintu.kernel.exchange.agreements import deeds, ledger, loading
from pintu.kernel.exchange.agreements.clockwork import Clockwork
from pintu.kernel.exchange.agreements.deadlines import Deadlines
from pintu.kernel.exchange.agreements.deeds import GATE, Asked, Rules
from pintu.kernel.exchange.agreements.ledger import Begun, Plan, Wish
from pintu.kernel.exchange.agreements.memory import Memory
from pintu.kernel.exchange.agreements.recording import Recorder
from pintu.kernel.exchange.agreements.schema import TABLES
from pintu.kernel.exchange.agreements.signing import Signatures
from pintu.kernel.exchange.agreements.words import Agreement, Step, Terms
from pintu.kernel.identity.keys import Keys
from pintu.kernel.identity.words import CITY
from pintu.kernel.tables import CityTables
from pintu.kernel.timers import Timers

if TYPE_CHECKING:
    from pintu.kernel.exchange.words import DataSet

log = logging.getLogger("pintu.agreements")

LONGEST_KEY: Final = 200
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
        people: Any = None,
        find_data_set: Callable[[str], DataSet],
        deadlines: Callable[[], Deadlines] = Deadlines,
        codes: Callable[[str], frozenset[str]],
    ) -> None:
        """`find_data_set` raises ResourceNotFound. Raises Unavailable while the tables are away."""
        self._file = tables.register(TABLES)
        self._clock, self._people, self._find_data_set = clock, people, find_data_set
        self._deadlines, self._codes = deadlines, codes
        self._signatures = Signatures(keys)
        self._memory = Memory()
        self._listeners: list[Callable[[Agreement], None]] = []
        self._recorder = Recorder(self._file, self._signatures, audit, self._told)
        self._seen, self._version = 0, -1
        self._clockwork = Clockwork(self, timers, clock)
        self.look()

    # --- asked at each call -------------------------------------------------------------------
    def active(self, id: str) -> Agreement | None:
        """The version that is in force at this moment, without its signatures; None: nothing may
        pass. Whatever timers do, none is in force before its first or after its last moment.
        """
        found = self._memory.active.get(id)
        if found is None:
            return None
        now_us = self._clock.now_us()
        terms = found.terms
        if terms.until_us and now_us >= terms.until_us:
            self._memory.end(found)
            return None
        return found if now_us >= terms.from_us else None

    def of_consumer(self, organisation: str) -> list[Agreement]:
        """Every agreement in force in which an organisation is the consumer, by id."""
        ids = sorted({one.id for one in self._memory.of_consumer(organisation)})
        return [found for id in ids if (found := self.active(id)) is not None]

    # --- reading ------------------------------------------------------------------------------
    def find(self, id: str, version: int | None = None) -> Agreement | None:
        """One version with its signatures: the named one, else the one in force, else the newest;
        from the tables, so that what is over is found too."""
        known = self._file.read_now(lambda c: ledger.versions_of(c, id))
        if version is not None:
            return next((one for one in known if one.version == version), None)
        in_force = self._memory.active.get(id)
        for one in known:
            if in_force is not None and one.version == in_force.version:
                return one
        return known[-1] if known else None

    def versions(self, id: str) -> list[Agreement]:
        """Every version of an agreement, oldest first."""
        return self._file.read_now(lambda c: ledger.versions_of(c, id))

    def list_for(self, actor: Actor, *, closed: bool = False) -> list[Agreement]:
        """Every open version the actor may know of, newest change first; with `closed` also those
        that are over (the newest 500)."""
        found: list[Agreement] = []
        whose = seen_by(actor)
        if whose is None:
            found = list(self._memory.every())
        elif whose:
            mine = {
                one.name: one
                for name in whose
                for one in (*self._memory.of_consumer(name), *self._memory.of_provider(name))
            }
            found = list(mine.values())
        if closed and (whose is None or whose):
            found += self._file.read_now(lambda c: ledger.closed(c, whose, CLOSED_SHOWN))
        return sorted(found, key=lambda one: (-one.changed_us, one.id, -one.version))

    def may_see(self, actor: Actor, agreement: Agreement) -> bool:
        """Whether the actor is of one of the two sides, or an auditor of the city or of a side."""
        whose = seen_by(actor)
        terms = agreement.terms
        return whose is None or terms.provider in whose or terms.consumer in whose

    def get(self, actor: Actor, id: str, version: int | None = None) -> Agreement:
        """As `find`; ResourceNotFound also for who may not know of it."""
        found = self.find(id, version)
        if found is None or not self.may_see(actor, found):
            raise ResourceNotFound(f"Agreement {id[:40]} does not exist")
        return found

    async def steps(self, id: str) -> list[Step]:
        """Every deed that was done to an agreement, oldest first."""
        return await self._file.read(lambda c: ledger.steps_of(c, id))

    def listen(self, callback: Callable[[Agreement], None]) -> Callable[[], None]:
        """Call back on the loop with every agreement that changed, after it is durable and in the
        log; the answer stops that."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    # --- deeds --------------------------------------------------------------------------------
    async def request(
        self, actor: Actor, terms: Terms, *, reason: str, amends: str = "", key: str = ""
    ) -> Agreement:
        """Ask a data set's owner for an agreement, or for the next version of one.

        Raises BadRequestData for terms that cannot be and reasons that say nothing, Forbidden for
        who may not ask, StateConflict when there is a next version already.
        """
        why = check_reason(reason)
        id = amends or deeds.new_id("ag-", f"{actor.person}/{key}" if key else "")
        asked = Asked(actor=actor, deed="request", id=id, why=why)
        rules = self._rules()
        body = ["request", amends, msgspec.to_builtins(terms), why]
        return await self._record(
            asked, body, key, lambda known, _, __: deeds.asked_for(terms, asked, rules, known)
        )

    async def approve(
        self, actor: Actor, id: str, *, version: int = 0, note: str = "", key: str = ""
    ) -> Agreement:
        """The owner's side agrees and signs. Forbidden for the requester, in whatever role."""
        return await self._deed(
            Asked(actor=actor, deed="approve", id=id, version=version, why=note), key
        )

    async def refuse(
        self, actor: Actor, id: str, *, version: int = 0, reason: str, key: str = ""
    ) -> Agreement:
        """The owner's side says no, and why."""
        return await self._deed(
            Asked(actor=actor, deed="refuse", id=id, version=version, why=check_reason(reason)),
            key,
        )

    async def sign(self, actor: Actor, id: str, *, version: int = 0, key: str = "") -> Agreement:
        """The consumer signs: from here on it is in force, and an older version is not."""
        return await self._deed(Asked(actor=actor, deed="sign", id=id, version=version), key)

    async def withdraw(
        self, actor: Actor, id: str, *, version: int = 0, reason: str = "", key: str = ""
    ) -> Agreement:
        """The consumer takes a request back or gives an agreement up."""
        return await self._deed(
            Asked(actor=actor, deed="withdraw", id=id, version=version, why=reason), key
        )

    async def suspend(
        self, actor: Actor, id: str, *, version: int = 0, reason: str, key: str = ""
    ) -> Agreement:
        """Nothing passes until it is resumed."""
        return await self._deed(
            Asked(actor=actor, deed="suspend", id=id, version=version, why=check_reason(reason)),
            key,
        )

    async def suspend_for(self, id: str, reason: str) -> Agreement:
        """The gate suspends what was in force because its terms were broken."""
        return await self._deed(Asked(actor=GATE, deed="break", id=id, why=reason), "")

    async def resume(
        self, actor: Actor, id: str, *, version: int = 0, note: str = "", key: str = ""
    ) -> Agreement:
        """In force again."""
        return await self._deed(
            Asked(actor=actor, deed="resume", id=id, version=version, why=note), key
        )

    async def revoke(
        self, actor: Actor, id: str, *, version: int = 0, reason: str, key: str = ""
    ) -> Agreement:
        """The owner ends it, and every version that was to follow; copies are asked back."""
        return await self._deed(
            Asked(actor=actor, deed="revoke", id=id, version=version, why=check_reason(reason)),
            key,
        )

    async def _deed(self, asked: Asked, key: str) -> Agreement:
        rules = self._rules()
        body = [asked.deed, asked.id, asked.version, asked.why, asked.signature]
        return await self._record(
            asked, body, key, lambda known, held, _: deeds.done(asked, rules, known, held)
        )

    async def _record(self, asked: Asked, body: list[Any], key: str, plan: Plan) -> Agreement:
        if len(key) > LONGEST_KEY:
            raise BadRequestData(f"A key of idempotency has at most {LONGEST_KEY} signs")
        actor = asked.actor
        wish = Wish(
            agreement=asked.id,
            deed=asked.deed,
            actor=actor.person or actor.id,
            person=actor.person,
            organisation=actor.organisation,
            at_us=self._clock.now_us(),
            why=asked.why,
            key=key or secrets.token_hex(16),
            body=msgspec.json.encode(body),
        )
        begun = await self._recorder.record(wish, plan)
        return begun.change.agreements[0]

    def _rules(self) -> Rules:
        return Rules(
            now_us=self._clock.now_us(),
            deadlines=self._deadlines(),
            sign=self._signatures.sign,
        )

    # --- what changed -------------------------------------------------------------------------
    def _told(self, begun: Begun) -> None:
        """A step of ours was applied: memory, the gate and everybody who listens hear of it."""
        self.look()

    def look(self) -> None:
        """Read what anybody changed since; costs microseconds when nobody did.

        While the tables are away what was read last holds.
        """
        version = self._file.data_version()
        if version == self._version:
            return
        first = self._version == -1
        try:
            newest, rows, recalls = self._file.read_now(lambda c: loading.changed(c, self._seen))
        except Unavailable:
            if first:
                raise
            return
        self._version, self._seen = version, newest
        found = loading.take(self._memory, self._signatures, rows, recalls)
        if not first:
            self._clockwork.changed()
            for one in found:
                self._tell(one)

    def _tell(self, agreement: Agreement) -> None:
        for callback in list(self._listeners):
            try:
                callback(agreement)
            except Exception:  # a loop's edge: one listener's mistake is its own
                log.exception("A listener of agreements failed")

    # --- life ---------------------------------------------------------------------------------
    async def start(self) -> None:
        """Finish what a crash cut off, do what came due meanwhile, look for what others do."""
        await self._clockwork.start()

    async def do_due(self) -> None:
        """Do what is due at this moment by itself: the timer does the same at its time."""
        await self._clockwork.do_due()

    async def stop(self) -> None:
        """Wait for deeds under way; nothing happens by itself from here on."""
        await self._clockwork.stop()
        await self._recorder.stop()


def seen_by(actor: Actor) -> frozenset[str] | None:
    """Whose agreements an actor may know of: None for all (an auditor of the city)."""
    if actor.organisation == CITY and "auditor" in actor.roles:
        return None
    if actor.organisation and (actor.roles or not actor.person):
        return frozenset((actor.organisation,))
    return frozenset()
