"""Where two sources of one data set contradict each other: the same key, the same column, another
value. The last one still holds; what the other says is kept beside it, until both agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.exchange.forms import Form
from pintu.kernel.exchange.words import DataSet
from pintu.kernel.intake.mapping.people import masked
from pintu.kernel.intake.mapping.words import PersonMark, Row
from pintu.kernel.tables import add_rows

MOST: Final = 100_000
"""Contradictions kept of one data set: more than that nobody reads, and one look says why."""

AT_ONCE: Final = 400
LONGEST: Final = 500  # of a value that is kept to be shown

METADATA: Final = sa.MetaData()


def columns() -> list[sa.Column[Any]]:
    """The columns of the table, for a migration too."""
    return [
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),  # of the column
        sa.Column("low", sa.Integer, primary_key=True),  # the sources by number, the lower first
        sa.Column("high", sa.Integer, primary_key=True),
        sa.Column("low_says", sa.Text, nullable=False),
        sa.Column("high_says", sa.Text, nullable=False),
        sa.Column("since_us", sa.BigInteger, nullable=False),
    ]


DIFFERS: Final = sa.Table("differs", METADATA, *columns())
LOADED: Final = sa.table("loaded", sa.column("number"), sa.column("source"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """What two sources say of one value; persons masked."""

    key: str
    name: str  # of the column
    column: dict[str, str]  # its title
    says: tuple[tuple[str, str], tuple[str, str]]  # (source, value), the asked one first
    since_us: int


def several(connection: Connection, number: int) -> bool:
    """Whether any other source ever filled this data set."""
    query = sa.select(LOADED.c.number).where(LOADED.c.number != number).limit(1)
    return connection.execute(query).first() is not None


def note(
    connection: Connection, form: Form, rows: Sequence[Row], names: Sequence[str],
    now: tuple[int, int],
) -> None:  # fmt: skip
    """Compare rows that are about to be written with what other sources wrote under their keys, in
    the transaction that writes them. `now` is the number of their source, and the time in µs."""
    number, _ = now
    if not rows or not several(connection, number):
        return
    for at in range(0, len(rows), AT_ONCE):
        part = {one.key: one.values for one in rows[at : at + AT_ONCE]}
        _settle(connection, part, number)
        others = form.others(connection, number, list(part), names)
        _compare(connection, part, others, (names, *now))


def withdraw(connection: Connection, keys: Sequence[str], number: int) -> None:
    """The source says nothing of these keys any more."""
    for at in range(0, len(keys), AT_ONCE):
        mine = (DIFFERS.c.low == number) | (DIFFERS.c.high == number)
        where = (mine, DIFFERS.c.key.in_(keys[at : at + AT_ONCE]))
        connection.execute(DIFFERS.delete().where(*where))


def read(
    connection: Connection, data_set: DataSet, sources: Iterable[str], limit: int
) -> tuple[int, list[Disagreement]]:
    """How many there are between these names of one source and others, and the newest of them."""
    told = connection.execute(sa.select(LOADED.c.number, LOADED.c.source)).all()
    names = {number: source for number, source in told}
    mine = [number for number, source in told if source in set(sources)]
    where = DIFFERS.c.low.in_(mine) | DIFFERS.c.high.in_(mine)
    count = connection.execute(sa.select(sa.func.count()).select_from(DIFFERS).where(where))
    total = int(count.scalar_one())
    query = (
        DIFFERS.select()
        .where(where)
        .order_by(
            DIFFERS.c.since_us.desc(), DIFFERS.c.key, DIFFERS.c.name, DIFFERS.c.low, DIFFERS.c.high
        )
    )
    found = connection.execute(query.limit(limit)).mappings().all() if total else []
    return total, [_shown(one, data_set, names, set(mine)) for one in found]


def _settle(connection: Connection, rows: Mapping[str, Mapping[str, Any]], number: int) -> None:
    """Contradictions of old in which this source has another word now: over, or said anew."""
    query = DIFFERS.select().where(
        DIFFERS.c.key.in_(list(rows)), (DIFFERS.c.low == number) | (DIFFERS.c.high == number)
    )
    for one in connection.execute(query).mappings().all():
        mine, other = ("low", "high") if one["low"] == number else ("high", "low")
        says = _text(rows[one["key"]].get(one["name"]))
        this = sa.and_(*(DIFFERS.c[name] == one[name] for name in ("key", "name", "low", "high")))
        if says in ("", one[f"{other}_says"]):
            connection.execute(DIFFERS.delete().where(this))
        elif says != one[f"{mine}_says"]:
            connection.execute(DIFFERS.update().where(this).values({f"{mine}_says": says}))


def _compare(
    connection: Connection,
    rows: Mapping[str, Mapping[str, Any]],
    others: Iterable[tuple[Any, ...]],
    now: tuple[Sequence[str], int, int],
) -> None:
    names, number, now_us = now
    found = []
    for key, source, *values in others:
        for name, value in zip(names, values, strict=True):
            new, old = _text(rows[key].get(name)), _text(value)
            if new and old and new != old:
                low, high = sorted((number, source))
                says = (new, old) if low == number else (old, new)
                found.append({
                    "key": key, "name": name, "low": low, "high": high,
                    "low_says": says[0], "high_says": says[1], "since_us": now_us,
                })  # fmt: skip
    if found and _room(connection):
        add_rows(connection, DIFFERS, found)  # one that is known keeps its time


def _room(connection: Connection) -> bool:
    count = sa.select(sa.func.count()).select_from(DIFFERS)
    return int(connection.execute(count).scalar_one()) < MOST


def _text(value: Any) -> str:
    """A value as it is compared and kept; empty: it says nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, dict | list | tuple):
        value = orjson.dumps(value, default=str).decode()
    return str(value)[:LONGEST]


def _shown(
    one: Mapping[Any, Any], data_set: DataSet, names: Mapping[int, str], mine: set[int]
) -> Disagreement:
    column = next((col for col in data_set.columns if col.name == one["name"]), None)
    mark: Any = column.person if column is not None else ""
    of_key: PersonMark = "account" if data_set.persons else ""
    sides = [
        (names.get(one[side], "?"), masked(one[f"{side}_says"], mark)) for side in ("low", "high")
    ]
    if one["low"] not in mine:
        sides.reverse()
    return Disagreement(
        key=masked(one["key"], of_key),
        name=one["name"],
        column=dict(column.title) if column is not None else {},
        says=(sides[0], sides[1]),
        since_us=one["since_us"],
    )
