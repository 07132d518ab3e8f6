"""Living with a server: it goes and comes back, or hangs; what was answered stays, what was refused
is nowhere, and callers hear soon.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator

import asyncpg
import orjson
import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.errors import DeadlineExceeded, Unavailable
from pintu.kernel.feed import Feed, cursor_of
from pintu.kernel.store.port import Change, settled
from pintu.kernel.store.postgres import PostgresStore, connection, open_postgres
from tests.kernel.store.conftest import lamp, put
from tests.kernel.store.living import PORTS, address_of, opened, until
from tests.real_databases import PASSWORD, Server, postgres


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of this module's own: it is killed and stopped."""
    with postgres(ports=PORTS, settings={"max_connections": "60", "fsync": "off"}) as made:
        made.run("CREATE EXTENSION postgis")
        yield made


@pytest.fixture
def address(server: Server) -> str:
    """A city that nothing made yet, impatient."""
    return address_of(server.port)


async def power(store: PostgresStore, number: int) -> object:
    """What is stored of one lamp, read from the server."""
    sql = "SELECT body FROM entity WHERE id = $1"
    [row] = await store.connections.fetch(sql, f"urn:ngsi-ld:Lamp:{number}")
    return orjson.loads(row[0])["power"]["value"]


# --- gone and back -------------------------------------------------------------------------------
async def test_a_write_waits_for_a_server_that_comes_back(server: Server, address: str) -> None:
    """Killed with everything it was doing: the write that waited is stored, and the next ones."""
    async with opened(address.replace("wait_s=1", "wait_s=20")) as store:
        await store.submit([put(lamp(1))])
        server.kill()
        waiting = asyncio.ensure_future(store.submit([put(lamp(2))]))
        await asyncio.sleep(0.2)
        await asyncio.to_thread(server.start)
        [outcome] = await waiting
        assert (None, 2) == (outcome.error, outcome.position)
        assert (2, 1) == (await power(store, 2), store.statistics()["reconnects"])


async def test_while_the_server_is_away_nobody_waits_long(server: Server, address: str) -> None:
    """Writes are refused after their time and surely not stored; reads at once, with a time to come
    back; what is in memory is still answered.
    """
    async with opened(address) as store:
        await store.submit([put(lamp(1))])
        server.kill()
        started = time.monotonic()
        try:
            with pytest.raises(Unavailable, match="away") as refused:
                await store.submit([put(lamp(2))])
            waited = time.monotonic() - started
            assert 0.9 < waited
            assert 0 < refused.value.extra["retry_after"] <= 60
            await asyncio.sleep(0.2)
            started = time.monotonic()
            with pytest.raises(Unavailable, match="away"):
                await settled(store.changes(0, 10))
            with pytest.raises(Unavailable, match="away"):
                await settled(store.retrieve(1, "urn:ngsi-ld:Lamp:9"))
            assert time.monotonic() - started < 0.9
            known = await settled(store.retrieve(1, "urn:ngsi-ld:Lamp:1"))
            assert known is not None and known.id == "urn:ngsi-ld:Lamp:1"
        finally:
            await asyncio.to_thread(server.start)
        await until("", store.connections.presence.why_not)
        [outcome] = await store.submit([put(lamp(3))])
        assert 2 == outcome.position
        ids = [change.id for change in await settled(store.changes(0, 10))]
        assert ["urn:ngsi-ld:Lamp:1", "urn:ngsi-ld:Lamp:3"] == ids


