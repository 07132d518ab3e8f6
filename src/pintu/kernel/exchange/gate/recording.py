"""Rows of the log: of answers before they are sent, of refusals soon after; a flood is added up."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

import msgspec

from pintu.kernel.access import Act, Actor, Deed, Projection
from pintu.kernel.access.audited import AuditLog, Entry, Form, Receipt
from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError, Unavailable
from pintu.kernel.exchange.gate.words import Told

if TYPE_CHECKING:
    from pintu.kernel.exchange.gate.words import Compiled
    from pintu.kernel.store.port import Op, Outcome

    Begun = tuple[Op, Callable[[Outcome], Receipt]]

log = logging.getLogger("pintu.gate")

MINUTE_US: Final = 60_000_000
MOST_KINDS: Final = 200
"""Different refusals that get rows of their own within a minute; the rest share one."""

LONGEST: Final = 200
READ: Final = Deed.READ
_NOTHING: Final = Told(answer="-")


@runtime_checkable
class Preparing(Protocol):
    """A log whose rows can be written with other operations of the store, or without a task."""

    def prepare(self, entry: Entry) -> Begun:
        """The operation to be submitted, and what makes its outcome a receipt."""
        ...


@runtime_checkable
class Forming(Protocol):
    """A log that writes rows which differ by their time and answer alone."""

    def form(self, entry: Entry) -> Form:
        """What such rows share."""
        ...

    def row_of(self, form: Form, rows: int, answer: str) -> bytes:
        """One of them, now: a note of the store."""
        ...

    def digest(self, value: str | bytes) -> str:
        """The keyed digest of an answer."""
        ...

    def leaf(self, row: bytes) -> str:
        """What its receipt names."""
        ...


class Rows:
    """Rows of answers to one caller's act under one projection."""

    __slots__ = ("_form", "_log", "_schema", "_version", "digest", "leaf")

    def __init__(self, log: Forming, entry: Entry, version: Callable[[], int]) -> None:
        self._log, self._version = log, version
        self._schema = entry.schema
        self._form = log.form(entry)
        self.digest = log.digest
        self.leaf = log.leaf

    def row(self, rows: int, answer: str) -> bytes | None:
        """The row of an answer (its keyed digest) with so many rows; None when the data set has
        another schema by now.
        """
        if self._version() != self._schema:
            return None
        return self._log.row_of(self._form, rows, answer)


class _Added(msgspec.Struct):
    """Refusals of one kind since the row of the first of them."""

    entry: Entry
    until_us: int
    times: int = 0


