"""What is PostgreSQL's own: schema, claim, groups, odd texts, memory, tasks."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import GeoSelection
from pintu.kernel.errors import (
    AlreadyExists,
    BadRequestData,
    ConfigurationError,
    DiskFull,
    PintuError,
    Unavailable,
)
from pintu.kernel.store.port import Change, settled
from pintu.kernel.store.postgres import PostgresStore, Tuning, open_postgres
from pintu.kernel.store.postgres.opened import prepare
from tests.kernel.store.conftest import create, delete, ids, lamp, put, stored, update

ID = "urn:ngsi-ld:Lamp:1"
AROUND = GeoSelection("near", {"type": "Point", "coordinates": [120, 30]}, max_distance_m=1e5)


@pytest.fixture
async def store(city_address: str) -> AsyncIterator[PostgresStore]:
    """An empty city."""
    made = await open_postgres(city_address, clock=CityClock())
    yield made
    await made.close()


async def asked(store: PostgresStore, sql: str, *arguments: Any) -> list[Any]:
    """Rows of a statement, past the store."""
    return await store.connections.fetch(sql, *arguments)


async def done(store: PostgresStore, sql: str) -> None:
    """Statements of the writer's, past the store."""
    await store.task(lambda connection: connection.execute(sql))


# --- opening --------------------------------------------------------------------------------------
async def test_every_earlier_version_is_brought_to_the_newest(store: PostgresStore) -> None:
    """From each version the steps that are missing, once; a newer one is refused."""
    steps = (
        "CREATE TABLE meta(key text PRIMARY KEY, value bigint); CREATE TABLE one(a int)",
        "INSERT INTO one VALUES(1)",
        "UPDATE one SET a = a + 1",
    )
    line = await store.connections.apart("test", writes=True)
    try:
        for version in range(len(steps) + 1):
            schema = f"{store.address.schema}_{version}"
            await line.connection.execute(f"SET search_path = {schema}, public")
            assert (0, version) == await prepare(line.connection, schema, steps[:version])
            assert (version, 3) == await prepare(line.connection, schema, steps)
            assert (3, 3) == await prepare(line.connection, schema, steps)
            assert 2 == await line.connection.fetchval("SELECT a FROM one")
            with pytest.raises(ConfigurationError, match="newer than"):
                await prepare(line.connection, schema, steps[:2])
    finally:
        await line.close()


