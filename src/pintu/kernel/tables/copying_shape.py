"""What private tables look like on either store, and tables made alike on the other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.types import NullType, TypeEngine

from pintu.kernel.errors import ConfigurationError
from pintu.kernel.tables import untyped
from pintu.kernel.tables.door import VERSIONS, OpenTables, row_number

_PLAIN_DEFAULT: Final = re.compile(r"('(?:[^']|'')*'|-?\d+(?:\.\d+)?)(?:::[a-z ]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One table as both stores can hold it; columns are in the order in which rows are copied."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]  # the primary key, whose columns are among `columns`
    truths: frozenset[str] = frozenset()  # columns that are true or false on this store
    numbered: str | None = None  # the key column whose numbers the table gives by itself
    untyped: Mapping[str, int] = field(default_factory=dict)  # columns of no kind, by number
    table: sa.Table

    def key_of(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """The key of a row read in this shape."""
        return tuple(row[self.columns.index(name)] for name in self.key)

    def only_key(self) -> Shape:
        """The same table with nothing but its key."""
        return replace(self, columns=self.key)

    def with_columns(self, other: Shape) -> Shape:
        """The same table read in the columns of its twin."""
        return replace(self, columns=other.columns)


def read_shapes(connection: Connection) -> list[Shape]:
    """Every table there is, those first that others refer to.

    Raises ConfigurationError for a table without a primary key: its rows cannot be told apart.
    """
    inspector = sa.inspect(connection)
    schema = None
    if connection.dialect.name == "postgresql":
        schema = str(connection.exec_driver_sql("SELECT current_schema()").scalar_one())
    names = inspector.get_table_names(schema=schema)
    names = [one for one in names if one not in (VERSIONS, untyped.NAMES)]
    metadata = sa.MetaData()
    if names:
        metadata.reflect(connection, only=names)
    shapes = [_shape(one, connection.dialect.name) for one in metadata.sorted_tables]
    if schema is None:
        return shapes
    numbers = untyped.numbers_of(connection)
    return [_named(one, numbers) if one.name == untyped.TABLE else one for one in shapes]


def _named(shape: Shape, numbers: Mapping[str, int]) -> Shape:
    """The table with its columns of no kind instead of the pairs they are kept in."""
    pairs = {f"{one}{number}" for number in numbers.values() for one in "nt"}
    plain = [one for one in shape.columns if one not in pairs]
    return replace(shape, columns=(*plain, *numbers), untyped=numbers)


def make_tables(target: OpenTables, shapes: Sequence[Shape]) -> None:
    """Make the tables and columns that the target lacks."""

    def work(connection: Connection) -> None:
        there = {one.name: one for one in read_shapes(connection)}
        metadata = sa.MetaData()
        new = [_alike(one, metadata) for one in shapes]
        metadata.create_all(
            connection, tables=[one for one in new if one.name not in there], checkfirst=False
        )
        for table in new:
            known = there.get(table.name)
            if known is not None:
                _add_columns(connection, table, known)
        for one in shapes:
            if one.untyped:
                untyped.make_names(connection)
                untyped.add_columns(connection, list(one.untyped))

    target.run_now(work)


def _add_columns(connection: Connection, table: sa.Table, known: Shape) -> None:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    for column in table.columns:
        if column.name not in known.table.columns:
            added: sa.Column[Any] = sa.Column(column.name, column.type)
            Operations(MigrationContext.configure(connection)).add_column(table.name, added)


def _shape(table: sa.Table, dialect: str) -> Shape:
    key = tuple(one.name for one in table.primary_key)
    if not key:
        raise ConfigurationError([f"Table {table.name} has no primary key: it cannot be copied"])
    columns = [one for one in table.columns if one.computed is None]
    free: list[str] = []
    if dialect == "postgresql":  # what only an extension knows is derived from other columns
        columns = [one for one in columns if not isinstance(one.type, NullType)]
    elif table.name == untyped.TABLE:
        free = [one.name for one in columns if isinstance(one.type, NullType)]
    return Shape(
        name=table.name,
        columns=tuple(one.name for one in columns),
        key=key,
        truths=frozenset(one.name for one in columns if isinstance(one.type, sa.Boolean)),
        numbered=_numbered(table, dialect),
        untyped={name: number for number, name in enumerate(free, 1)},
        table=table,
    )


def _numbered(table: sa.Table, dialect: str) -> str | None:
    """The one key column that a table numbers by itself."""
    key = list(table.primary_key)
    if len(key) != 1 or not isinstance(key[0].type, sa.Integer):
        return None
    if dialect == "sqlite":  # only exactly INTEGER is the row's own number
        return key[0].name if str(key[0].type).upper() == "INTEGER" else None
    default = key[0].server_default
    given = isinstance(default, sa.DefaultClause) and str(default.arg).startswith("nextval(")
    return key[0].name if given or key[0].identity is not None else None


def _alike(shape: Shape, metadata: sa.MetaData) -> sa.Table:
    """The table as it is made on another store: same names, rules and indexes, neutral types."""
    old = shape.table
    parts: list[Any] = []
    for column in old.columns:
        if column.name in shape.columns and column.name not in shape.untyped:
            parts.append(_column(column, shape))
    for rule in old.constraints:
        if isinstance(rule, sa.UniqueConstraint):
            parts.append(sa.UniqueConstraint(*rule.columns.keys(), name=_given(rule.name)))
        elif isinstance(rule, sa.ForeignKeyConstraint):
            there = [one.target_fullname for one in rule.elements]
            parts.append(sa.ForeignKeyConstraint(rule.column_keys, there, ondelete=rule.ondelete))
    for index in old.indexes:
        parts.append(sa.Index(index.name, *index.columns.keys(), unique=bool(index.unique)))
    return sa.Table(old.name, metadata, *parts, sqlite_autoincrement=shape.numbered is not None)


def _given(name: Any) -> str | None:
    return str(name) if name else None


def _column(column: sa.Column[Any], shape: Shape) -> sa.Column[Any]:
    numbered = column.name == shape.numbered
    default = column.server_default
    plain = None
    if isinstance(default, sa.DefaultClause):
        found = _PLAIN_DEFAULT.fullmatch(str(default.arg))
        plain = sa.text(found[1]) if found else None
    return sa.Column(
        column.name,
        row_number() if numbered else _neutral(column, shape.name),
        primary_key=column.primary_key,
        autoincrement=numbered,
        nullable=column.nullable,
        server_default=plain,
    )


def _neutral(column: sa.Column[Any], table: str) -> TypeEngine[Any]:
    kinds: tuple[tuple[type[TypeEngine[Any]], type[TypeEngine[Any]]], ...] = (
        (sa.Boolean, sa.Boolean),
        (sa.Integer, sa.BigInteger),
        (sa.Text, sa.Text),
        (sa.String, sa.String),
        (sa.LargeBinary, sa.LargeBinary),
        (sa.Float, sa.Double),
        (sa.Numeric, sa.Double),
    )
    for known, neutral in kinds:
        if isinstance(column.type, known):
            return neutral()
    raise ConfigurationError(
        [f"Column {column.name} of {table} has a type that only its own piece can make again"]
    )
