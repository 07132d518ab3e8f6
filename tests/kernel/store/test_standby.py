"""A city on a server that only reads, until it is promoted."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

import orjson
import pytest

from pintu.kernel.errors import Unavailable
from pintu.kernel.store.address import parse_address
from pintu.kernel.store.port import settled
from pintu.kernel.store.postgres.doctor import look_at
from tests.faults.postgres_standby import standby_of
from tests.kernel.store.conftest import lamp, put
from tests.kernel.store.living import PORTS, address_of, opened, until
from tests.real_databases import PASSWORD, Server, postgres


async def test_a_city_on_a_standby_reads_and_follows_until_it_is_promoted() -> None:
    """What the first server's city writes is read and heard there; writes are refused at once with
    the reason; promoted, it takes writes and positions go on.
    """
    with (
        postgres(ports=PORTS, settings={"max_wal_senders": "4"}) as first,
        first_city(first) as address,
        standby_of(first, synchronous=False) as second,
    ):
        heard: list[int] = []
        bodies: list[bytes | None] = []
        async with opened(address) as writing:
            await writing.submit([put(lamp(1))])
            async with opened(address.replace(str(first.port), str(second.port))) as reading:
                reading.on_commit(lambda changes: heard.extend(one.position for one in changes))
                reading.on_commit(lambda changes: bodies.extend(one.body for one in changes))
                await until(1, lambda: sum(kind.count for kind in reading.kinds(1)))
                await writing.submit([put(lamp(1, step=2)), put(lamp(2))])
                await until([2, 3], lambda: heard)
                assert [1, 2] == [orjson.loads(body or b"")["power"]["value"] for body in bodies]
                record = await settled(reading.retrieve(1, "urn:ngsi-ld:Lamp:1"))
                assert record is not None and 2 == orjson.loads(record.body)["step"]["value"]
                started = time.monotonic()
                with pytest.raises(Unavailable, match="is a standby"):
                    await reading.submit([put(lamp(3))])
                assert time.monotonic() - started < 5
                assert (True, False) == (
                    reading.statistics()["standby"],
                    reading.statistics()["writable"],
                )
                await writing.submit([put(lamp(4))])
                await until([2, 3, 4], lambda: heard)
                first.kill()
                second.run("SELECT pg_promote()")
                await until(True, lambda: reading.statistics()["writable"])
                [outcome] = await reading.submit([put(lamp(5))])
                assert 5 == outcome.position
                await until([2, 3, 4, 5], lambda: heard)


async def test_a_server_that_comes_back_after_another_was_promoted_is_not_used(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Two take writes, each for itself: the one that was promoted last has the city; it is said."""
    with (
        postgres(ports=PORTS) as first,
        first_city(first) as address,
        standby_of(first, synchronous=False) as second,
    ):
        both = address.replace(f":{first.port}/", f":{first.port},127.0.0.1:{second.port}/")
        async with opened(both) as store:
            await store.submit([put(lamp(1))])
            assert f"127.0.0.1:{first.port}" == store.statistics()["server"]
            first.kill()
            second.run("SELECT pg_promote()")
            await store.submit([put(lamp(2))])
            await asyncio.to_thread(first.start)
            [outcome] = await store.submit([put(lamp(3))])
            assert 3 == outcome.position
        async with opened(both) as store:
            assert (f"127.0.0.1:{second.port}", 3) == (store.statistics()["server"], store.head())
        assert "take writes, each for itself" in caplog.text


async def test_the_doctor_knows_what_it_is_not_shown() -> None:
    """A user that may not see of what kind a standby is says so, and never that none is here."""
    with (
        postgres(ports=PORTS) as first,
        first_city(first) as address,
        standby_of(first, synchronous=False),
    ):
        first.run(f"CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}'")
        told = {}
        for user in ("owner", "plain"):
            looks = await look_at(parse_address(address.replace("owner:", f"{user}:")))
            told[user] = next(one.told for one in looks if one.what == "standbys")
        assert "1, asynchronous" in told["owner"]
        assert "GRANT pg_read_all_stats TO plain" in told["plain"]


@contextlib.contextmanager
def first_city(server: Server) -> Iterator[str]:
    """The address of a city on a server that will be followed; writes wait until it is."""
    server.run("CREATE EXTENSION postgis")
    yield address_of(server.port, wait_s=30, connect_s=5)
