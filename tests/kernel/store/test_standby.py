"""A city on a server that only reads, until it is promoted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import orjson
import pytest

from pintu.kernel.errors import Unavailable
from pintu.kernel.store.port import settled
from tests.faults.postgres_standby import standby_of
from tests.kernel.store.conftest import lamp, put
from tests.kernel.store.living import PORTS, address_of, opened, until
from tests.real_databases import Server, postgres


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
        async with opened(address) as writing:
            await writing.submit([put(lamp(1))])
            async with opened(address.replace(str(first.port), str(second.port))) as reading:
                reading.on_commit(lambda changes: heard.extend(one.position for one in changes))
                await until(1, lambda: sum(kind.count for kind in reading.kinds(1)))
                await writing.submit([put(lamp(1, step=2)), put(lamp(2))])
                await until([2, 3], lambda: heard)
                record = await settled(reading.retrieve(1, "urn:ngsi-ld:Lamp:1"))
                assert record is not None and 2 == orjson.loads(record.body)["step"]["value"]
                started = time.monotonic()
                with pytest.raises(Unavailable, match="is a standby"):
                    await reading.submit([put(lamp(3))])
                assert time.monotonic() - started < 0.5
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


@contextlib.contextmanager
def first_city(server: Server) -> Iterator[str]:
    """The address of a city on a server that will be followed."""
    server.run("CREATE EXTENSION postgis")
    yield address_of(server.port)