async def test_a_second_opener_is_told_who_has_the_city(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session's name, its process and where it is; the city goes on."""
    monkeypatch.setattr("pintu.kernel.store.postgres.connection.CLAIM_S", 0.1)
    address = f"{store.address.shown}&".replace("owner@", f"owner:{store.address.password}@")
    with pytest.raises(Unavailable, match=r"session \d+ 'pintu .* writes' from 127\.0\.0\.1"):
        await open_postgres(address.rstrip("&"), clock=CityClock())
    await store.submit([create(lamp(1))])


async def test_writes_over_the_limit_are_refused(city_address: str) -> None:
    """Then nothing of the call is stored; a closed store says so."""
    store = await open_postgres(city_address, clock=CityClock(), tuning=Tuning(queue_ops=10))
    first = store.submit([create(lamp(i)) for i in range(11)])
    with pytest.raises(Unavailable, match="queue is full"):
        store.submit([create(lamp(100))])
    await first
    assert list(range(11)) == await ids(store)
    await store.close()
    with pytest.raises(Unavailable, match="closed"):
        store.submit([create(lamp(100))])


# --- two writers ----------------------------------------------------------------------------------
async def test_two_writers_share_one_gapless_log(city_address: str) -> None:
    """Both hear every change once and in order, chains are whole, counts are right."""
    opened = [open_postgres(city_address, clock=CityClock(), alone=False) for _ in range(2)]
    one, two = await asyncio.gather(*opened)
    heard: tuple[list[Change], list[Change]] = ([], [])
    one.on_commit(heard[0].extend)
    two.on_commit(heard[1].extend)

    async def work(store: PostgresStore, base: int, lane: int) -> None:
        for step in range(15):
            mine = 1_000 * base + 100 * lane + step
            await store.submit([put(lamp((step * 7 + lane) % 20)), create(lamp(mine))], f"{base}")
            if step % 5 == 0:
                await store.submit([delete(f"urn:ngsi-ld:Lamp:{(step + lane) % 20}")])

    try:
        await asyncio.gather(
            *(work(store, base, k) for base, store in ((1, one), (2, two)) for k in range(4))
        )
        rows = await one.changes(0, 10_000)
        positions = list(range(1, len(rows) + 1))
        assert positions == [row.position for row in rows]
        async with asyncio.timeout(20):
            while not len(heard[0]) == len(heard[1]) == len(rows):
                await asyncio.sleep(0.02)
        assert positions == [row.position for row in heard[0]] == [row.position for row in heard[1]]
        last: dict[str, int] = {}
        for row in rows:
            assert last.get(row.id, 0) == row.previous
            last[row.id] = row.position
        [[entities]] = await asked(one, "SELECT count(*) FROM entity")
        [[counted]] = await asked(one, "SELECT sum(count)::bigint FROM shape")
        assert entities == counted
    finally:
        await one.close()
        await two.close()


# --- groups ---------------------------------------------------------------------------------------
async def test_many_calls_of_one_turn_are_one_statement(store: PostgresStore) -> None:
    """Whatever they do: one group, one mark in the head."""
    await store.submit([create(lamp(i)) for i in range(50)])
    before = store.statistics()["groups"]
    calls = [store.submit([create(lamp(100 + i))]) for i in range(20)]
    calls += [store.submit([update(f"urn:ngsi-ld:Lamp:{i}", power=i)]) for i in range(20)]
    calls += [store.submit([delete(f"urn:ngsi-ld:Lamp:{30 + i}")]) for i in range(10)]
    calls += [store.save_cursor("feed", 7), store.save_cursor("gone", None)]  # type: ignore[list-item]
    await asyncio.gather(*calls)
    assert before + 1 == store.statistics()["groups"]
    assert [(2,)] == [tuple(row) for row in await asked(store, "SELECT groups FROM head")]
    assert {"feed": 7} == store.cursors()


async def test_an_entity_is_written_once_however_often_a_group_changes_it(
    store: PostgresStore,
) -> None:
    """Created, moved, deleted and created again: rows, points and numbers are those of the end."""
    far = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [10, 10]}}
    await store.submit([create(lamp(1)), create(lamp(2))])
    first = (await stored(store, ID)).number
    await store.submit(
        [
            update(ID, location=far),
            delete(ID),
            create(lamp(1)),
            update(ID, power=8),
            create(lamp(3)),
            delete("urn:ngsi-ld:Lamp:3"),
            update("urn:ngsi-ld:Lamp:2", location=far),
            update("urn:ngsi-ld:Lamp:2", power=1),
        ]
    )
    assert [1] == await ids(store, geo=AROUND) and [1, 2] == await ids(store)
    record = await stored(store, ID)
    assert first != record.number and 8 == orjson.loads(record.body)["power"]["value"]
    points = await asked(store, "SELECT n FROM point ORDER BY n")
    assert 2 == len(points) and record.number in {row[0] for row in points}
    verbs = [change.verb for change in await store.history(1, ID)]
    assert ["updated", "created", "deleted", "updated", "created"] == verbs
    lives = [change.verb for change in await store.history(1, "urn:ngsi-ld:Lamp:3")]
    assert ["deleted", "created"] == lives
    await store.submit([create(lamp(3))])
    assert 3 == len(await store.history(1, "urn:ngsi-ld:Lamp:3"))


async def test_an_insert_that_meets_an_entity_nobody_knew_is_done_again(
    store: PostgresStore,
) -> None:
    """The group looks first then: the others of it are stored, positions stay gapless."""
    await store.submit([create(lamp(1))])
    store.state.cache.clear()
    outcomes = await store.submit([create(lamp(0)), create(lamp(1)), create(lamp(2))])
    assert [None, AlreadyExists, None] == [one.error and type(one.error) for one in outcomes]
    assert [1, 2, 3] == [change.position for change in await store.changes(0, 10)]
    assert 1 == store.statistics()["groups_again"]


async def test_listeners_know_the_earlier_life_of_an_id(store: PostgresStore) -> None:
    """Although nobody read it before the insert."""
    heard: list[Change] = []
    store.on_commit(heard.extend)
    await store.submit([create(lamp(1))])
    await store.submit([delete(ID)])
    await store.submit([create(lamp(1)), create(lamp(2))])
    assert [0, 1, 2, 0] == [change.previous for change in heard]
    assert [0, 1, 2, 0] == [change.previous for change in await store.changes(0, 10)]


async def test_odd_ids_and_names_fail_alone(store: PostgresStore) -> None:
    """NUL, lone surrogates, what no index takes: an error for that operation, no broken group."""
    docs = [lamp(1), lamp(2), lamp(3), lamp(4), lamp(5)]
    docs[1]["id"] = "urn:a\0b"
    docs[2]["id"] = "urn:\ud800"
    docs[3]["id"] = "urn:" + "长" * 2_000
    docs[4]["a\0b"] = dict(docs[4]["location"])
    outcomes = await store.submit([create(doc) for doc in docs])
    kinds = [one.error and type(one.error) for one in outcomes]
    assert [None, BadRequestData, PintuError, BadRequestData, BadRequestData] == kinds
    for doc in docs[1:4]:
        assert await settled(store.retrieve(1, doc["id"])) is None
        [outcome] = await store.submit([update(doc["id"], power=1)])
        assert "absent" == outcome.detail
    with pytest.raises(BadRequestData):
        await store.open_tenant("a\0b")
    odd = lamp(9, note="a\0b \\ '", **{"na\\me": 1})
    await store.submit([create(odd)], 'x"\\')
    assert odd == orjson.loads((await stored(store, odd["id"])).body)
    assert [1, 9] == await ids(store)


