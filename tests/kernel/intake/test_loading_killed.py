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
from sqlalchemy.exc import DBAPIError

from pintu.kernel.clock import CityClock
from pintu.kernel.configuration import Configuration
from pintu.kernel.errors import PintuError
from pintu.kernel.exchange import Question, read_data_set
from pintu.kernel.exchange.tables import TableProvider
from pintu.kernel.store.sqlite import open_sqlite
from pintu.kernel.tables import CityTables, open_tables

from .loads_child import CHUNKS, SIZE
from .test_wire_faults import Child

RECORDS = CHUNKS * SIZE
BAD = RECORDS // 9
FIELDS = [
    {"to": "name", "from": "name"},
    {"to": "capacity", "from": "capacity", "kind": "whole"},
]


@pytest.fixture
def children(tmp_path: Path, stores: str) -> Iterator[tuple[Child, Child]]:
    """A broker and a loads process on one data folder; what is loaded, and how far, lies on either
    store."""
    broker = Child("broker_child.py", str(tmp_path))
    loads = Child("loads_child.py", str(tmp_path), stores)
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


@pytest.fixture
def tables(tmp_path: Path, stores: str, children: tuple[Child, Child]) -> Iterator[CityTables]:
    """What the loads process keeps, from outside."""
    made = open_tables(tmp_path, stores)
    yield made
    made.close()


def state(tables: CityTables) -> tuple[str, str]:
    """(state, position) of the newest run."""
    runs = tables.open("rooms", "loads")
    sql = "SELECT state, position FROM run ORDER BY number DESC LIMIT 1"
    try:
        found = runs.read_now(lambda connection: connection.exec_driver_sql(sql).first())
    except (PintuError, DBAPIError):  # there is no such table yet
        found = None
    finally:
        runs.close()
    return (found[0], found[1]) if found else ("", "")


def keep_killing(tables: CityTables, victims: list[Child], *, seconds: float = 40) -> int:
    """Kill one of them at a random moment, again and again, until the run is done."""
    dice, kills, end_s = random.Random(7), 0, time.monotonic() + seconds
    while state(tables)[0] != "done":
        assert time.monotonic() < end_s, f"never done: {state(tables)}"
        if kills < 6 and state(tables)[1]:
            before = state(tables)[1]
            time.sleep(dice.uniform(0.0, 0.25))
            victim = victims[kills % len(victims)]
            victim.kill()
            victim.start()
            victim.ready()
            kills += 1
            wait_for_more(tables, before)
        time.sleep(0.01)
    return kills


def wait_for_more(tables: CityTables, before: str) -> None:
    """Until the run got further than it was."""
    end_s = time.monotonic() + 20
    while state(tables)[1] == before and state(tables)[0] != "done":
        assert time.monotonic() < end_s, "it got no further"
        time.sleep(0.02)


def held_lines(data: Path) -> Counter[int]:
    """Line numbers in quarantine."""
    with closing(sqlite3.connect(f"file:{data}/rooms/intake.db?mode=ro", uri=True)) as file:
        bodies = [row[0] for row in file.execute("SELECT body FROM held")]
    return Counter(orjson.loads(line)["line"] for body in bodies for line in body.splitlines())


async def test_killed_while_loading_into_the_context(
    tmp_path: Path, children: tuple[Child, Child], tables: CityTables
) -> None:
    """Loads process and broker in turn: every good record is one log row, every bad one is held."""
    broker, loads = children
    configured(tmp_path, table=False)
    loads.start()
    loads.ready()
    kills = keep_killing(tables, [loads, broker])
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


async def test_killed_while_loading_into_a_table(
    tmp_path: Path, children: tuple[Child, Child], tables: CityTables
) -> None:
    """Rows and position are one transaction: each row is there once."""
    _, loads = children
    configured(tmp_path, table=True)
    loads.start()
    loads.ready()
    kills = keep_killing(tables, [loads])
    loads.kill()
    saved = Configuration(tmp_path / "config", CityClock()).find("datasets", "places")
    assert saved is not None
    places = read_data_set("places", saved.content)
    found = await TableProvider(tables, CityClock(), "UTC").ask(places, Question(limit=10_000))
    told = [(row["id"], row["capacity"]) for row in found.rows]
    assert kills >= 3
    good = {(f"P{n}", n) for n in range(1, RECORDS + 1) if n % 9}
    assert (len(good), good) == (len(told), set(told))
    held = held_lines(tmp_path)
    assert (BAD, {1}) == (len(held), set(held.values()))
