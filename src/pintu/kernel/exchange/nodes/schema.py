"""What this node keeps of its neighbours: who they are, what they called, what they agreed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pintu.kernel.tables import PrivateTables

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()


def _node() -> list[sa.Column[object]]:
    return [
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    ]


def _nonce() -> list[sa.Column[object]]:
    return [
        sa.Column("nonce", sa.String, primary_key=True),  # KEYID/NONCE
        sa.Column("until_s", sa.BigInteger, nullable=False, index=True),
    ]


def _invitation() -> list[sa.Column[object]]:
    return [
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        sa.Column("until_us", sa.BigInteger, nullable=False),
        sa.Column("by", sa.String, nullable=False),
    ]


def _abroad() -> list[sa.Column[object]]:
    return [
        sa.Column("node", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    ]


def _recall() -> list[sa.Column[object]]:
    return [
        sa.Column("node", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    ]


def _receipt() -> list[sa.Column[object]]:
    return [
        # the number of our own row of the log, and beside it the provider's
        sa.Column("own", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("node", sa.String, nullable=False),
        sa.Column("agreement", sa.String, nullable=False),
        sa.Column("receipt", sa.String, nullable=False),
        sa.Column("signature", sa.String, nullable=False),  # both headers of the signed answer
        sa.Column("digest", sa.String, nullable=False),  # of the rows as they were sent
        sa.Column("at_us", sa.BigInteger, nullable=False),
    ]


def _endorsement() -> list[sa.Column[object]]:
    return [
        sa.Column("public", sa.String, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    ]


def _outgoing() -> list[sa.Column[object]]:
    return [
        # what is still to be told to a neighbour: the newest of each kind, until it took it
        sa.Column("node", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("path", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    ]


NODE = sa.Table("node", METADATA, *_node())
NONCE = sa.Table("nonce", METADATA, *_nonce())
INVITATION = sa.Table("invitation", METADATA, *_invitation())
ABROAD = sa.Table("abroad", METADATA, *_abroad())
RECALL = sa.Table("recall", METADATA, *_recall())
RECEIPT = sa.Table("receipt", METADATA, *_receipt())
ENDORSEMENT = sa.Table("endorsement", METADATA, *_endorsement())
OUTGOING = sa.Table("outgoing", METADATA, *_outgoing())


def _first(op: Operations) -> None:
    op.create_table("node", *_node())
    op.create_table("nonce", *_nonce())
    op.create_table("invitation", *_invitation())
    op.create_table("abroad", *_abroad())
    op.create_table("recall", *_recall())
    op.create_table("receipt", *_receipt())
    op.create_table("endorsement", *_endorsement())
    op.create_table("outgoing", *_outgoing())


TABLES = PrivateTables(name="nodes", metadata=METADATA, migrations=(_first,))
