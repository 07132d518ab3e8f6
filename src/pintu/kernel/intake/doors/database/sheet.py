"""One table being read: pages fetched on the database's thread, made records, checked, hashed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import sqlalchemy as sql
from sqlalchemy import Connection
from sqlalchemy.exc import DataError, OperationalError

from pintu.kernel.errors import BadRequestData
from pintu.kernel.intake.doors.database.connecting import Database
from pintu.kernel.intake.doors.database.kinds import converters, records
from pintu.kernel.intake.doors.database.paging import Line, Pages
from pintu.kernel.intake.doors.database.place import kept
from pintu.kernel.intake.doors.database.schema import Table
from pintu.kernel.intake.mapping.words import BadRecord

Record = dict[str, Any]
_UNREADABLE: Final = (UnicodeDecodeError, ValueError, OverflowError, DataError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows of one statement. `keys` are as the driver gave them, to go on with; `took_s` is the
    database's time."""

    keys: list[tuple[Any, ...]]
    records: list[Record]
    bad: list[BadRecord]
    took_s: float
    read: int  # rows the database gave, bad ones too
    end: tuple[Any, ...]  # where the next page begins behind
    last: bool  # nothing lies behind it now


class Sheet:
    """Reads one table's chosen columns."""

    def __init__(self, database: Database, table: Table, names: Sequence[str]) -> None:
        self.database, self.table = database, table
        family = database.told.system.family
        self.pages = Pages(table, names, family)
        self.names = tuple(names)
        used = [one for one in table.columns if one.name in set(names)]
        self._change = converters(used, family)

    async def page(
        self, order: Sequence[str], *, after: Sequence[Any], at_least: Any = None, limit: int
    ) -> Page:
        """The next page in the order of some columns; see Pages.page."""

        def work(connection: Connection) -> Page:
            started = time.perf_counter()
            try:
                lines = self.pages.page(
                    connection, order, after=after, at_least=at_least, limit=limit
                )
                bad: list[BadRecord] = []
                end = self.keys(lines[-1:], order)
            except (*_UNREADABLE, OperationalError) as error:
                if isinstance(error, OperationalError) and "decode" not in str(error.orig):
                    raise
                lines, bad, end = self._around(connection, order, after, at_least, limit)
            took_s = time.perf_counter() - started
            read = len(lines) + len(bad)
            return Page(
                keys=self.keys(lines, order),
                records=self.records(lines),
                bad=bad,
                took_s=took_s,
                read=read,
                end=end[0] if end else (),
                last=read < limit,
            )

        return await self.database.run(work, f"reading {self.table.full_name}")

    def keys(self, lines: Sequence[Line], order: Sequence[str]) -> list[tuple[Any, ...]]:
        """The values of some columns of each row, as the driver gave them."""
        at = [self.names.index(one) for one in order]
        if len(at) == 1:
            only = at[0]
            return [(line[only],) for line in lines]
        return [tuple(line[one] for one in at) for line in lines]

    def records(self, lines: Sequence[Line]) -> list[Record]:
        """Rows as records."""
        return records(self.names, lines, self._change)

    def _around(
        self,
        connection: Connection,
        order: Sequence[str],
        after: Sequence[Any],
        least: Any,
        limit: int,
    ) -> tuple[list[Line], list[BadRecord], list[tuple[Any, ...]]]:
        """A page with rows in it that cannot be read: halved until they stand alone."""
        connection.rollback()
        keys = Pages(self.table, order, self.database.told.system.family)
        found = [
            tuple(one)
            for one in keys.page(connection, order, after=after, at_least=least, limit=limit)
        ]
        lines: list[Line] = []
        bad: list[BadRecord] = []
        waiting = [(0, len(found))]
        while waiting:
            begin, end = waiting.pop()
            behind = found[begin - 1] if begin else after
            try:
                lines += self.pages.page(
                    connection, order, after=behind, at_least=least, limit=end - begin
                )
            except (*_UNREADABLE, OperationalError) as error:
                connection.rollback()
                if end - begin == 1:
                    key = dict(zip(order, map(kept, found[begin]), strict=True))
                    bad.append(BadRecord(line=begin, record=key, reason=_unreadable(error)))
                else:
                    middle = (begin + end) // 2
                    waiting += [(middle, end), (begin, middle)]
        return lines, bad, found[-1:]

    async def moment(self) -> datetime:
        """What time the database thinks it is."""

        def work(connection: Connection) -> datetime:
            if self.database.told.system.family == "sqlite":
                return datetime.now(UTC)  # it runs in this process
            found = connection.execute(sql.select(sql.func.current_timestamp())).scalar()
            if isinstance(found, str):
                found = datetime.fromisoformat(found)
            if not isinstance(found, datetime):
                raise BadRequestData(f"{self.database.told.where} does not say what time it is")
            return found if found.tzinfo else found.replace(tzinfo=UTC)

        return await self.database.run(work, "asking for the time")

    async def run(self, work: Callable[[Connection], Any], doing: str = "") -> Any:
        """Other work on the same connection."""
        return await self.database.run(work, doing or f"reading {self.table.full_name}")


def chunk_key(place: str, found: Sequence[Record]) -> str:
    """The same for the same rows read at the same place."""
    digest = hashlib.blake2b(place.encode(), digest_size=16)
    digest.update(orjson.dumps(found, option=orjson.OPT_NON_STR_KEYS, default=str))
    return digest.hexdigest()


def _unreadable(error: BaseException) -> str:
    origin = getattr(error, "orig", None) or error
    text = str(origin).strip().split("\n")[0][:200]
    return f"The row cannot be read: {text}"
