"""What the roster keeps: rotas and shifts, ways to people, rings, messages with their receipts,
handovers. Addresses and telephone numbers stay in here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from pintu.kernel.operations.journal import create_journal, journal_tables
from pintu.kernel.tables import PrivateTables

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()
journal_tables(METADATA)

ROTA = sa.Table(
    "rota",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("told", sa.LargeBinary, nullable=False),  # the Rota as JSON
)

SHIFT = sa.Table(
    "shift",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("until_us", sa.BigInteger, nullable=False),
    sa.Column("told", sa.LargeBinary, nullable=False),  # the Shift as JSON: one of its own
)

SWAP = sa.Table(
    "swap",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("until_us", sa.BigInteger, nullable=False),
    sa.Column("told", sa.LargeBinary, nullable=False),  # the Swap as JSON
)

REACH = sa.Table(
    "reach",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("person", sa.String, nullable=False),
    sa.Column("told", sa.LargeBinary, nullable=False),  # the Reach as JSON
    sa.Index("reach_person", "person"),
)

RING = sa.Table(
    "ring",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("key", sa.String, unique=True),  # of what made it ring: the same rings once
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("severity", sa.String, nullable=False),
    sa.Column("text", sa.String, nullable=False),  # JSON: zh and en
    sa.Column("link", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("rung", sa.String, nullable=False),  # JSON: account ids
    sa.Column("began_us", sa.BigInteger, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    sa.Column("next_us", sa.BigInteger, nullable=False),
    sa.Column("by", sa.String, nullable=False),
    sa.Index("ring_state", "state", "tenant"),
    sa.Index("ring_subject", "tenant", "subject"),
)

MESSAGE = sa.Table(
    "message",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("key", sa.String, unique=True, nullable=False),
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("told", sa.LargeBinary, nullable=False),  # the Message as JSON
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Index("message_subject", "tenant", "subject"),
    sa.Index("message_at", "at_us"),
)

RECEIPT = sa.Table(
    "receipt",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("message", sa.String, nullable=False),
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("person", sa.String, nullable=False),
    sa.Column("reach", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("channel", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_us", sa.BigInteger, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.String, nullable=False),
    sa.Index("receipt_due", "state", "due_us"),
    sa.Index("receipt_message", "message"),
    sa.Index("receipt_subject", "tenant", "subject"),
)

HANDOVER = sa.Table(
    "handover",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("until_us", sa.BigInteger, nullable=False),
    sa.Column("told", sa.LargeBinary, nullable=False),  # the Handover as JSON
    sa.Index("handover_until", "tenant", "until_us"),
)

SETTING = sa.Table(
    "setting",
    METADATA,
    sa.Column("tenant", sa.String, primary_key=True),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.String, nullable=False),
)

OWN: Final[tuple[Any, ...]] = (
    ROTA, SHIFT, SWAP, REACH, RING, MESSAGE, RECEIPT, HANDOVER, SETTING,
)  # fmt: skip


def _first(op: Operations) -> None:
    # the tables above as they are first made: whoever changes one writes them out here before
    create_journal(op)
    for table in OWN:
        op.create_table(table.name, *(one._copy() for one in table.columns))
        for index in table.indexes:
            op.create_index(str(index.name), table.name, [one.name for one in index.columns])


TABLES = PrivateTables(name="roster", metadata=METADATA, migrations=(_first,))