async def test_shapes_that_a_geography_refuses_are_found(store: PostgresStore) -> None:
    """An open ring, a line of one point: by their box."""
    shapes = [
        {"type": "Polygon", "coordinates": [[[120, 30], [120.1, 30], [120.1, 30.1]]]},
        {"type": "LineString", "coordinates": [[120, 30]]},
    ]
    docs = [
        lamp(i, location={"type": "GeoProperty", "value": shape}) for i, shape in enumerate(shapes)
    ]
    outcomes = await store.submit([create(doc) for doc in docs])
    assert [None, None] == [one.error for one in outcomes]
    assert [(2,)] == [tuple(row) for row in await asked(store, "SELECT count(*) FROM area")]
    await store.submit([put(lamp(0)), delete("urn:ngsi-ld:Lamp:1")])
    assert [(0,)] == [tuple(row) for row in await asked(store, "SELECT count(*) FROM area")]


async def test_large_batches_leave_the_loop_its_turns(store: PostgresStore) -> None:
    """A batch of 1,000 is applied in slices: others run between them."""
    turns = 0
    going = True

    async def count() -> None:
        nonlocal turns
        while going:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.ensure_future(count())
    await asyncio.sleep(0)
    await store.submit([create(lamp(i)) for i in range(1_000)])
    going = False
    await counting
    assert turns > 10


# --- memory ---------------------------------------------------------------------------------------
async def test_what_was_written_or_read_is_answered_at_once(store: PostgresStore) -> None:
    """A record is there without waiting until it is deleted; many cold ones are one statement."""
    await store.submit([create(lamp(i)) for i in range(30)])
    assert isinstance(store.retrieve(1, ID), Record)
    store.state.cache.clear()
    before = store.statistics()["lookups"]
    found = await asyncio.gather(
        *(settled(store.retrieve(1, f"urn:ngsi-ld:Lamp:{i % 40}")) for i in range(80))
    )
    assert 60 == sum(record is not None for record in found)
    assert before + 1 == store.statistics()["lookups"]
    assert isinstance(store.retrieve(1, ID), Record)
    await store.submit([delete(ID)])
    assert await settled(store.retrieve(1, ID)) is None


async def test_memory_keeps_to_its_budget(city_address: str) -> None:
    """What was not used for longest goes."""
    store = await open_postgres(f"{city_address}&cache_mb=1", clock=CityClock())
    text = "x" * 10_000
    await store.submit([create(lamp(i, note=text)) for i in range(200)])
    figures = store.statistics()
    assert 0 < figures["cache_bytes"] <= 1024 * 1024 and figures["cache_records"] < 100
    assert not isinstance(store.retrieve(1, "urn:ngsi-ld:Lamp:0"), Record)
    assert isinstance(store.retrieve(1, "urn:ngsi-ld:Lamp:199"), Record)
    await store.close()


async def test_a_read_under_way_does_not_bring_back_what_was_deleted(store: PostgresStore) -> None:
    """A commit between a read's statement and its answer keeps the answer out of memory."""
    await store.submit([create(lamp(1))])
    for _ in range(20):
        store.state.cache.clear()
        reading = asyncio.ensure_future(settled(store.retrieve(1, ID)))
        await store.submit([update(ID, power=1), delete(ID)])
        await reading
        assert await settled(store.retrieve(1, ID)) is None
        await store.submit([create(lamp(1))])


# --- keeping -------------------------------------------------------------------------------------
async def test_a_task_between_groups_is_a_transaction(store: PostgresStore) -> None:
    """What breaks in it leaves nothing and reaches its caller."""

    async def broken(connection: asyncpg.Connection) -> None:
        await connection.execute("INSERT INTO meta VALUES('x', 1)")
        raise ZeroDivisionError("a bug")

    with pytest.raises(PintuError, match="a bug"):
        await store.task(broken)
    assert [] == await asked(store, "SELECT * FROM meta WHERE key = 'x'")


async def test_a_backup_is_what_pg_dump_writes(store: PostgresStore, tmp_path: Path) -> None:
    """One new file; one that exists is refused; without the program it is said what to install."""
    await store.submit([create(lamp(1))])
    if shutil.which("pg_dump") is None:
        with pytest.raises(ConfigurationError, match="postgresql-client"):
            await store.backup(tmp_path / "copy")
        return
    await store.backup(tmp_path / "copy")
    assert b"PGDMP" == (tmp_path / "copy").read_bytes()[:5]
    with pytest.raises(DiskFull, match="exists"):
        await store.backup(tmp_path / "copy")


async def test_figures_are_those_of_sqlite_and_more(store: PostgresStore) -> None:
    """The system page asks both alike."""
    await store.submit([create(lamp(i)) for i in range(3)])
    figures = store.statistics()
    assert (3, 3, 1, 0) == tuple(figures[k] for k in ("entities", "head", "kinds", "waiting"))
    assert {"bytes", "pool", "reconnects", "cache_bytes", "group_ops_mean"} <= figures.keys()
