"""What intake keeps for itself: the quarantine, and which batches were answered already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pintu.kernel.tables import PrivateTables, row_number

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()

HELD = sa.Table(
    "held",
    METADATA,
    sa.Column("id", row_number(), primary_key=True),
    sa.Column("source", sa.String, nullable=False, index=True),
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("key", sa.String, nullable=False),  # of the envelope, or BATCH#NUMBER of an update
    sa.Column("kind", sa.String, nullable=False),  # envelope | update
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),  # before it was cut
    sa.Column("meta", sa.String, nullable=False),
    sa.Column("received_us", sa.BigInteger, nullable=False),
    sa.Column("held_us", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.UniqueConstraint("source", "key", name="held_once"),
    sqlite_autoincrement=True,
)

DROPPED = sa.Table(
    "dropped",
    METADATA,
    sa.Column("source", sa.String, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
)

ANSWERED = sa.Table(
    "answered",
    METADATA,
    sa.Column("number", row_number(), primary_key=True),
    sa.Column("source", sa.String, nullable=False),
    sa.Column("key", sa.String, nullable=False),
    sa.Column("accepted", sa.Integer, nullable=False),
    sa.Column("quarantined", sa.Integer, nullable=False),
    sa.UniqueConstraint("source", "key", name="answered_once"),
)

MARK = sa.Table(
    "mark",
    METADATA,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
)


def _first(op: Operations) -> None:
    op.create_table(
        "held",
        sa.Column("id", row_number(), primary_key=True),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("meta", sa.String, nullable=False),
        sa.Column("received_us", sa.BigInteger, nullable=False),
        sa.Column("held_us", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.UniqueConstraint("source", "key", name="held_once"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_held_source", "held", ["source"])
    op.create_table(
        "dropped",
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "answered",
        sa.Column("number", row_number(), primary_key=True),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("accepted", sa.Integer, nullable=False),
        sa.Column("quarantined", sa.Integer, nullable=False),
        sa.UniqueConstraint("source", "key", name="answered_once"),
    )
    op.create_table(
        "mark",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
    )


TABLES = PrivateTables(name="intake", metadata=METADATA, migrations=(_first,))
