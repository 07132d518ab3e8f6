"""The foreman's work: faults from first sight to verified repair, kept in the piece's private
tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kit import Changed, Clock, ResourceNotFound, StateConflict, iso
from pintu.kit.tables import OpenTables, PrivateTables, add_rows, row_number
from pintu.pieces.street_lights.model import FAULTS, PIECE, TITLES, Fault

LIST = "lamp_faults"
METADATA = sa.MetaData()
FAULT = sa.Table(
    "fault",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),  # the alert's id
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),  # the entity it is about
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("since_us", sa.BigInteger, nullable=False),
    sa.Column("cleared_us", sa.BigInteger),  # when measurements said that it is gone
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("crew", sa.Text, nullable=False, server_default=""),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
)
DEED = sa.Table(
    "deed",
    METADATA,
    sa.Column("number", row_number(), primary_key=True),
    sa.Column("fault", sa.Text, nullable=False, index=True),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
)


def _first(op: Any) -> None:
    METADATA.create_all(op.get_bind(), tables=[FAULT, DEED], checkfirst=False)


TABLES = PrivateTables(name=PIECE, metadata=METADATA, migrations=(_first,), place="pieces")

TABLE: dict[tuple[str, str], str] = {
    ("open", "assign"): "assigned",
    ("assigned", "assign"): "assigned",  # to another crew
    ("assigned", "release"): "open",
    ("assigned", "report_repair"): "repaired",
    ("repaired", "verify"): "closed",
    ("repaired", "reopen"): "open",
    # What is measured moves it too: gone by itself, or back again.
    ("open", "cleared"): "closed",
    ("closed", "raised"): "open",
    ("repaired", "raised"): "open",
}
"""(state, action) → state; every other pair is refused."""


class FaultService:
    """The work list `lamp_faults`."""

    def __init__(self, file: OpenTables, clock: Clock) -> None:
        self._file, self._clock = file, clock

    async def changed(self, change: Changed, now_us: int) -> None:
        """Take note of an alert of this piece, raised or cleared."""
        parts = change.id.split(":", 5)
        if "Alert" not in change.types or len(parts) != 6 or parts[3] != PIECE:
            return
        if change.verb != "deleted" and parts[4] in FAULTS:
            await self._file.run(lambda connection: _noted(connection, change, now_us))

    async def rows(
        self, work_list: str, *, limit: int = 200, offset: int = 0
    ) -> list[dict[str, Any]]:
        """Faults not closed, the worst and oldest first."""
        if work_list != LIST:
            raise ResourceNotFound(f"Work list {work_list} does not exist")
        rank = sa.case(
            {str(one): number for number, one in enumerate(Fault)}, value=FAULT.c.kind, else_=99
        )
        asked = (
            sa.select(FAULT)
            .where(FAULT.c.state != "closed")
            .order_by(rank, FAULT.c.since_us)
            .limit(min(limit, 1_000))
            .offset(offset)
        )
        found = await self._file.read(lambda connection: list(connection.execute(asked).mappings()))
        return [_row(dict(one)) for one in found]

    async def do(
        self, work_list: str, row: str, *, action: str, actor: str, note: str = ""
    ) -> dict[str, Any]:
        """One deed on one fault: assign (note: the crew), release, report_repair, verify, reopen.

        Raises ResourceNotFound for an unknown row, StateConflict when the table has no such step
        or a
        repair is to be verified that measurements do not show.
        """
        if work_list != LIST or action in ("cleared", "raised"):
            raise ResourceNotFound(f"Work list {work_list} has no action {action}")
        now_us = self._clock.now_us()
        return await self._file.run(
            lambda connection: _done(connection, row, action, (actor, note[:500], now_us))
        )

    async def deeds(self, row: str) -> list[dict[str, Any]]:
        """Everything that was done about one fault, oldest first."""
        asked = sa.select(DEED).where(DEED.c.fault == row).order_by(DEED.c.number)
        found = await self._file.read(lambda connection: list(connection.execute(asked).mappings()))
        return [dict(one) for one in found]


def _noted(connection: Connection, change: Changed, now_us: int) -> None:
    entity = change.entity
    is_open = entity.get("status", {}).get("value") == "open"
    known = connection.execute(
        sa.select(FAULT.c.state, FAULT.c.cleared_us).where(FAULT.c.id == change.id)
    ).one_or_none()
    if known is None:
        if is_open:
            _insert(connection, change, now_us)
        return
    if is_open == (known.cleared_us is None):
        return  # told again, nothing new
    event = "raised" if is_open else "cleared"
    state = TABLE.get((known.state, event), known.state)
    values: dict[str, Any] = {"cleared_us": None if is_open else now_us, "state": state}
    if is_open:
        values["since_us"] = now_us
        if state == "open":
            values["crew"] = ""
    connection.execute(
        sa.update(FAULT).where(FAULT.c.id == change.id).values(**values, changed_us=now_us)
    )
    _write_down(connection, change.id, event, state, (f"{PIECE}/detect", "", now_us))


def _insert(connection: Connection, change: Changed, now_us: int) -> None:
    _, _, _, _, kind, target = change.id.split(":", 5)
    name = change.entity.get("name", {}).get("languageMap", {}).get("zh", target)
    source = change.entity.get("alertSource", {}).get("object", "")
    row = {
        "id": change.id, "kind": kind, "target": target, "source": source,
        "place": name.partition("：")[2] or target, "since_us": now_us, "state": "open",
        "changed_us": now_us,
    }  # fmt: skip
    add_rows(connection, FAULT, [row])
    _write_down(connection, change.id, "raised", "open", (f"{PIECE}/detect", "", now_us))


def _done(
    connection: Connection, row: str, action: str, by: tuple[str, str, int]
) -> dict[str, Any]:
    actor, note, now_us = by
    known = connection.execute(sa.select(FAULT).where(FAULT.c.id == row)).mappings().one_or_none()
    if known is None:
        raise ResourceNotFound(f"Fault {row} does not exist")
    state = TABLE.get((known["state"], action))
    if state is None:
        raise StateConflict(
            f"A fault that is {known['state']} cannot {action}", state=known["state"]
        )
    if action == "verify" and known["cleared_us"] is None:
        raise StateConflict("A repair cannot be verified while the lamp still measures as faulty")
    values: dict[str, Any] = {"state": state, "changed_us": now_us}
    if action == "assign":
        values["crew"] = note
    elif state == "open":
        values["crew"] = ""
    connection.execute(sa.update(FAULT).where(FAULT.c.id == row).values(**values))
    _write_down(connection, row, action, state, (actor, note, now_us))
    return _row({**known, **values})


def _write_down(
    connection: Connection, fault: str, action: str, state: str, by: tuple[str, str, int]
) -> None:
    actor, note, at_us = by
    connection.execute(
        sa.insert(DEED).values(
            fault=fault, action=action, state=state, actor=actor, note=note, at_us=at_us
        )
    )


def _row(one: dict[str, Any]) -> dict[str, Any]:
    fault = FAULTS[one["kind"]]
    return {
        "id": one["id"],
        "target": one["source"],
        "kind": {"value": str(fault), "title": TITLES[fault]},
        "place": one["place"],
        "since": iso(one["since_us"]),
        "measured": "cleared" if one["cleared_us"] else "faulty",
        "state": one["state"],
        "crew": one["crew"],
        "actions": sorted(
            action
            for state, action in TABLE
            if state == one["state"] and action not in ("cleared", "raised")
        ),
    }
