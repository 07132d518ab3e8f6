"""What the room of major events keeps: plans, and each round of each check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from pintu.kernel.operations.journal import create_journal, journal_tables
from pintu.kernel.tables import PrivateTables

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA: Final = sa.MetaData()


def _text(name: str, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.String, nullable=False, **more)


def _plan() -> list[sa.Column[Any]]:
    return [
        _text("id", primary_key=True),
        _text("tenant"),
        _text("state"),
        sa.Column("until_us", sa.BigInteger, nullable=False),
        _text("body"),
    ]


def _round() -> list[sa.Column[Any]]:
    return [
        _text("event", primary_key=True),
        _text("name", primary_key=True),  # of the check
        sa.Column("due_us", sa.BigInteger, primary_key=True, autoincrement=False),
        _text("state"),
        _text("body"),
    ]


PLAN: Final = sa.Table("plan", METADATA, *_plan())
ROUND: Final = sa.Table("round", METADATA, *_round())
journal_tables(METADATA)


def _first(op: Operations) -> None:
    create_journal(op)
    op.create_table("plan", *_plan())
    op.create_table("round", *_round())


TABLES: Final = PrivateTables(name="major_events", metadata=METADATA, migrations=(_first,))
