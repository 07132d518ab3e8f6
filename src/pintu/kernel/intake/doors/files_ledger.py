"""Which files were read already, what columns they had, and which rows they said: so that the
same file twice is passed over and two files that contradict each other are named."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.intake.doors.files_inbox import Waiting
from pintu.kernel.tables import OpenTables, PrivateTables, put_rows, row_number

if TYPE_CHECKING:
    from alembic.operations import Operations

COMPARED_ROWS: Final = 500_000  # of one mapping's files; what comes after is not compared
_AT_ONCE: Final = 100  # rows of one statement: SQLite lets go of Python's lock at each
METADATA = sa.MetaData()

FILES = sa.Table(
    "files",
    METADATA,
    sa.Column("id", row_number(), primary_key=True),
    sa.Column("scope", sa.String, nullable=False),
    sa.Column("content", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("stamp", sa.String, nullable=False),  # which file on the disk it was
    sa.Column("columns", sa.String, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("begun_us", sa.BigInteger, nullable=False),
    sa.Column("ended_us", sa.BigInteger, nullable=False),  # 0: not read to its end
    sa.UniqueConstraint("scope", "content", name="read_once"),
)

SAID = sa.Table(
    "said",
    METADATA,
    sa.Column("scope", sa.BigInteger, primary_key=True),  # the mark of its name
    sa.Column("key", sa.BigInteger, primary_key=True),
    sa.Column("file", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

FETCHED = sa.Table(
    "fetched",
    METADATA,
    sa.Column("source", sa.String, primary_key=True),
    sa.Column("address", sa.String, primary_key=True),
    sa.Column("mark", sa.String, nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
)


def _first(op: Operations) -> None:
    op.create_table(
        "files",
        sa.Column("id", row_number(), primary_key=True),
        sa.Column("scope", sa.String, nullable=False),
        sa.Column("content", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("stamp", sa.String, nullable=False),
        sa.Column("columns", sa.String, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("begun_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("scope", "content", name="read_once"),
    )
    op.create_table(
        "said",
        sa.Column("scope", sa.String, primary_key=True),
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("file", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fetched",
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("address", sa.String, primary_key=True),
        sa.Column("mark", sa.String, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    )


def _marks_as_numbers(op: Operations) -> None:
    # three times as quick to keep and to find; what was said before is told anew by later files
    op.drop_table("said")
    op.create_table(
        "said",
        sa.Column("scope", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("file", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


TABLES = PrivateTables(name="files", metadata=METADATA, migrations=(_first, _marks_as_numbers))


class FileRead(msgspec.Struct, frozen=True, kw_only=True):
    """One file as one mapping read it."""

    id: int
    content: str
    name: str
    stamp: str
    columns: list[str]
    rows: int
    begun_us: int
    ended_us: int


class Ledger:
    """The memory of one mapping of one source; `scope` changes when the mapping does, because
    then the same file says something else."""

    def __init__(self, file: OpenTables, scope: str) -> None:
        self._file, self._scope = file, scope
        self._compared: int | None = None

    async def find(self, content: str) -> FileRead | None:
        """A file with this content that was begun or read before."""
        found = await self._list(FILES.c.content == content)
        return found[0] if found else None

    async def find_stamp(self, stamp: str) -> FileRead | None:
        """The very file on the disk, read to its end before and still lying there."""
        found = await self._list(sa.and_(FILES.c.stamp == stamp, FILES.c.ended_us > 0))
        return found[0] if found else None

    async def newest(self) -> FileRead | None:
        """The file read to its end last."""
        found = await self._list(FILES.c.ended_us > 0)
        return found[0] if found else None

    async def _list(self, chosen: Any) -> list[FileRead]:
        query = (
            sa.select(FILES)
            .where(FILES.c.scope == self._scope, chosen)
            .order_by(FILES.c.ended_us.desc(), FILES.c.id.desc())
            .limit(1)
        )
        return await self._file.read(
            lambda connection: [
                FileRead(
                    id=row.id,
                    content=row.content,
                    name=row.name,
                    stamp=row.stamp,
                    columns=msgspec.json.decode(row.columns, type=list[str]),
                    rows=row.rows,
                    begun_us=row.begun_us,
                    ended_us=row.ended_us,
                )
                for row in connection.execute(query)
            ]
        )

    async def begin(self, content: str, file: Waiting, columns: list[str], now_us: int) -> int:
        """Note that a file is being read; its number. The same content keeps its number."""
        values = {
            "name": file.name,
            "stamp": file.stamp,
            "columns": msgspec.json.encode(columns).decode(),
        }

        def work(connection: Connection) -> int:
            mine = sa.and_(FILES.c.scope == self._scope, FILES.c.content == content)
            if not connection.execute(FILES.update().where(mine).values(**values)).rowcount:
                connection.execute(
                    FILES.insert(),
                    {
                        **values,
                        "scope": self._scope,
                        "content": content,
                        "rows": 0,
                        "begun_us": now_us,
                        "ended_us": 0,
                    },
                )
            return int(connection.execute(sa.select(FILES.c.id).where(mine)).scalar_one())

        return await self._file.run(work)

    def end(self, content: str, rows: int, now_us: int) -> None:
        """Note that a content was read to its end, if it was ever begun; durable on return."""
        mine = sa.and_(FILES.c.scope == self._scope, FILES.c.content == content)
        change = FILES.update().where(mine).values(rows=rows, ended_us=now_us)
        self._file.run_now(lambda connection: connection.execute(change))

    async def compare(self, file: int, rows: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Keep what a file says of each key: (key, values) in its order.

        Returns (key, name of the file that said otherwise before), the file's own name when it
        contradicts itself. Beyond COMPARED_ROWS keys nothing more is kept.
        """
        return await self._file.run(lambda connection: self._compare(connection, file, rows))

    def _compare(
        self, connection: Connection, file: int, rows: Sequence[tuple[str, str]]
    ) -> list[tuple[str, str]]:
        mine = _marks((self._scope,))[0]
        if self._compared is None:
            count = sa.select(sa.func.count()).select_from(SAID).where(SAID.c.scope == mine)
            self._compared = int(connection.execute(count).scalar_one())
        keys, digests = _marks([one[0] for one in rows]), _marks([one[1] for one in rows])
        first = dict(zip(reversed(keys), reversed(digests), strict=True))
        free = max(0, COMPARED_ROWS - self._compared)
        kept = _keep(connection, (mine, file), sorted(first.items())[:free])
        self._compared += kept
        if kept == len(rows):  # the common case: nobody said anything of these keys before
            return []
        known = _known(connection, mine, list(first))
        found: list[tuple[str, int]] = []
        changed: dict[int, int] = {}
        for (key, _), mark, digest in zip(rows, keys, digests, strict=True):
            before = known.get(mark)
            if before is not None and before[1] != digest:
                found.append((key, before[0]))
                known[mark] = (file, digest)
                changed[mark] = digest
        _change(connection, (mine, file), changed)
        return _named(connection, found)

    @property
    def full(self) -> bool:
        """True when later rows are no longer compared."""
        return (self._compared or 0) >= COMPARED_ROWS


