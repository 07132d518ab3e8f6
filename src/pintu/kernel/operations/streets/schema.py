"""The private tables of the room of streets: the state each was told in, the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pintu.kernel.operations.journal import create_journal, journal_tables
from pintu.kernel.tables import PrivateTables

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()
DEED, OUTBOX = journal_tables(METADATA)


def _street() -> list[sa.Column[object]]:
    return [
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("since_us", sa.BigInteger, nullable=False),
        sa.Column("told", sa.String, nullable=False),  # JSON: what the city was told
    ]


STREET = sa.Table("street", METADATA, *_street())


def _first(op: Operations) -> None:
    op.create_table("street", *_street())
    create_journal(op)


TABLES = PrivateTables(name="streets", metadata=METADATA, migrations=(_first,))