class Recorder:
    """Writes rows through the log, once there is one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.audit: AuditLog | None = None
        self._prepare: Callable[[Entry], Begun] | None = None
        self.version: Callable[[str], int] = _unversioned
        self._refusals: OrderedDict[tuple[str, ...], _Added] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def use(self, audit: AuditLog) -> None:
        """Write to this log from now on."""
        self.audit = audit
        self._prepare = audit.prepare if isinstance(audit, Preparing) else None

    # --- answers ------------------------------------------------------------------------------
    async def enter(
        self, asked: tuple[Actor, Act], projection: Projection, told: Told, found: Compiled | None
    ) -> Receipt:
        """The row of an answer. Unavailable without a log: then nobody is answered."""
        audit = self.audit
        if audit is None:
            raise Unavailable("The log is not there: what must be written down is not answered")
        return await audit.enter(self._answered(asked, projection, told, found))

    def begin(
        self, asked: tuple[Actor, Act], projection: Projection, told: Told, found: Compiled | None
    ) -> Begun | None:
        """The row as an operation of the store, for who waits without a task; None where the log
        cannot tell it so."""
        if self._prepare is None:
            return None
        return self._prepare(self._answered(asked, projection, told, found))

    def rows(
        self, asked: tuple[Actor, Act], projection: Projection, found: Compiled
    ) -> Rows | None:
        """The rows of many answers that differ by what was sent alone; None where the log cannot
        write them so.
        """
        log = self.audit
        if not isinstance(log, Forming):
            return None
        entry = self._answered(asked, projection, _NOTHING, found)
        return Rows(log, entry, partial(self.version, entry.data_set))

    def _answered(
        self, asked: tuple[Actor, Act], projection: Projection, told: Told, found: Compiled | None
    ) -> Entry:
        actor, act = asked
        assert self.audit is not None
        digest = self.audit.digest
        fields = told.fields
        data_set = act.data_set if found is None else found.data_set
        if not fields and found is not None:
            fields = found.fields
        return Entry(
            what="read" if act.deed is READ else "write",
            deed=act.deed.value,
            actor=actor.id,
            person=actor.person,
            organisation=actor.organisation,
            roles=tuple(sorted(actor.roles)) if actor.roles else (),
            tenant=act.tenant,
            data_set=data_set,
            owner=act.owner if found is None else found.owner,
            purpose=act.purpose or "",
            reason=act.reason or "",
            schema=self.version(data_set),
            agreement=projection.agreement,
            basis=projection.basis,
            fields=fields,
            rows=told.rows,
            subjects=tuple(dict.fromkeys(map(digest, told.subjects))) if told.subjects else (),
            answer=told.answer or digest(told.body),
        )

    def digest(self, value: str | bytes) -> str:
        """The keyed digest of a person or an answer; Unavailable without a log."""
        self.ready()
        assert self.audit is not None
        return self.audit.digest(value)

    def ready(self) -> None:
        """Raise Unavailable when there is no log to write to: asked before anything is done."""
        if self.audit is None:
            raise Unavailable("The log is not there: what must be written down is not done")

    # --- refusals -----------------------------------------------------------------------------
    def refused(self, actor: Actor, act: Act, error: PintuError) -> None:
        """Write a refusal down, without waiting. The first of a kind at once; those of the same
        kind within a minute are added up into one row more."""
        if self.audit is None:
            return
        why = type(error).__name__
        key = (actor.id, act.data_set, act.agreement[:60], why)
        now_us = self._clock.now_us()
        known = self._refusals.get(key)
        if known is None and len(self._refusals) >= MOST_KINDS:
            key = ("*", "*", "*", why)
            known = self._refusals.get(key)
        if known is not None:
            known.times += 1
            return
        entry = msgspec.structs.replace(
            _entry(actor, act, None),
            what="refused",
            agreement=act.agreement[:60],
            basis=error.detail[:LONGEST],
        )
        self._refusals[key] = _Added(entry, now_us + MINUTE_US)
        self._write(entry)
        self._wait()

    def _wait(self) -> None:
        if self._timer is None and self._refusals:
            loop = _loop()
            if loop is not None:
                self._timer = loop.call_later(1.0, self._look)

    def _look(self) -> None:
        """Tell what was added up of kinds whose minute is over."""
        self._timer = None
        now_us = self._clock.now_us()
        for key, one in list(self._refusals.items()):
            if now_us >= one.until_us:
                del self._refusals[key]
                self._tell(one)
        self._wait()

    def _tell(self, one: _Added) -> None:
        if one.times:
            detail = {"times": str(one.times)}
            self._write(msgspec.structs.replace(one.entry, detail=detail))

    def _write(self, entry: Entry) -> None:
        loop = _loop()
        if loop is None or len(self._tasks) > MOST_KINDS:
            return
        task = loop.create_task(self._enter(entry))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _enter(self, entry: Entry) -> None:
        if self.audit is None:  # gone since: closing must not fail for it
            return
        try:
            await self.audit.enter(entry)
        except PintuError as error:
            log.warning("A refusal cannot be written down now: %s", error.detail)

    async def close(self) -> None:
        """Write what was added up."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for one in self._refusals.values():
            self._tell(one)
        self._refusals.clear()
        if self._tasks:
            await asyncio.gather(*self._tasks)


def _entry(actor: Actor, act: Act, found: Compiled | None) -> Entry:
    return Entry(
        what="read",
        deed=act.deed.value,
        actor=actor.id,
        person=actor.person,
        organisation=actor.organisation,
        roles=tuple(sorted(actor.roles)),
        tenant=act.tenant,
        data_set=act.data_set if found is None else found.data_set,
        owner=act.owner if found is None else found.owner,
        purpose=(act.purpose or "")[:LONGEST],
        reason=(act.reason or "")[:500],
    )


def _loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _unversioned(data_set: str) -> int:
    """A city without a registry of schemas."""
    return 0
