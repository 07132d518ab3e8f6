"""What identity keeps: tokens and sessions, only ever as hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pintu.kernel.tables import PrivateTables

if TYPE_CHECKING:
    from alembic.operations import Operations

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
    sa.Column("organisation", sa.String, nullable=False, server_default=""),
    sa.Column("old_hash", sa.LargeBinary),  # of the text before a rotation
    sa.Column("old_until_us", sa.BigInteger),
)

SESSION = sa.Table(
    "session",
    METADATA,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("token_id", sa.String, sa.ForeignKey("token.id", ondelete="CASCADE")),
    sa.Column("csrf", sa.String, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("seen_us", sa.BigInteger, nullable=False),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
    sa.Column("person", sa.String, nullable=False, index=True),  # "" with a token
    sa.Column("acting", sa.String, nullable=False),  # the organisation chosen
    sa.Column("method", sa.String, nullable=False),  # token, link, password, passkey, oidc
    sa.Column("strong_us", sa.BigInteger, nullable=False),  # when it was last proved who this is
    sa.Column("label", sa.String, nullable=False),  # which browser, for the list of sessions
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


def _people(op: Operations) -> None:
    """Sessions are of persons too: those there are end, and everybody signs in again."""
    op.drop_table("session")
    op.create_table(
        "session",
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        sa.Column("token_id", sa.String, sa.ForeignKey("token.id", ondelete="CASCADE")),
        sa.Column("csrf", sa.String, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("seen_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
        sa.Column("person", sa.String, nullable=False, index=True),
        sa.Column("acting", sa.String, nullable=False),
        sa.Column("method", sa.String, nullable=False),
        sa.Column("strong_us", sa.BigInteger, nullable=False),
        sa.Column("label", sa.String, nullable=False),
    )
    op.add_column("token", sa.Column("organisation", sa.String, nullable=False, server_default=""))
    op.add_column("token", sa.Column("old_hash", sa.LargeBinary))
    op.add_column("token", sa.Column("old_until_us", sa.BigInteger))


TABLES = PrivateTables(name="identity", metadata=METADATA, migrations=(_first, _people))
