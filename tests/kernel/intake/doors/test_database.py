"""The database door on real servers: what it sees, reads, follows, and never does."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from pintu.kernel.egress import Egress
from pintu.kernel.errors import (
    ConfigurationError,
    DeadlineExceeded,
    Forbidden,
    ResourceNotFound,
    Unavailable,
)
from pintu.kernel.intake.doors.database import DOOR, make_reader
from pintu.kernel.intake.doors.database.connecting import open_database
from pintu.kernel.intake.doors.database.told import read_told
from pintu.kernel.intake.doors.words import Around, SourceFile
from pintu.kernel.intake.mapping.words import Field, Mapping
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


async def test_rows_come_as_plain_values(server: Server, tmp_path: Path) -> None:
    """Numbers are numbers, texts are texts in any script, times ISO 8601; nothing is rounded."""
    fresh(server, *STATIONS)
    found = rows(await read(source(server, table="station"), mapping("name", "pm25"), tmp_path))
    assert [
        {"id": 1, "name": "西湖", "pm25": 12.5},
        {"id": 2, "name": "滨江", "pm25": None},
        {"id": 3, "name": "下沙", "pm25": 300.0},
    ] == found


async def test_only_mapped_columns_leave_the_database(server: Server, tmp_path: Path) -> None:
    """A column that no field reads is never asked for."""
    fresh(server, *STATIONS)
    found = rows(await read(source(server, table="station"), mapping("pm25"), tmp_path))
    assert {"id", "pm25"} == set(found[0])


async def test_a_write_is_refused_by_the_server(server: Server, tmp_path: Path) -> None:
    """The connection of the door cannot write, whatever the account may do."""
    fresh(server, *STATIONS)
    told = read_told(source(server, table="station"))
    database = await open_database(told, around(tmp_path))
    try:
        for statement in (
            "INSERT INTO station VALUES (9, 'x', 1, NULL)",
            "UPDATE station SET pm25 = 0",
            "DELETE FROM station",
            "CREATE TABLE mine (id int)",
            "DROP TABLE station",
        ):
            with pytest.raises(Forbidden, match="only reads"):
                await database.run(lambda c, s=statement: c.execute(text(s)), "writing")  # type: ignore[misc]
    finally:
        await database.close()
    assert [(3,)] == server.ask("SELECT count(*) FROM station", "city")


async def test_a_file_of_sqlite_cannot_be_written(tmp_path: Path) -> None:
    """SQLite is opened read-only, twice over: the file and the session."""
    path = tmp_path / "inbox" / "health.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE person (id integer primary key, note)")
        made.execute("INSERT INTO person VALUES (1, 'a'), (2, 5)")
        made.commit()
    wanted = SourceFile(
        name="health",
        door="database",
        settings={"system": "sqlite", "database": "health.db", "table": "person", "stay": False},
    )
    assert [{"id": 1, "note": "a"}, {"id": 2, "note": 5}] == rows(
        await read(wanted, mapping("note"), tmp_path)
    )
    told = read_told(wanted)
    database = await open_database(told, around(tmp_path))
    with pytest.raises(Forbidden, match="only reads"):
        await database.run(lambda c: c.execute(text("DELETE FROM person")), "writing")
    await database.close()


async def test_a_citys_own_files_are_no_source(tmp_path: Path) -> None:
    """Nobody reads tokens through the door: files of a city's folder are refused, by any way."""
    rooms = tmp_path / "rooms"
    rooms.mkdir()
    (tmp_path / "inbox").mkdir()
    with closing(sqlite3.connect(rooms / "identity.db")) as made:
        made.execute("CREATE TABLE tokens (id integer primary key)")
    (tmp_path / "inbox" / "link.db").symlink_to(rooms / "identity.db")
    inbox = f"{tmp_path}/inbox/"
    for path in (rooms / "identity.db", inbox + "../rooms/identity.db", inbox + "link.db"):
        settings = {"system": "sqlite", "database": str(path), "table": "tokens"}
        wanted = SourceFile(name="x", door="database", settings=settings)
        with pytest.raises(Forbidden, match="may not be read"):
            await DOOR.look(wanted, around(tmp_path))


async def test_an_address_inside_needs_leave(postgres_server: Server, tmp_path: Path) -> None:
    """Egress is asked before any connection: loopback and private networks are refused."""
    for host in ("127.0.0.1", "localhost", "10.0.0.8", "169.254.169.254", "::1"):
        wanted = source(postgres_server, table="station", host=host)
        here = Around(data=tmp_path, secret="", egress=Egress(), clock=around(tmp_path).clock)
        with pytest.raises(Forbidden, match="may not be reached"):
            await DOOR.look(wanted, here)


