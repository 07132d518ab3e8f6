"""What plays keep: each play with the playbook as it was proposed, its groups, its steps, and what
every thing was like before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pintu.kernel.operations.journal import create_journal, journal_tables
from pintu.kernel.tables import PrivateTables

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()


def _play(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "play",
        metadata,
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("playbook", sa.String, nullable=False),
        sa.Column("book", sa.String, nullable=False),  # the playbook, as it was then
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("area", sa.String, nullable=False),  # GeoJSON, "" for everywhere
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.Index("play_cause", "cause"),
        sa.Index("play_tenant", "tenant", "created_us"),
        sa.Index("play_state", "state"),
    )


def _group(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "play_group",
        metadata,
        sa.Column("play", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("persons", sa.Integer, nullable=False),
        sa.Column("until_us", sa.BigInteger, nullable=False),
        sa.Column("approvals", sa.String, nullable=False),  # who, which person, when, by what right
    )


def _step(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "play_step",
        metadata,
        sa.Column("play", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("grouped", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),  # 1 more after each stop
        sa.Column("until_us", sa.BigInteger, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.String, nullable=False),
        sa.Column("ref", sa.String, nullable=False),
        sa.Column("targets", sa.Integer, nullable=False),
        sa.Column("reached", sa.Integer, nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
    )


def _target(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "play_target",
        metadata,
        sa.Column("play", sa.String, primary_key=True),
        sa.Column("step", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("entity", sa.String, nullable=False),
        sa.Column("setting", sa.String, nullable=False),  # PIECE/COMMAND: what of it is set
        sa.Column("wanted", sa.String, nullable=False),  # arguments, JSON
        sa.Column("before", sa.String, nullable=False),  # arguments that put it back, "" unknown
        sa.Column("held", sa.BigInteger, nullable=False),  # 0: not; else the order of the holds
        sa.Column("command", sa.String, nullable=False),
        sa.Column("why", sa.String, nullable=False),  # it was refused
        sa.Column("back", sa.String, nullable=False),  # arguments being sent to put it back
        sa.Column("back_command", sa.String, nullable=False),
        sa.Index("play_target_held", "tenant", "setting", "entity"),
    )


PLAY = _play(METADATA)
GROUP = _group(METADATA)
STEP = _step(METADATA)
TARGET = _target(METADATA)
journal_tables(METADATA)


def _first(op: Operations) -> None:
    made = sa.MetaData()
    for table in (_play(made), _group(made), _step(made), _target(made)):
        op.create_table(table.name, *[one._copy() for one in table.columns])
        for index in table.indexes:
            op.create_index(str(index.name), table.name, [one.name for one in index.columns])
    create_journal(op)


TABLES = PrivateTables(name="plays", metadata=METADATA, migrations=(_first,))
