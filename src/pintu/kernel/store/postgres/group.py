"""One attempt to write a group: read what is not known, apply, number what is new, one statement.

Whatever it changes in memory it changes in `Done.settle`, after the statement is durable; an
attempt that broke is thrown away and another one made.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any

from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError
from pintu.kernel.store.port import Change, Mark, Op, Outcome
from pintu.kernel.store.postgres.apply import Entry, Group, Stamp, storable
from pintu.kernel.store.postgres.cache import Key, RowCache
from pintu.kernel.store.postgres.doubt import committed, kept
from pintu.kernel.store.postgres.line import LOST
from pintu.kernel.store.postgres.lookups import Lookups
from pintu.kernel.store.postgres.marks import refuse_moved
from pintu.kernel.store.postgres.names import Names
from pintu.kernel.store.postgres.net import Net, net_of
from pintu.kernel.store.postgres.statements import LOCK, READ, Arms, parted, text_of

POISONED_OPS = 16
"""Operations of one call that may break unexpectedly before the whole call is given up."""

SLICE = 100
"""Operations applied before the loop has its turn."""

BLOCK = 1000
"""Numbers of entities that come at once: the increment of `entity_n`."""

Task = Callable[[Any], Awaitable[Any]]


class Call:
    """One `submit`, one cursor to be kept, or one task to run in a transaction of the writer."""

    __slots__ = ("answered", "born", "cursor", "error", "future", "mark", "ops", "outcomes",
                 "source", "task")  # fmt: skip

    def __init__(self, ops: Sequence[Op], source: str, future: asyncio.Future[Any]) -> None:
        self.ops = ops
        self.source = source
        self.future = future
        self.task: Task | None = None
        self.cursor: tuple[str, int | None] | None = None
        self.mark: Mark | None = None  # what `cursor` is, when it is one
        self.outcomes: Any = None
        self.error: PintuError | None = None
        self.born = time.monotonic()
        self.answered = False


class State:
    """What is known of the city between groups."""

    def __init__(self, names: Names, cache: RowCache, lookups: Lookups, *, mark: str) -> None:
        self.names = names
        self.cache = cache
        self.lookups = lookups
        self.mark = mark  # names this store among others that write, in `head.writer`
        self.marks = count(1)
        self.alone = True
        self.schema = ""
        self.position = 0
        self.notes = 0
        self.entities = 0
        self.tombstones = True  # there may be some
        self.cursors: dict[str, int] = {}
        self.numbers: list[range] = []  # for new entities
        self.poisoned = 0
        self.readings = 0  # how often the server was read anew
        self.lost = 0  # positions that a standby had not received when it was promoted

    def keep_cursor(self, name: str, position: int | None) -> None:
        """A cursor is durable."""
        if position is None:
            self.cursors.pop(name, None)
        else:
            self.cursors[name] = position


class GivenUp(Exception):
    """A call breaks too often: the group goes on without it."""

    def __init__(self, call: Call, error: PintuError) -> None:
        super().__init__(str(error))
        self.call = call
        self.error = error


class Attempt:
    """The calls of a group, once."""

    def __init__(self, state: State, calls: list[Call], clock: Clock, *, careful: bool) -> None:
        self._state = state
        self._calls = calls
        self._clock = clock
        self._careful = careful  # look before inserting what should be new
        self._group = _group(state)
        self._mark = f"{state.mark} {next(state.marks)}"
        self.in_doubt = False
        self._xid: str | None = None
        self._done: Done | None = None

    async def run(self, connection: Any) -> Done:
        """Everything, until it is durable."""
        if self._state.alone:
            return await self._write(connection)
        while True:
            # names get their numbers outside of a transaction that may be rolled back
            if self._state.names.unnumbered:
                await self._state.names.number(connection)
            try:
                async with _Transaction(connection) as transaction:
                    if await connection.fetchval(LOCK) != self._state.names.seen[1]:
                        # an index was begun or given up: who writes keeps the same ones
                        await self._state.names.load(connection)
                        self._group = _group(self._state)
                    done = await self._write(connection)
                    self._xid = await connection.fetchval("SELECT pg_current_xact_id()::text")
                    self.in_doubt = True
                    await transaction.commit()
                return done
            except _Unnumbered:
                self._group = _group(self._state)

    async def _write(self, connection: Any) -> Done:
        state, group = self._state, self._group
        await refuse_moved(self._calls, connection, state.cursors if state.alone else None)
        await self._read(connection)
        await self._number_entities(connection)
        await self._apply()
        net = await net_of(group, state.names)
        if state.names.unnumbered:
            if not state.alone:
                raise _Unnumbered
            await state.names.number(connection)
        arms = net.arms(group)
        self._cursors(arms)
        self._done = Done(state, group, net)
        if arms:
            parts = parted(arms)
            if len(parts) == 1:
                self.in_doubt = state.alone
                await self._send(connection, parts)
            elif state.alone:
                async with _Transaction(connection) as transaction:
                    await self._send(connection, parts)
                    self.in_doubt = True
                    await transaction.commit()
            else:
                await self._send(connection, parts)
        self.in_doubt = False
        return self._done

    async def _send(self, connection: Any, parts: list[Arms]) -> None:
        """The group's statement, or those of its parts."""
        done = self._done
        assert done is not None
        told: list[Any] = [len(self._group.entries), self._mark, len(self._group.notes)]
        for part in parts:
            text = text_of(tuple(part), self._state.schema, part is parts[0])
            columns = (column for columns in part.values() for column in columns)
            rows = await connection.fetch(text, *told, *columns)
            done.base, done.noted = rows[0][0], rows[0][5]
            done.lives.update(((row[2], row[3]), row[4]) for row in rows if row[2] is not None)
            told = [done.base, done.noted]

    async def fate(self, connection: Any) -> Done | None:
        """After the connection broke with the commit under way: done, or None: nothing of it."""
        done, entries = self._done, self._group.entries
        assert done is not None
        if self._xid is not None:
            # a promoted server may have given the same number to a transaction of others
            known = await committed(connection, self._xid)
            if not known or not await kept(connection, self._group, done.base, done.noted):
                return None
        else:
            row = await connection.fetchrow("SELECT position, writer, notes FROM head")
            done.base, done.noted = row[0] - len(entries), row[2] - len(self._group.notes)
            if row[1] != self._mark:
                # another may have taken the city and written after us: then our first row is
                # where we would have put it
                done.base, done.noted = self._group.base, self._group.noted
                if self._group.silent or not await kept(
                    connection, self._group, done.base, done.noted
                ):
                    return None
        done.found_again = True
        if any(entry.previous is None for entry in entries):
            last = done.base + len(entries)
            sql = "SELECT position, previous FROM log WHERE position > $1 AND position <= $2"
            for position, previous in await connection.fetch(sql, done.base, last):
                entry = entries[position - done.base - 1]
                done.lives.setdefault((entry.tenant, entry.id), previous)
        return done

    # --- the parts -------------------------------------------------------------------------------
    async def _read(self, connection: Any) -> None:
        """Meet what is stored of all that the calls name: from the cache, else from the server."""
        state, group = self._state, self._group
        find, meet = state.cache.find, group.meet
        known, unread = group.works, None if state.tombstones or not state.alone else 0
        missing: dict[Key, bool] = {}  # must it be read?
        for call in self._calls:
            for op in call.ops if call.error is None else ():
                key = (op.tenant, op.id)
                if op.note is not None or key in known:
                    continue
                row = find(key) if state.alone else None
                if row is not None:
                    meet(key, row, row.record.last_change, row.last_at)
                elif op.fresh is None or self._careful:
                    missing[key] = True
                else:
                    missing.setdefault(key, False)
        keys = []
        for key, read in missing.items():
            if read and storable(key[1]):
                keys.append(key)
            else:
                meet(key, None, unread, 0)
        if keys:
            await self._ask(connection, keys)

    async def _ask(self, connection: Any, keys: list[Key]) -> None:
        state, group = self._state, self._group
        columns = [key[0] for key in keys], [key[1] for key in keys]
        rows = await connection.fetch(READ, *columns)
        names = state.names
        if any(
            row[1] is not None and (row[2] not in names.kinds or row[3] not in names.shapes)
            for row in rows
        ):
            await names.load(connection)
        for o, n, *columns_of_row, last, last_at in rows:
            key = keys[o - 1]
            if n is None:
                group.meet(key, None, last or 0, last_at or 0)
                continue
            row = state.lookups.row((o, n, *columns_of_row), key[1])
            group.meet(key, row, row.record.last_change, row.last_at)

    async def _number_entities(self, connection: Any) -> None:
        """See to it that there are numbers for as many new entities as there may be."""
        numbers = self._state.numbers
        wanted = sum(len(call.ops) for call in self._calls)
        lacking = wanted - sum(map(len, numbers))
        if lacking > 0:
            blocks = lacking // BLOCK + 4
            sql = "SELECT nextval('entity_n') FROM generate_series(1, $1::int)"
            for (first,) in await connection.fetch(sql, blocks):
                numbers.append(range(first, first + BLOCK))

    async def _apply(self) -> None:
        names, group = self._state.names, self._group
        done = 0
        for call in self._calls:
            if call.error is not None or not call.ops:
                continue
            names.meet_source(call.source)
            stamp = Stamp(self._clock.now_us(), call.source)
            call.outcomes = []
            poisoned = 0
            for op in call.ops:
                try:
                    outcome = group.apply(op, stamp)
                except Exception as error:  # poison: it fails alone
                    poisoned += 1
                    self._state.poisoned += 1
                    outcome = Outcome(error=_poison(error))
                    if poisoned > POISONED_OPS:
                        told = PintuError(f"{type(error).__name__}: {error}")
                        raise GivenUp(call, told) from error
                call.outcomes.append(outcome)
                done += 1
                if done % SLICE == 0:
                    await asyncio.sleep(0)

    def _cursors(self, arms: Arms) -> None:
        wanted: dict[str, int | None] = {}
        for call in self._calls:
            if call.cursor is not None and call.error is None:
                wanted[call.cursor[0]] = call.cursor[1]
        kept = {name: position for name, position in wanted.items() if position is not None}
        gone = [name for name, position in wanted.items() if position is None]
        if kept:
            now = self._clock.now_us()
            arms["cursor"] = ([(name, kept[name], now) for name in kept],)
        if gone:
            arms["no_cursor"] = (gone,)


