"""The log on PostgreSQL lies in weeks: made ahead, dropped whole, whatever the clock does."""

from __future__ import annotations

from typing import Any

from pintu.kernel.store.postgres import PostgresStore, open_postgres
from pintu.kernel.store.postgres.schema import AHEAD, WEEK, partition, week_of
from tests.kernel.store.conftest import create, lamp, update

REST = "SELECT count(*) FROM log_rest"


async def asked(store: PostgresStore, sql: str, *arguments: Any) -> list[Any]:
    """Rows of a statement, past the store."""
    return await store.connections.fetch(sql, *arguments)


async def done(store: PostgresStore, sql: str) -> None:
    """Statements of the writer's, past the store."""
    await store.task(lambda connection: connection.execute(sql))


class Moved:
    """A clock that is set."""

    rate = 1.0

    def __init__(self, at_us: int) -> None:
        self.at_us = at_us

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return self.at_us


async def test_weeks_are_made_ahead_and_dropped_whole(city_address: str) -> None:
    """Each write lies in its week; old weeks go as tables, of the last one only the older rows."""
    week = int(WEEK.total_seconds()) * 1_000_000
    clock = Moved(1_767_600_000_000_000)
    store = await open_postgres(city_address, clock=clock)
    begun = clock.at_us
    for _ in range(6):
        await store.submit([create(lamp(store.head()))])
        await store.submit([update("urn:ngsi-ld:Lamp:0", power=store.head())])
        clock.at_us += week
    weeks = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'log'::regclass"
    assert [(6 + AHEAD + 1,)] == [tuple(row) for row in await asked(store, weeks)]
    assert [(0,)] == [tuple(row) for row in await asked(store, REST)]
    await store.save_cursor("slow", 3)
    assert 3 == await store.trim(clock.at_us, 12)
    await store.save_cursor("slow", None)
    assert 5 == await store.trim(begun + 4 * week, 100)
    assert [(4 + AHEAD,)] == [tuple(row) for row in await asked(store, weeks)]
    assert list(range(9, 13)) == [row.position for row in await store.changes(0, 100)]
    assert [12, 10] == [row.position for row in await store.history(1, "urn:ngsi-ld:Lamp:0")]
    assert 12 == store.head()
    await store.close()


async def test_rows_that_came_before_their_week_are_moved_into_it(city_address: str) -> None:
    """A clock that jumped far ahead and back: nothing is lost, nothing lies in the rest."""
    clock = Moved(1_767_600_000_000_000)
    store = await open_postgres(city_address, clock=clock)
    name, _ = partition(week_of(clock.at_us + 2 * AHEAD * int(WEEK.total_seconds()) * 1_000_000))
    late = clock.at_us + 2 * AHEAD * int(WEEK.total_seconds()) * 1_000_000
    await done(store, f"INSERT INTO log SELECT 0, 0, 'x', 0, {late}, 0, 0, 0, NULL, ''")
    clock.at_us = late
    await store.submit([create(lamp(1))])
    assert [(2,)] == [tuple(row) for row in await asked(store, f"SELECT count(*) FROM {name}")]
    assert [(0,)] == [tuple(row) for row in await asked(store, REST)]
    await store.close()


async def test_writes_go_on_while_somebody_holds_the_log(city_address: str) -> None:
    """Weeks that cannot be made now wait; the rows are kept and moved later."""
    clock = Moved(1_767_600_000_000_000)
    store = await open_postgres(city_address, clock=clock)
    line = await store.connections.apart("test", writes=True)
    try:
        async with line.connection.transaction():
            await line.connection.execute("LOCK TABLE log_rest IN ACCESS SHARE MODE")
            clock.at_us += (AHEAD + 2) * int(WEEK.total_seconds()) * 1_000_000
            [outcome] = await store.submit([create(lamp(1))])
            assert outcome.error is None
            assert [(1,)] == [tuple(row) for row in await asked(store, REST)]
        clock.at_us += 3_600_000_000
        await store.submit([create(lamp(2))])
        assert [(0,)] == [tuple(row) for row in await asked(store, REST)]
        assert [1, 2] == [row.position for row in await store.changes(0, 10)]
    finally:
        await line.close()
        await store.close()
