"""The owner's replication slot: whether it is there, how far it is, and letting it go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql
from sqlalchemy import Connection

from pintu.kernel.errors import BadRequestData
from pintu.kernel.intake.doors.database.pgoutput import lsn_number, lsn_text
from pintu.kernel.intake.doors.database.told import Told


@dataclass(frozen=True, slots=True)
class Slot:
    """`confirmed`: behind what landed; `now`: the end of the log; `held`: bytes kept for us."""

    confirmed: int
    now: int
    held: int


_STATE = sql.text(
    "SELECT plugin, slot_type, wal_status, confirmed_flush_lsn::text, pg_current_wal_lsn()::text,"
    " pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint, database = current_database()"
    " FROM pg_replication_slots WHERE slot_name = :slot"
)
_PUBLISHED = sql.text("SELECT count(*) FROM pg_publication WHERE pubname = :publication")


def slot_of(connection: Connection, told: Told) -> Slot:
    """How the slot is. BadRequestData says what the owner must do when it is not usable."""
    found: Any = connection.execute(_STATE, {"slot": told.slot}).first()
    if found is None or not found[6]:
        raise BadRequestData(
            f"Slot {told.slot} is not in {told.where}. Its owner makes it with: SELECT"
            f" pg_create_logical_replication_slot('{told.slot}', 'pgoutput') (wal_level must be"
            " logical), and limits it with max_slot_wal_keep_size"
        )
    plugin, kind, status, confirmed, now, held, _ = found
    if kind != "logical" or plugin != "pgoutput":
        raise BadRequestData(f"Slot {told.slot} is not a logical slot of pgoutput but of {plugin}")
    if status == "lost" or confirmed is None:
        raise BadRequestData(
            f"Slot {told.slot} fell too far behind and the server let its log go. Its owner drops"
            " it and makes it again; then everything is read once more"
        )
    published = connection.execute(_PUBLISHED, {"publication": told.publication}).scalar()
    if not published:
        table = told.table or "THE TABLE"
        raise BadRequestData(
            f"Publication {told.publication} is not in {told.where}. Its owner makes it with:"
            f" CREATE PUBLICATION {told.publication} FOR TABLE {table}"
        )
    return Slot(lsn_number(confirmed), lsn_number(now), int(held or 0))


def advance(connection: Connection, told: Told, to: int) -> None:
    """Let the slot go on to a place of the log: what lies before it is not needed any more."""
    connection.execute(
        sql.text("SELECT pg_replication_slot_advance(:slot, CAST(:upto AS pg_lsn))"),
        {"slot": told.slot, "upto": lsn_text(to)},
    )
