"""What the operations of one group make of the entities they name, in memory, before one statement
writes all of it.

Pure but for the names it meets: rows that were read go in, `works` (each entity before and after)
and `entries` (rows of the log, in order) come out. Operations of one entity see each other.
Whatever can break breaks before anything is noted, so that a poison operation leaves nothing.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from pintu.kernel.context.encode import exact_json
from pintu.kernel.context.record import Keep, Put, Record, Remove, Tell, Verb
from pintu.kernel.errors import AlreadyExists, BadRequestData, PintuError
from pintu.kernel.store.kinds import KindRow, Shape, keeps_indexes
from pintu.kernel.store.port import Change, Op, Outcome
from pintu.kernel.store.postgres.cache import Key, Row
from pintu.kernel.store.postgres.names import LONGEST_NAME, Names
from pintu.kernel.store.rows import expiry_us

Doc = dict[str, Any]


class Stamp:
    """When and by whom: one for all operations of a call."""

    __slots__ = ("now", "source")

    def __init__(self, now: int, source: str) -> None:
        self.now = now
        self.source = source


class Work:
    """One entity in a group: as it was, as it is now, and where its chain through the log ends.

    `last` is a position, or minus the ordinal of an entry of this group; None when nobody read
    whether the id had an earlier life: the server looks while it writes.
    """

    __slots__ = ("dead", "doc", "indexed", "kind", "last", "last_at", "row", "start")

    def __init__(self, start: Row | None, last: int | None, last_at: int) -> None:
        self.start = start
        self.row = start
        self.doc: Doc | None = None  # the document of `row` when this group wrote it
        self.last = last
        self.last_at = last_at
        self.kind: KindRow | None = None  # that it had last, once it is not present
        self.dead = start is None and last != 0  # there may be a tombstone
        self.indexed = False  # a write may have touched what is indexed


class Entry:
    """One row of the log to be; its position is the group's base plus its ordinal."""

    __slots__ = ("at", "body", "changed", "id", "kind", "live", "outcome", "payload", "previous",
                 "previous_at", "source", "tenant", "verb")  # fmt: skip

    def __init__(self, op: Op, kind: KindRow, work: Work, at: int, source: str) -> None:
        self.tenant = op.tenant
        self.id = op.id
        self.kind = kind
        self.previous = work.last
        self.previous_at = work.last_at
        self.at = at
        self.source = source
        self.verb: Verb = "deleted"
        self.changed: tuple[str, ...] | None = None
        self.payload = b""
        self.body: bytes | None = None
        self.live: tuple[bytes | None, int, bytes | None] = (None, 0, None)
        """(document before, when the entity was created, its times): what only listeners get."""
        self.outcome = Outcome()

    def change(self, base: int, position: int) -> Change:
        """What listeners hear of it."""
        previous = self.previous or 0
        return Change(
            position,
            self.tenant,
            self.id,
            self.kind.types,
            self.verb,
            self.at,
            self.source,
            self.changed,
            self.payload,
            base - previous if previous < 0 else previous,
            self.body,
            *self.live,
        )


