"""What stands behind the deeds: the tables, what is in memory of them, who listens, what happens by
itself."""

from __future__ import annotations

import contextlib
import gc
import logging
import secrets
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from pintu.kernel.access import Actor, AuditLog
from pintu.kernel.clock import Clock
from pintu.kernel.errors import (
    BadRequestData,
    Forbidden,
    PintuError,
    ResourceNotFound,
    StateConflict,
    Unavailable,
)
from pintu.kernel.exchange.agreements import deeds, ledger, loading, recalling, signing
from pintu.kernel.exchange.agreements.checking import Checking
from pintu.kernel.exchange.agreements.clockwork import Clockwork
from pintu.kernel.exchange.agreements.deadlines import Deadlines
from pintu.kernel.exchange.agreements.deeds import CLOCK, GATE, Asked, Rules
from pintu.kernel.exchange.agreements.ledger import Begun, Plan, Wish
from pintu.kernel.exchange.agreements.memory import Memory
from pintu.kernel.exchange.agreements.recalling import Copies
from pintu.kernel.exchange.agreements.recording import Recorder
from pintu.kernel.exchange.agreements.schema import TABLES
from pintu.kernel.exchange.agreements.signing import Signatures
from pintu.kernel.exchange.agreements.telling import Telling
from pintu.kernel.exchange.agreements.words import Agreement, Deletion, Recall, Signature
from pintu.kernel.identity.keys import Keys
from pintu.kernel.tables import CityTables, keepable
from pintu.kernel.timers import Timers

log = logging.getLogger("pintu.agreements")

LONGEST_KEY: Final = 200
LONGEST_WHY: Final = 2_000


