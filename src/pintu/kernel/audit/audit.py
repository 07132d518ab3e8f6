"""The log's own room: rows are entered, sealed, proved and looked up; nothing changes or removes
one.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final, Protocol, Unpack

import msgspec

from pintu.kernel.access import Act, Actor
from pintu.kernel.access.audited import Entry, Form, Receipt
from pintu.kernel.audit.anomalies.watching import Watch
from pintu.kernel.audit.anomalies.words import Finding, Thresholds
from pintu.kernel.audit.checking import Checker
from pintu.kernel.audit.digests import Digests, year_of
from pintu.kernel.audit.exporting import export, lines_of
from pintu.kernel.audit.heads import Head
from pintu.kernel.audit.looking import Look, Viewer, shown
from pintu.kernel.audit.proofs import Proofs
from pintu.kernel.audit.protecting import Protections
from pintu.kernel.audit.rows import Numbered, Row, RowForm, read_row, row_bytes
from pintu.kernel.audit.schema import TABLES
from pintu.kernel.audit.sealing import Sealer
from pintu.kernel.audit.searching import Search, Wanted
from pintu.kernel.audit.thinning import thin
from pintu.kernel.audit.witnessing import Witness
from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError, ResourceNotFound, StateConflict
from pintu.kernel.identity.keys import Keys
from pintu.kernel.store.port import Op, Outcome, Store, settled
from pintu.kernel.tables import CityTables

DAY_US: Final = 86_400_000_000
COUNTS_S: Final = 60.0
LOOKS_AT_ONCE: Final = 200
TOLERANCE_US: Final = 5_000_000
"""How far rows may be out of the order of their times; `pintu-verify` allows as much."""

MOST_COUNTS: Final = 2_000
"""Different calls counted in one minute; what is more is counted together."""

_sha256 = hashlib.sha256
log = logging.getLogger("pintu.audit")
Seal = Callable[[Outcome], Receipt]


class Telling(Protocol):
    """Tells people of something: `identity.notices`."""

    async def tell(
        self, to: str, kind: str, text: dict[str, str], *, link: str = "", key: str = ""
    ) -> None:
        """To a person or a role; the same key is told once."""
        ...


class Audit:
    """Implements `access.AuditLog` on the store's notes."""

    def __init__(
        self, store: Store, tables: CityTables, keys: Keys, clock: Clock, *, name: str = ""
    ) -> None:
        """`name`: of this node, the origin of its log's heads; without one the key names it."""
        self._store = store
        self._clock = clock
        self._digests = Digests(keys)
        self._counts: dict[tuple[str, str, str, str], int] = {}
        self._tasks: list[asyncio.Task[None]] = []
        key = keys.signer("log")
        self.tables = tables.register(TABLES)
        marks = _Marks(keys, name or f"pintu-{key.key_id[:8]}")
        self.sealer = Sealer(store, self.tables, key, clock, marks=marks)
        self.sealer.on_trouble = self._troubled
        self.proofs = Proofs(store, self.tables, self.sealer)
        self.witness = Witness(self.tables, self.sealer, clock)
        self.checker = Checker(store, self.tables, self.sealer)
        self.search_in = Search(store, self.tables, self.sealer, self._digests, clock)
        self._watch = Watch(store, clock, self.search_in.number_at)
        self.protections = Protections(self.tables, clock, self.enter)
        self.notices: Telling | None = None  # where auditors hear of a log that is wrong
        self._latest_us = 0
        self.digest = self._digests.of  # the lasting digest of a subject or an answer

    # --- life -------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Begin to seal, to write counts, to hold rows against the tree."""
        await self._end_tasks()  # those that only counted
        await self._know_latest()
        await self.sealer.start()
        self._tasks = [
            asyncio.create_task(self._run(), name="audit-counts"),
            asyncio.create_task(self.checker.run(), name="audit-check"),
        ]

    async def start_counting(self) -> None:
        """Begin to write counts only: another broker of the city seals."""
        await self._know_latest()
        self._tasks = [asyncio.create_task(self._run(thins=False), name="audit-counts")]

    async def _know_latest(self) -> None:
        """The time of the newest row, so that a clock set back meanwhile is noticed."""
        newest = self._store.notes_head()
        with contextlib.suppress(PintuError):
            for _, body in await settled(self._store.notes(newest - 1, 1)) if newest else ():
                self._latest_us = read_row(body).at_us

    async def stop(self) -> None:
        """Write what is counted, seal what is written."""
        await self._end_tasks()
        with contextlib.suppress(PintuError):
            await self.write_counts()
        await self.sealer.stop()

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    async def _run(self, *, thins: bool = True) -> None:
        while True:
            await asyncio.sleep(COUNTS_S)
            try:
                await self.write_counts()
                if thins:
                    await self.thin()
            except PintuError as error:
                log.warning("Counts are not written now: %s", error.detail)

    # --- writing ----------------------------------------------------------------------------------
    async def enter(self, entry: Entry) -> Receipt:
        """Write one row; resolves when it is on the disk, and only then may anybody be answered.

        Raises Unavailable (DiskFull) when it cannot be kept.
        """
        op, seal = self.prepare(entry)
        [outcome] = await self._store.submit((op,))
        return seal(outcome)

    def prepare(self, entry: Entry) -> tuple[Op, Seal]:
        """The same for who writes the row in the transaction of changes it tells of: an operation
        to be submitted beside others, and what makes its outcome a receipt.
        """
        at_us = self._now_us()
        if entry.subjects:
            year, of = year_of(at_us), self._digests.in_year
            entry = msgspec.structs.replace(
                entry, subjects=tuple(of(one, year) for one in entry.subjects)
            )
        body = row_bytes(entry, at_us)

        def seal(outcome: Outcome) -> Receipt:
            if outcome.error is not None:
                raise outcome.error
            return Receipt(number=outcome.position, at_us=at_us, leaf=self.leaf(body))

        return Op(0, "", note=body), seal

    def form(self, entry: Entry) -> RowForm:
        """What rows like this one share, for who writes many; about nobody in particular."""
        return RowForm(entry)

    def row_of(self, form: Form, rows: int, answer: str) -> bytes:
        """A row of a form, to be submitted as a note; `leaf` of it is what a receipt names."""
        return form.row(self._now_us(), rows, answer)

    @staticmethod
    def leaf(row: bytes) -> str:
        """The hash of a row as a leaf of the tree, hex."""
        return _sha256(b"\x00" + row).hexdigest()

    def _now_us(self) -> int:
        """The time of a row that is handed in now."""
        at_us = self._clock.now_us()
        if at_us < self._latest_us:
            self._back(at_us)
        else:
            self._latest_us = at_us
        return at_us

    def _back(self, at_us: int) -> None:
        """The clock went back: by more than a jitter it is in the log, before what comes next."""
        if at_us < self._latest_us - TOLERANCE_US:
            detail = {"from_us": str(self._latest_us), "to_us": str(at_us)}
            clock = Entry(what="node", deed="clock", detail=detail)
            told = self._store.submit((Op(0, "", note=row_bytes(clock, at_us)),))
            asyncio.ensure_future(told).add_done_callback(_heard)
            self._latest_us = at_us

    def in_year(self, lasting: str, at_us: int | None = None) -> str:
        """What a row of that time, now without one, holds for a lasting digest."""
        return self._digests.in_year(lasting, year_of(at_us or self._clock.now_us()))

    def count(self, actor: Actor, act: Act) -> None:
        """Count a call that needs no row of its own; written once a minute."""
        key = (actor.id, act.deed, act.tenant, act.data_set)
        counts = self._counts
        if key in counts:
            counts[key] += 1
        elif len(counts) < MOST_COUNTS:
            counts[key] = 1
        else:
            key = ("*", act.deed, "*", "*")
            counts[key] = counts.get(key, 0) + 1

    async def write_counts(self) -> Receipt | None:
        """One row of what was counted since the last one; None when nothing was."""
        counts, self._counts = self._counts, {}
        if not counts:
            return None
        detail = {" ".join(one or "-" for one in key): str(n) for key, n in counts.items()}
        try:
            return await self.enter(Entry(what="counts", rows=sum(counts.values()), detail=detail))
        except PintuError:
            for key, n in counts.items():
                self._counts[key] = self._counts.get(key, 0) + n
            raise

    async def thin(self) -> int:
        """Drop heads of past days that no proof needs; how many."""
        era, now_us = self.sealer.era, self._clock.now_us()
        return await self.tables.run(lambda c: thin(c, era, now_us))

    async def _troubled(self, why: str) -> None:
        """The log says itself that it was found to be another one."""
        with contextlib.suppress(PintuError):
            await self.enter(Entry(what="node", deed="log.doubted", detail={"why": why[:500]}))
        if self.notices is not None:
            text = {
                "zh": f"日志与封存时不一致：{why}",
                "en": f"The log is not what was sealed: {why}",
            }
            with contextlib.suppress(PintuError):
                await self.notices.tell(
                    "auditor@*", "log", text, link="/auditing", key=f"log {why}"
                )

    # --- reading ----------------------------------------------------------------------------------
    @property
    def trouble(self) -> str:
        """Why the log is not sealed any more, in a sentence; "" when all is well."""
        return self.sealer.trouble

    def head(self) -> Head | None:
        """The newest signed head; None before the first row."""
        return self.sealer.head

    def public(self) -> str:
        """The log's public key as a verifier takes it: NAME+ID+KEY."""
        return self.sealer.public

    async def inclusion(self, number: int, size: int | None = None) -> list[bytes]:
        """See `Proofs.inclusion`."""
        return await self.proofs.inclusion(number, size)

    async def consistency(self, old: int, size: int | None = None) -> list[bytes]:
        """See `Proofs.consistency`."""
        return await self.proofs.consistency(old, size)

    async def accept(self, actor: Actor, reason: str) -> Receipt:
        """An auditor has seen what is wrong with the log and lets it go on as a new era, whose
        first sealed row says so. Raises StateConflict when nothing is wrong.
        """
        why, old = self.trouble, self.head()
        if not why:
            raise StateConflict("The log is what was sealed: there is nothing to accept")
        detail = {"why": why[:500], "head": "" if old is None else old.text}
        entry = Entry(
            what="node", deed="log.accepted", actor=actor.id, person=actor.person,
            organisation=actor.organisation, reason=reason[:500], detail=detail,
        )  # fmt: skip
        receipt = await self.enter(entry)
        await self.sealer.begin_era()
        return receipt

    async def rows(self, after: int, limit: int) -> list[Numbered]:
        """Rows after a number, in order."""
        found = await settled(self._store.notes(after, limit))
        return [Numbered(number=number, row=read_row(body)) for number, body in found]

    async def search(self, **wanted: Unpack[Wanted]) -> list[Numbered]:
        """A page of rows, newest first; see `searching.Wanted` for what can be asked."""
        return await self.search_in.run(wanted)

    async def who_looked(
        self, subject: str, viewer: Viewer | None = None, *, since_us: int = 0, limit: int = 200
    ) -> list[Look]:
        """Looks at the record of one person (the lasting digest), newest first, as `viewer` (the
        person, without one) may know of them.
        """
        rules = await self.protections.rules()
        guards = await self.protections.of(subject)
        now_us = self._clock.now_us()
        found: list[Look] = []
        before = self._store.notes_head() + 1
        while len(found) < limit:
            rows = await self.search(
                subject=subject, since_us=since_us, before=before, limit=LOOKS_AT_ONCE
            )
            found += shown(rows, viewer or Viewer(), guards, rules=rules, now_us=now_us)
            if len(rows) < LOOKS_AT_ONCE:
                break
            before = rows[-1].number
        return found[:limit]

    async def anomalies(
        self, *, since_us: int | None = None, zone: str = "Asia/Shanghai", scope: str = ""
    ) -> list[Finding]:
        """What looks wrong and went on since then (without a time: the last 24 hours), the newest
        first, of one organisation when `scope` names it.
        """
        limits = await self.protections.fact("thresholds", Thresholds)
        found = await self._watch.findings(limits, zone)
        since = self._clock.now_us() - DAY_US if since_us is None else since_us
        return [one for one in found if one.last_us >= since and scope in ("", one.organisation)]

    def export_lines(self) -> AsyncIterator[bytes]:
        """The whole log as `pintu-verify log` reads it."""
        return lines_of(self._store, self.proofs, self.sealer)

    async def export(self, path: Path) -> int:
        """The whole log into a new file; bytes written."""
        return await export(path, self.export_lines())

    async def row(self, number: int) -> Row:
        """One row; ResourceNotFound when there is none."""
        return read_row(await self.body(number))

    async def body(self, number: int) -> bytes:
        """The bytes of one row; ResourceNotFound when there is none."""
        there = 0 < number <= self._store.notes_head()
        found = await settled(self._store.notes(number - 1, 1)) if there else []
        if not found or found[0][0] != number:
            raise ResourceNotFound(f"The log has no row {number}")
        return found[0][1]


class _Marks:
    """Whose log it is, and in the key folder that it was ever sealed: tables that are gone are not
    taken for a log that begins.
    """

    def __init__(self, keys: Keys, name: str) -> None:
        self._keys = keys
        self.name = name

    def begun(self) -> bool:
        return self._keys.secret("log-sealed", make=False) is not None

    def begin(self) -> None:
        self._keys.secret("log-sealed")


def _heard(done: asyncio.Future[list[Outcome]]) -> None:
    """Nobody waits for it; that it failed is told."""
    if not done.cancelled() and done.exception() is not None:
        log.warning("That the clock went back is not written down: %s", done.exception())
