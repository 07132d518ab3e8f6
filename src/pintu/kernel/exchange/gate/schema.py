"""What the gate keeps: how much was used of an agreement on a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pintu.kernel.tables import PrivateTables

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()

USED = sa.Table(
    "used",
    METADATA,
    sa.Column("day", sa.String, primary_key=True),  # of the town's zone
    sa.Column("agreement", sa.String, primary_key=True),
    sa.Column("what", sa.String, primary_key=True),  # rows | subject | look
    sa.Column("key", sa.String, primary_key=True),  # digest of a subject, or person and digest
    sa.Column("count", sa.BigInteger, nullable=False),
)


def _first(op: Operations) -> None:
    op.create_table(
        "used",
        sa.Column("day", sa.String, primary_key=True),
        sa.Column("agreement", sa.String, primary_key=True),
        sa.Column("what", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )


TABLES = PrivateTables(name="gate", metadata=METADATA, migrations=(_first,))
