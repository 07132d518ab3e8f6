"""What a database says of its own tables: columns, comments, keys, indexes, row estimates."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.engine.reflection import Inspector, ObjectKind
from sqlalchemy.exc import NoSuchTableError, SAWarning

from pintu.kernel.errors import ResourceNotFound
from pintu.kernel.intake.doors.database.kinds import (
    GEOMETRY_NAMES,
    Column,
    Geometry,
    is_zoned,
    kind_of,
)
from pintu.kernel.intake.doors.database.told import Told

MOST_TABLES: Final = 300
MOST_COLUMNS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table or view. `key` is its primary key, or columns that are unique and never empty."""

    name: str
    schema: str | None
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    indexed: frozenset[str] = frozenset()  # columns an index begins with
    view: bool = False
    comment: str = ""

    @property
    def full_name(self) -> str:
        """`schema.table`, or the table alone where the schema is the usual one."""
        return f"{self.schema}.{self.name}" if self.schema else self.name

    def column(self, name: str) -> Column | None:
        """One of its columns, or None."""
        return next((one for one in self.columns if one.name == name), None)


def list_tables(connection: Connection, told: Told) -> list[Table]:
    """Every table and view of the schema a person may see, at most 300, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # types nobody knows are read as text
        found = _inspector(connection)
        schema = told.schema or None
        views = {*found.get_view_names(schema)}
        if told.system.family == "postgresql":
            views |= {*found.get_materialized_view_names(schema)}
        names = sorted({*found.get_table_names(schema), *views} - _OWN)[:MOST_TABLES]
        return _tables(found, schema, names, views)


_OWN: Final = {
    "spatial_ref_sys",
    "geometry_columns",
    "geography_columns",
    "raster_columns",
    "raster_overviews",
}


def find_table(connection: Connection, told: Told, name: str) -> Table:
    """One table by `table` or `schema.table`; ResourceNotFound names those there are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)
        found = _inspector(connection)
        schema, plain = told.schema or None, name
        try:
            return _one(found, schema, plain)
        except NoSuchTableError:
            pass
        if "." in name:
            schema, _, plain = name.partition(".")
            try:
                return _one(found, schema, plain)
            except NoSuchTableError:
                pass
        known = sorted({*found.get_table_names(told.schema or None)} - _OWN)
    some = ", ".join(known[:20]) + (" …" if len(known) > 20 else "") or "none"
    raise ResourceNotFound(f"{name} is not a table of {told.where} (any more); it has: {some}")


def _one(found: Inspector, schema: str | None, name: str) -> Table:
    columns = found.get_columns(name, schema)
    if not columns:
        raise NoSuchTableError(name)
    views = {*found.get_view_names(schema)}
    return _tables(found, schema, [name], views)[0]


def _inspector(connection: Connection) -> Inspector:
    names: dict[str, Any] = connection.dialect.__dict__.setdefault(
        "ischema_names", dict(getattr(connection.dialect, "ischema_names", {}))
    )
    for one in GEOMETRY_NAMES:
        if connection.dialect.name != "postgresql" or one in ("geometry", "geography"):
            names.setdefault(one, _geometry(one))
    return inspect(connection)


def _geometry(name: str) -> type[Geometry]:
    """MySQL says the shape by the type's own name, PostGIS in brackets behind it."""
    if name in ("geometry", "geography"):
        return Geometry

    class Named(Geometry):
        """A geometry of one shape."""

        def __init__(self, *_told: Any, **_words: Any) -> None:
            super().__init__(name)

    return Named


def _tables(
    found: Inspector, schema: str | None, names: Sequence[str], views: set[str]
) -> list[Table]:
    told: dict[str, Any] = {"schema": schema, "filter_names": list(names), "kind": ObjectKind.ANY}
    columns: dict[Any, Any] = dict(found.get_multi_columns(**told))
    keys: dict[Any, Any] = dict(found.get_multi_pk_constraint(**told))
    indexes: dict[Any, Any] = dict(found.get_multi_indexes(**told))
    uniques: dict[Any, Any] = dict(found.get_multi_unique_constraints(**told))
    try:
        comments: dict[Any, Any] = dict(found.get_multi_table_comment(**told))
    except NotImplementedError:
        comments = {}
    tables = []
    for name in names:
        at = (schema, name)
        held = columns.get(at)
        if not held:
            continue
        read = tuple(_column(one) for one in held[:MOST_COLUMNS])
        key = tuple((keys.get(at) or {}).get("constrained_columns") or ())
        groups = [tuple(one["column_names"]) for one in indexes.get(at) or ()]
        unique = [tuple(one["column_names"]) for one in indexes.get(at) or () if one["unique"]]
        unique += [tuple(one["column_names"]) for one in uniques.get(at) or ()]
        groups += [key, *unique]
        tables.append(
            Table(
                name=name,
                schema=schema,
                columns=read,
                key=key or _never_empty(unique, read),
                indexed=frozenset(one[0] for one in groups if one and one[0]),
                view=name in views,
                comment=str((comments.get(at) or {}).get("text") or "")[:500],
            )
        )
    return tables


def _never_empty(
    unique: Sequence[tuple[str | None, ...]], columns: Sequence[Column]
) -> tuple[str, ...]:
    filled = {one.name for one in columns if not one.nullable}
    fit = [one for one in unique if one and None not in one and set(one) <= filled]
    return tuple(str(name) for name in min(fit, key=len)) if fit else ()


def _column(told: ReflectedColumn) -> Column:
    type_ = told["type"]
    return Column(
        name=str(told["name"]),
        kind=kind_of(type_),
        type=str(type_)[:80] if not isinstance(type_, Geometry) else _geometry_type(type_),
        zoned=is_zoned(type_),
        nullable=bool(told.get("nullable", True)),
        srid=type_.srid if isinstance(type_, Geometry) else 0,
        comment=str(told.get("comment") or "")[:500],
    )


def _geometry_type(type_: Geometry) -> str:
    words = ", ".join(
        one for one in (type_.shape.title(), type_.srid and f"EPSG:{type_.srid}") if one
    )
    return f"geometry({words})" if words else "geometry"


# --- how many rows --------------------------------------------------------------------------------
COUNTED: Final = 10_000
_ESTIMATES: Final[dict[str, str]] = {
    "postgresql": "SELECT c.relname, c.reltuples FROM pg_class c JOIN pg_namespace n ON n.oid ="
    " c.relnamespace WHERE n.nspname = coalesce(:schema, current_schema()) AND c.relkind IN"
    " ('r', 'm', 'p') AND c.reltuples >= 0",
    "mysql": "SELECT table_name, table_rows FROM information_schema.tables WHERE table_schema ="
    " coalesce(:schema, database()) AND table_rows IS NOT NULL",
    "oracle": "SELECT lower(table_name), num_rows FROM all_tables WHERE owner ="
    " upper(coalesce(:schema, user)) AND num_rows IS NOT NULL",
    "mssql": "SELECT o.name, sum(p.rows) FROM sys.objects o JOIN sys.partitions p ON p.object_id ="
    " o.object_id AND p.index_id IN (0, 1) WHERE o.type = 'U' AND schema_name(o.schema_id) ="
    " coalesce(:schema, schema_name()) GROUP BY o.name",
}


def estimates(connection: Connection, told: Told) -> dict[str, int]:
    """Row counts as the database itself estimates them; nothing is scanned for it."""
    sql = _ESTIMATES.get(told.system.family)
    if sql is None:
        return {}
    rows = connection.execute(text(sql), {"schema": told.schema or None})
    return {str(name): int(count) for name, count in rows if count is not None}
