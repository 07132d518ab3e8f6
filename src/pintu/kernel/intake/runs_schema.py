"""What is kept of loads: each run with its counts, where each source stands, what was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pintu.kernel.tables import PrivateTables, row_number

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()


def _run() -> list[sa.Column[object]]:
    return [
        sa.Column("number", row_number(), primary_key=True),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("mapping", sa.String, nullable=False),
        sa.Column("fingerprint", sa.String, nullable=False),  # of the mapping it read with
        sa.Column("by", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("started_us", sa.BigInteger, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger, nullable=False),
        sa.Column("read", sa.BigInteger, nullable=False),
        sa.Column("landed", sa.BigInteger, nullable=False),
        sa.Column("unchanged", sa.BigInteger, nullable=False),
        sa.Column("bad", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=True),
        sa.Column("position", sa.String, nullable=False),
        sa.Column("messages", sa.String, nullable=False),
    ]


def _position() -> list[sa.Column[object]]:
    return [
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("mapping", sa.String, primary_key=True),
        sa.Column("position", sa.String, nullable=False),
    ]


def _chunk() -> list[sa.Column[object]]:
    return [
        sa.Column("run", sa.BigInteger, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
    ]


def _asked() -> list[sa.Column[object]]:
    return [
        sa.Column("number", row_number(), primary_key=True),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("what", sa.String, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    ]


def _thing() -> list[sa.Column[object]]:
    return [
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("mapping", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("round", sa.BigInteger, nullable=False),  # the last that brought it
        sa.Column("ended_us", sa.BigInteger, nullable=False),  # 0: its source has it
    ]


def _round() -> list[sa.Column[object]]:
    return [
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("mapping", sa.String, primary_key=True),
        sa.Column("round", sa.BigInteger, nullable=False),
    ]


RUN = sa.Table("run", METADATA, *_run(), sa.Index("run_source", "source", "mapping", "number"))
POSITION = sa.Table("position", METADATA, *_position())
CHUNK = sa.Table("chunk", METADATA, *_chunk())
ASKED = sa.Table("asked", METADATA, *_asked())
THING = sa.Table("thing", METADATA, *_thing(), sa.Index("thing_id", "id"))
ROUND = sa.Table("round", METADATA, *_round())


def _first(op: Operations) -> None:
    op.create_table("run", *_run())
    op.create_index("run_source", "run", ["source", "mapping", "number"])
    op.create_table("position", *_position())
    op.create_table("chunk", *_chunk())
    op.create_table("asked", *_asked())


def _second(op: Operations) -> None:
    """What each mapping brought into the context, to see what its source no longer has."""
    op.create_table("thing", *_thing())
    op.create_index("thing_id", "thing", ["id"])
    op.create_table("round", *_round())


TABLES = PrivateTables(name="loads", metadata=METADATA, migrations=(_first, _second))
