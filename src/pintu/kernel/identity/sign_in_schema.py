"""What is kept around signing in: failures, what is good once, programs that ask who it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pintu.kernel.tables import PrivateTables

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()

ATTEMPT = sa.Table(
    "attempt",
    METADATA,
    sa.Column("key", sa.String, primary_key=True),  # digest of a login, an address or a browser
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("until_us", sa.BigInteger, nullable=False),
)

ONCE = sa.Table(
    "once",
    METADATA,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("person", sa.String, nullable=False),
    sa.Column("told", sa.LargeBinary, nullable=False),  # JSON
    sa.Column("expires_us", sa.BigInteger, nullable=False, index=True),
)

CLIENT = sa.Table(
    "client",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("told", sa.LargeBinary, nullable=False),  # the Client as JSON
)

REFRESH = sa.Table(
    "refresh",
    METADATA,
    sa.Column("hash", sa.LargeBinary, primary_key=True),
    sa.Column("family", sa.String, nullable=False, index=True),
    sa.Column("client", sa.String, nullable=False),
    sa.Column("person", sa.String, nullable=False, index=True),
    sa.Column("told", sa.LargeBinary, nullable=False),  # the Granted as JSON
    sa.Column("used_us", sa.BigInteger),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
)

CONSENT = sa.Table(
    "consent",
    METADATA,
    sa.Column("person", sa.String, primary_key=True),
    sa.Column("client", sa.String, primary_key=True),
    sa.Column("scopes", sa.String, nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
)


def _first(op: Operations) -> None:
    op.create_table(
        "attempt",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("until_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "once",
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("person", sa.String, nullable=False),
        sa.Column("told", sa.LargeBinary, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "client",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("told", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "refresh",
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        sa.Column("family", sa.String, nullable=False, index=True),
        sa.Column("client", sa.String, nullable=False),
        sa.Column("person", sa.String, nullable=False, index=True),
        sa.Column("told", sa.LargeBinary, nullable=False),
        sa.Column("used_us", sa.BigInteger),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "consent",
        sa.Column("person", sa.String, primary_key=True),
        sa.Column("client", sa.String, primary_key=True),
        sa.Column("scopes", sa.String, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    )


TABLES = PrivateTables(name="sign_in", metadata=METADATA, migrations=(_first,))
