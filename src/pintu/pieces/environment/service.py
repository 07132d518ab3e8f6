"""The inspector's work: exceedances and suspicions from first sight to a finding, kept in the
piece's private tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kit import Changed, Clock, ResourceNotFound, StateConflict, iso
from pintu.kit.tables import OpenTables, PrivateTables, add_rows, row_number
from pintu.pieces.environment.model.air import PIECE
from pintu.pieces.environment.model.cases import CASES, SUSPICIONS, TITLES, Case, parts_of

LIST = "air_cases"
METADATA = sa.MetaData()
CASE = sa.Table(
    "air_case",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),  # the alert's id
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),  # the station
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("since_us", sa.BigInteger, nullable=False),
    sa.Column("cleared_us", sa.BigInteger),  # when measurements said that it is over
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("inspector", sa.Text, nullable=False, server_default=""),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
)
DEED = sa.Table(
    "air_deed",
    METADATA,
    sa.Column("number", row_number(), primary_key=True),
    sa.Column("case", sa.Text, nullable=False, index=True),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
)


def _first(op: Any) -> None:
    METADATA.create_all(op.get_bind(), tables=[CASE, DEED], checkfirst=False)


TABLES = PrivateTables(name=PIECE, metadata=METADATA, migrations=(_first,), place="pieces")

TABLE: dict[tuple[str, str], str] = {
    ("open", "assign"): "assigned",
    ("assigned", "assign"): "assigned",  # to another inspector
    ("assigned", "release"): "open",
    ("assigned", "report_finding"): "found",
    ("found", "close"): "closed",
    ("found", "reopen"): "open",
    # What is measured moves it too: over by itself, or there again.
    ("open", "cleared"): "closed",
    ("closed", "raised"): "open",
}
"""(state, action) → state; every other pair is refused. `cleared` moves no suspicion: a station
that is right again may have been tampered with all the same."""


class CaseService:
    """The work list `air_cases`."""

    def __init__(self, file: OpenTables, clock: Clock) -> None:
        self._file, self._clock = file, clock

    async def changed(self, change: Changed, now_us: int) -> None:
        """Take note of an alert of this piece, raised or cleared."""
        if "Alert" in change.types and change.verb != "deleted" and parts_of(change.id):
            await self._file.run(lambda connection: _noted(connection, change, now_us))

    async def rows(
        self, work_list: str, *, limit: int = 200, offset: int = 0
    ) -> list[dict[str, Any]]:
        """Cases not closed, the gravest and oldest first."""
        if work_list != LIST:
            raise ResourceNotFound(f"Work list {work_list} does not exist")
        rank = sa.case(
            {str(one): number for number, one in enumerate(Case)}, value=CASE.c.kind, else_=99
        )
        asked = (
            sa.select(CASE)
            .where(CASE.c.state != "closed")
            .order_by(rank, CASE.c.since_us)
            .limit(min(limit, 1_000))
            .offset(offset)
        )
        found = await self._file.read(lambda connection: list(connection.execute(asked).mappings()))
        return [_row(dict(one)) for one in found]

    async def do(
        self, work_list: str, row: str, *, action: str, actor: str, note: str = ""
    ) -> dict[str, Any]:
        """One deed on one case: assign (note: the inspector), release, report_finding (note: what
        was found), close, reopen.

        Raises ResourceNotFound for an unknown row, StateConflict when the table has no such step or
        a finding says nothing.
        """
        if work_list != LIST or action in ("cleared", "raised"):
            raise ResourceNotFound(f"Work list {work_list} has no action {action}")
        now_us = self._clock.now_us()
        return await self._file.run(
            lambda connection: _done(connection, row, action, (actor, note[:500], now_us))
        )

    async def deeds(self, row: str) -> list[dict[str, Any]]:
        """Everything that was done about one case, oldest first."""
        asked = sa.select(DEED).where(DEED.c.case == row).order_by(DEED.c.number)
        found = await self._file.read(lambda connection: list(connection.execute(asked).mappings()))
        return [dict(one) for one in found]


def _noted(connection: Connection, change: Changed, now_us: int) -> None:
    entity = change.entity
    is_open = entity.get("status", {}).get("value") == "open"
    known = connection.execute(
        sa.select(CASE.c.kind, CASE.c.state, CASE.c.cleared_us).where(CASE.c.id == change.id)
    ).one_or_none()
    if known is None:
        if is_open:
            _insert(connection, change, now_us)
        return
    if is_open == (known.cleared_us is None):
        return  # told again, nothing new
    event = "raised" if is_open else "cleared"
    state = TABLE.get((known.state, event), known.state)
    if event == "cleared" and CASES[known.kind] in SUSPICIONS:
        state = known.state
    values: dict[str, Any] = {"cleared_us": None if is_open else now_us, "state": state}
    if is_open and known.state == "closed":
        values |= {"since_us": now_us, "inspector": "", "reason": _reason(change)}
    connection.execute(
        sa.update(CASE).where(CASE.c.id == change.id).values(**values, changed_us=now_us)
    )
    _write_down(connection, change.id, event, state, (f"{PIECE}/detect", "", now_us))


def _insert(connection: Connection, change: Changed, now_us: int) -> None:
    parts = parts_of(change.id)
    assert parts is not None
    name = change.entity.get("name", {}).get("languageMap", {}).get("zh", parts[1])
    row = {
        "id": change.id, "kind": str(parts[0]), "target": parts[1],
        "source": change.entity.get("alertSource", {}).get("object", ""),
        "place": name.partition("：")[2] or parts[1], "reason": _reason(change),
        "since_us": now_us, "state": "open", "changed_us": now_us,
    }  # fmt: skip
    add_rows(connection, CASE, [row])
    _write_down(connection, change.id, "raised", "open", (f"{PIECE}/detect", "", now_us))


def _reason(change: Changed) -> str:
    said = change.entity.get("description", {}).get("languageMap", {})
    return f"{said.get('zh', '')} / {said.get('en', '')}"[:1_000]


def _done(
    connection: Connection, row: str, action: str, by: tuple[str, str, int]
) -> dict[str, Any]:
    actor, note, now_us = by
    known = connection.execute(sa.select(CASE).where(CASE.c.id == row)).mappings().one_or_none()
    if known is None:
        raise ResourceNotFound(f"Case {row} does not exist")
    state = TABLE.get((known["state"], action))
    if state is None:
        raise StateConflict(
            f"A case that is {known['state']} cannot {action}", state=known["state"]
        )
    if action == "report_finding" and not note.strip():
        raise StateConflict("A finding without a text says nothing", state=known["state"])
    values: dict[str, Any] = {"state": state, "changed_us": now_us}
    if action == "assign":
        values["inspector"] = note
    elif state == "open":
        values["inspector"] = ""
    connection.execute(sa.update(CASE).where(CASE.c.id == row).values(**values))
    _write_down(connection, row, action, state, (actor, note, now_us))
    return _row({**known, **values})


def _write_down(
    connection: Connection, case: str, action: str, state: str, by: tuple[str, str, int]
) -> None:
    actor, note, at_us = by
    connection.execute(
        sa.insert(DEED).values(
            case=case, action=action, state=state, actor=actor, note=note, at_us=at_us
        )
    )


def _row(one: dict[str, Any]) -> dict[str, Any]:
    case = CASES[one["kind"]]
    zh, _, en = one["reason"].partition(" / ")
    pollutant = one["target"].partition("~")[2].upper().replace("PM25", "PM2.5")
    return {
        "id": one["id"],
        "target": one["source"],
        "kind": {"value": str(case), "title": TITLES[case]},
        "pollutant": pollutant,
        "place": one["place"],
        "reason": {"value": zh, "title": {"zh": zh, "en": en}},
        "since": iso(one["since_us"]),
        "measured": "cleared" if one["cleared_us"] else "holds",
        "state": one["state"],
        "inspector": one["inspector"],
        "actions": sorted(
            action
            for state, action in TABLE
            if state == one["state"] and action not in ("cleared", "raised")
        ),
    }