def _named(connection: Connection, found: list[tuple[str, int]]) -> list[tuple[str, str]]:
    ids = {number for _, number in found}
    names: dict[int, str] = {}
    if ids:
        chosen = sa.select(FILES.c.id, FILES.c.name).where(FILES.c.id.in_(sorted(ids)[:500]))
        names = {row.id: row.name for row in connection.execute(chosen)}
    return [(key, names.get(number, "?")) for key, number in found]


def _marks(texts: Sequence[str]) -> tuple[int, ...]:
    """64 bits of each text's hash."""
    digests = [
        blake2b(one.encode("utf-8", "surrogatepass"), digest_size=8).digest() for one in texts
    ]
    return struct.unpack(f"<{len(texts)}q", b"".join(digests))


def _keep(connection: Connection, place: tuple[int, int], told: list[tuple[int, int]]) -> int:
    """Keep what nobody said before, of a scope by a file; how many that were."""
    scope, file = place
    if connection.dialect.name == "postgresql":
        sql = f"INSERT INTO said SELECT {scope}, key, {file}, digest FROM unnest(%s::bigint[], "
        arrays = tuple("{" + ",".join(map(str, one)) + "}" for one in zip(*told, strict=True))
        sql += "%s::bigint[]) AS told(key, digest) ON CONFLICT DO NOTHING"
        return connection.exec_driver_sql(sql, arrays).rowcount if told else 0
    line, kept = f"({scope}, ?, {file}, ?)", 0
    for at in range(0, len(told), _AT_ONCE):
        part = told[at : at + _AT_ONCE]
        sql = f"INSERT INTO said VALUES {', '.join([line] * len(part))} ON CONFLICT DO NOTHING"
        kept += connection.exec_driver_sql(sql, tuple(chain.from_iterable(part))).rowcount
    return kept


def _known(connection: Connection, scope: int, marks: list[int]) -> dict[int, tuple[int, int]]:
    """What was said of some keys: file and digest."""
    known: dict[int, tuple[int, int]] = {}
    at_once = _AT_ONCE if connection.dialect.name == "sqlite" else 5_000
    for at in range(0, len(marks), at_once):
        chosen = ", ".join(map(str, marks[at : at + at_once]))
        sql = f"SELECT key, file, digest FROM said WHERE scope = {scope} AND key IN ({chosen})"
        known.update((key, (file, digest)) for key, file, digest in connection.exec_driver_sql(sql))
    return known


def _change(connection: Connection, place: tuple[int, int], told: dict[int, int]) -> None:
    """Keep what a file says now of keys of which something else was said."""
    scope, file = place
    if told:
        mine = sa.and_(SAID.c.scope == scope, SAID.c.key == sa.bindparam("mark"))
        change = SAID.update().where(mine).values(file=file, digest=sa.bindparam("said"))
        connection.execute(change, [{"mark": key, "said": told[key]} for key in told])


async def find_mark(file: OpenTables, source: str, address: str) -> dict[str, str]:
    """What is known of a fetched address since last time: its ETag, its time, its size."""
    query = sa.select(FETCHED.c.mark).where(
        FETCHED.c.source == source, FETCHED.c.address == address
    )
    found = await file.read(lambda connection: connection.execute(query).scalar())
    return msgspec.json.decode(found, type=dict[str, str]) if found else {}


async def keep_mark(
    file: OpenTables, source: str, address: str, mark: dict[str, str], now_us: int
) -> None:
    """Remember what an address was like when it was fetched whole."""
    values = {
        "source": source,
        "address": address,
        "mark": msgspec.json.encode(mark).decode(),
        "at_us": now_us,
    }
    await file.run(lambda connection: put_rows(connection, FETCHED, [values]))
