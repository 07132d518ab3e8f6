"""What a store promised and what it holds: a load that remembers each answer, and the check after
a fault.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import orjson

from pintu.kernel.clock import CityClock
from pintu.kernel.context.record import Put, Record, Remove
from pintu.kernel.errors import Unavailable
from pintu.kernel.store.port import Op, Store
from pintu.kernel.store.sqlite import Tuning, open_sqlite

SMALL = Tuning(checkpoint_pages=60, wal_limit_pages=400)
"""Folds the log back often, so that faults fall into that too."""

Held = dict[str, int | None]
"""Value by id; None: deleted."""


def document(id: str, value: int) -> dict[str, Any]:
    """An entity whose rows go to every table, a few hundred bytes long."""
    place = [120 + value % 1000 / 1000, 30 + value % 77 / 100]
    return {
        "id": id,
        "type": "Lamp" if value % 5 else "Bin",
        "value": {"type": "Property", "value": value},
        "text": {"type": "Property", "value": "x" * (value % 700)},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": place}},
    }


class Promises:
    """What was answered, and what was asked and not answered yet."""

    def __init__(self) -> None:
        self.kept: Held = {}
        self.positions: dict[int, str] = {}
        self.asked: Held = {}
        self.refused = 0

    async def write(self, store: Store, which: int, chance: random.Random) -> None:
        """Write for ever: one operation after another on ids of our own."""
        count = 0
        while True:
            count += 1
            id = f"urn:ngsi-ld:Lamp:{which}-{chance.randrange(40)}"
            value = None if chance.random() < 0.15 else which * 1_000_000 + count
            self.asked[id] = value
            try:
                [outcome] = await store.submit([Op(1, id, writing(id, value))], f"task {which}")
            except Unavailable as error:
                self.refuse(id, value, error)
                await asyncio.sleep(0.001)
                continue
            assert outcome.error is None
            self.promise(id, value, outcome.position)

    def refuse(self, id: str, value: int | None, error: Unavailable) -> None:
        """The store has said that nothing of it is stored."""
        self.refused += 1
        self.asked.pop(id)

    def promise(self, id: str, value: int | None, position: int) -> None:
        """The store has answered."""
        self.kept[id] = value
        self.asked.pop(id, None)
        if position:
            self.positions[position] = id


def writing(id: str, value: int | None) -> Callable[[Record | None, int], Put | Remove]:
    """Put the value, or delete."""

    def transform(record: Record | None, now: int) -> Put | Remove:
        if value is None:
            return Remove()
        doc = document(id, value)
        if record is None:
            return Put(doc, "created")
        return Put(doc, "updated", ("value", "text", "location"))

    return transform


async def broken_promises(path: Path, promises: Promises) -> list[str]:
    """Open the store as after a fault and say everything that is not as it was promised."""
    store = open_sqlite(path, clock=CityClock())
    wrong = []
    try:
        for id, value in promises.kept.items():
            record = store.retrieve(1, id)
            assert record is None or isinstance(record, Record)
            held = None if record is None else orjson.loads(record.body)["value"]["value"]
            if held != value and (id not in promises.asked or held != promises.asked[id]):
                wrong.append(f"{id} was promised as {value} and is {held}")
        rows = store.changes(0, 1_000_000)
        by_position = {row.position: row.id for row in rows}
        wrong += [
            f"position {position} of {id} is missing"
            for position, id in promises.positions.items()
            if by_position.get(position) != id
        ]
        if [row.position for row in rows] != list(range(1, len(rows) + 1)):
            wrong.append("the log has gaps")
    finally:
        await store.close()
    return wrong + structure(path)


def sound(path: Path) -> list[str]:
    """`structure` of a city that ended: opened once, it writes the points that waited."""

    async def again() -> None:
        await open_sqlite(path, clock=CityClock()).close()

    asyncio.run(again())
    return structure(path)


def structure(path: Path) -> list[str]:
    """Is the file whole, and do its tables agree with one another?"""
    db = apsw.Connection(str(path))
    try:
        wrong = [line for (line,) in db.execute("PRAGMA integrity_check") if line != "ok"]
        checks = {
            "counts of shapes": (
                "SELECT (SELECT total(count) FROM shape) = (SELECT count(*) FROM entity)"
            ),
            "points": "SELECT (SELECT count(*) FROM point) = (SELECT count(*) FROM entity)",
            "points' entities": (
                "SELECT NOT EXISTS(SELECT 1 FROM point WHERE n NOT IN (SELECT n FROM entity))"
            ),
            "last change": (
                "SELECT NOT EXISTS(SELECT 1 FROM entity e LEFT JOIN log l ON l.position = e.last "
                "WHERE l.id IS NOT e.id)"
            ),
            "tombstones": (
                "SELECT NOT EXISTS(SELECT 1 FROM tombstone t JOIN entity e USING (tenant, id))"
            ),
        }
        wrong += [f"{name} disagree" for name, sql in checks.items() if not db.execute(sql).get]
    finally:
        db.close()
    return wrong
