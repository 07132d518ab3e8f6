"""What the orders room keeps: orders, their causes and alarms, keys, crews, members and shifts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pintu.kernel.operations.journal import create_journal, journal_tables
from pintu.kernel.tables import PrivateTables, row_number

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()
journal_tables(METADATA)

ORDER = sa.Table(
    "work_order",
    METADATA,
    sa.Column("number", row_number(), primary_key=True, autoincrement=True),
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("crew", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("target", sa.String, nullable=False),
    sa.Column("opened_us", sa.BigInteger, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    sa.Column("body", sa.String, nullable=False),  # the Order as JSON
    sa.Index("work_order_state", "tenant", "state"),
    sa.Index("work_order_target", "tenant", "target"),
    sa.Index("work_order_opened", "tenant", "opened_us"),
    sqlite_autoincrement=True,
)
LINK = sa.Table(
    "link",
    METADATA,
    sa.Column("thing", sa.String, primary_key=True),  # a cause, or the id of an alarm
    sa.Column("number", sa.BigInteger, primary_key=True),
    sa.Column("role", sa.String, primary_key=True),  # cause | alarm
)
KEY = sa.Table(
    "key",
    METADATA,
    sa.Column("actor", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("body", sa.String, nullable=False),  # hash of what the key stands for
    sa.Column("at_us", sa.BigInteger, nullable=False),
)
CREW = sa.Table(
    "crew",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("body", sa.String, nullable=False),
)
MEMBER = sa.Table(
    "member",
    METADATA,
    sa.Column("crew", sa.String, primary_key=True),
    sa.Column("person", sa.String, primary_key=True),
)
SHIFT = sa.Table(
    "crew_shift",
    METADATA,
    sa.Column("number", row_number(), primary_key=True, autoincrement=True),
    sa.Column("crew", sa.String, nullable=False),
    sa.Column("since_us", sa.BigInteger, nullable=False),
    sa.Column("until_us", sa.BigInteger, nullable=False),
    sa.Index("crew_shift_crew", "crew", "until_us"),
    sqlite_autoincrement=True,
)


def _first(op: Operations) -> None:
    create_journal(op)
    op.create_table(
        "work_order",
        sa.Column("number", row_number(), primary_key=True, autoincrement=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("crew", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("target", sa.String, nullable=False),
        sa.Column("opened_us", sa.BigInteger, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.Column("body", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("work_order_state", "work_order", ["tenant", "state"])
    op.create_index("work_order_target", "work_order", ["tenant", "target"])
    op.create_index("work_order_opened", "work_order", ["tenant", "opened_us"])
    op.create_table(
        "link",
        sa.Column("thing", sa.String, primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True),
        sa.Column("role", sa.String, primary_key=True),
    )
    op.create_table(
        "key",
        sa.Column("actor", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("body", sa.String, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    )
    _crews(op)


def _crews(op: Operations) -> None:
    op.create_table(
        "crew",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("body", sa.String, nullable=False),
    )
    op.create_table(
        "member",
        sa.Column("crew", sa.String, primary_key=True),
        sa.Column("person", sa.String, primary_key=True),
    )
    op.create_table(
        "crew_shift",
        sa.Column("number", row_number(), primary_key=True, autoincrement=True),
        sa.Column("crew", sa.String, nullable=False),
        sa.Column("since_us", sa.BigInteger, nullable=False),
        sa.Column("until_us", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("crew_shift_crew", "crew_shift", ["crew", "until_us"])


TABLES = PrivateTables(name="orders", metadata=METADATA, migrations=(_first,))
