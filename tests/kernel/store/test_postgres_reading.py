"""What is PostgreSQL's own about reading: pages gathered into one statement, few texts whatever is
asked, deadlines, scans through a cursor, indexes that come, wait for a restart and go.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.context.selection import And, Compare, GeoSelection, OneOf, OrderKey, Path, Range
from pintu.kernel.errors import DeadlineExceeded, TooComplex
from pintu.kernel.store.postgres import open_postgres
from pintu.kernel.store.postgres.schema import Tuning
from pintu.kernel.store.postgres.store import PostgresStore
from tests.kernel.store.conftest import create, delete, ids, lamp, page, put
from tests.kernel.store.test_asking import learned, near, types
from tests.postgres import CityServer, schema_of

POWER = Path("power")
TUNING = Tuning(sort_rows=1_000, learned_paths=2)


@pytest.fixture
async def store(city_server: CityServer, city_address: str) -> AsyncIterator[PostgresStore]:
    """An empty store that orders few rows, keeps few indexes and loses patience soon."""
    made = await opened(city_address)
    yield made
    await made.close()


async def opened(address: str) -> PostgresStore:
    """The store at an address."""
    made = await open_postgres(f"{address}&deadline_s=0.5", clock=CityClock(), tuning=TUNING)
    assert isinstance(made, PostgresStore)
    return made


async def test_what_is_asked_in_one_turn_is_one_statement(store: PostgresStore) -> None:
    """Each caller gets its own page and its own count."""
    await store.submit([create(lamp(i)) for i in range(300)])
    before = store.statistics()["page_statements"]
    asked = [
        page(store, types=types("Lamp"), limit=3, offset=number, count=True) for number in range(40)
    ]
    found = await asyncio.gather(*asked)
    firsts = [int(one.records[0].id.rsplit(":", 1)[1]) for one in found]
    assert list(range(40)) == firsts
    assert {300} == {one.count for one in found}
    assert 3 >= store.statistics()["page_statements"] - before


async def test_no_query_makes_the_server_keep_more(store: PostgresStore) -> None:
    """Hundreds of different questions are a few statements."""
    await store.submit([create(lamp(i, type=f"T{i % 30}")) for i in range(300)])
    for number in range(120):
        power = Compare(POWER, "==", OneOf(tuple(range(number))))
        await page(store, types=types("T1"), q=power, limit=number % 7)
        box = [[119, 29], [119 + number, 29], [119 + number, 31], [119, 29]]
        inside = GeoSelection("within", {"type": "Polygon", "coordinates": [box]})
        await page(store, geo=inside, limit=number + 1, count=number % 2 == 0)
        await page(store, geo=near(120, 30, number), attributes=(f"a{number}", "power"))
        await page(store, types=types(f"T{number % 40}"), offset=number, count=True)
    kept = await store.connections.fetch("SELECT count(*) FROM pg_prepared_statements")
    assert 40 > kept[0][0]


async def test_a_page_that_takes_too_long_is_given_up(
    store: PostgresStore, city_server: CityServer, city_address: str
) -> None:
    """Straight pages, matched ones and scans; others are served again at once afterwards."""
    await store.submit([create(lamp(i)) for i in range(600)])
    asked: list[dict[str, Any]] = [
        {"types": types("Lamp")},
        {"q": Compare(POWER, ">", 5)},
        {"q": Compare(POWER, ">", 5), "count": True},
    ]
    schema = schema_of(city_address)
    assert city_server.server is not None
    with contextlib.closing(city_server.server.connect("city")) as connection:
        connection.execute("BEGIN")
        connection.execute(f"LOCK TABLE {schema}.entity IN ACCESS EXCLUSIVE MODE")
        for one in asked:
            with pytest.raises(DeadlineExceeded, match=r"took longer than 0\.5 s: narrow it"):
                await page(store, **one)
        connection.execute("ROLLBACK")
    assert 20 == len((await page(store, **asked[0])).records)
    assert 594 == (await page(store, **asked[2])).count


async def test_a_scan_leaves_the_loop_to_others(store: PostgresStore) -> None:
    """While thousands of rows are matched nobody waits long: in time of this thread's own, whatever
    else the machine does."""
    await store.submit([create(lamp(i, voltage=i % 90)) for i in range(9_000)])
    longest = 0.0
    over = False

    async def watch() -> None:
        nonlocal longest
        while not over:
            before = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - before)

    watching = asyncio.create_task(watch())
    q = And((Compare(Path("voltage"), "!=", 3), Compare(POWER, "!=", 4)))
    with contextlib.suppress(DeadlineExceeded):  # a loaded machine
        assert 8_899 == (await page(store, q=q, limit=5, count=True)).count
    over = True
    await watching
    assert longest < 0.15


async def test_an_order_over_too_many_is_refused(store: PostgresStore) -> None:
    """Counted as they are found; a narrower question is answered."""
    await store.submit([create(lamp(i)) for i in range(1_100)])
    order = (OrderKey(POWER, descending=True),)
    with pytest.raises(TooComplex, match="An ordered query may look at 1000 entities: narrow it"):
        await page(store, order=order)
    found = await page(store, order=order, q=Compare(POWER, "<", 900), limit=2, count=True)
    assert ["urn:ngsi-ld:Lamp:899", "urn:ngsi-ld:Lamp:898"] == [one.id for one in found.records]
    assert 900 == found.count


async def test_an_index_half_built_is_finished_after_a_restart(city_address: str) -> None:
    """Rows written meanwhile are in it, none twice."""
    store = await opened(city_address)
    await store.submit([create(lamp(i, power=i % 70)) for i in range(2_000)])
    for _ in range(3):
        await page(store, types=types("Lamp"), q=Compare(POWER, ">", 68))
    await store.submit([put(lamp(i, power=69)) for i in range(50)])
    await store.close()
    store = await opened(city_address)
    try:
        await store.submit([delete("urn:ngsi-ld:Lamp:0"), create(lamp(5_000, power=69))])
        await learned(store)
        found = await page(store, types=types("Lamp"), q=Compare(POWER, ">", 68), count=True)
        expected = [i for i in range(1, 2_000) if i % 70 == 69 or i < 50]
        assert "value power" == found.plan and len(expected) + 1 == found.count
    finally:
        await store.close()


async def test_the_index_that_is_used_least_goes(store: PostgresStore) -> None:
    """Over the budget; its rows go too, and questions that used it are answered all the same."""
    await store.submit([create(lamp(i, a=i % 9, b=f"w{i}", c=i / 7)) for i in range(700)])
    asked: list[Any] = [
        Compare(Path("a"), "==", 3),
        Compare(Path("b"), "==", "w5"),
        Compare(Path("c"), "==", Range(10, 20)),
    ]
    expected = [await ids(store, q=q) for q in asked]
    for q in asked:
        for _ in range(4):
            assert expected[asked.index(q)] == await ids(store, q=q)
        await learned(store)
    kept = [one["path"] for one in store.statistics()["learned"]]
    assert ["b", "c"] == sorted(kept)
    rows = "SELECT count(DISTINCT path) FROM (SELECT path FROM number UNION SELECT path FROM words)"
    assert 2 == (await store.connections.fetch(f"{rows} x"))[0][0]
    assert expected == [await ids(store, q=q) for q in asked]


async def test_of_two_indexes_the_one_that_finds_less_drives(store: PostgresStore) -> None:
    """Asked of the server before the page is read."""
    await store.submit([create(lamp(i, a=i % 2, b=i % 350)) for i in range(700)])
    few, many = Compare(Path("b"), "==", 3), Compare(Path("a"), "==", 1)
    for q in (few, many) * 4:
        await page(store, q=q)
    await learned(store)
    for both in (And((many, few)), And((few, many))):
        found = await page(store, q=both, count=True)
        assert ("value b", 2) == (found.plan, found.count)
