"""What is kept beside the log: its tree, its heads, who countersigned them, where to look.

All of it but signatures can be made again from the notes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pintu.kernel.tables import PrivateTables

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()


def _tile() -> list[sa.Column[object]]:
    return [
        sa.Column("era", sa.Integer, primary_key=True),
        sa.Column("level", sa.Integer, primary_key=True),
        sa.Column("place", sa.BigInteger, primary_key=True),
        sa.Column("hashes", sa.LargeBinary, nullable=False),
    ]


def _head() -> list[sa.Column[object]]:
    return [
        sa.Column("era", sa.Integer, primary_key=True),
        sa.Column("size", sa.BigInteger, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("told", sa.String, nullable=False),  # the signed note
    ]


def _cosignature() -> list[sa.Column[object]]:
    return [
        sa.Column("era", sa.Integer, primary_key=True),
        sa.Column("size", sa.BigInteger, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("line", sa.String, nullable=False),
        sa.Column("public", sa.String, nullable=False),
        sa.Column("at_s", sa.BigInteger, nullable=False),
    ]


def _seen() -> list[sa.Column[object]]:
    return [
        sa.Column("origin", sa.String, primary_key=True),
        sa.Column("size", sa.BigInteger, primary_key=True),
        sa.Column("told", sa.String, nullable=False),
        sa.Column("public", sa.String, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    ]


def _place() -> list[sa.Column[object]]:
    return [
        # 63 bits of a hash of what is looked for: a row found is read and compared
        sa.Column("word", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),  # the first
        sa.Column("others", sa.LargeBinary, nullable=False),  # how far they are from it, 16 bits
    ]


def _fact() -> list[sa.Column[object]]:
    return [
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.String, nullable=False),
    ]


def _protection() -> list[sa.Column[object]]:
    return [
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("subject", sa.String, nullable=False, index=True),
        sa.Column("told", sa.LargeBinary, nullable=False),
    ]


TILE = sa.Table("tile", METADATA, *_tile())
HEAD = sa.Table("head", METADATA, *_head())
COSIGNATURE = sa.Table("cosignature", METADATA, *_cosignature())
SEEN = sa.Table("seen", METADATA, *_seen())
PLACE = sa.Table("place", METADATA, *_place(), sqlite_with_rowid=False)
FACT = sa.Table("fact", METADATA, *_fact())
PROTECTION = sa.Table("protection", METADATA, *_protection())


def _first(op: Operations) -> None:
    op.create_table("tile", *_tile())
    op.create_table("head", *_head())
    op.create_table("cosignature", *_cosignature())
    op.create_table("seen", *_seen())
    op.create_table("fact", *_fact())


def _second(op: Operations) -> None:
    op.create_table("protection", *_protection())


def _third(op: Operations) -> None:
    """Where to look, made anew from the rows: until now an entry was one row."""
    op.execute("DROP TABLE IF EXISTS place")
    op.create_table("place", *_place(), sqlite_with_rowid=False)


TABLES = PrivateTables(name="audit", metadata=METADATA, migrations=(_first, _second, _third))
