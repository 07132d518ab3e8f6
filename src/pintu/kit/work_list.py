"""What is measured as wrong, as work for people: noticed from alerts, moved by deeds along a table
of steps, every deed kept with who and when, in the piece's private tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.clock import Clock, iso
from pintu.kernel.errors import ResourceNotFound, StateConflict
from pintu.kernel.tables import OpenTables, PrivateTables, add_rows, row_number
from pintu.kit.link import Changed

RAISED: Final = "raised"
CLEARED: Final = "cleared"
MEASURED: Final = (RAISED, CLEARED)
"""Deeds of the measurements themselves: no person does them."""

LONGEST_NOTE: Final = 500
LONGEST_PAGE: Final = 1_000
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """What an alert says is wrong: of which kind, where; `more` fills the flow's own columns."""

    kind: str
    target: str
    place: str = ""  # empty: the target
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One work list as data and small rules.

    `steps` says what follows: (state, action) → state; every other pair is refused. It begins in
    `open` and ends in `closed`; `raised` and `cleared` are what measurements do. `notice` reads an
    alert of the piece, None when it is no work of this list. `kinds` are the kinds, the gravest
    first. `check` raises StateConflict for a deed that its row does not allow yet. `stays` are
    kinds that `cleared` does not move. `who` is the column of whoever it is assigned to.
    """

    piece: str
    name: str
    row: str  # what one is called: a fault, a case; also its table's name after `prefix`
    who: str
    steps: Mapping[tuple[str, str], str]
    kinds: Sequence[str]
    notice: Callable[[Changed], Noticed | None]
    shown: Callable[[Row], Row]
    prefix: str = ""
    more: Sequence[str] = ()
    check: Callable[[Row, str, str], None] = lambda _row, _action, _note: None
    stays: frozenset[str] = frozenset()


class FlowTables:
    """The two private tables of a flow: what is wrong, and what was done about it."""

    def __init__(self, flow: Flow) -> None:
        self.metadata = sa.MetaData()
        self.rows = sa.Table(
            f"{flow.prefix}{flow.row}",
            self.metadata,
            sa.Column("id", sa.Text, primary_key=True),  # the alert's id
            sa.Column("kind", sa.Text, nullable=False),
            sa.Column("target", sa.Text, nullable=False),
            sa.Column("source", sa.Text, nullable=False),  # the entity it is about
            sa.Column("place", sa.Text, nullable=False),
            *(sa.Column(one, sa.Text, nullable=False) for one in flow.more),
            sa.Column("since_us", sa.BigInteger, nullable=False),
            sa.Column("cleared_us", sa.BigInteger),  # when measurements said that it is over
            sa.Column("state", sa.Text, nullable=False),
            sa.Column(flow.who, sa.Text, nullable=False, server_default=""),
            sa.Column("changed_us", sa.BigInteger, nullable=False),
        )
        self.deeds = sa.Table(
            f"{flow.prefix}deed",
            self.metadata,
            sa.Column("number", row_number(), primary_key=True),
            sa.Column(flow.row, sa.Text, nullable=False, index=True),
            sa.Column("action", sa.Text, nullable=False),
            sa.Column("state", sa.Text, nullable=False),
            sa.Column("actor", sa.Text, nullable=False),
            sa.Column("note", sa.Text, nullable=False),
            sa.Column("at_us", sa.BigInteger, nullable=False),
        )

        def first(op: Any) -> None:
            made = [self.rows, self.deeds]
            self.metadata.create_all(op.get_bind(), tables=made, checkfirst=False)

        self.private = PrivateTables(
            name=flow.piece, metadata=self.metadata, migrations=(first,), place="pieces"
        )


class FlowService:
    """Implements `Service` for one flow."""

    def __init__(self, flow: Flow, tables: FlowTables, opened: OpenTables, clock: Clock) -> None:
        self._flow, self._rows, self._deeds = flow, tables.rows, tables.deeds
        self._opened, self._clock = opened, clock

    async def changed(self, change: Changed, now_us: int) -> None:
        """Take note of an alert of this piece, raised or cleared."""
        if "Alert" not in change.types or change.verb == "deleted":
            return
        noticed = self._flow.notice(change)
        if noticed is not None:
            await self._opened.run(
                lambda connection: self._note(connection, change, noticed, now_us)
            )

    async def rows(self, work_list: str, *, limit: int = 200, offset: int = 0) -> list[Row]:
        """Those not closed, the gravest and oldest first."""
        if work_list != self._flow.name:
            raise ResourceNotFound(f"Work list {work_list} does not exist")
        columns = self._rows.c
        ranks = {one: number for number, one in enumerate(self._flow.kinds)}
        rank = sa.case(ranks, value=columns.kind, else_=len(ranks))
        asked = (
            sa.select(self._rows)
            .where(columns.state != "closed")
            .order_by(rank, columns.since_us, columns.id)
            .limit(min(limit, LONGEST_PAGE))
            .offset(offset)
        )
        found = await self._opened.read(lambda one: list(one.execute(asked).mappings()))
        return [self._shown(dict(one)) for one in found]

    async def do(self, work_list: str, row: str, *, action: str, actor: str, note: str = "") -> Row:
        """One deed on one row; the note of `assign` is who it is assigned to.

        Raises ResourceNotFound for an unknown row or action, StateConflict when the flow has no
        such step or its rule says no.
        """
        if work_list != self._flow.name or action in MEASURED:
            raise ResourceNotFound(f"Work list {work_list} has no action {action}")
        by = (actor, note[:LONGEST_NOTE], self._clock.now_us())
        return await self._opened.run(lambda connection: self._done(connection, row, action, by))

    async def deeds(self, row: str) -> list[Row]:
        """Everything that was done about one row, oldest first."""
        mine = self._deeds.c[self._flow.row] == row
        asked = sa.select(self._deeds).where(mine).order_by(self._deeds.c.number)
        found = await self._opened.read(lambda one: list(one.execute(asked).mappings()))
        return [dict(one) for one in found]

    # --- one transaction --------------------------------------------------------------------------
    def _note(self, connection: Connection, change: Changed, noticed: Noticed, now_us: int) -> None:
        entity, columns = change.entity, self._rows.c
        is_open = entity.get("status", {}).get("value") == "open"
        by = (f"{self._flow.piece}/detect", "", now_us)
        query = sa.select(columns.state, columns.cleared_us).where(columns.id == change.id)
        known = connection.execute(query).one_or_none()
        if known is None:
            if is_open:
                add_rows(connection, self._rows, [_new(change, noticed, now_us)])
                self._write_down(connection, change.id, (RAISED, "open"), by)
            return
        if is_open == (known.cleared_us is None):
            return  # told again, nothing new
        event = RAISED if is_open else CLEARED
        state = self._flow.steps.get((known.state, event), known.state)
        if not is_open and noticed.kind in self._flow.stays:
            state = known.state
        values: Row = {"cleared_us": None if is_open else now_us, "state": state}
        if is_open and state != known.state:  # it begins anew
            values |= {"since_us": now_us, self._flow.who: "", **noticed.more}
        self._change(connection, change.id, values, now_us)
        self._write_down(connection, change.id, (event, state), by)

    def _done(self, connection: Connection, row: str, action: str, by: tuple[str, str, int]) -> Row:
        flow, note, now_us = self._flow, by[1], by[2]
        query = sa.select(self._rows).where(self._rows.c.id == row)
        known = connection.execute(query).mappings().one_or_none()
        if known is None:
            raise ResourceNotFound(f"{flow.row.capitalize()} {row} does not exist")
        state = flow.steps.get((known["state"], action))
        if state is None:
            said = f"A {flow.row} that is {known['state']} cannot {action}"
            raise StateConflict(said, state=known["state"])
        flow.check(dict(known), action, note)
        values: Row = {"state": state}
        if action == "assign" or state == "open":
            values[flow.who] = note if action == "assign" else ""
        self._change(connection, row, values, now_us)
        self._write_down(connection, row, (action, state), by)
        return self._shown({**known, **values})

    def _change(self, connection: Connection, row: str, values: Row, now_us: int) -> None:
        this = sa.update(self._rows).where(self._rows.c.id == row)
        connection.execute(this.values(**values, changed_us=now_us))

    def _write_down(
        self,
        connection: Connection,
        row: str,
        step: tuple[str, str],
        by: tuple[str, str, int],
    ) -> None:
        actor, note, at_us = by
        told = {"action": step[0], "state": step[1], "actor": actor, "note": note, "at_us": at_us}
        connection.execute(sa.insert(self._deeds).values(**told, **{self._flow.row: row}))

    def _shown(self, one: Row) -> Row:
        flow = self._flow
        steps = (action for state, action in flow.steps if state == one["state"])
        return {
            "id": one["id"],
            "target": one["source"],
            "place": one["place"],
            "since": iso(one["since_us"]),
            "state": one["state"],
            flow.who: one[flow.who],
            **flow.shown(one),
            "actions": sorted(action for action in steps if action not in MEASURED),
        }


def _new(change: Changed, noticed: Noticed, now_us: int) -> Row:
    name = change.entity.get("name", {}).get("languageMap", {}).get("zh", "")
    return {
        "id": change.id,
        "kind": noticed.kind,
        "target": noticed.target,
        "source": change.entity.get("alertSource", {}).get("object", ""),
        "place": noticed.place or name.partition("：")[2] or noticed.target,
        "since_us": now_us,
        "state": "open",
        "changed_us": now_us,
        **noticed.more,
    }
