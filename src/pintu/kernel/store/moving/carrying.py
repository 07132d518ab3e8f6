"""Carries one city's context from a side to the other: all of it once, then what changed since.

A move stands in the target, in the transaction of the rows it tells of: killed at any moment it
goes on where it was. Entities are read by number up to the largest there was at the beginning;
whatever was written since is named by the log, whose rows are brought in order, each piece together
with the present state of the entities it names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pintu.kernel.errors import PintuError
from pintu.kernel.store.moving.deriving import OWN_PATHS, Deriver
from pintu.kernel.store.moving.rows import (
    SMALL,
    Ahead,
    Figure,
    Key,
    Row,
    Side,
    Target,
    Told,
    entity_hash,
    log_hash,
    row_hash,
    tombstone_hash,
)

PIECE = 5_000
"""Rows brought in one transaction: some 5 MB of documents."""

STEP = 2_000
"""Rows of the log caught up in one transaction, with the entities they name."""

_ID, _KIND, _POSITION = 2, 1, 0


class Carrier:
    """One move of a context. `figures` are counted once `comparing.compare` has filled them."""

    def __init__(self, source: Side, target: Target, told: Told) -> None:
        self.source = source
        self.target = target
        self.told = told
        self.deriver = Deriver()
        self.figures: dict[str, Figure] | None = None
        self.explained: set[Key] = set()  # named by the log since the comparison began
        self._at: dict[str, Any] = {}
        self._learned: dict[int, list[Any]] = {}  # path → its kind and text, when the move began

    # --- where the move stands -------------------------------------------------------------------
    async def begin(self) -> bool:
        """Take up a move that was begun, or begin one; True when it goes on.

        Raises PintuError when the target holds something else.
        """
        self._at = await self.target.progress()
        started = self._at.get("from")
        if started is not None and started["place"] != self.source.place:
            raise PintuError(
                f"{self.target.place} holds half of a move from {started['place']}: "
                "finish that one, or empty it"
            )
        found = "" if started else await self.target.found()
        if found:
            raise PintuError(f"{self.target.place} is not empty: it holds {found}")
        if started is not None and await self._written_since():
            raise PintuError(f"{self.target.place} is not empty: a city has written there since")
        if started is not None and await self._log_reaches():
            self._learned = {n: words for n, *words in started["learned"]}
            async with self.target.transaction():
                await self.names()
            return True
        await self._anew()
        return False

    async def _written_since(self) -> bool:
        """Has a city written to the target since the last piece was brought?"""
        if await self.target.head() > self._caught():
            return True
        return await self.target.count("note") > int(self._at.get("note", 0))

    def _caught(self) -> int:
        return max(int(self._at["log"]), int(self._at["from"]["mark"]))

    async def _log_reaches(self) -> bool:
        """Does the source's log still tell all that changed since the move was begun?"""
        oldest, _ = await self.source.reach()
        caught = self._caught()
        head = await self.source.head()
        return head >= caught and (oldest <= caught + 1 if oldest else head == caught)

    async def _anew(self) -> None:
        mark = await self.source.head()
        _, largest = await self.source.reach()
        paths = await self.source.small("path")
        ready = [row for row in paths if row[2] == "value" and row[4] == "ready"]
        self._learned = {row[0]: [row[1], row[3]] for row in ready}
        learned = [(n, *words) for n, words in self._learned.items()]
        start = {"place": self.source.place, "mark": mark, "n": largest, "learned": learned}
        self._at = {"from": start, "entity": 0, "tombstone": [0, ""], "log": 0, "note": 0}
        async with self.target.transaction():
            await self.target.empty()
            for name, value in self._at.items():
                await self.target.keep(name, value)
            await self.names()

    async def _stands(self, name: str, value: Any) -> None:
        await self.target.keep(name, value)
        self._at[name] = value

    async def names(self) -> None:
        """Bring what everything else refers to; again whenever something new is met."""
        # what refers to kinds is read before them: one born in between is among them
        small = {table: await self.source.small(table) for table in ("path", "shape", "kind")}
        await self._unlearn(small["path"])
        self.deriver.refresh(small, frozenset(self._learned))
        for table in SMALL:
            rows = small.get(table) or await self.source.small(table)
            await self.target.put_small(table, self._shown(table, rows), whole=False)

    async def _unlearn(self, paths: list[Row]) -> None:
        """An index that the source no longer keeps goes, its rows with it."""
        there = {row[0]: [row[1], row[3]] for row in paths if row[4] != "dropping"}
        gone = [n for n, words in self._learned.items() if there.get(n) != words]
        for n in gone:
            del self._learned[n]
            self.deriver.forget(n)
            await self.target.drop_path(n)

    def _shown(self, table: str, rows: list[Row]) -> list[Row]:
        """An index of values that was not ready when the move began is built by the new store."""
        if table != "path":
            return rows
        return [
            (*row[:4], "building", 0, 0, row[7])
            if row[2] == "value" and row[0] not in self._learned
            else row
            for row in rows
            if row[4] != "dropping"
        ]

    # --- all of it once --------------------------------------------------------------------------
    async def bring(self) -> None:
        """Entities, tombstones, notes and the log as they were at the beginning, or later."""
        await self._entities()
        await self._tombstones()
        await self._log()
        await self._notes()

    async def _entities(self) -> None:
        last = self._at["from"]["n"]
        of = await self.source.count("entity")
        done = await self.target.count("entity")
        after = self._at["entity"]
        rows = await self.source.entities(after, last, PIECE)
        while rows:
            async with Ahead(self.source.entities(rows[-1][0], last, PIECE)) as ahead:
                async with self.target.transaction():
                    await self._put_new(rows)
                    await self._stands("entity", rows[-1][0])
                done += len(rows)
                self.told("entities", done, of)
                rows = await ahead.rows()

    async def _put_new(self, rows: list[Row]) -> None:
        """Entities read by number. One deleted and made again since may be there already: those
        of its id go first, the log brings the last."""
        if not self.deriver.knows(rows):
            await self.names()
        fresh = rows
        if await self.source.head() != self._at["from"]["mark"]:
            there = await self.target.entities_of([(row[1], row[2]) for row in rows])
            known = {row[1:3] for row in there}
            fresh = [row for row in rows if row[1:3] not in known]
        await self._put(fresh)

    async def _put(self, rows: Sequence[Row]) -> None:
        derived = self.deriver.derive(rows)
        made = self.deriver.take_made()
        if made:
            await self.target.put_small("path", made, whole=False)
        await self.target.put_entities(rows, derived)

    async def _tombstones(self) -> None:
        after = tuple(self._at["tombstone"])
        of, done = await self.source.count("tombstone"), 0
        while rows := await self.source.tombstones((after[0], after[1]), PIECE):
            after = rows[-1][:2]
            async with self.target.transaction():
                await self.target.drop_tombstones([row[:2] for row in rows])
                await self.target.put_tombstones(rows)
                await self._stands("tombstone", list(after))
            done += len(rows)
            self.told("tombstones", done, of)

    async def _log(self) -> None:
        mark = self._at["from"]["mark"]
        rows = await self.source.log(self._at["log"], mark, PIECE)
        while rows:
            async with Ahead(self.source.log(rows[-1][0], mark, PIECE)) as ahead:
                async with self.target.transaction():
                    await self.target.put_log(rows)
                    await self._stands("log", rows[-1][0])
                self.told("history", rows[-1][0], mark)
                rows = await ahead.rows()
        if self._at["log"] < mark:
            await self._stands("log", mark)

    async def _notes(self) -> int:
        """Notes that are not there yet, however many; returns how many that were."""
        brought = 0
        while rows := await self.source.notes(self._at.get("note", 0), 1 << 62, PIECE):
            async with self.target.transaction():
                await self.target.put_notes(rows)
                await self._stands("note", rows[-1][0])
            if self.figures is not None:
                first, last = rows[0][0], rows[-1][0]
                read = await self.target.notes(first - 1, last, PIECE)
                _exchange(self.figures["note"], row_hash, ([], rows, read))
            brought += len(rows)
            self.told("sealed rows", rows[-1][0], rows[-1][0])
        return brought

    # --- what changed since ----------------------------------------------------------------------
    async def catch_up(self) -> int:
        """Bring what the log tells, and new notes; returns how many rows that were."""
        brought = await self._notes()
        while rows := await self.source.log(self._at["log"], 1 << 62, STEP):
            if any(row[_KIND] not in self.deriver.kinds for row in rows):
                await self.names()
            keys = {(self.deriver.tenant_of(row[_KIND]), row[_ID]) for row in rows}
            async with self.target.transaction():
                await self.target.put_log(rows)
                await self._again(sorted(keys))
                await self._stands("log", rows[-1][_POSITION])
            await self._count_log(rows)
            self.explained.update(keys if self.figures is not None else ())
            brought += len(rows)
            self.told("catching up", rows[-1][_POSITION], await self.source.head())
        return brought

    async def _again(self, keys: list[Key]) -> None:
        """Entities and tombstones of these keys as they are now."""
        old, gone = await self.target.entities_of(keys), await self.target.tombstones_of(keys)
        new, now_gone = await self.source.entities_of(keys), await self.source.tombstones_of(keys)
        if not self.deriver.knows(new):
            await self.names()
        await self.target.drop_entities([row[0] for row in old], self.deriver.derive(old))
        await self.target.drop_tombstones([row[:2] for row in gone])
        await self._put(new)
        await self.target.put_tombstones(now_gone)
        if self.figures is None:
            return
        read, read_gone = (
            await self.target.entities_of(keys),
            await self.target.tombstones_of(keys),
        )
        entities, tombstones = self.figures["entity"], self.figures["tombstone"]
        _exchange(entities, entity_hash, (old, new, read))
        _exchange(tombstones, tombstone_hash, (gone, now_gone, read_gone))

    async def _count_log(self, rows: list[Row]) -> None:
        if self.figures is None:
            return
        read = await self.target.log(rows[0][0] - 1, rows[-1][0], len(rows) + 1)
        _exchange(self.figures["log"], log_hash, ([], rows, read))

    async def trimmed(self) -> int:
        """Let go of history that the source trimmed meanwhile; returns how many rows."""
        oldest, _ = await self.source.reach()
        bound = (oldest or await self.source.head() + 1) - 1
        dropped = 0
        while rows := await self.target.log(0, bound, PIECE):
            await self.target.drop_log([row[0] for row in rows])
            if self.figures is not None:
                _exchange(self.figures["log"], log_hash, (rows, [], []))
            dropped += len(rows)
        return dropped

    # --- the end, while nobody writes ------------------------------------------------------------
    async def end(self) -> None:
        """Nobody writes any more: bring the last of it, and the small tables as they are."""
        await self.catch_up()
        await self.trimmed()
        async with self.target.transaction():
            small = {table: await self.source.small(table) for table in SMALL}
            await self._unlearn(small["path"])
            own = [row for row in await self.target.small("path") if row[0] > OWN_PATHS]
            for table, rows in small.items():
                shown = self._shown(table, rows)
                more = own if table == "path" else []
                await self.target.put_small(table, [*shown, *more], whole=True)
        await self.target.finish(await self.source.head())


def _exchange(figure: Figure, hashed: Any, rows: tuple[Sequence[Row], ...]) -> None:
    """Old rows out of both sums; new ones as the source has them, and as the target reads them.

    The old ones were the same on both sides: they were compared, or brought and read again.
    """
    old, new, read = rows
    for row in old:
        value = hashed(row)
        figure.source.take(value)
        figure.target.take(value)
    for row in new:
        figure.source.add(hashed(row))
    for row in read:
        figure.target.add(hashed(row))
