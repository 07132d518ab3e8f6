"""What a server must be before a city lives on it, and how one that is not is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.errors import ConfigurationError, Unavailable
from pintu.kernel.store.address import parse_address
from pintu.kernel.store.postgres import open_postgres
from pintu.kernel.store.postgres.checks import wrong_with
from pintu.kernel.store.postgres.connection import Connections
from pintu.kernel.store.postgres.doctor import look_at
from tests.kernel.store.living import PORTS, address_of
from tests.real_databases import PASSWORD, Server, certificate, postgres


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of this module's own, careless with its disk."""
    with postgres(ports=PORTS, settings={"fsync": "off"}) as made:
        made.run("CREATE EXTENSION postgis")
        yield made


@pytest.fixture
def address(server: Server) -> str:
    """A city that nothing made yet."""
    return address_of(server.port)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"version": 130011}, "PostgreSQL 13"),
        ({"encoding": "LATIN1"}, "ENCODING 'UTF8'"),
        ({"postgis": None, "available": False}, "postgresql-15-postgis-3"),
        ({"postgis": None}, "CREATE EXTENSION postgis"),
        ({"postgis": "2.5.9"}, "ALTER EXTENSION"),
        ({"geography": False, "postgis_schema": "gis"}, "SET SCHEMA public"),
        ({}, ""),
    ],
)
def test_a_server_that_lacks_something_is_told_what(changed: dict[str, object], word: str) -> None:
    """One sentence with what to do; a server that is right gets none."""
    facts: dict[str, object] = {
        "version": 150003,
        "encoding": "UTF8",
        "postgis": "3.3.2",
        "postgis_schema": "public",
        "geography": True,
        "available": True,
    }
    mistakes = wrong_with(facts | changed, parse_address("postgresql://h/d"))
    assert int(bool(word)) == len(mistakes)
    assert all(word in one for one in mistakes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((f":{PASSWORD}@", ":wrong@"), "does not let us in"),
        (("/postgres?", "/nowhere?"), "CREATE DATABASE"),
        (("wait_s=1", "wait_s=1&sslmode=require"), "speaks no TLS"),
    ],
)
async def test_a_door_that_stays_shut_says_why(
    server: Server, address: str, change: tuple[str, str], words: str
) -> None:
    """A wrong password, database or TLS is not waited for as if the server were away."""
    with pytest.raises((ConfigurationError, Unavailable), match=words) as caught:
        await open_postgres(address.replace(*change), clock=CityClock(), patience_s=0.5)
    assert PASSWORD not in str(caught.value)


async def test_a_user_without_rights_is_told_what_to_ask_for(server: Server) -> None:
    """Neither a schema nor PostGIS can be made: the sentences say by whom."""
    server.run("CREATE ROLE guest LOGIN PASSWORD 'guest'", "CREATE DATABASE bare")
    address = f"postgresql://guest:guest@127.0.0.1:{server.port}/bare?schema=x"
    with pytest.raises(ConfigurationError, match="as its administrator run CREATE EXTENSION"):
        await open_postgres(address, clock=CityClock(), patience_s=0)
    address = f"postgresql://guest:guest@127.0.0.1:{server.port}/postgres?schema=x"
    with pytest.raises(ConfigurationError, match="cannot be made or changed by this user"):
        await open_postgres(address, clock=CityClock(), patience_s=0)


async def test_connections_alone_tell_how_they_are(server: Server, address: str) -> None:
    """The figures say where we are connected and since when not."""
    made = Connections(parse_address(address))
    await made.open(1)
    assert (True, False, 0.0) == tuple(
        made.statistics()[name] for name in ("writable", "standby", "away_s")
    )
    await made.close()
    with pytest.raises(Unavailable, match="closed"):
        await made.writer()
    with pytest.raises(Unavailable, match="closed"):
        await made.fetch("SELECT 1")


async def test_the_doctor_says_each_thing_with_what_to_do(server: Server) -> None:
    """A careless server, a pool that is too large and a host that is not there are found; what is
    right is said too, and no password.
    """
    told = f"owner:{PASSWORD}@127.0.0.1:{server.port},127.0.0.1:9/postgres?pool=30"
    looks = await look_at(parse_address(f"postgresql://{told}"))
    found = {(one.what, one.right): one.told for one in looks}
    assert "ALTER SYSTEM SET fsync = on" in found["fsync", False]
    assert "smaller pool" in found["connections", False]
    assert "nothing listens there" in found["server", False]
    assert "PostGIS 3" in found["version", True]
    assert {("clock", True), ("rights", True), ("takes writes", True), ("standbys", None)} <= set(
        found
    )
    assert not any(PASSWORD in one for one in found.values())


async def test_tls_is_checked_against_the_authority_that_is_named() -> None:
    """With `require` any certificate will do; with `verify-full` it must be the one we trust."""
    with postgres(ports=PORTS, tls=True) as server:
        server.run("CREATE EXTENSION postgis")
        address = address_of(server.port, sslmode="require")
        made = Connections(parse_address(address))
        await made.open(5)
        [row] = await made.fetch("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert row[0] is True
        await made.close()
        authority = server.folder / "data" / "server.crt"
        address = address_of(server.port, sslmode="verify-full", sslrootcert=authority)
        made = Connections(parse_address(address))
        await made.open(5)
        await made.close()
        certificate(server.folder, "other.crt", "other.key", "postgres")
        other = server.folder / "other.crt"
        address = address_of(server.port, sslmode="verify-full", sslrootcert=other)
        with pytest.raises(Unavailable, match="certificate verify failed"):
            await Connections(parse_address(address)).open(0)
