"""What the subscriptions keep: one row for each, and one for how telling it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pintu.kernel.tables import PrivateTables

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()

SUBSCRIPTION = sa.Table(
    "subscription",
    METADATA,
    sa.Column("tenant", sa.String, primary_key=True),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("modified_us", sa.BigInteger, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("asker", sa.LargeBinary, nullable=False),
    sa.Column("context", sa.LargeBinary, nullable=False),
)

STATE = sa.Table(
    "state",
    METADATA,
    sa.Column("tenant", sa.String, primary_key=True),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)


def _first(op: Operations) -> None:
    op.create_table(
        "subscription",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("modified_us", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("asker", sa.LargeBinary, nullable=False),
        sa.Column("context", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "state",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )


TABLES = PrivateTables(name="subscriptions", metadata=METADATA, migrations=(_first,))