async def test_a_city_may_start_before_its_server(
    server: Server, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so, waits, and is open when the server is; without patience it says why not."""
    server.kill()
    try:
        with pytest.raises(Unavailable, match="nothing listens there"):
            await open_postgres(address, clock=CityClock(), patience_s=0)
        with caplog.at_level(logging.WARNING, "pintu.store"):
            opening = asyncio.ensure_future(
                open_postgres(address, clock=CityClock(), patience_s=None)
            )
            await asyncio.sleep(0.4)
        assert not opening.done()
        assert "nothing listens there; waiting for it" in caplog.text
        assert PASSWORD not in caplog.text
    finally:
        await asyncio.to_thread(server.start)
    store = await asyncio.wait_for(opening, 10)
    await store.submit([put(lamp(1))])
    await store.close()


async def test_a_session_that_an_administrator_ends_is_made_again(
    server: Server, address: str
) -> None:
    """A write under way at that moment is either answered or found not to be there and redone."""
    async with opened(address) as store:
        await store.submit([put(lamp(1))])
        heard: list[int] = []
        store.on_commit(lambda changes: heard.extend(one.position for one in changes))
        end = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name LIKE 'pintu %'"
        )
        outcomes = []
        for step in range(8):
            writing = [store.submit([put(lamp(n, step=step))]) for n in range(20)]
            ending = asyncio.to_thread(server.run, end)
            for done in await asyncio.gather(*writing, ending, return_exceptions=True):
                outcomes += [done] if isinstance(done, BaseException) else (done or [])
        assert [] == [one for one in outcomes if isinstance(one, BaseException) or one.error]
        positions = sorted(one.position for one in outcomes if not isinstance(one, BaseException))
        assert list(range(2, 162)) == positions
        await until(positions, lambda: heard)
        assert store.statistics()["reconnects"] > 2


# --- a network that says nothing -----------------------------------------------------------------
class Cable:
    """A TCP connection to the server through us; `cut` stops carrying without a word."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.carries = asyncio.Event()
        self.carries.set()
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def lay(self) -> asyncio.Server:
        """Listen."""
        made = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = made.sockets[0].getsockname()[1]
        return made

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        for source, target in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._copy(source, target))
            self._tasks.add(task)

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                await self.carries.wait()
                target.write(data)
        target.close()

    async def take_up(self, made: asyncio.Server) -> None:
        """Let go of everything."""
        made.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def test_a_network_that_says_nothing_is_noticed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No end of a connection comes: asking now and then tells, and the claim of the dead session is
    taken back when the network is there.
    """
    monkeypatch.setattr(connection, "BEAT_S", 0.2)
    cable = Cable(server.port)
    listening = await cable.lay()
    try:
        async with opened(address_of(cable.port, connect_s=0.5)) as store:
            await store.submit([put(lamp(1))])
            cable.carries.clear()
            writing = asyncio.ensure_future(store.submit([put(lamp(2))]))
            await until(True, lambda: store.connections.presence.away_since is not None)
            cable.carries.set()
            [outcome] = await asyncio.wait_for(writing, 20)
            assert 2 == outcome.position
            assert [1, 2] == [one.position for one in await settled(store.changes(0, 9))]
    finally:
        await cable.take_up(listening)


# --- limits --------------------------------------------------------------------------------------
async def test_a_read_has_a_deadline_and_leaves_its_connection_whole(server: Server) -> None:
    """A statement that takes longer than the address says ends as DeadlineExceeded."""
    async with opened(address_of(server.port, deadline_s=0.2, pool=1)) as store:
        with pytest.raises(DeadlineExceeded, match="longer than"):
            await store.connections.fetch("SELECT pg_sleep(5)")
        assert [(1,)] == [tuple(one) for one in await store.connections.fetch("SELECT 1")]


async def test_the_pool_is_a_bound(server: Server) -> None:
    """More readers than connections wait, and are refused when that takes too long."""
    async with opened(address_of(server.port, deadline_s=0.5, pool=2)) as store:
        fetch = store.connections.fetch
        short = [fetch("SELECT pg_sleep(0.1)") for _ in range(6)]
        assert 6 == len(await asyncio.gather(*short))
        assert store.statistics()["connections"] <= 3
        long = [fetch("SELECT pg_sleep(0.45)") for _ in range(6)]
        answers = await asyncio.gather(*long, return_exceptions=True)
        busy = [one for one in answers if isinstance(one, Unavailable)]
        assert busy and all("busy" in str(one) for one in busy)


async def test_reading_connections_cannot_write(server: Server, address: str) -> None:
    """What reads is told so by the server: a mistake of ours harms nothing."""
    async with opened(address) as store:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await store.connections.fetch("DELETE FROM entity")


# --- one city, one writer ------------------------------------------------------------------------
async def test_a_city_has_one_broker(
    server: Server, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second one is refused by name; after the first has gone it is let in."""
    monkeypatch.setattr(connection, "CLAIM_S", 0.3)
    async with opened(address):
        with pytest.raises(Unavailable, match="Another Pintu has the city in postgresql"):
            await open_postgres(address, clock=CityClock(), patience_s=5)
    async with opened(address) as store:
        await store.submit([put(lamp(1))])


