"""What the registry keeps: versions of schemas, and changes that nobody told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pintu.kernel.tables import PrivateTables, row_number

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()


def _version() -> list[sa.Column[object]]:
    return [
        sa.Column("data_set", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("since_us", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),  # a Schema
    ]


def _drift() -> list[sa.Column[object]]:
    return [
        sa.Column("number", row_number(), primary_key=True),
        sa.Column("data_set", sa.String, nullable=False),
        sa.Column("field", sa.String, nullable=False),
        sa.Column("what", sa.String, nullable=False),
        sa.Column("before", sa.String, nullable=False),
        sa.Column("after", sa.String, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),  # that was in force
        sa.Column("seen_by", sa.String, nullable=False),  # who said it was seen to; empty: nobody
    ]


VERSION = sa.Table("version", METADATA, *_version())
DRIFT = sa.Table("drift", METADATA, *_drift(), sa.Index("drift_set", "data_set", "number"))


def _first(op: Operations) -> None:
    op.create_table("version", *_version())
    op.create_table("drift", *_drift())
    op.create_index("drift_set", "drift", ["data_set", "number"])


TABLES = PrivateTables(name="schemas", metadata=METADATA, migrations=(_first,))
