"""What the catalogue measured and the finder found, kept with its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pintu.kernel.tables import PrivateTables

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()


def _measured() -> list[sa.Column[object]]:
    return [
        sa.Column("data_set", sa.String, primary_key=True),
        sa.Column("at_us", sa.BigInteger, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),  # a Measured
    ]


def _sketch() -> list[sa.Column[object]]:
    return [
        sa.Column("data_set", sa.String, primary_key=True),  # NAME, of a joined node NAME@NODE
        sa.Column("node", sa.String, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),  # a Sketch
    ]


def _found() -> list[sa.Column[object]]:
    return [
        sa.Column("what", sa.String, primary_key=True),  # twin | finding
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("since_us", sa.BigInteger, nullable=False),
        sa.Column("seen_us", sa.BigInteger, nullable=False),
        sa.Column("gone_us", sa.BigInteger, nullable=False),  # 0: it is so now
        sa.Column("body", sa.LargeBinary, nullable=False),
    ]


def _day() -> list[sa.Column[object]]:
    return [
        sa.Column("day", sa.String, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),  # a Day
    ]


def _kept() -> list[sa.Column[object]]:
    return [
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    ]


MEASURED = sa.Table("measured", METADATA, *_measured())
SKETCH = sa.Table("sketch", METADATA, *_sketch())
FOUND = sa.Table("found", METADATA, *_found())
DAY = sa.Table("day", METADATA, *_day())
KEPT = sa.Table("kept", METADATA, *_kept())


def _first(op: Operations) -> None:
    op.create_table("measured", *_measured())
    op.create_table("sketch", *_sketch())
    op.create_table("found", *_found())
    op.create_table("day", *_day())
    op.create_table("kept", *_kept())


TABLES = PrivateTables(name="catalogue", metadata=METADATA, migrations=(_first,))
