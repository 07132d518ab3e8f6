"""Private tables to test with: a piece that kept lamps, then their hours too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

from pintu.kernel.tables import PrivateTables

METADATA = sa.MetaData()
LAMP = sa.Table(
    "lamp",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("hours", sa.Integer, nullable=False, server_default="0"),
)


def first(op: Operations) -> None:
    """The table as it first was."""
    op.create_table("lamp", sa.Column("id", sa.String, primary_key=True))


def second(op: Operations) -> None:
    """Hours were added."""
    op.add_column("lamp", sa.Column("hours", sa.Integer, nullable=False, server_default="0"))


LAMPS = PrivateTables(name="lamps", metadata=METADATA, migrations=(first, second), place="pieces")


def ids(connection: sa.Connection) -> list[str]:
    """Every lamp, in the order of its id."""
    return list(connection.execute(sa.select(LAMP.c.id).order_by(LAMP.c.id)).scalars())


def count(connection: sa.Connection) -> int:
    """How many lamps there are."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(LAMP)).scalar_one())
