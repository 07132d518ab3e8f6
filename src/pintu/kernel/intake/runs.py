"""The runs of loads: how far each is, what became of it, what a person asked for.

One file that the loads process writes and the pages read: `rooms/loads.db`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.clock import Clock
from pintu.kernel.errors import ResourceNotFound
from pintu.kernel.intake.runs_schema import ASKED, CHUNK, POSITION, ROUND, RUN, TABLES, THING
from pintu.kernel.intake.runs_things import Things, next_round, saw
from pintu.kernel.tables import CityTables, add_rows, put_rows

RunState = Literal["running", "done", "failed", "stopped"]
Wish = Literal["run", "again", "stop"]
"""run: now instead of at its time; again: from the beginning, as if nothing was loaded; stop: end
the run under way."""

KEPT_RUNS: Final = 100  # of one source and mapping
MOST_MESSAGES: Final = 50  # of one run
MOST_ASKED: Final = 1_000


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One pass over a source. `messages` are sentences in zh and en, oldest first; `total` is known
    when somebody counted. Times are the city's."""

    number: int
    source: str
    mapping: str
    state: RunState
    started_us: int
    by: str = ""  # who asked; empty: its schedule
    fingerprint: str = ""
    changed_us: int = 0
    ended_us: int = 0
    read: int = 0
    landed: int = 0
    unchanged: int = 0
    bad: int = 0
    total: int | None = None
    position: str = ""
    messages: list[dict[str, str]] = []

    def told(self, *messages: dict[str, str]) -> Run:
        """The same run with more messages; each is said once, and no more than a page can show."""
        kept = list(self.messages)
        for one in messages:
            if one not in kept and len(kept) < MOST_MESSAGES:
                kept.append(one)
        return msgspec.structs.replace(self, messages=kept)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One wish of a person, waiting for the loads process."""

    number: int
    source: str
    what: Wish
    by: str
    at_us: int


class Runs:
    """Reads and writes runs; several processes may. What an async call did is durable when it
    returns."""

    def __init__(self, tables: CityTables, clock: Clock) -> None:
        self._file = tables.register(TABLES)
        self._clock = clock
        self.things = Things(self._file)

    # --- what a person asks -----------------------------------------------------------------------
    async def ask(self, source: str, what: Wish = "run", *, by: str) -> None:
        """Leave a wish for the loads process, which looks each second; the same wish twice is
        one."""
        now_us = self._clock.now_us()

        def work(connection: Connection) -> None:
            same = (ASKED.c.source == source) & (ASKED.c.what == what)
            count = sa.select(sa.func.count()).select_from(ASKED)
            if connection.execute(count.where(same)).scalar_one():
                return
            if connection.execute(count).scalar_one() >= MOST_ASKED:
                connection.execute(ASKED.delete().where(ASKED.c.number == sa.select(
                    sa.func.min(ASKED.c.number)).scalar_subquery()))  # fmt: skip
            row = {"source": source, "what": what, "by": by[:200], "at_us": now_us}
            connection.execute(ASKED.insert(), row)

        await self._file.run(work)

    async def asked(self) -> list[Asked]:
        """Every wish that waits, oldest first."""
        query = sa.select(ASKED).order_by(ASKED.c.number)
        rows = await self._file.read(lambda c: c.execute(query).mappings().all())
        return [Asked(**row) for row in rows]

    async def granted(self, wishes: Sequence[Asked]) -> None:
        """These wishes were seen to."""
        if wishes:
            gone = ASKED.delete().where(ASKED.c.number.in_([one.number for one in wishes]))
            await self._file.run(lambda connection: connection.execute(gone))

    def version(self) -> int:
        """Grows when another process wrote; costs microseconds."""
        return self._file.data_version()

    # --- one run ----------------------------------------------------------------------------------
    async def begin(
        self, source: str, mapping: str, *, fingerprint: str = "", by: str = "",
        again: bool = False,
    ) -> Run:  # fmt: skip
        """The run to go on with: one that was cut off, read by the same mapping, or a new one. With
        `again` what was loaded before is forgotten."""
        now_us = self._clock.now_us()
        mine = (RUN.c.source == source) & (RUN.c.mapping == mapping)

        def work(connection: Connection) -> Run:
            open_ = RUN.select().where(mine, RUN.c.state == "running").order_by(RUN.c.number.desc())
            found = connection.execute(open_).mappings().first()
            if found is not None and found["fingerprint"] == fingerprint and not again:
                return _run(found)
            ended = RUN.update().where(mine, RUN.c.state == "running")
            connection.execute(ended.values(state="stopped", ended_us=now_us))
            if again:
                where = (POSITION.c.source == source) & (POSITION.c.mapping == mapping)
                connection.execute(POSITION.delete().where(where))
                old = sa.select(RUN.c.number).where(mine)
                connection.execute(CHUNK.delete().where(CHUNK.c.run.in_(old)))
                next_round(connection, source, mapping)
            self._forget_old(connection, mine)
            new = Run(
                number=0,
                source=source,
                mapping=mapping,
                state="running",
                by=by,
                fingerprint=fingerprint,
                started_us=now_us,
                changed_us=now_us,
            )
            row = _row(new)
            del row["number"]
            number = connection.execute(RUN.insert(), row).inserted_primary_key
            assert number is not None
            return _run({**row, "number": number[0]})

        return await self._file.run(work)

    def _forget_old(self, connection: Connection, mine: Any) -> None:
        kept = sa.select(RUN.c.number).where(mine).order_by(RUN.c.number.desc())
        numbers = [row[0] for row in connection.execute(kept)]
        # only the last whole run's chunks are asked for
        connection.execute(CHUNK.delete().where(CHUNK.c.run.in_(numbers[2:])))
        connection.execute(RUN.delete().where(RUN.c.number.in_(numbers[KEPT_RUNS:])))

    async def keep(self, run: Run) -> Run:
        """Write down how far a run is."""
        run = msgspec.structs.replace(run, changed_us=self._clock.now_us())
        row = _row(run)
        del row["number"]
        change = RUN.update().where(RUN.c.number == run.number).values(**row)
        await self._file.run(lambda connection: connection.execute(change))
        return run

    async def place(self, run: Run, key: str, position: str, *, seen: Sequence[str] = ()) -> None:
        """A chunk is landed, its source stands behind it and has these entities: all in one
        transaction."""
        where = {"source": run.source, "mapping": run.mapping, "position": position}
        told = {"run": run.number, "key": key}

        def work(connection: Connection) -> None:
            put_rows(connection, POSITION, [where])
            add_rows(connection, CHUNK, [told])
            saw(connection, run.source, run.mapping, seen)

        await self._file.run(work)

    async def end(self, run: Run, state: RunState, *messages: dict[str, str]) -> Run:
        """A run is over."""
        over = msgspec.structs.replace(
            run.told(*messages), state=state, ended_us=self._clock.now_us()
        )
        return await self.keep(over)

    async def position(self, source: str, mapping: str) -> str:
        """Where a source stands whose landing keeps its position here; empty at the beginning."""
        query = sa.select(POSITION.c.position).where(
            POSITION.c.source == source, POSITION.c.mapping == mapping
        )
        return str(await self._file.read(lambda c: c.execute(query).scalar()) or "")

    async def chunks_before(self, run: Run) -> frozenset[str]:
        """Chunks that the last whole run of the same mapping landed."""
        query = (
            sa.select(RUN.c.number, RUN.c.state, RUN.c.fingerprint)
            .where(RUN.c.source == run.source, RUN.c.mapping == run.mapping)
            .where(RUN.c.number < run.number)
            .order_by(RUN.c.number.desc())
            .limit(1)
        )

        def work(connection: Connection) -> frozenset[str]:
            last = connection.execute(query).first()
            if last is None or last[1] != "done" or last[2] != run.fingerprint:
                return frozenset()
            keys = sa.select(CHUNK.c.key).where(CHUNK.c.run == last[0])
            return frozenset(row[0] for row in connection.execute(keys))

        return await self._file.read(work)

    # --- for pages --------------------------------------------------------------------------------
    async def list_runs(
        self, source: str = "", *, limit: int = 50, before: int | None = None
    ) -> list[Run]:
        """Runs, newest first; of one source, or of all. `before` is the last number seen."""
        query = RUN.select().order_by(RUN.c.number.desc()).limit(max(1, min(limit, 500)))
        if source:
            query = query.where(RUN.c.source == source)
        if before is not None:
            query = query.where(RUN.c.number < before)
        rows = await self._file.read(lambda c: c.execute(query).mappings().all())
        return [_run(row) for row in rows]

    async def latest(self) -> dict[tuple[str, str], Run]:
        """The newest run of every (source, mapping)."""
        newest = sa.select(sa.func.max(RUN.c.number)).group_by(RUN.c.source, RUN.c.mapping)
        query = RUN.select().where(RUN.c.number.in_(newest))
        rows = await self._file.read(lambda c: c.execute(query).mappings().all())
        return {(row["source"], row["mapping"]): _run(row) for row in rows}

    async def get(self, number: int) -> Run:
        """One run; ResourceNotFound."""
        query = RUN.select().where(RUN.c.number == number)
        row = await self._file.read(lambda c: c.execute(query).mappings().first())
        if row is None:
            raise ResourceNotFound(f"Run {number} does not exist")
        return _run(row)

    async def forget(self, source: str) -> None:
        """A source is gone: its runs, positions and wishes with it."""

        def work(connection: Connection) -> None:
            old = sa.select(RUN.c.number).where(RUN.c.source == source)
            connection.execute(CHUNK.delete().where(CHUNK.c.run.in_(old)))
            for table in (RUN, POSITION, ASKED, THING, ROUND):
                connection.execute(table.delete().where(table.c.source == source))

        await self._file.run(work)


def _run(row: Any) -> Run:
    return Run(**{**row, "messages": json.loads(row["messages"])})


def _row(run: Run) -> dict[str, Any]:
    row = {name: getattr(run, name) for name in run.__struct_fields__}
    row["messages"] = json.dumps(run.messages, ensure_ascii=False)
    return row
