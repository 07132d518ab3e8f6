"""What is kept of snapshots: a row each, and their entities in packed pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pintu.kernel.tables import PrivateTables

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()


def _snapshot() -> list[sa.Column[object]]:
    return [
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("held", sa.String, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    ]


def _piece() -> list[sa.Column[object]]:
    return [
        sa.Column("held", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("records", sa.LargeBinary, nullable=False),
    ]


SNAPSHOT = sa.Table("snapshot", METADATA, *_snapshot())
PIECE = sa.Table("piece", METADATA, *_piece())


def _first(op: Operations) -> None:
    op.create_table("snapshot", *_snapshot())
    op.create_table("piece", *_piece())


TABLES = PrivateTables(name="snapshots", metadata=METADATA, migrations=(_first,))