async def test_a_wrong_password_says_so(server: Server, tmp_path: Path) -> None:
    """The reason names the account and the place, never the password."""
    fresh(server)
    with pytest.raises(Forbidden, match="does not let 'owner' in") as told:
        await DOOR.look(source(server), around(tmp_path, secret="not-the-one"))
    assert "not-the-one" not in str(told.value)


async def test_what_is_not_there_is_named(server: Server, tmp_path: Path) -> None:
    """A database or table that is missing, a server that is away: each its own sentence."""
    fresh(server, *STATIONS)
    with pytest.raises(ResourceNotFound, match="it has: station"):
        await read(source(server, table="statoin"), mapping("name"), tmp_path)
    with pytest.raises(ResourceNotFound, match="is not there"):
        await DOOR.look(source(server, database="nowhere"), around(tmp_path))
    with pytest.raises(Unavailable):
        await DOOR.look(source(server, port=1), around(tmp_path))


def test_mistakes_are_told_together(tmp_path: Path) -> None:
    """A source with several mistakes hears of all of them at once."""
    settings = {
        "system": "mariadb",
        "database": "x",
        "follow": "replication",
        "hours": "all day",
        "port": 99_999,
        "colour": "red",
    }
    wanted = SourceFile(name="x", door="database", settings=settings)
    with pytest.raises(ConfigurationError) as told:
        make_reader(wanted, mapping("name"), around(tmp_path))
    words = " / ".join(told.value.mistakes)
    for word in ("colour", "hours", "port", "host", "not from MariaDB", "slot", "publication"):
        assert word in words


@pytest.mark.parametrize(
    ("system", "install"),
    [
        ("oracle", "pip install oracledb"),
        ("mssql", "pip install pymssql"),
        ("dameng", "dmPython"),
    ],
)
async def test_a_missing_driver_says_how_to_get_it(
    system: str, install: str, tmp_path: Path
) -> None:
    """Drivers that are not Pintu's own are asked for by name."""
    settings = {"system": system, "host": "127.0.0.1", "database": "x", "table": "y"}
    with pytest.raises(ConfigurationError, match=install):
        await DOOR.look(SourceFile(name="x", door="database", settings=settings), around(tmp_path))


async def test_a_slow_statement_is_ended(server: Server, tmp_path: Path) -> None:
    """A statement that takes longer than allowed is ended by the server, and the reason says what
    helps."""
    slow = "pg_sleep(30)::text" if server.name == "postgres" else "sleep(30)"
    fresh(server, f"CREATE VIEW slow AS SELECT 1 AS id, {slow} AS nothing")
    wanted = source(server, table="slow", key="id", statement_timeout_s=1)
    with pytest.raises(DeadlineExceeded, match="longer than 1 s"):
        await read(wanted, mapping("nothing"), tmp_path)


async def test_a_table_of_persons_never_enters_the_context(server: Server, tmp_path: Path) -> None:
    """Persons become table data sets only: a mapping into the context is refused with the columns
    that say so, even when it uses none of them."""
    fresh(
        server,
        "CREATE TABLE patient (id int PRIMARY KEY, 身份证号 varchar(18), 区 varchar(20))",
        "INSERT INTO patient VALUES (1, '11010519491231002X', '西湖区')",
    )
    into_context = Mapping(
        name="m",
        type="AirQualityObserved",
        id="{id}",
        fields=[Field(to="areaServed", source="区")],
    )
    with pytest.raises(Forbidden, match="身份证号") as told:
        await read(source(server, table="patient"), into_context, tmp_path)
    assert "table data set" in told.value.detail and "个人信息" in told.value.extra["zh"]
    assert 1 == len(rows(await read(source(server, table="patient"), mapping("区"), tmp_path)))


