"""The night: days that are over move from packs to Parquet, a step at a time, each safe to repeat.

A day's rows are written to files by a job, then recorded in one transaction; a night later their
packs go, once the files are what everybody reads. Rows that come to a filed day afterwards (a clock
that was set back) are packs again, read over the files, and a further file the next night.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.analytics.packing import DAY_US, mark
from pintu.kernel.analytics.schema import DAY, FILE, PACK, PACKED
from pintu.kernel.errors import DeadlineExceeded, PintuError, Unavailable
from pintu.kernel.tables import OpenTables, put_rows

FOLDER: Final = "history"
DEADLINE_S: Final = 3_600.0
DROP: Final = 1_000
"""Packs that leave in one transaction."""
KEPT_DAYS: Final = 1
"""Days that stay in packs although they are in files: what was yesterday is asked for most."""
JOB: Final = "pintu.kernel.analytics.job"

log = logging.getLogger("pintu.history")


class Filing:
    """Moves days of one city to DATA/history."""

    def __init__(self, opened: OpenTables, data: Path, store: str) -> None:
        self.opened = opened
        self._data = data
        self._store = store
        self.folder = data / FOLDER

    async def night(self, now_us: int) -> int:
        """File the days before today, let go of packs and files that are no longer read; returns
        how many rows were filed. Everything up to now is packed already.
        """
        today = now_us // DAY_US
        filed = 0
        for day, after, up_to in await self.opened.read(lambda c: _to_file(c, today)):
            try:
                filed += await self._file(day, after, up_to)
            except PintuError as error:  # it stays in packs, and holds up no other day
                log.warning("%s stays where it is until the next night: %s", _date(day), error)
        for day, up_to in await self.opened.read(lambda c: _to_drop(c, today - KEPT_DAYS)):
            await self._drop(day, up_to)
        await self.sweep(now_us)
        return filed

    async def _file(self, day: int, after: int, up_to: int) -> int:
        order = {"day": day, "after": after, "up_to": up_to, "stamp": str(up_to)}
        files = await self.job(folder=str(self.folder / _date(day)), **order)

        def record(connection: Connection) -> None:
            put_rows(connection, FILE, [file_row(*one, day=day, packed=1) for one in files])
            dropped = connection.execute(sa.select(DAY.c.dropped).where(DAY.c.day == day)).scalar()
            row = {"day": day, "filed": up_to, "dropped": dropped or 0}
            put_rows(connection, DAY, [row])

        await self.opened.run(record)
        return sum(int(one["rows"]) for _, one in files)

    async def _drop(self, day: int, up_to: int) -> None:
        """The files of a day are read from now on; its packs go."""

        def unpacked(connection: Connection) -> None:
            connection.execute(FILE.update().where(FILE.c.day == day).values(packed=0))

        def some(connection: Connection) -> int:
            rule = (PACK.c.day == day, PACK.c.last <= up_to)
            keys = (PACK.c.tenant, PACK.c.id, PACK.c.first)
            gone = connection.execute(sa.select(*keys).where(*rule).limit(DROP)).all()
            if gone:
                bound: list[Any] = [sa.bindparam(f"k{n}") for n in range(3)]
                match = [key == one for key, one in zip(keys, bound, strict=True)]
                told = [dict(zip(("k0", "k1", "k2"), one, strict=True)) for one in gone]
                connection.execute(PACK.delete().where(*match), told)
            return len(gone)

        def done(connection: Connection) -> None:
            connection.execute(DAY.update().where(DAY.c.day == day).values(dropped=up_to))

        await self.opened.run(unpacked)
        while await self.opened.run(some) == DROP:
            await asyncio.sleep(0.01)
        await self.opened.run(done)

    async def sweep(self, now_us: int) -> None:
        """Delete files that were replaced a day ago, and what an ended job left behind."""
        asked = sa.select(FILE.c.path, FILE.c.gone_us)
        rows = await self.opened.read(lambda c: c.execute(asked).all())
        known = {row.path: row.gone_us for row in rows}
        old = [path for path, gone in known.items() if gone and gone < now_us - DAY_US]
        if old:
            rule = FILE.c.path.in_(old)
            await self.opened.run(lambda c: c.execute(FILE.delete().where(rule)))
        await asyncio.to_thread(_sweep, self.folder, set(known) - set(old))

    async def job(self, **order: Any) -> list[tuple[int, dict[str, Any]]]:
        """Have files written in a process of its own: (tenant, what is recorded of it) each."""
        told = {"data": str(self._data), "store": self._store, **order}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", JOB, stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(DEADLINE_S):
                out, err = await process.communicate(orjson.dumps(told))
        except TimeoutError as error:
            raise DeadlineExceeded(f"Moving a day took longer than {DEADLINE_S:.0f} s") from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode or not out:
            why = err[-500:].decode("utf-8", "replace")
            raise Unavailable(f"A day's job ended without an answer: {why}")
        answer: dict[str, Any] = msgspec.json.decode(out)
        if answer["error"]:
            raise Unavailable(f"A day could not be moved: {answer['error']}")
        return [(tenant, one) for tenant, one in answer["files"]]


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * DAY_US / 1e6, UTC).date().isoformat()


def file_row(tenant: int, told: dict[str, Any], *, day: int, packed: int) -> dict[str, Any]:
    """A file as it is recorded."""
    types = orjson.dumps(told["types"]).decode()
    return {**told, "tenant": tenant, "day": day, "packed": packed, "gone_us": 0, "types": types}


def _to_file(connection: Connection, today: int) -> list[tuple[int, int, int]]:
    """(day, after, up to) of the days before today that have rows in no file."""
    up_to = mark(connection, PACKED)
    filed = {day: at for day, at in connection.execute(sa.select(DAY.c.day, DAY.c.filed))}
    newest = sa.select(PACK.c.day, sa.func.max(PACK.c.last)).where(PACK.c.day < today)
    found = connection.execute(newest.group_by(PACK.c.day).order_by(PACK.c.day))
    return [(day, filed.get(day, 0), up_to) for day, last in found if last > filed.get(day, 0)]


def _to_drop(connection: Connection, before: int) -> list[tuple[int, int]]:
    """(day, up to) of the filed days before one whose packs are still there."""
    rule = (DAY.c.day < before, DAY.c.filed > DAY.c.dropped)
    return [
        (day, filed)
        for day, filed in connection.execute(sa.select(DAY.c.day, DAY.c.filed).where(*rule))
    ]


def _sweep(folder: Path, known: set[str]) -> None:
    for path in folder.glob("*/*"):
        if f"{path.parent.name}/{path.name}" not in known:
            path.unlink(missing_ok=True)
    for path in folder.glob("*"):
        with contextlib.suppress(OSError):
            path.rmdir()  # only an empty one goes