# --- several writers -----------------------------------------------------------------------------
async def test_listeners_hear_of_everybody_in_order_and_once(server: Server, address: str) -> None:
    """Three writers of one city at a time: each listener hears every change of all, in the order of
    positions; a stream that joins in the middle too.
    """
    async with (
        opened(address, alone=False) as first,
        opened(address, alone=False) as second,
        opened(address, alone=False) as third,
    ):
        stores = [first, second, third]
        heard: list[list[Change]] = [[], [], []]
        for store, mine in zip(stores, heard, strict=True):
            store.on_commit(mine.extend)
        rounds, each = 25, 4

        async def writer(which: int, task: int) -> None:
            for step in range(rounds):
                ops = [put(lamp(which * 1000 + task * 10 + n % 2, step=step)) for n in range(2)]
                for outcome in await stores[which].submit(ops, f"writer {which}"):
                    assert outcome.error is None

        async def reader(store: PostgresStore) -> list[int]:
            await asyncio.sleep(0.1)
            seen: list[int] = []
            async for change in Feed(store).subscribe(after=cursor_of(0), buffer=50):
                seen.append(change.position)
                if len(seen) == total:
                    break
            return seen

        total = 3 * each * rounds * 2
        readers = [asyncio.ensure_future(reader(store)) for store in stores]
        await asyncio.gather(*[writer(w, t) for w in range(3) for t in range(each)])
        whole = list(range(1, total + 1))
        for mine in heard:
            await until(total, lambda mine=mine: len(mine))  # type: ignore[misc]
        assert [whole] * 3 == [[one.position for one in mine] for mine in heard]
        assert [whole] * 3 == await asyncio.wait_for(asyncio.gather(*readers), 10)
        assert [total] * 3 == [store.head() for store in stores]
        # what others wrote is seen by reads as well
        ids = [f"urn:ngsi-ld:Lamp:{number}" for number in (0, 1000, 2000)]
        records = [[await settled(store.retrieve(1, id)) for id in ids] for store in stores]
        bodies = {tuple(one.body for one in row if one is not None) for row in records}
        assert 1 == len(bodies)


# --- a commit that does not end -------------------------------------------------------------------
async def test_a_commit_that_waits_for_a_standby_holds_nobody_else_for_ever(
    server: Server, address: str
) -> None:
    """A synchronous standby that is away: who waits behind is refused after their time and surely
    not stored; what was under way is answered when the standby is there, and not before.
    """
    async with opened(address) as store:
        await store.submit([put(lamp(1))])
        server.run("ALTER SYSTEM SET synchronous_standby_names = 'ghost'")
        server.run("SELECT pg_reload_conf()")
        try:
            await asyncio.sleep(0.3)
            under_way = asyncio.ensure_future(store.submit([put(lamp(2))]))
            await asyncio.sleep(0.2)
            with pytest.raises(Unavailable):
                await asyncio.wait_for(store.submit([put(lamp(3))]), 10)
            assert not under_way.done()
        finally:
            server.run("ALTER SYSTEM RESET synchronous_standby_names")
            server.run("SELECT pg_reload_conf()")
        [outcome] = await asyncio.wait_for(under_way, 10)
        assert 2 == outcome.position
        await store.submit([put(lamp(4))])
        ids = [one.id.rpartition(":")[2] for one in await settled(store.changes(0, 9))]
        assert ["1", "2", "4"] == ids