class Done:
    """A group that is durable, or is about to be."""

    def __init__(self, state: State, group: Group, net: Net) -> None:
        self._state = state
        self._group = group
        self._buried = bool(net.buried)
        self.base = group.base  # the position before it
        self.noted = group.noted  # the number of the note before it
        self.lives: dict[Key, int] = {}  # last positions of ids that nobody had read
        self.found_again = False  # the server was read anew since: memory has it already
        self._readings = state.readings

    def settle(self, *, wanted: bool) -> list[Change]:
        """Bring memory up to it; the changes, when they are wanted."""
        state, group, base = self._state, self._group, self.base
        self.found_again = self.found_again or self._readings != state.readings
        state.position = max(base + len(group.entries), state.position)
        state.notes = max(self.noted + len(group.notes), state.notes)
        for ordinal, (_, outcome) in enumerate(group.notes, 1):
            outcome.position = self.noted + ordinal
        state.tombstones = state.tombstones or self._buried
        if not self.found_again:
            deltas = group.deltas()
            if state.alone:  # else what is read of counts may have these already
                state.names.counted(deltas)
            state.entities += sum(deltas.values())
        cache, touched = state.cache, state.lookups.touched
        keeping = state.alone and base == group.base and not self.found_again
        for key, work in group.works.items():
            touched(key)
            row = work.row
            if row is None or not keeping:
                cache.forget(key)
            else:
                cache.keep(key, row)
        changes = []
        for ordinal, entry in enumerate(group.entries, 1):
            entry.outcome.position = base + ordinal
            if wanted:
                changes.append(self._change(entry, base + ordinal))
        return changes

    def _change(self, entry: Entry, position: int) -> Change:
        if entry.previous is None:
            entry.previous = self.lives.get((entry.tenant, entry.id), 0)
        return entry.change(self.base, position)


class _Unnumbered(Exception):
    """Something new needs a number first."""


class _Transaction:
    """A transaction that its user commits; otherwise it is rolled back, where there still is a
    connection.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._transaction = connection.transaction()
        self._open = False

    async def __aenter__(self) -> _Transaction:
        await self._transaction.start()
        self._open = True
        return self

    async def commit(self) -> None:
        """Make it durable; what it raises says nothing about whether it is."""
        self._open = False
        await self._transaction.commit()

    async def __aexit__(self, *error: object) -> None:
        if self._open and not self._connection.is_closed():
            with contextlib.suppress(*LOST):
                await self._transaction.rollback()


def _group(state: State) -> Group:
    return Group(state.names, state.position, state.notes, state.numbers)


def _poison(error: Exception) -> PintuError:
    name = type(error).__name__
    return PintuError(f"The store cannot apply the operation: {name}: {error}")
