"""PostgreSQL for private tables: texts are compared by code point, as SQLite compares them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import String
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.base import PGDDLCompiler
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.types import TypeDecorator

URL = "postgresql+pintu://"


class _Definitions(PGDDLCompiler):
    def get_column_specification(self, column: Any, **more: Any) -> str:
        """A column as it is made; a text that names no collation gets "C", so that ranges and
        order do not depend on how the database was created."""
        told: str = super().get_column_specification(column, **more)  # type: ignore[no-untyped-call]
        kind = column.type.dialect_impl(self.dialect)
        if isinstance(kind, TypeDecorator):
            kind = kind.impl
        if not isinstance(kind, String) or kind.collation:
            return told
        name = self.preparer.format_column(column)
        word = self.dialect.type_compiler_instance.process(
            column.type, type_expression=column, identifier_preparer=self.preparer
        )
        before = f"{name} {word}"
        return f'{before} COLLATE "C"{told.removeprefix(before)}'


class CityDialect(PGDialect_psycopg):
    """SQLAlchemy's own dialect for psycopg, besides the collation of new text columns."""

    ddl_compiler = _Definitions
    supports_statement_cache = True


registry.register("postgresql.pintu", __name__, "CityDialect")