class Room:
    """Tables, memory and clockwork of agreements; `Agreements` is what others use."""

    def __init__(
        self,
        tables: CityTables,
        clock: Clock,
        timers: Timers,
        keys: Keys,
        *,
        audit: AuditLog | None,
        checking: Checking,
        notices: Any,
        deadlines: Callable[[], Deadlines],
        codes: Callable[[str], frozenset[str]],
    ) -> None:
        self.file = tables.register(TABLES)
        self.clock, self.checking = clock, checking
        self.deadlines, self.codes = deadlines, codes
        self.signatures = Signatures(keys)
        self.memory = Memory()
        self.copies = Copies()
        self.telling = Telling(self.file, notices)
        self.listeners: list[Callable[[Agreement], None]] = []
        self.known_key: Callable[[str], str] = lambda organisation: ""
        self.recorder = Recorder(self.file, self.signatures, audit, self._done)
        self._seen, self._version = 0, -1
        self._doubts: dict[tuple[str, int], str] = {}
        self.clockwork = Clockwork(self, timers, clock)
        self.look()

    # --- deeds --------------------------------------------------------------------------------
    def rules(self) -> Rules:
        """What a plan may ask, at this moment."""
        return Rules(
            now_us=self.clock.now_us(),
            deadlines=self.deadlines(),
            sign=self.signatures.sign,
            same_person=self.checking.same_person,
            unsigned=self.unsigned,
        )

    async def deed(
        self, asked: Asked, key: str = "", *, body: list[Any] | None = None
    ) -> Agreement:
        """Do a deed of the state table; the version it was about, as it is after it. `body` is
        what the key stands for."""
        rules = self.rules()
        told = body or [asked.deed, asked.id, asked.version, asked.why]
        begun = await self.record(
            asked, told, key, lambda known, held, _: deeds.done(asked, rules, known, held)
        )
        return begun.change.agreements[0]

    async def record(self, asked: Asked, body: list[Any], key: str, plan: Plan) -> Begun:
        """Do what a plan says, once for each key."""
        if len(key) > LONGEST_KEY or not key.isprintable():
            raise BadRequestData(f"A key of idempotency has at most {LONGEST_KEY} printable signs")
        if len(asked.why) > LONGEST_WHY:
            raise BadRequestData(f"A note has at most {LONGEST_WHY} signs")
        await self.write_copies()
        actor = asked.actor
        wish = Wish(
            agreement=asked.id,
            deed=asked.deed,
            actor=actor.person or actor.id,
            person=actor.person,
            organisation=actor.organisation,
            at_us=self.clock.now_us(),
            why=keepable(asked.why),
            key=key or secrets.token_hex(16),
            body=encoded(body),
        )
        return await self.recorder.record(wish, plan)

    def check_remote(self, signature: Signature, organisation: str, message: bytes) -> None:
        """Forbidden when a signature from another node is not that organisation's."""
        key = self.known_key(organisation)
        if not key:
            raise Forbidden(f"Nobody knows the key of {organisation[:80]}: no such node has joined")
        if signature.organisation != organisation or signature.public != key:
            raise Forbidden(f"The signature is not one of {organisation[:80]}")
        if not signing.holds(signature, message):
            raise Forbidden("The signature is not of what was to be signed")

    # --- recalls ------------------------------------------------------------------------------
    async def answer(
        self, actor: Actor, told: Deletion, key: str, signature: Signature | None = None
    ) -> Recall:
        """Write a holder's answer down; Forbidden, ResourceNotFound, StateConflict."""
        recalling.check_deletion(told, self.codes("legalBasis"))
        found = None
        if deeds.ID.fullmatch(told.recall):
            found = await self.file.read(lambda c: ledger.find_recall(c, told.recall))
        if found is None or not self.may_know(actor, found[1]):
            raise ResourceNotFound(f"Recall {told.recall[:40]} does not exist")
        asked = Asked(actor=actor, deed="answer_recall", id=found[0], why=told.what)
        plan = recalling.answered(actor, told, self.rules(), signature)
        body = ["answer_recall", msgspec.to_builtins(told)]
        begun = await self.record(asked, body, key, plan)
        return begun.change.recalls[0]

    def may_know(self, actor: Actor, recall: Recall) -> bool:
        """Whether a recall is the actor's business."""
        return actor.organisation in (recall.holder, recall.provider)

    async def overdue(self, recall: str) -> None:
        """The deadline of a recall passed."""
        known = self.memory.recalls.get(recall)
        if known is None or known.overdue:
            return
        id = known.agreement.partition("/")[0]
        asked = Asked(actor=CLOCK, deed="recall_overdue", id=id, why="its deadline passed")
        plan = recalling.passed(recall, self.rules())
        await self.record(asked, ["recall_overdue", recall], f"overdue/{recall}", plan)

    def _done(self, begun: Begun) -> None:
        """A step of ours was applied: memory, the gate and everybody who listens hear of it."""
        self.look()
        if begun.change.notices:
            self.clockwork.tell_soon()

    # --- copies -------------------------------------------------------------------------------
    async def write_copies(self) -> None:
        """Write down what was counted of copies; what cannot be written stays counted."""
        counted = self.copies.take()
        if not counted:
            return
        try:
            await self.file.run(lambda c: ledger.add_held(c, counted))
        except PintuError as error:
            self.copies.give_back(counted)
            log.warning("Copies held are not written down now: %s", error.detail)

    # --- what changed -------------------------------------------------------------------------
    def look(self) -> None:
        """Read what anybody changed since; costs microseconds when nobody did.

        While the tables are away what was read last holds.
        """
        version = self.file.data_version()
        if version == self._version:
            return
        first = self._version == -1
        found: list[Agreement] = []
        with without_collecting() if first else contextlib.nullcontext():
            try:
                self._seen = self.file.read_now(lambda c: self._read(c, None if first else found))
            except Unavailable:
                if first:
                    raise
                return
        self._version = version
        self.memory.turn(self.clock.now_us())
        if not first:
            self.clockwork.changed()
            for one in found:
                self.tell(one)

    def _read(self, connection: Connection, found: list[Agreement] | None) -> int:
        def take(row: Any) -> None:
            one = loading.read(self.signatures, row, self._doubt)
            if one is None:
                self.memory.forget(row.id, row.version)
            else:
                self.memory.put(one)
                if found is not None:
                    found.append(one)

        return loading.changed(connection, self._seen, take, self.memory.put_recall)

    # --- doubts -------------------------------------------------------------------------------
    def unsigned(self, agreement: Agreement) -> str:
        """Whose signature does not verify; "" when both do."""
        return loading.unsigned(agreement, self.signatures, self.known_key)

    def _doubt(self, agreement: Agreement, why: str) -> None:
        if agreement.state == "active":
            self._doubts[agreement.id, agreement.version] = why

    async def settle_doubts(self) -> None:
        """Write down that agreements in doubt are suspended; people hear of it."""
        for (id, version), why in list(self._doubts.items()):
            asked = Asked(actor=GATE, deed="break", id=id, version=version, why=why)
            with contextlib.suppress(StateConflict):
                await self.deed(asked)
            self._doubts.pop((id, version), None)

    async def verify(self, after: tuple[str, int], limit: int) -> tuple[str, int] | None:
        """Look at signatures of some agreements in force; where to go on, None at the end. One
        that does not verify is suspended, said loudly and logged."""
        found = await self.file.read(lambda c: loading.page(c, after, limit))
        for one in found:
            wrong = self.unsigned(one)
            if wrong:
                log.error("Agreement %s: the signature of %s does not verify", one.name, wrong)
                self.memory.put(loading.doubtful(one, loading.UNSIGNED))
                self._doubt(one, loading.UNSIGNED)
        await self.settle_doubts()
        return (found[-1].id, found[-1].version) if len(found) == limit else None

    def tell(self, agreement: Agreement) -> None:
        """Everybody who listens hears of a changed agreement."""
        for callback in list(self.listeners):
            try:
                callback(agreement)
            except Exception:  # a loop's edge: one listener's mistake is its own
                log.exception("A listener of agreements failed")


def encoded(body: list[Any]) -> bytes:
    """What a key stands for as bytes; BadRequestData for text that is none."""
    try:
        return msgspec.json.encode(body)
    except (UnicodeEncodeError, TypeError, ValueError) as error:
        raise BadRequestData(f"This cannot be kept: {error}") from error


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
    """Many objects that all stay are made: looking for garbage among them again and again would
    take longer than making them."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
