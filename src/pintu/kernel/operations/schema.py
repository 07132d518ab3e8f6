"""What the ledger keeps: each command, each step it took, the stops, and the deeds about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pintu.kernel.operations.journal import create_journal, journal_tables
from pintu.kernel.tables import PrivateTables, row_number

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()

COMMAND = sa.Table(
    "command",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("piece", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("target", sa.String, nullable=False),
    sa.Column("arguments", sa.String, nullable=False),
    sa.Column("actor", sa.String, nullable=False),
    sa.Column("basis", sa.String, nullable=False),  # of the gate's decision
    sa.Column("key", sa.String, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),  # hash of what the key stands for
    sa.Column("state", sa.String, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    # what it is part of: "play:ID", "" for one by itself
    sa.Column("cause", sa.String, nullable=False, server_default=""),
    # whose hands asked, "" for a program's
    sa.Column("person", sa.String, nullable=False, server_default=""),
    sa.UniqueConstraint("actor", "key", name="asked_once"),
    sa.Index("command_cause", "cause"),
    sa.Index("command_target", "tenant", "target", "created_us"),
    sa.Index("command_state", "state", "piece"),
    sa.Index("command_created", "created_us"),
)

STEP = sa.Table(
    "step",
    METADATA,
    sa.Column("number", row_number(), primary_key=True),
    sa.Column("command", sa.String, sa.ForeignKey("command.id"), nullable=False, index=True),
    sa.Column("event", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("who", sa.String, nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.String, nullable=False),
)

STOP = sa.Table(
    "stop",
    METADATA,
    sa.Column("number", row_number(), primary_key=True),
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("since_us", sa.BigInteger, nullable=False),
    sa.Column("who", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("asked_by", sa.String, nullable=False),  # the first of the two who release it
    sa.Column("asked_us", sa.BigInteger, nullable=False),
    sa.Column("released_by", sa.String, nullable=False),
    sa.Column("released_us", sa.BigInteger, nullable=False),  # 0: it stands
)

journal_tables(METADATA)


def _first(op: Operations) -> None:
    op.create_table(
        "command",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("piece", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("target", sa.String, nullable=False),
        sa.Column("arguments", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("basis", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("actor", "key", name="asked_once"),
    )
    op.create_index("command_target", "command", ["tenant", "target", "created_us"])
    op.create_index("command_state", "command", ["state", "piece"])
    op.create_index("command_created", "command", ["created_us"])
    op.create_table(
        "step",
        sa.Column("number", row_number(), primary_key=True),
        sa.Column("command", sa.String, sa.ForeignKey("command.id"), nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.String, nullable=False),
    )
    op.create_index("ix_step_command", "step", ["command"])


def _second(op: Operations) -> None:
    cause = sa.Column("cause", sa.String, nullable=False, server_default="")
    op.add_column("command", cause)
    op.create_index("command_cause", "command", ["cause"])
    op.create_table(
        "stop",
        sa.Column("number", row_number(), primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("since_us", sa.BigInteger, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("asked_by", sa.String, nullable=False),
        sa.Column("asked_us", sa.BigInteger, nullable=False),
        sa.Column("released_by", sa.String, nullable=False),
        sa.Column("released_us", sa.BigInteger, nullable=False),
    )
    create_journal(op)


def _third(op: Operations) -> None:
    person = sa.Column("person", sa.String, nullable=False, server_default="")
    op.add_column("command", person)


TABLES = PrivateTables(name="operations", metadata=METADATA, migrations=(_first, _second, _third))
