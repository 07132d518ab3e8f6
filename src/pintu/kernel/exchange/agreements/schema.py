"""What agreements keep: every version as it stands, every step, copies, recalls, the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pintu.kernel.tables import PrivateTables, row_number

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()

VERSION = sa.Table(
    "version",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("provider", sa.String, nullable=False),
    sa.Column("consumer", sa.String, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    sa.Column("change", sa.BigInteger, nullable=False),  # grows with every change of any row
    sa.Column("body", sa.LargeBinary, nullable=False),  # the Agreement as JSON
    sa.Column("seal", sa.LargeBinary, nullable=False),  # of body, by this node
    sa.Index("version_change", "change"),
    sa.Index("version_provider", "provider", "changed_us"),
    sa.Index("version_consumer", "consumer", "changed_us"),
)

STEP = sa.Table(
    "step",
    METADATA,
    sa.Column("number", row_number(), primary_key=True),
    sa.Column("agreement", sa.String, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),  # of the agreement: one step each
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("deed", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("actor", sa.String, nullable=False),
    sa.Column("person", sa.String, nullable=False),
    sa.Column("organisation", sa.String, nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("why", sa.String, nullable=False),
    sa.Column("key", sa.String, nullable=False),  # of idempotency, the actor's own
    sa.Column("asked", sa.LargeBinary, nullable=False),  # hash of what the key stands for
    sa.Column("change", sa.LargeBinary, nullable=False),  # what it makes of which rows, as JSON
    sa.Column("receipt", sa.BigInteger, nullable=False),  # its row of the audit log; 0: not yet
    sa.UniqueConstraint("agreement", "revision", name="one_step_a_revision"),
    sa.UniqueConstraint("actor", "key", name="done_once"),
    sa.Index("step_receipt", "receipt"),
    sa.Index("step_organisation", "organisation", "deed"),
)

RECALL = sa.Table(
    "recall",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("agreement", sa.String, nullable=False),
    sa.Column("provider", sa.String, nullable=False),
    sa.Column("holder", sa.String, nullable=False),
    sa.Column("open", sa.Boolean, nullable=False),
    sa.Column("due_us", sa.BigInteger, nullable=False),
    sa.Column("change", sa.BigInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Index("recall_holder", "holder"),
    sa.Index("recall_provider", "provider"),
    sa.Index("recall_change", "change"),
    sa.Index("recall_agreement", "agreement"),
)

HELD = sa.Table(
    "held",
    METADATA,
    sa.Column("agreement", sa.String, primary_key=True),
    sa.Column("holder", sa.String, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("data_set", sa.String, nullable=False),
    sa.Column("via", sa.String, nullable=False),
    sa.Column("first_us", sa.BigInteger, nullable=False),
    sa.Column("last_us", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
)

OUTBOX = sa.Table(
    "outbox",
    METADATA,
    sa.Column("number", row_number(), primary_key=True),
    sa.Column("key", sa.String, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)


def _first(op: Operations) -> None:
    op.create_table(
        "version",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("provider", sa.String, nullable=False),
        sa.Column("consumer", sa.String, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.Column("change", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("seal", sa.LargeBinary, nullable=False),
    )
    op.create_index("version_change", "version", ["change"])
    op.create_index("version_provider", "version", ["provider", "changed_us"])
    op.create_index("version_consumer", "version", ["consumer", "changed_us"])
    _steps(op)
    op.create_table(
        "recall",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("agreement", sa.String, nullable=False),
        sa.Column("provider", sa.String, nullable=False),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("due_us", sa.BigInteger, nullable=False),
        sa.Column("change", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    for name in ("holder", "provider", "change", "agreement"):
        op.create_index(f"recall_{name}", "recall", [name])
    op.create_table(
        "held",
        sa.Column("agreement", sa.String, primary_key=True),
        sa.Column("holder", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("data_set", sa.String, nullable=False),
        sa.Column("via", sa.String, nullable=False),
        sa.Column("first_us", sa.BigInteger, nullable=False),
        sa.Column("last_us", sa.BigInteger, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column("number", row_number(), primary_key=True),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )


def _steps(op: Operations) -> None:
    op.create_table(
        "step",
        sa.Column("number", row_number(), primary_key=True),
        sa.Column("agreement", sa.String, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("deed", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("person", sa.String, nullable=False),
        sa.Column("organisation", sa.String, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("asked", sa.LargeBinary, nullable=False),
        sa.Column("change", sa.LargeBinary, nullable=False),
        sa.Column("receipt", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("agreement", "revision", name="one_step_a_revision"),
        sa.UniqueConstraint("actor", "key", name="done_once"),
    )
    op.create_index("step_receipt", "step", ["receipt"])
    op.create_index("step_organisation", "step", ["organisation", "deed"])


TABLES = PrivateTables(name="agreements", metadata=METADATA, migrations=(_first,))
