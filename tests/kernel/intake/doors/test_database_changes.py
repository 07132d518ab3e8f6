"""Tables that change under the door, and how its connection is encrypted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.errors import BadRequestData, PintuError
from pintu.kernel.intake.doors.database import make_reader
from tests.kernel.intake.doors.database_sources import (
    around,
    fresh,
    mapping,
    read,
    rows,
    said,
    source,
)
from tests.real_databases import Server, mariadb, mariadb_server, postgres, postgres_server

__all__ = ["mariadb_server", "postgres_server"]


@pytest.fixture(params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the two systems in turn."""
    found: Server = request.getfixturevalue(f"{request.param}_server")
    return found


STATIONS = (
    (
        "CREATE TABLE station (id int PRIMARY KEY, name varchar(40) NOT NULL, pm25 decimal(8, 2),"
        " seen timestamp NULL)"
    ),
    (
        "INSERT INTO station VALUES (1, '西湖', 12.50, '2026-01-31 08:00:00'),"
        " (2, '滨江', NULL, NULL), (3, '下沙', 300, '2026-01-31 09:00:00.25')"
    ),
)


async def test_columns_that_change_are_told_in_words(server: Server, tmp_path: Path) -> None:
    """A column gone, renamed, of another type, new and never empty: rows go on, people hear of
    it."""
    fresh(
        server,
        "CREATE TABLE t (id int PRIMARY KEY, pm25 int, co int, gone int)",
        "INSERT INTO t VALUES (1, 5, 6, 7)",
    )
    wanted = source(server, table="t", follow="key", overlap_s=0)
    mapped = mapping("pm25", "co", "gone")
    first = await read(wanted, mapped, tmp_path)
    server.run("ALTER TABLE t DROP COLUMN gone", database="city")
    server.run("ALTER TABLE t RENAME COLUMN co TO co_mg", database="city")
    server.run(
        "ALTER TABLE t ALTER COLUMN pm25 TYPE varchar(20)"
        if server.name == "postgres"
        else "ALTER TABLE t MODIFY pm25 varchar(20)",
        "ALTER TABLE t ADD COLUMN quality varchar(5) NOT NULL DEFAULT 'ok'",
        "INSERT INTO t (id, pm25, co_mg) VALUES (2, 'high', 1)",
        database="city",
    )
    second = await read(wanted, mapped, tmp_path, first[-1].position)
    assert {"id": 2, "pm25": "high"} == rows(second)[-1]
    words = " / ".join(said(second))
    for word in (
        "Column gone of t is gone",
        "co of t is gone: perhaps it is called co_mg now",
        "pm25 of t was a whole number and is now text",
        "new column quality, never empty",
    ):
        assert word in words
    assert [] == said(await read(wanted, mapped, tmp_path, second[-1].position))
    server.run("ALTER TABLE t RENAME COLUMN id TO nr", database="city")
    with pytest.raises(BadRequestData, match="Column id of t is gone"):
        await read(wanted, mapped, tmp_path, second[-1].position)


async def test_a_column_lost_while_reading_stops_nothing(server: Server, tmp_path: Path) -> None:
    """Between two pages a column goes: reading opens the table again and goes on behind the last
    row."""
    fresh(server, "CREATE TABLE t (id int PRIMARY KEY, a int, b int)")
    values = ", ".join(f"({one}, 1, 2)" for one in range(1, 3001))
    server.run(f"INSERT INTO t VALUES {values}", database="city")
    wanted = source(server, table="t", page_rows=200)
    found: list[Any] = []
    words: list[str] = []
    async for chunk in make_reader(wanted, mapping("a", "b"), around(tmp_path)).chunks(""):
        if not found:
            server.run("ALTER TABLE t DROP COLUMN b", database="city")
        found += [record for _, record in chunk.records]
        words += said([chunk])
    assert list(range(1, 3001)) == [one["id"] for one in found]
    assert 1 == len(words) and "b of t is gone" in words[0]


@pytest.mark.parametrize("start", [postgres, mariadb])
async def test_encryption_is_demanded_and_checked(start: Any, tmp_path: Path) -> None:
    """require refuses a server that cannot encrypt; verify refuses a certificate nobody signed,
    and takes the one that is told."""
    with start(tls=True) as server:
        fresh(server, *STATIONS)
        wanted = {"table": "station", "host": "localhost"}
        assert 3 == len(
            rows(await read(source(server, tls="require", **wanted), mapping("name"), tmp_path))
        )
        with pytest.raises(PintuError):
            await read(source(server, tls="verify", **wanted), mapping("name"), tmp_path)
        folder = server.folder / ("data" if server.name == "postgres" else "")
        ca = (folder / "server.crt").read_text("utf-8").splitlines()
        told = source(server, tls="verify", ca=ca, **wanted)
        assert 3 == len(rows(await read(told, mapping("name"), tmp_path)))


async def test_a_server_that_cannot_encrypt_is_refused(server: Server, tmp_path: Path) -> None:
    """With tls = require nothing goes over the wire in the clear."""
    fresh(server, *STATIONS)
    with pytest.raises(PintuError):
        await read(source(server, table="station", tls="require"), mapping("name"), tmp_path)
