"""What is kept of registrations: one row each, its document in stored names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pintu.kernel.tables import PrivateTables

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()


def _registration() -> list[sa.Column[object]]:
    return [
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("modified_us", sa.BigInteger, nullable=False),
        sa.Column("node", sa.String, nullable=False),  # a joined node that it came of
        sa.Column("agreement", sa.String, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("paused", sa.Boolean, nullable=False),
    ]


REGISTRATION = sa.Table("registration", METADATA, *_registration())


def _first(op: Operations) -> None:
    op.create_table("registration", *_registration())


TABLES = PrivateTables(name="federation", metadata=METADATA, migrations=(_first,))
