"""The private tables of this room: alarms, incidents, what detectors got wrong, where it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from pintu.kernel.operations.journal import create_journal, journal_tables
from pintu.kernel.tables import PrivateTables

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()
DEED, OUTBOX = journal_tables(METADATA)


def _alarm() -> list[sa.Column[object]]:
    return [
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("alert", sa.String, nullable=False),
        sa.Column("incident", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("category", sa.String, nullable=False),
        sa.Column("sub", sa.String, nullable=False),
        sa.Column("severity", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("target", sa.String, nullable=False),
        sa.Column("detector", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),  # JSON: language → text
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("said_us", sa.BigInteger, nullable=False),
        sa.Column("heard_us", sa.BigInteger, nullable=False),
        sa.Column("clock_off_us", sa.BigInteger, nullable=False),
        sa.Column("lon", sa.Float, nullable=True),
        sa.Column("lat", sa.Float, nullable=True),
        sa.Column("extent_m", sa.BigInteger, nullable=False),
        sa.Column("causes", sa.String, nullable=False),  # JSON
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("repeats", sa.BigInteger, nullable=False),
        sa.Column("cleared_us", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String, nullable=False),  # JSON
    ]


def _incident() -> list[sa.Column[object]]:
    return [
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("opened_us", sa.BigInteger, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.Column("told", sa.String, nullable=False),  # JSON: the whole of it
    ]


def _detector() -> list[sa.Column[object]]:
    return [
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("detector", sa.String, primary_key=True),
        sa.Column("alarms", sa.BigInteger, nullable=False),
        sa.Column("confirmed", sa.BigInteger, nullable=False),
        sa.Column("mistaken", sa.BigInteger, nullable=False),
        sa.Column("floods", sa.BigInteger, nullable=False),
        sa.Column("clock_off_us", sa.BigInteger, nullable=False),  # of its newest alarm that was
        sa.Column("last_us", sa.BigInteger, nullable=False),
    ]


def _place() -> list[sa.Column[object]]:
    return [
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
    ]


ALARM = sa.Table(
    "alarm",
    METADATA,
    *_alarm(),
    sa.Index("alarm_incident", "incident", "number"),
    sa.Index("alarm_alert", "tenant", "alert", "number"),
)
INCIDENT = sa.Table(
    "incident",
    METADATA,
    *_incident(),
    sa.Index("incident_state", "tenant", "state", "opened_us"),
)
DETECTOR = sa.Table("detector", METADATA, *_detector())
PLACE = sa.Table("place", METADATA, *_place())


def _first(op: Operations) -> None:
    op.create_table("alarm", *_alarm())
    op.create_index("alarm_incident", "alarm", ["incident", "number"])
    op.create_index("alarm_alert", "alarm", ["tenant", "alert", "number"])
    op.create_table("incident", *_incident())
    op.create_index("incident_state", "incident", ["tenant", "state", "opened_us"])
    op.create_table("detector", *_detector())
    op.create_table("place", *_place())
    create_journal(op)


TABLES = PrivateTables(name="incidents", metadata=METADATA, migrations=(_first,))