class Group:
    """The operations of one group, applied one after another."""

    def __init__(self, names: Names, base: int, noted: int, numbers: list[range]) -> None:
        self._names = names
        self.base = base  # the position before this group, as far as is known
        self.noted = noted  # the number of the note before it, likewise
        self._numbers = numbers  # of new entities
        self.works: dict[Key, Work] = {}
        self.entries: list[Entry] = []
        self.notes: list[tuple[bytes, Outcome]] = []  # number: that before the group plus ordinal

    @property
    def silent(self) -> bool:
        """Does it leave nothing that could be looked for?"""
        return not (self.entries or self.notes)

    def meet(self, key: Key, row: Row | None, last: int | None, last_at: int) -> None:
        """What is stored of an entity that an operation of this group names."""
        self.works[key] = Work(row, last, last_at)

    def apply(self, op: Op, stamp: Stamp) -> Outcome:
        """Do one operation; a PintuError of its transform is its outcome, other errors are
        raised.
        """
        if op.note is not None:
            noted = Outcome()
            self.notes.append((_bytes(op.note), noted))
            return noted
        work = self.works[op.tenant, op.id]
        fresh = op.fresh
        row = work.row
        if fresh is not None:
            if row is not None:
                return Outcome(error=AlreadyExists(f"Entity {op.id} already exists"))
            return self._create(op, work, fresh, stamp)
        try:
            assert op.transform is not None
            effect = op.transform(None if row is None else row.record, stamp.now)
        except PintuError as error:
            return Outcome(error=error)
        if isinstance(effect, Put):
            if row is None:
                return self._create(op, work, effect, stamp)
            return self._put(op, work, effect, stamp)
        if isinstance(effect, Remove) and row is not None:
            return self._remove(op, work, effect, stamp)
        if isinstance(effect, Tell):
            return self._tell(op, work, effect, stamp)
        assert isinstance(effect, Keep | Remove)
        return Outcome(detail=effect.detail)

    def _create(self, op: Op, work: Work, put: Put, stamp: Stamp) -> Outcome:
        doc = put.entity
        body = put.body or exact_json(doc)
        try:
            _check_id(op.id)
            shape = self._names.shape_of(op.tenant, doc)
        except PintuError as error:
            return Outcome(error=error)
        now = stamp.now
        expires = expiry_us(doc) if "expiresAt" in doc else None
        times = None if put.times is None else exact_json(put.times)
        types, position = shape.kind.types, self.base + len(self.entries) + 1
        record = Record(self._number(), op.id, types, body, now, now, times, position)
        entry = Entry(op, shape.kind, work, now, stamp.source)
        work.row = Row(record, shape, expires, now)
        work.doc = doc
        work.indexed = True
        entry.live = (None, now, times)
        return self._log(work, entry, put, payload=body, body=body)

    def _number(self) -> int:
        """The number of a new entity; the writer saw to it that there are enough."""
        numbers = self._numbers
        first = numbers[0]
        if len(first) == 1:
            del numbers[0]
        else:
            numbers[0] = first[1:]
        return first[0]

    def _put(self, op: Op, work: Work, put: Put, stamp: Stamp) -> Outcome:
        row = work.row
        assert row is not None
        doc = put.entity
        body = put.body or exact_json(doc)
        old = row.record
        # later than before, so that a changed entity is known from a new one
        now = max(stamp.now, old.modified_us + 1)
        # what came too late to change the present is logged, and nothing else happened
        modified = old.modified_us if put.payload is not None and body == old.body else now
        times = None if put.times is None else exact_json(put.times)
        shape, expires, narrow = row.shape, row.expires, keeps_indexes(row.shape, put)
        if not narrow:
            try:
                shape = self._names.shape_of(op.tenant, doc)
            except PintuError as error:
                return Outcome(error=error)
            expires = expiry_us(doc) if "expiresAt" in doc else None
        if put.payload is not None:
            payload = put.payload
        elif put.verb == "updated" and put.changed is not None:
            get = doc.get
            payload = exact_json({name: get(name) for name in put.changed})
        else:
            payload = body
        types = shape.kind.types
        position = self.base + len(self.entries) + 1
        record = Record(old.number, op.id, types, body, old.created_us, modified, times, position)
        entry = Entry(op, shape.kind, work, now, stamp.source)
        work.row = Row(record, shape, expires, now)
        work.doc = doc
        work.indexed = work.indexed or not narrow
        entry.live = (old.body, old.created_us, times)
        return self._log(work, entry, put, payload=payload, body=body)

    def _remove(self, op: Op, work: Work, effect: Remove, stamp: Stamp) -> Outcome:
        row = work.row
        assert row is not None
        now = max(stamp.now, row.record.modified_us)
        entry = Entry(op, row.kind, work, now, stamp.source)
        work.row = work.doc = None
        work.kind = row.kind
        work.indexed = True
        entry.live = (row.record.body, row.record.created_us, row.record.times)
        put = Put(entity={}, verb="deleted", detail=effect.detail)
        return self._log(work, entry, put, payload=b"", body=None)

    def _tell(self, op: Op, work: Work, effect: Tell, stamp: Stamp) -> Outcome:
        """Only history is to know: the row of the log, and where the entity's chain ends now."""
        row, now = work.row, stamp.now
        try:
            _check_id(op.id)
            kind = self._names.kind_of(op.tenant, effect.types)
        except PintuError as error:
            return Outcome(error=error)
        if row is not None:
            now = max(now, row.record.modified_us)
            record = replace(row.record, last_change=self.base + len(self.entries) + 1)
            work.row = Row(record, row.shape, row.expires, now)
        else:
            gone = effect.verb == "erased" and effect.changed is None
            work.kind = None if gone else kind
        entry = Entry(op, kind, work, now, stamp.source)
        put = Put(entity={}, verb=effect.verb, changed=effect.changed, detail=effect.detail)
        return self._log(work, entry, put, payload=effect.payload, body=None)

    def _log(
        self, work: Work, entry: Entry, put: Put, *, payload: bytes, body: bytes | None
    ) -> Outcome:
        """Append the row of the log; the entity's chain now ends there."""
        entry.verb = put.verb
        entry.changed = put.changed
        entry.payload = payload
        entry.body = body
        self.entries.append(entry)
        ordinal = len(self.entries)
        work.last, work.last_at = -ordinal, entry.at
        outcome = entry.outcome
        outcome.verb = put.verb
        outcome.detail = put.detail
        outcome.position = self.base + ordinal
        return outcome

    def deltas(self) -> dict[Shape, int]:
        """By how many the entities of each shape changed."""
        found: dict[Shape, int] = {}
        for work in self.works.values():
            start, row = work.start, work.row
            was = None if start is None else start.shape
            now = None if row is None else row.shape
            if was is not now:
                if was is not None:
                    found[was] = found.get(was, 0) - 1
                if now is not None:
                    found[now] = found.get(now, 0) + 1
        return {shape: by for shape, by in found.items() if by}


def _bytes(note: object) -> bytes:
    """What is no bytes breaks here, alone, as on SQLite."""
    if not isinstance(note, bytes):
        raise TypeError(f"A note is bytes, not {type(note).__name__}")
    return note


def storable(id: str) -> bool:
    """Can an entity of this id be stored at all?"""
    if id.isascii():
        return len(id) <= LONGEST_NAME and "\0" not in id
    try:
        return len(id.encode()) <= LONGEST_NAME and "\0" not in id
    except UnicodeEncodeError:
        return False


def _check_id(id: str) -> None:
    if not storable(id):
        id.encode()  # a lone surrogate breaks here, alone, as on SQLite
        raise BadRequestData(
            f"The id {id[:40]!r}… is longer than {LONGEST_NAME} bytes or holds a NUL character"
        )