async def test_a_look_tells_tables_in_words(server: Server, tmp_path: Path) -> None:
    """Tables, views, comments, keys, measured columns; examples of persons are masked."""
    comment = (
        ("COMMENT ON TABLE people IS '居民'", "COMMENT ON COLUMN people.name IS '姓名'")
        if server.name == "postgres"
        else ("ALTER TABLE people COMMENT '居民', MODIFY name varchar(20) COMMENT '姓名'",)
    )
    fresh(
        server,
        "CREATE TABLE people (id int PRIMARY KEY, name varchar(20), 身份证号 varchar(18),"
        " height decimal(5, 2))",
        "INSERT INTO people VALUES (1, '张三', '11010519491231002X', 1.70),"
        " (2, '李四', '11010519491231002X', NULL)",
        *comment,
        "CREATE VIEW tall AS SELECT id, height FROM people",
    )
    found = {one.name: one for one in await DOOR.look(source(server), around(tmp_path))}
    assert {"people", "tall"} == set(found)
    people = found["people"]
    assert ("居民", ("id",), 2) == (people.comment, people.key, people.rows)
    columns = {one.name: one for one in people.columns}
    assert ("姓名", "name") == (columns["name"].comment, columns["name"].person)
    assert ("1*", "") == (columns["身份证号"].examples[0][:1] + "*", columns["身份证号"].low)
    assert "11010519491231002X" not in repr(people)
    assert ("number", 0.5, "1.7") == (
        columns["height"].type,
        columns["height"].filled,
        columns["height"].low,
    )
    assert any("may write" in one for one in people.warnings)
    assert any("has no key" in one for one in found["tall"].warnings)


async def test_rows_that_cannot_be_read_wait_alone(postgres_server: Server, tmp_path: Path) -> None:
    """In a database that checks no encoding, the rows in another one are bad, with their keys; the
    rows around them are read."""
    postgres_server.run(
        "DROP DATABASE IF EXISTS old WITH (FORCE)",
        "CREATE DATABASE old ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    )
    postgres_server.run(
        "CREATE TABLE t (id int PRIMARY KEY, name text)",
        "INSERT INTO t SELECT i, 'plain' FROM generate_series(1, 500) i",
        r"UPDATE t SET name = E'\xce\xf7' WHERE id IN (1, 250, 251, 500)",
        database="old",
    )
    chunks = await read(
        source(postgres_server, database="old", table="t", page_rows=100),
        mapping("name"),
        tmp_path,
    )
    bad = [one for chunk in chunks for one in chunk.bad]
    assert [1, 250, 251, 500] == [one.record["id"] for one in bad]
    assert [one for one in range(1, 501) if one not in (1, 250, 251, 500)] == [
        one["id"] for one in rows(chunks)
    ]


async def test_times_beyond_python_do_not_stop_a_page(
    postgres_server: Server, tmp_path: Path
) -> None:
    """Infinity and years before Christ are texts like any other; the mapping judges them."""
    fresh(
        postgres_server,
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz, n numeric)",
        "INSERT INTO t VALUES (1, 'infinity', 'NaN'), (2, '0044-03-15 BC', 12345678901234567890.5)",
    )
    found = rows(await read(source(postgres_server, table="t"), mapping("at", "n"), tmp_path))
    assert [("infinity", "NaN"), ("0044-03-15 00:00:00+00 BC", "12345678901234567890.5")] == [
        (one["at"], one["n"]) for one in found
    ]


async def test_geometry_comes_as_geojson(postgres_server: Server, tmp_path: Path) -> None:
    """A column of PostGIS is a GeoJSON geometry; a look tells its frame."""
    fresh(postgres_server)
    if not postgres_server.ask(
        "SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'", "city"
    ):
        pytest.skip("postgis for postgres is not installed")
    postgres_server.run(
        "CREATE EXTENSION postgis",
        "CREATE TABLE lamp (id int PRIMARY KEY, at geometry(Point, 4549), area geometry)",
        "INSERT INTO lamp VALUES (1, ST_SetSRID(ST_MakePoint(500000, 3349000), 4549),"
        " ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))'))",
        database="city",
    )
    found = rows(await read(source(postgres_server, table="lamp"), mapping("at", "area"), tmp_path))
    assert {"type": "Point", "coordinates": [500000.0, 3349000.0]} == found[0]["at"]
    assert "Polygon" == found[0]["area"]["type"]
    seen = {one.name: one for one in await DOOR.look(source(postgres_server), around(tmp_path))}
    assert ["lamp"] == sorted(seen)
    column = {one.name: one for one in seen["lamp"].columns}["at"]
    assert ("point", "geometry(Point, EPSG:4549)") == (column.type, column.comment)
    assert any("EPSG:4549" in one for one in seen["lamp"].warnings)


async def test_a_geometry_of_mariadb_is_read_too(mariadb_server: Server, tmp_path: Path) -> None:
    """MariaDB's own geometry bytes are GeoJSON as well."""
    fresh(
        mariadb_server,
        "CREATE TABLE lamp (id int PRIMARY KEY, at POINT)",
        "INSERT INTO lamp VALUES (1, ST_GeomFromText('POINT(120.15 30.28)', 4326))",
    )
    found = rows(await read(source(mariadb_server, table="lamp"), mapping("at"), tmp_path))
    assert {"type": "Point", "coordinates": [120.15, 30.28]} == found[0]["at"]
