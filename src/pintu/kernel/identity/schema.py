"""What identity keeps: tokens and sessions, only ever as hashes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

from pintu.kernel.tables import PrivateTables

METADATA = sa.MetaData()

TOKEN = sa.Table(
    "token",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("grants", sa.String, nullable=False),  # JSON list
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("expires_us", sa.BigInteger),
    sa.Column(
        "last_used_us", sa.BigInteger
    ),  # to the hour: when a token was used is nobody's diary
    sa.Column("revoked_us", sa.BigInteger),
)

SESSION = sa.Table(
    "session",
    METADATA,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("token_id", sa.String, sa.ForeignKey("token.id", ondelete="CASCADE"), nullable=False),
    sa.Column("csrf", sa.String, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("seen_us", sa.BigInteger, nullable=False),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
)

LINK = sa.Table(
    "sign_in_link",
    METADATA,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("token_id", sa.String, sa.ForeignKey("token.id", ondelete="CASCADE"), nullable=False),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
)


def _first(op: Operations) -> None:
    op.create_table(
        "token",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("grants", sa.String, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger),
        sa.Column("last_used_us", sa.BigInteger),
        sa.Column("revoked_us", sa.BigInteger),
    )
    token = sa.ForeignKey("token.id", ondelete="CASCADE")
    op.create_table(
        "session",
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        sa.Column("token_id", sa.String, token, nullable=False),
        sa.Column("csrf", sa.String, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("seen_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
    )
    token = sa.ForeignKey("token.id", ondelete="CASCADE")
    op.create_table(
        "sign_in_link",
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        sa.Column("token_id", sa.String, token, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
    )


TABLES = PrivateTables(name="identity", metadata=METADATA, migrations=(_first,))
