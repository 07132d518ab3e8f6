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


def _watcher() -> list[sa.Column[object]]:
    return [
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("context", sa.LargeBinary, nullable=False),  # JSON: the subscriber's @context
        sa.Column("asker", sa.LargeBinary, nullable=False),  # JSON: who subscribed
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("modified_us", sa.BigInteger, nullable=False),
        sa.Column("counts", sa.LargeBinary, nullable=False),  # JSON: what was sent, and when
    ]


def _offered() -> list[sa.Column[object]]:
    return [
        sa.Column("node", sa.String, primary_key=True),
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("types", sa.LargeBinary, nullable=False),  # JSON, stored names
        sa.Column("names", sa.LargeBinary, nullable=False),  # JSON; [] is every attribute
        sa.Column("by", sa.String, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    ]


REGISTRATION = sa.Table("registration", METADATA, *_registration())
WATCHER = sa.Table("watcher", METADATA, *_watcher())
OFFER = sa.Table("offer", METADATA, *_offered())


def _first(op: Operations) -> None:
    op.create_table("registration", *_registration())


def _second(op: Operations) -> None:
    """Those who want to hear of registrations."""
    op.create_table("watcher", *_watcher())


def _third(op: Operations) -> None:
    """What neighbours are offered."""
    op.create_table("offer", *_offered())


TABLES = PrivateTables(name="federation", metadata=METADATA, migrations=(_first, _second, _third))
