"""What one operation does to the tables: the present record in, its row, index rows and log row
out.

Everything in here runs on the writer thread inside an open transaction; nothing is decided about
transactions, threads or errors of the disk: that is `writer`.
"""

from __future__ import annotations

from typing import Any

import apsw
import orjson

from pintu.kernel.context.encode import exact_json
from pintu.kernel.context.record import Keep, Put, Record, Remove, Tell
from pintu.kernel.errors import AlreadyExists, PintuError
from pintu.kernel.store.kinds import KindRow, Shape, keeps_indexes
from pintu.kernel.store.port import VERB_NUMBER, Change, Op, Outcome
from pintu.kernel.store.rows import expiry_us
from pintu.kernel.store.sqlite.bulk import Bulk
from pintu.kernel.store.sqlite.keep import IndexRows
from pintu.kernel.store.sqlite.names import Names
from pintu.kernel.store.sqlite.pending import PendingPoints
from pintu.kernel.store.sqlite.schema import ROOM_BYTES
from pintu.kernel.store.sqlite.written import Written

DELETED = VERB_NUMBER["deleted"]

_READ = (
    "SELECT n, kind, shape, body, created, modified, times, last, expires FROM entity "
    "WHERE tenant=? AND id=?"
)
_INSERT = (
    "INSERT INTO entity(n, tenant, id, kind, shape, created, modified, last, expires, times, body, "
    f"room) VALUES(?,?,?,?,?,?,?,?,?,?,?,zeroblob({ROOM_BYTES}))"
)
_NARROW = "UPDATE entity SET body=?, modified=?, times=?, last=?, room=NULL WHERE n=?"
_WIDE = (
    "UPDATE entity SET kind=?, shape=?, expires=?, body=?, modified=?, times=?, last=?, room=NULL "
    "WHERE n=?"
)
_LOG = "INSERT INTO log(position, kind, id, verb, at, source, previous, changed, payload)"
_NOTE = "INSERT INTO note(number, body) VALUES(?,?)"


class Stamp:
    """When and by whom: one for all operations of a call."""

    __slots__ = ("now", "source", "source_name")

    def __init__(self, now: int, source: int, source_name: str) -> None:
        self.now = now
        self.source = source
        self.source_name = source_name


class Present:
    """The row an operation found."""

    __slots__ = ("expires", "kind", "record", "shape")

    def __init__(self, row: tuple[Any, ...], kind: KindRow, shape: Shape, id: str) -> None:
        n, _, _, body, created, modified, times, last, self.expires = row
        self.kind = kind
        self.shape = shape
        self.record = Record(n, id, kind.types, body, created, modified, times, last)


