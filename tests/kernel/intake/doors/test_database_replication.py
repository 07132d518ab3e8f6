"""PostgreSQL's own log of changes through the door, and a server killed while it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.errors import BadRequestData, Unavailable
from pintu.kernel.intake.doors.database import make_reader
from pintu.kernel.intake.loading_words import Chunk
from tests.kernel.intake.doors.database_sources import (
    around,
    fresh,
    mapping,
    read,
    rows,
    said,
    source,
)
from tests.real_databases import Server, postgres, postgres_server

__all__ = ["postgres_server"]


def ids(chunks: list[Chunk]) -> list[Any]:
    """The ids of all records, in order."""
    return [one["id"] for one in rows(chunks)]


@pytest.fixture
def published(postgres_server: Server) -> Server:
    """A table whose owner made a publication and a slot for us."""
    postgres_server.run(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots",
    )
    fresh(
        postgres_server,
        "CREATE TABLE t (id int PRIMARY KEY, v numeric(8, 2), note text, at timestamptz)",
        "CREATE TABLE other (id int PRIMARY KEY)",
        "ALTER TABLE t ALTER note SET STORAGE EXTERNAL",
        "INSERT INTO t SELECT i, i / 2.0, 'n', '2026-01-31 08:00+08' FROM"
        " generate_series(1, 300) i",
        "CREATE PUBLICATION pub FOR TABLE t",
        "SELECT pg_create_logical_replication_slot('pintu', 'pgoutput')",
    )
    return postgres_server


def replicated(server: Server, **told: Any) -> Any:
    """The source that follows it."""
    words = {"follow": "replication", "slot": "pintu", "publication": "pub"}
    return source(server, table="t", **(words | told))


FIELDS = mapping("v", "note", "at")


async def test_replication_brings_every_change_and_delete(
    published: Server, tmp_path: Path
) -> None:
    """Inserts, updates, deletes, new keys: values as the first load gives them, each row once with
    its last state; a large value that nobody touched is there too."""
    first = await read(replicated(published), FIELDS, tmp_path)
    assert 300 == len(ids(first))
    big = "'" + "x" * 9_000 + "'"
    published.run(
        "INSERT INTO t VALUES (301, 1.50, NULL, '2026-02-01 00:00Z')",
        f"UPDATE t SET note = {big} WHERE id = 5",
        "UPDATE t SET v = 7 WHERE id = 5",
        "DELETE FROM t WHERE id = 6",
        "UPDATE t SET id = 1007 WHERE id = 7",
        "DELETE FROM t WHERE id = 8",
        "INSERT INTO t VALUES (8, 8, 'again', NULL)",
        "INSERT INTO other VALUES (1)",
        database="city",
    )
    second = await read(replicated(published), FIELDS, tmp_path, first[-1].position)
    found = {one["id"]: one for one in rows(second)}
    assert {301, 5, 1007, 8} == set(found) and 4 == len(rows(second))
    assert {"id": 301, "v": 1.5, "note": None, "at": "2026-02-01T00:00:00Z"} == found[301]
    assert (7.0, 9_000) == (found[5]["v"], len(found[5]["note"]))
    assert [6, 7] == sorted(one["id"] for chunk in second for one in chunk.removed)
    whole = {
        one["id"]: one for one in rows(await read(source(published, table="t"), FIELDS, tmp_path))
    }
    assert all(whole[one] == found[one] for one in found)
    assert [] == await read(replicated(published), FIELDS, tmp_path, second[-1].position)


async def test_the_slot_moves_only_behind_what_landed(published: Server, tmp_path: Path) -> None:
    """A reading that nobody landed is given again, the same; one that landed lets the slot go."""
    place = "SELECT confirmed_flush_lsn FROM pg_replication_slots"
    first = await read(replicated(published), FIELDS, tmp_path)
    published.run("UPDATE t SET v = 1 WHERE id <= 100", database="city")
    before = published.ask(place)
    one = await read(replicated(published), FIELDS, tmp_path, first[-1].position)
    two = await read(replicated(published), FIELDS, tmp_path, first[-1].position)
    assert before == published.ask(place)
    assert [c.key for c in one] == [c.key for c in two] and 100 == len(ids(two))
    reader = make_reader(replicated(published), FIELDS, around(tmp_path))
    published.run("UPDATE t SET v = 2 WHERE id = 1", database="city")
    assert [1] == [r["id"] async for c in reader.chunks(two[-1].position) for _, r in c.records]
    assert before != published.ask(place)


async def test_a_large_transaction_comes_in_pieces(published: Server, tmp_path: Path) -> None:
    """One transaction of many rows is several chunks; from the middle of it reading goes on with
    the rest."""
    first = await read(replicated(published), FIELDS, tmp_path)
    published.run(
        "INSERT INTO t SELECT i, 1, 'n', NULL FROM generate_series(1001, 3000) i", database="city"
    )
    wanted = replicated(published, page_rows=300)
    chunks = await read(wanted, FIELDS, tmp_path, first[-1].position)
    assert list(range(1001, 3001)) == ids(chunks) and 7 == len(chunks)
    rest = await read(wanted, FIELDS, tmp_path, chunks[2].position)
    assert list(range(1901, 3001)) == ids(rest)


async def test_a_slot_made_anew_means_reading_everything(published: Server, tmp_path: Path) -> None:
    """When the slot was dropped and made again, changes between are lost: everything is read once
    more, and people are told. A truncated table is read again too."""
    first = await read(replicated(published), FIELDS, tmp_path)
    published.run(
        "SELECT pg_drop_replication_slot('pintu')",
        "DELETE FROM t WHERE id > 10",
        "SELECT pg_create_logical_replication_slot('pintu', 'pgoutput')",
        database="city",
    )
    second = await read(replicated(published), FIELDS, tmp_path, first[-1].position)
    assert (list(range(1, 11)), True) == (ids(second), second[-1].full)
    assert any("moved on without us" in one for one in said(second))
    published.run("TRUNCATE t", "INSERT INTO t VALUES (5000, 1, '', NULL)", database="city")
    third = await read(replicated(published), FIELDS, tmp_path, second[-1].position)
    assert any(one.full for one in third) and 5000 in ids(third)


async def test_what_the_owner_must_do_is_said(published: Server, tmp_path: Path) -> None:
    """A slot or publication that is not there: the reason is the statement that makes it."""
    with pytest.raises(BadRequestData, match="pg_create_logical_replication_slot"):
        await read(replicated(published, slot="none"), FIELDS, tmp_path)
    with pytest.raises(BadRequestData, match="CREATE PUBLICATION none FOR TABLE t"):
        await read(replicated(published, publication="none"), FIELDS, tmp_path)


async def test_a_slot_that_holds_too_much_is_told(published: Server, tmp_path: Path) -> None:
    """Beyond the limit people read on the source's page that the database's disk may fill."""
    first = await read(replicated(published), FIELDS, tmp_path)
    published.run("INSERT INTO other SELECT i FROM generate_series(1, 40000) i", database="city")
    chunks = await read(
        replicated(published, slot_limit_mb=1), FIELDS, tmp_path, first[-1].position
    )
    assert any("holds back" in one for one in said(chunks))


@pytest.mark.slow
async def test_a_database_killed_while_it_is_read_loses_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    """kill -9 of PostgreSQL between two pages, several times: reading says it went away, and goes
    on behind the last position once it is back."""
    with postgres() as server:
        fresh(server, "CREATE TABLE t (id int PRIMARY KEY, v text)")
        server.run(
            "INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 20000) i", database="city"
        )
        wanted = source(server, table="t", page_rows=500)
        found: list[Any] = []
        position = ""
        kills = 0
        whole = False
        while not whole:
            chunks = make_reader(wanted, mapping("v"), around(tmp_path)).chunks(position)
            try:
                async for chunk in chunks:
                    found += ids([chunk])
                    position, whole = chunk.position, chunk.full
                    if kills < 3 and len(found) > (kills + 1) * 5_000:
                        kills += 1
                        server.kill()
            except Unavailable as error:
                assert "PostgreSQL city on 127.0.0.1" in error.detail
                server.start()
        assert (3, list(range(1, 20_001))) == (kills, found)
