"""Reading goes on from any position, and sees what changed: by time, by key, by replication."""

from __future__ import annotations

import asyncio
import contextlib
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.errors import BadRequestData
from pintu.kernel.intake.doors.database import make_reader
from pintu.kernel.intake.doors.database.following import earlier
from pintu.kernel.intake.doors.database.pace import opens_in
from pintu.kernel.intake.loading_words import Chunk
from tests.kernel.intake.doors.database_sources import (
    around,
    fresh,
    mapping,
    read,
    rows,
    source,
)
from tests.real_databases import Server, mariadb_server, postgres_server

__all__ = ["mariadb_server", "postgres_server"]


@pytest.fixture(params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the two systems in turn."""
    found: Server = request.getfixturevalue(f"{request.param}_server")
    return found


def ids(chunks: list[Chunk]) -> list[Any]:
    """The ids of all records, in order."""
    return [one["id"] for one in rows(chunks)]


async def test_reading_goes_on_behind_every_chunk(server: Server, tmp_path: Path) -> None:
    """Whoever died after whatever chunk: what follows its position are the other rows, each once;
    keys of several columns, texts with any sign among them."""
    fresh(server, "CREATE TABLE t (a varchar(20), b int, id int, PRIMARY KEY (a, b))")
    chance = random.Random(7)
    signs = "aZ é%'\"\\西湖|"
    texts = {"".join(chance.choices(signs, k=4)).strip() + str(n) for n in range(40)}
    with contextlib.closing(server.connect("city")) as connection:
        cursor = connection.cursor()
        values = [(one, b, n * 40 + b) for n, one in enumerate(sorted(texts)) for b in range(40)]
        cursor.executemany("INSERT INTO t VALUES (%s, %s, %s)", values)
    wanted = source(server, table="t", page_rows=100)
    chunks = await read(wanted, mapping("a", "b"), tmp_path)
    everything = ids(chunks)
    assert list(range(len(texts) * 40)) == sorted(everything)
    assert 10 < len(chunks) and [False, True] == sorted({one.full for one in chunks})
    for number, chunk in enumerate(chunks[:-1]):
        rest = await read(wanted, mapping("a", "b"), tmp_path, chunk.position)
        assert everything == ids(chunks[: number + 1]) + ids(rest)
        assert [one.key for one in chunks[number + 1 :]] == [one.key for one in rest]
    assert [] == await read(wanted, mapping("a", "b"), tmp_path, chunks[-1].position)


async def test_a_view_without_a_key_asks_for_one(server: Server, tmp_path: Path) -> None:
    """What cannot be gone on with is refused, with the setting that helps; with it the view is
    read."""
    fresh(
        server,
        "CREATE TABLE t (id int PRIMARY KEY, v int)",
        "INSERT INTO t VALUES (1, 2), (2, 3)",
        "CREATE VIEW seen AS SELECT id, v FROM t",
    )
    with pytest.raises(BadRequestData, match="which columns tell its rows apart"):
        await read(source(server, table="seen"), mapping("v"), tmp_path)
    assert [1, 2] == ids(await read(source(server, table="seen", key="id"), mapping("v"), tmp_path))


TIMED = (
    "CREATE TABLE t (id int PRIMARY KEY, v int, changed timestamp(6) NULL)",
    "CREATE INDEX by_changed ON t (changed)",
)


def stamp(seconds: float) -> str:
    """A time of UTC some seconds from now, as SQL."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("'%Y-%m-%d %H:%M:%S.%f'")


async def test_changes_are_seen_by_time(server: Server, tmp_path: Path) -> None:
    """After the first load only what changed comes; rows of one time stamp all come; a row that was
    stamped early and committed late comes too; nothing comes when nothing changed."""
    fresh(server, *TIMED)
    values = ", ".join(f"({one}, 0, {stamp(-3600)})" for one in range(1, 501))
    server.run(f"INSERT INTO t VALUES {values}", database="city")
    wanted = source(server, table="t", follow="time", column="changed", overlap_s=20, page_rows=50)
    mapped = mapping("v", zone="UTC")
    chunks = await read(wanted, mapped, tmp_path)
    assert list(range(1, 501)) == sorted(set(ids(chunks)))
    position = chunks[-1].position
    same = stamp(-1)
    server.run(f"UPDATE t SET v = 1, changed = {same} WHERE id <= 120", database="city")
    second = await read(wanted, mapped, tmp_path, position)
    assert list(range(1, 121)) == sorted(set(ids(second)) - set(range(121, 501)))
    assert {1} == {one["v"] for one in rows(second) if one["id"] <= 120}
    server.run(f"INSERT INTO t VALUES (900, 9, {stamp(-15)})", database="city")  # committed late
    third = await read(wanted, mapped, tmp_path, second[-1].position)
    assert 900 in ids(third)


async def test_while_it_stays_each_change_comes_once(server: Server, tmp_path: Path) -> None:
    """A reader that stays hands out a change soon, and what lies in the overlap not again."""
    fresh(server, *TIMED)
    server.run(f"INSERT INTO t VALUES (1, 0, {stamp(-5)})", database="city")
    wanted = source(
        server, table="t", follow="time", column="changed", overlap_s=60, stay=True, every_s=0.2
    )
    chunks = make_reader(wanted, mapping("v", zone="UTC"), around(tmp_path)).chunks("")
    async with contextlib.aclosing(chunks):  # type: ignore[type-var]
        first = await anext(chunks)
        assert [1] == ids([first])
        await anext(chunks)  # what the overlap of the load brings again
        for number in range(2, 8):
            server.run(f"INSERT INTO t VALUES ({number}, 0, {stamp(0)})", database="city")
            found = await asyncio.wait_for(anext(chunks), 5)
            assert [number] == ids([found])
        server.run(f"UPDATE t SET v = 5, changed = {stamp(0)} WHERE id = 3", database="city")
        assert [3] == ids([await asyncio.wait_for(anext(chunks), 5)])


async def test_what_was_stamped_in_bulk_is_not_read_again(server: Server, tmp_path: Path) -> None:
    """Many rows of one old time stamp are settled: following begins behind them, and what is new
    comes alone."""
    fresh(server, *TIMED)
    values = ", ".join(f"({one}, 0, '2026-01-01 00:00:00')" for one in range(1, 501))
    server.run(f"INSERT INTO t VALUES {values}", database="city")
    wanted = source(server, table="t", follow="time", column="changed", overlap_s=20)
    first = await read(wanted, mapping("v", zone="UTC"), tmp_path)
    assert 500 == len(ids(first))
    server.run(f"UPDATE t SET v = 1, changed = {stamp(-1)} WHERE id = 7", database="city")
    second = await read(wanted, mapping("v", zone="UTC"), tmp_path, first[-1].position)
    assert [7] == ids(second)
    late = f"UPDATE t SET v = 2, changed = {stamp(-9)} WHERE id = 8"
    server.run(late, database="city")
    assert [8, 7] == ids(
        await read(wanted, mapping("v", zone="UTC"), tmp_path, second[-1].position)
    )


async def test_a_clock_a_day_ahead_hides_nothing(server: Server, tmp_path: Path) -> None:
    """A row stamped in the future is read and does not make later rows too old to be seen."""
    fresh(server, *TIMED)
    server.run(f"INSERT INTO t VALUES (1, 0, {stamp(86_400)})", database="city")
    wanted = source(server, table="t", follow="time", column="changed")
    first = await read(wanted, mapping("v", zone="UTC"), tmp_path)
    server.run(f"INSERT INTO t VALUES (2, 0, {stamp(0)})", database="city")
    second = await read(wanted, mapping("v", zone="UTC"), tmp_path, first[-1].position)
    assert {1} == set(ids(first)) and 2 in ids(second)


async def test_new_rows_are_seen_by_key(server: Server, tmp_path: Path) -> None:
    """By a key that grows: new rows come, and one whose smaller key was committed later."""
    fresh(server, "CREATE TABLE t (id int PRIMARY KEY, v int)")
    values = ", ".join(f"({one}, 0)" for one in range(1, 3001))
    server.run(f"INSERT INTO t VALUES {values}", database="city")
    wanted = source(server, table="t", follow="key")
    first = await read(wanted, mapping("v"), tmp_path)
    server.run("INSERT INTO t VALUES (3005, 1)", database="city")
    second = await read(wanted, mapping("v"), tmp_path, first[-1].position)
    assert 3005 in ids(second) and len(ids(second)) < 1_100
    server.run("INSERT INTO t VALUES (3003, 1)", database="city")
    third = await read(wanted, mapping("v"), tmp_path, second[-1].position)
    assert 3003 in ids(third)


async def test_everything_is_read_again_when_it_is_time(server: Server, tmp_path: Path) -> None:
    """Deleted rows are found by a reading of everything, which says that it was one."""
    fresh(
        server, "CREATE TABLE t (id int PRIMARY KEY, v int)", "INSERT INTO t VALUES (1, 1), (2, 2)"
    )
    wanted = source(server, table="t", full_every_h=1e-7)
    first = await read(wanted, mapping("v"), tmp_path)
    server.run("DELETE FROM t WHERE id = 1", database="city")
    await asyncio.sleep(0.01)
    second = await read(wanted, mapping("v"), tmp_path, first[-1].position)
    assert ([2], True) == (ids(second), second[-1].full)
    assert first[-1].key != second[-1].key


async def test_an_empty_table_is_read_whole(server: Server, tmp_path: Path) -> None:
    """A table without rows is one empty chunk that says everything was read; rows that come later
    are followed."""
    fresh(server, *TIMED)
    for follow in ("nothing", "time", "key"):
        server.run("DELETE FROM t", database="city")
        wanted = source(
            server, table="t", follow=follow, column="changed" if follow == "time" else ""
        )
        first = await read(wanted, mapping("v", zone="UTC"), tmp_path)
        assert ([], True) == (ids(first), first[-1].full)
        server.run(f"INSERT INTO t VALUES (1, 0, {stamp(0)})", database="city")
        second = await read(wanted, mapping("v", zone="UTC"), tmp_path, first[-1].position)
        assert ([1] if follow != "nothing" else []) == ids(second)


async def test_the_owners_limit_holds(server: Server, tmp_path: Path) -> None:
    """With 500 rows a second, 1,000 rows take at least a second and a half."""
    fresh(server, "CREATE TABLE t (id int PRIMARY KEY, v int)")
    values = ", ".join(f"({one}, 0)" for one in range(1, 1001))
    server.run(f"INSERT INTO t VALUES {values}", database="city")
    loop = asyncio.get_running_loop()
    started = loop.time()
    found = await read(source(server, table="t", rows_per_second=500), mapping("v"), tmp_path)
    assert 1000 == len(ids(found)) and loop.time() - started > 0.9


async def test_one_connection_and_no_more(postgres_server: Server, tmp_path: Path) -> None:
    """While a table is read the database sees one connection of ours, named pintu, that may only
    read."""
    fresh(postgres_server, "CREATE TABLE t (id int PRIMARY KEY, v int)")
    postgres_server.run(
        "INSERT INTO t SELECT i, 0 FROM generate_series(1, 2000) i", database="city"
    )
    wanted = source(postgres_server, table="t", page_rows=100)
    counts = []
    async for _ in make_reader(wanted, mapping("v"), around(tmp_path)).chunks(""):
        sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pintu'"
        counts += [one[0] for one in postgres_server.ask(sql)]
    assert 1 == max(counts)
    await asyncio.sleep(0.1)
    assert [(0,)] == postgres_server.ask(sql)


@pytest.mark.parametrize(
    ("hours", "at", "expected_h"),
    [
        ("22:00-06:00", "2026-01-31T15:00:00+00:00", 0),  # 23:00 in Shanghai
        ("22:00-06:00", "2026-01-31T02:00:00+00:00", 12),  # 10:00
        ("08:00-12:00", "2026-01-31T04:30:00+00:00", 19.5),  # 12:30
        ("08:00-12:00", "2026-01-31T00:00:00+00:00", 0),
        ("", "2026-01-31T04:30:00+00:00", 0),
    ],
)
def test_hours_of_the_owner(hours: str, at: str, expected_h: float) -> None:
    """Allowed hours are told in the city's zone and may go over midnight."""
    now_us = int(datetime.fromisoformat(at).timestamp() * 1e6)
    assert expected_h == opens_in(hours, "Asia/Shanghai", now_us) / 3600


async def test_outside_of_its_hours_nothing_is_read(server: Server, tmp_path: Path) -> None:
    """A source outside of its hours is not even connected to; it goes on from its position
    later."""
    now = datetime.now(UTC) + timedelta(hours=8)
    later = [(now + timedelta(hours=one)).strftime("%H:%M") for one in (2, 3)]
    wanted = source(server, table="not_there", hours="-".join(later))
    assert [] == await read(wanted, mapping("v"), tmp_path)


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("2026-01-31 08:00:00+00", "2026-01-31 07:59:30+00:00"),
        ("2026-01-31 08:00:00", "2026-01-31 07:59:30"),
        ("2026-01-31T08:00:00Z", "2026-01-31T07:59:30Z"),
        (1_769_846_400, 1_769_846_370),
        (1_769_846_400_000, 1_769_846_370_000),
        ("infinity", "infinity"),
    ],
)
def test_the_overlap_keeps_the_form_of_a_time(last: Any, expected: Any) -> None:
    """What is compared with a column is written as the column writes it."""
    now = datetime(2030, 1, 1, tzinfo=UTC)
    assert expected == earlier(last, now, 30, "Asia/Shanghai")
