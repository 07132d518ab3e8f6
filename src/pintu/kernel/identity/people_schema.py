"""What is kept of people: organisations, accounts, and how each of them may sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pintu.kernel.tables import PrivateTables

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()

ORGANISATION = sa.Table(
    "organisation",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("told", sa.LargeBinary, nullable=False),  # the Organisation as JSON
    sa.Column("changed", sa.BigInteger, nullable=False, index=True),
)

PERSON = sa.Table(
    "person",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("login", sa.String, nullable=False, unique=True),
    sa.Column("told", sa.LargeBinary, nullable=False),  # the Person as JSON
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("changed", sa.BigInteger, nullable=False, index=True),
)

PASSWORD = sa.Table(
    "password",
    METADATA,
    sa.Column("person", sa.String, primary_key=True),
    sa.Column("hash", sa.String, nullable=False),  # argon2id, in its own notation
    sa.Column("changed_us", sa.BigInteger, nullable=False),
)

PASSKEY = sa.Table(
    "passkey",
    METADATA,
    sa.Column("credential", sa.LargeBinary, primary_key=True),
    sa.Column("person", sa.String, nullable=False, index=True),
    sa.Column("public_key", sa.LargeBinary, nullable=False),
    sa.Column("counter", sa.BigInteger, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("used_us", sa.BigInteger),  # to the hour
)

ACCOUNT = sa.Table(
    "account",
    METADATA,
    sa.Column("issuer", sa.String, primary_key=True),
    sa.Column("subject", sa.String, primary_key=True),
    sa.Column("person", sa.String, nullable=False, index=True),
    sa.Column("created_us", sa.BigInteger, nullable=False),
)

DELEGATION = sa.Table(
    "delegation",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("person", sa.String, nullable=False, index=True),
    sa.Column("told", sa.LargeBinary, nullable=False),  # the Delegation as JSON
    sa.Column("changed", sa.BigInteger, nullable=False, index=True),
)

GLASS = sa.Table(
    "glass",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("person", sa.String, nullable=False, index=True),
    sa.Column("told", sa.LargeBinary, nullable=False),  # the Glass as JSON
    sa.Column("changed", sa.BigInteger, nullable=False, index=True),
)


def _first(op: Operations) -> None:
    for name, about in (("organisation", ()), ("person", ("login",))):
        op.create_table(
            name,
            sa.Column("id", sa.String, primary_key=True),
            *(sa.Column(one, sa.String, nullable=False, unique=True) for one in about),
            sa.Column("told", sa.LargeBinary, nullable=False),
            *(sa.Column("created_us", sa.BigInteger, nullable=False) for _ in about),
            sa.Column("changed", sa.BigInteger, nullable=False, index=True),
        )
    op.create_table(
        "password",
        sa.Column("person", sa.String, primary_key=True),
        sa.Column("hash", sa.String, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "passkey",
        sa.Column("credential", sa.LargeBinary, primary_key=True),
        sa.Column("person", sa.String, nullable=False, index=True),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("counter", sa.BigInteger, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("used_us", sa.BigInteger),
    )
    op.create_table(
        "account",
        sa.Column("issuer", sa.String, primary_key=True),
        sa.Column("subject", sa.String, primary_key=True),
        sa.Column("person", sa.String, nullable=False, index=True),
        sa.Column("created_us", sa.BigInteger, nullable=False),
    )
    for name in ("delegation", "glass"):
        op.create_table(
            name,
            sa.Column("id", sa.String, primary_key=True),
            sa.Column("person", sa.String, nullable=False, index=True),
            sa.Column("told", sa.LargeBinary, nullable=False),
            sa.Column("changed", sa.BigInteger, nullable=False, index=True),
        )


TABLES = PrivateTables(name="people", metadata=METADATA, migrations=(_first,))
