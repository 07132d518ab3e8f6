"""The loads process and the broker are killed in the middle of a load: nothing lost or doubled."""

from __future__ import annotations

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.configuration import Configuration
from pintu.kernel.store.sqlite import open_sqlite

from .loads_child import CHUNKS, SIZE
from .test_wire_faults import Child

RECORDS = CHUNKS * SIZE
BAD = RECORDS // 9
FIELDS = [
    {"to": "name", "from": "name"},
    {"to": "capacity", "from": "capacity", "kind": "whole"},
]


@pytest.fixture
def children(tmp_path: Path) -> Iterator[tuple[Child, Child]]:
    """A broker and a loads process on one data folder."""
    broker = Child("broker_child.py", str(tmp_path))
    loads = Child("loads_child.py", str(tmp_path))
    broker.start()
    broker.ready()
    yield broker, loads
    loads.kill()
    broker.kill()


def configured(data: Path, *, table: bool) -> None:
    """A source by the made-up door, into the context or into a table data set."""
    saved = Configuration(data / "config", CityClock())
    if table:
        columns = [
            {"name": "id", "key": True},
            {"name": "name"},
            {"name": "capacity", "kind": "whole"},
        ]
        saved.save("datasets", "places", {"provider": "table", "columns": columns}, by="test")
        mapping = {
            "name": "places",
            "target": "table",
            "data_set": "places",
            "fields": [{"to": "id", "from": "id", "key": True}, *FIELDS],
        }
    else:
        mapping = {"name": "places", "type": "PointOfInterest", "id": "{id}", "fields": FIELDS}
    saved.save("mappings", "places", mapping, by="test")
    source = {"door": "counting", "tenant": "demo", "mappings": ["places"]}
    saved.save("sources", "count", source, by="test")


def state(data: Path) -> tuple[str, str]:
    """(state, position) of the newest run."""
    try:
        with closing(sqlite3.connect(f"file:{data}/rooms/loads.db?mode=ro", uri=True)) as file:
            found = file.execute("SELECT state, position FROM run ORDER BY number DESC").fetchone()
    except sqlite3.Error:
        found = None
    return found or ("", "")


def keep_killing(data: Path, victims: list[Child], *, seconds: float = 40) -> int:
    """Kill one of them at a random moment, again and again, until the run is done."""
    dice, kills, end_s = random.Random(7), 0, time.monotonic() + seconds
    while state(data)[0] != "done":
        assert time.monotonic() < end_s, f"never done: {state(data)}"
        if kills < 6 and state(data)[1]:
            before = state(data)[1]
            time.sleep(dice.uniform(0.0, 0.25))
            victim = victims[kills % len(victims)]
            victim.kill()
            victim.start()
            victim.ready()
            kills += 1
            wait_for_more(data, before)
        time.sleep(0.01)
    return kills


def wait_for_more(data: Path, before: str) -> None:
    """Until the run got further than it was."""
    end_s = time.monotonic() + 20
    while state(data)[1] == before and state(data)[0] != "done":
        assert time.monotonic() < end_s, "it got no further"
        time.sleep(0.02)


def held_lines(data: Path) -> Counter[int]:
    """Line numbers in quarantine."""
    with closing(sqlite3.connect(f"file:{data}/rooms/intake.db?mode=ro", uri=True)) as file:
        bodies = [row[0] for row in file.execute("SELECT body FROM held")]
    return Counter(orjson.loads(line)["line"] for body in bodies for line in body.splitlines())


async def test_killed_while_loading_into_the_context(
    tmp_path: Path, children: tuple[Child, Child]
) -> None:
    """Loads process and broker in turn: every good record is one log row, every bad one is held."""
    broker, loads = children
    configured(tmp_path, table=False)
    loads.start()
    loads.ready()
    kills = keep_killing(tmp_path, [loads, broker])
    loads.kill()
    broker.kill()
    store = open_sqlite(tmp_path / "city.db", clock=CityClock())
    rows = Counter(one.id for one in store.changes(0, 100_000) if "PointOfInterest" in one.types)
    await store.close()
    assert kills >= 3
    assert RECORDS - BAD == len(rows)
    assert {1} == set(rows.values())
    held = held_lines(tmp_path)
    assert (BAD, {1}) == (len(held), set(held.values()))


def test_killed_while_loading_into_a_table(tmp_path: Path, children: tuple[Child, Child]) -> None:
    """Rows and position are one transaction: each row is there once."""
    _, loads = children
    configured(tmp_path, table=True)
    loads.start()
    loads.ready()
    kills = keep_killing(tmp_path, [loads])
    loads.kill()
    (path,) = (tmp_path / "datasets").glob("*.db")
    with closing(sqlite3.connect(path)) as file:
        told = file.execute("SELECT id, capacity FROM rows WHERE _removed IS NULL").fetchall()
    assert kills >= 3
    good = {(f"P{n}", n) for n in range(1, RECORDS + 1) if n % 9}
    assert (len(good), good) == (len(told), set(told))
    held = held_lines(tmp_path)
    assert (BAD, {1}) == (len(held), set(held.values()))