class Hands:
    """Applies operations; keeps the counters that follow the transaction."""

    def __init__(
        self, connection: apsw.Connection, names: Names, pending: PendingPoints, written: Written
    ) -> None:
        self._run = connection.cursor().execute
        self._db = connection
        self._names = names
        self._written = written
        self._index = IndexRows(connection, names, pending)
        self._pending = pending
        self._logged = Bulk(connection, _LOG, 9)
        one = connection.execute
        stored = one("SELECT value FROM meta WHERE key='head'").get
        self.position: int = max(one("SELECT max(position) FROM log").get or 0, stored or 0)
        mark = one("SELECT value FROM meta WHERE key='points_n'").get
        self.next_n: int = max(one("SELECT max(n) FROM entity").get or 0, mark or 0) + 1
        pending.next_n = self.upcoming
        self.entities: int = sum(shape.count for shape in names.shapes.values())
        self.tombstones: bool = bool(one("SELECT EXISTS(SELECT 1 FROM tombstone)").get)
        self.notes: int = one("SELECT max(number) FROM note").get or 0
        self.notes_durable = self.notes
        self.wants_changes = False
        self.changes: list[Change] = []
        self._saved = self._counters()

    def upcoming(self) -> int:
        """The number the next new entity gets."""
        return self.next_n

    def commit(self) -> None:
        """The transaction is durable."""
        self._written.end()
        self._pending.moved.end()
        self.notes_durable = self.notes
        self._pending.commit()

    def _counters(self) -> tuple[int, int, int, bool, int]:
        return (self.position, self.next_n, self.entities, self.tombstones, self.notes)

    def begin(self) -> None:
        """A transaction begins: remember the counters."""
        self._saved = self._counters()
        self.changes = []

    def flush(self) -> None:
        """Write what was only gathered, tell of changed rows: before COMMIT, and before a task has
        the connection.
        """
        self._written.tell()
        self._pending.moved.tell()
        if self._logged.rows:
            self._logged.flush()
        self._index.flush()

    def rollback(self) -> None:
        """The transaction is gone: put the counters back."""
        self._written.end()
        self._pending.moved.end()
        self._logged.rows = []
        self._index.rollback()
        self.position, self.next_n, self.entities, self.tombstones, self.notes = self._saved
        self.changes = []
        self._pending.rollback()

    def apply(self, op: Op, stamp: Stamp) -> Outcome:
        """Do one operation; a PintuError of its transform is its outcome, other errors are
        raised.
        """
        if op.note is not None:
            return self._note(op.note)
        fresh = op.fresh
        if fresh is not None:
            try:
                return self._create(op, fresh, stamp)
            except AlreadyExists as error:
                return Outcome(error=error)
        present = self._find(op)
        try:
            assert op.transform is not None
            effect = op.transform(None if present is None else present.record, stamp.now)
        except PintuError as error:
            return Outcome(error=error)
        if isinstance(effect, Put):
            if present is None:
                return self._create(op, effect, stamp)
            return self._put(op, present, effect, stamp)
        if isinstance(effect, Remove) and present is not None:
            return self._remove(op, present, effect, stamp)
        if isinstance(effect, Tell):
            return self._tell(op, present, effect, stamp)
        assert isinstance(effect, Keep | Remove)
        return Outcome(detail=effect.detail)

    def _note(self, body: object) -> Outcome:
        if not isinstance(body, bytes):  # SQLite would keep whatever it is
            raise TypeError(f"A note is bytes, not {type(body).__name__}")
        number = self.notes + 1
        self._run(_NOTE, (number, body))
        self.notes = number
        return Outcome(position=number)

    def _find(self, op: Op) -> Present | None:
        row = self._run(_READ, (op.tenant, op.id)).fetchone()
        if row is None:
            return None
        names = self._names
        return Present(row, names.kinds[row[1]], names.shapes[row[2]], op.id)

    def _create(self, op: Op, put: Put, stamp: Stamp) -> Outcome:
        doc = put.entity
        body = put.body or exact_json(doc)
        names = self._names
        now = stamp.now
        shape = names.shape_of(op.tenant, doc)
        if "scope" in doc:
            names.see("scope")
        n = self.next_n
        position = self.position + 1
        expires = expiry_us(doc) if "expiresAt" in doc else None
        times = None if put.times is None else exact_json(put.times)
        row = (n, op.tenant, op.id, shape.kind.n, shape.n, now, now, position, expires, times, body)
        try:
            self._run(_INSERT, row)
        except apsw.ConstraintError as error:
            if getattr(error, "extendedresult", None) != apsw.SQLITE_CONSTRAINT_UNIQUE:
                raise
            raise AlreadyExists(f"Entity {op.id} already exists") from error
        self.next_n = n + 1
        self.entities += 1
        names.count(shape, 1)
        if shape.geo or shape.kind.learned:
            self._index.add_new(shape, n, doc)
        previous = self._unbury(op) if self.tombstones else 0
        self._log(
            op, shape.kind, put, stamp=stamp, now=now, previous=previous, payload=body, body=body,
            live=(None, now, times),
        )  # fmt: skip
        return Outcome(verb=put.verb, detail=put.detail, position=position)

    def _unbury(self, op: Op) -> int:
        """The last position of an earlier life of this id, 0 when there was none."""
        key = (op.tenant, op.id)
        row = self._run("SELECT last FROM tombstone WHERE tenant=? AND id=?", key).fetchone()
        if row is None:
            return 0
        self._run("DELETE FROM tombstone WHERE tenant=? AND id=?", key)
        return int(row[0])

    def _put(self, op: Op, present: Present, put: Put, stamp: Stamp) -> Outcome:
        doc = put.entity
        body = put.body or exact_json(doc)
        old = present.record
        self._written.touch(old.number)
        position = self.position + 1
        # later than before, so that a changed entity is known from a new one
        now = max(stamp.now, old.modified_us + 1)
        # what came too late to change the present is logged, and nothing else happened
        modified = old.modified_us if put.payload is not None and body == old.body else now
        times = None if put.times is None else exact_json(put.times)
        kind = present.kind
        if keeps_indexes(present.shape, put):
            self._run(_NARROW, (body, modified, times, position, old.number))
        else:
            shape = self._reindex(op, present, put)
            kind = shape.kind
            expires = expiry_us(doc) if "expiresAt" in doc else None
            if shape is present.shape and expires is None and not present.expires:
                self._run(_NARROW, (body, modified, times, position, old.number))
            else:
                row = (kind.n, shape.n, expires, body, modified, times, position, old.number)
                self._run(_WIDE, row)
        if put.payload is not None:
            payload = put.payload
        elif put.verb == "updated" and put.changed is not None:
            get = doc.get
            payload = exact_json({name: get(name) for name in put.changed})
        else:
            payload = body
        self._log(
            op,
            kind,
            put,
            stamp=stamp,
            now=now,
            previous=old.last_change,
            payload=payload,
            body=body,
            live=(old.body, old.created_us, times),
        )
        return Outcome(verb=put.verb, detail=put.detail, position=position)

    def _reindex(self, op: Op, present: Present, put: Put) -> Shape:
        """Bring counts and index rows from the old document to the new one; the new shape."""
        shape = self._names.shape_of(op.tenant, put.entity)
        if "scope" in put.entity:
            self._names.see("scope")
        if shape is not present.shape:
            self._names.count(present.shape, -1)
            self._names.count(shape, 1)
        if shape.geo or present.shape.geo or shape.kind.learned or present.kind.learned:
            docs = (orjson.loads(present.record.body), put.entity)
            self._index.move(present.shape, shape, present.record.number, docs)
        return shape

    def _remove(self, op: Op, present: Present, effect: Remove, stamp: Stamp) -> Outcome:
        old = present.record
        self._written.touch(old.number)
        position = self.position + 1
        self._index.remove(present.shape, old.number, orjson.loads(old.body))
        self._run("DELETE FROM entity WHERE n=?", (old.number,))
        self._bury(op, position, present.kind.n)
        self.entities -= 1
        self._names.count(present.shape, -1)
        put = Put(entity={}, verb="deleted")
        now = max(stamp.now, old.modified_us)
        last = old.last_change
        self._log(
            op, present.kind, put, stamp=stamp, now=now, previous=last, payload=b"", body=None,
            live=(old.body, old.created_us, old.times),
        )  # fmt: skip
        return Outcome(verb="deleted", detail=effect.detail, position=position)

    def _bury(self, op: Op, position: int, kind: int) -> None:
        """The chain of an entity that is not present ends here; kind 0: nobody is to find it."""
        row = (op.tenant, op.id, position, kind)
        self._run("INSERT OR REPLACE INTO tombstone(tenant, id, last, kind) VALUES(?,?,?,?)", row)
        self.tombstones = True

    def _tell(self, op: Op, present: Present | None, effect: Tell, stamp: Stamp) -> Outcome:
        """Only history is to know: the log row, and where the entity's chain ends now."""
        position = self.position + 1
        kind = self._names.kind_of(op.tenant, effect.types)
        if present is not None:
            old = present.record
            previous, now = old.last_change, max(stamp.now, old.modified_us)
            self._run("UPDATE entity SET last=? WHERE n=?", (position, old.number))
        else:
            previous, now = self._unbury(op), stamp.now
            gone = effect.verb == "erased" and effect.changed is None
            self._bury(op, position, 0 if gone else kind.n)
        put = Put(entity={}, verb=effect.verb, changed=effect.changed)
        payload = effect.payload
        self._log(
            op, kind, put, stamp=stamp, now=now, previous=previous, payload=payload, body=None
        )
        return Outcome(verb=effect.verb, detail=effect.detail, position=position)

    def _log(
        self,
        op: Op,
        kind: KindRow,
        put: Put,
        *,
        stamp: Stamp,
        now: int,
        previous: int,
        payload: bytes,
        body: bytes | None,
        live: tuple[bytes | None, int, bytes | None] = (None, 0, None),
    ) -> None:
        """Append the log row, and the same as a `Change` when somebody listens: with what only
        they get, `live`, (the document before, when the entity was created, its times).
        """
        position = self.position = self.position + 1
        changed = put.changed
        listed = changed is not None and put.verb != "updated"
        self._logged.rows.append(
            (
                position,
                kind.n,
                op.id,
                VERB_NUMBER[put.verb],
                now,
                stamp.source,
                previous,
                orjson.dumps(changed).decode() if listed else None,
                payload,
            )
        )
        if self.wants_changes:
            self.changes.append(
                Change(
                    position,
                    op.tenant,
                    op.id,
                    kind.types,
                    put.verb,
                    now,
                    stamp.source_name,
                    changed,
                    payload,
                    previous,
                    body,
                    *live,
                )
            )
