"""Looking at a database: its tables in words, measured on a sample, and nothing changed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sql
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from pintu.kernel.errors import PintuError
from pintu.kernel.intake.doors.database.connecting import Database, open_database
from pintu.kernel.intake.doors.database.kinds import converters, records
from pintu.kernel.intake.doors.database.profile import masked_sample, measured
from pintu.kernel.intake.doors.database.schema import COUNTED, Table, estimates, list_tables
from pintu.kernel.intake.doors.database.told import Told, read_told
from pintu.kernel.intake.doors.words import Around, SourceFile, TableSeen

SAMPLE: Final = 1_000
SHOWN: Final = 20
BIG: Final = 20_000
LOOK_S: Final = 14.0
"""After this, the tables that are left are told without being measured."""
ONE_TABLE_S: Final = 3.0
LONGEST_TEXT: Final = 500


async def look(source: SourceFile, around: Around) -> list[TableSeen]:
    """The tables and views of a source's database with their measured columns, largest names last.

    Reads at most 1,000 rows of a table, none for longer than 3 s, and stops after 14 s.
    """
    told = replace(read_told(source), statement_timeout_s=ONE_TABLE_S)
    database = await open_database(told, around)
    try:
        tables = await database.run(lambda c: list_tables(c, told), "looking at its tables")
        counts = await database.run(lambda c: estimates(c, told), "asking how many rows it has")
        writes = await database.run(lambda c: _may_write(c, told, tables), "asking for its rights")
        began = time.monotonic()
        found: list[TableSeen] = []
        for table in sorted(tables, key=lambda one: one.name != told.table):
            late = time.monotonic() - began > LOOK_S
            seen = (
                _unmeasured(table, "there was no time left to measure it")
                if late
                else (await _seen(database, table, counts.get(table.name)))
            )
            warned = writes if not found else ()
            found.append(replace(seen, warnings=(*warned, *seen.warnings)))
        return found
    finally:
        await database.close()


async def _seen(database: Database, table: Table, estimate: int | None) -> TableSeen:
    try:
        rows, counted = await database.run(
            lambda c: (_sample(c, database.told, table, estimate), _count(c, table, estimate)),
            f"measuring {table.full_name}",
        )
    except PintuError as error:
        return _unmeasured(table, error.detail)
    columns = measured(table, rows)
    return TableSeen(
        name=table.full_name,
        columns=columns,
        rows=counted,
        sample=masked_sample(columns, rows, SHOWN),
        key=table.key,
        comment=table.comment,
        warnings=tuple(_warnings(database.told, table)),
    )


def _unmeasured(table: Table, reason: str) -> TableSeen:
    return TableSeen(
        name=table.full_name,
        columns=measured(table, []),
        key=table.key,
        comment=table.comment,
        warnings=(f"{table.full_name} was not measured: {reason}",),
    )


def _warnings(told: Told, table: Table) -> list[str]:
    found = []
    if not table.key:
        kind = "view" if table.view else "table"
        found.append(
            f"This {kind} has no key: say which columns tell its rows apart (setting key), or it"
            " cannot be read"
        )
    mine = told.table in (table.name, table.full_name)
    if mine and told.column and table.column(told.column) is None:
        found.append(f"There is no column {told.column}, which should say when a row changed")
    elif mine and told.follow == "time" and told.column not in table.indexed and not table.view:
        found.append(
            f"No index begins with {told.column}: each look for changes reads the whole table; ask"
            " its owner for an index"
        )
    for one in table.columns:
        if one.kind in ("point", "shape") and one.srid not in (0, 4326, 4490):
            found.append(f"{one.name} is in EPSG:{one.srid}: say so in the mapping (frame)")
    return found


# --- a sample -------------------------------------------------------------------------------------
def _sample(
    connection: Connection, told: Told, table: Table, estimate: int | None
) -> list[dict[str, Any]]:
    """Up to 1,000 rows: of a big table from all over it where the database can, else from both
    ends of its key."""
    family = told.system.family
    columns = [one for one in table.columns if one.kind != "bytes"]
    if not columns:
        return []
    names = [one.name for one in columns]
    change = converters(columns, family)
    held: dict[str, Any] = {one.name: sql.column(one.name) for one in columns}
    wanted: list[Any] = [
        sql.func.substr(held[one.name], 1, LONGEST_TEXT).label(one.name)
        if family in ("postgresql", "mysql", "sqlite") and _is_long(one.kind, one.type)
        else held[one.name]
        for one in columns
    ]
    whole = sql.table(table.name, schema=table.schema)
    big = (estimate or 0) > BIG and not table.view
    source: Any = whole
    if big and family == "postgresql":
        percent = min(100.0, SAMPLE * 150 / (estimate or 1))
        source = sql.tablesample(whole, sql.func.system(sql.literal_column(f"{percent:.6f}")))
    statement = sql.select(*wanted).select_from(source)
    limited = statement.limit(sql.literal_column(str(SAMPLE)))
    lines = list(connection.execute(limited))
    if big and family != "postgresql" and table.key:
        half: Any = sql.literal_column(str(SAMPLE // 2))
        back: list[Any] = [sql.column(one).desc() for one in table.key]
        last = statement.order_by(*back).limit(half)
        lines = [*lines[: SAMPLE // 2], *connection.execute(last)]
    if big and not lines:  # a sample of blocks may hit none
        plain = sql.select(*wanted).select_from(whole)
        lines = list(connection.execute(plain.limit(sql.literal_column(str(SAMPLE)))))
    return records(names, lines, change)


def _is_long(kind: str, type_: str) -> bool:
    return kind == "text" and type_.upper().startswith(("TEXT", "LONGTEXT", "MEDIUMTEXT", "CLOB"))


def _count(connection: Connection, table: Table, estimate: int | None) -> int | None:
    """The database's own estimate; a small table is counted, an unknown large one is not."""
    if estimate is not None and estimate > COUNTED:
        return estimate
    some = (
        sql.select(sql.literal_column("1").label("one"))
        .select_from(sql.table(table.name, schema=table.schema))
        .limit(sql.literal_column(str(COUNTED + 1)))
        .subquery()
    )
    found = int(connection.execute(sql.select(sql.func.count()).select_from(some)).scalar_one())
    return found if found <= COUNTED else estimate or None


# --- rights ---------------------------------------------------------------------------------------
def _may_write(connection: Connection, told: Told, tables: Sequence[Table]) -> tuple[str, ...]:
    """A word when the account could write: this door never does, but it should not even be able
    to."""
    names = [one.full_name for one in tables if not one.view][:20]
    try:
        if told.system.family == "postgresql" and names:
            quote = connection.dialect.identifier_preparer
            quoted = [
                ".".join(quote.quote_identifier(part) for part in one.split(".")) for one in names
            ]
            may = connection.execute(
                sql.text(
                    "SELECT bool_or(has_table_privilege(one, 'INSERT, UPDATE, DELETE'))"
                    " FROM unnest(CAST(:names AS text[])) AS one"
                ),
                {"names": quoted},
            ).scalar()
        elif told.system.family == "mysql":
            grants = [str(row[0]) for row in connection.execute(sql.text("SHOW GRANTS"))]
            may = any(
                word in one.partition(" ON ")[0]
                for one in grants
                for word in ("ALL PRIVILEGES", "INSERT", "UPDATE", "DELETE")
            )
        else:
            return ()
    except SQLAlchemyError:
        return ()
    if not may:
        return ()
    said = (
        f"The account {told.user} may write in {told.where}. This door never writes; still, ask for"
        " an account that may only read"
    )
    return (said,)
