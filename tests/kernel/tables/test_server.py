"""Private tables on PostgreSQL: its rules, and connections that end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from pintu.kernel.errors import (
    AlreadyExists,
    BadRequestData,
    ConfigurationError,
    DeadlineExceeded,
    DiskFull,
    Unavailable,
)
from pintu.kernel.tables import CityTables, OpenTables, open_tables
from pintu.kernel.tables.failures import lost, translated
from pintu.kernel.tables.schema import TableSchema
from tests.kernel.tables.lamps import LAMP, LAMPS, count, ids
from tests.postgres import CityServer, schema_of


@pytest.fixture
def tables(city_address: str, tmp_path: Path) -> Iterator[CityTables]:
    """The private tables of a new city."""
    made = open_tables(tmp_path, city_address)
    yield made
    made.close()


def put(name: str) -> Callable[[sa.Connection], Any]:
    """Work that adds a lamp."""
    return lambda c: c.execute(LAMP.insert().values(id=name))


def end_connections(opened: OpenTables, city: CityServer) -> None:
    """As if the network had cut every connection of this city's tables."""
    assert isinstance(opened, TableSchema)
    own = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pintu'"
    city.running().ask(own)


def test_each_set_is_a_schema_of_the_city(
    tables: CityTables, city_address: str, city_server: CityServer
) -> None:
    """Named after city, place and name; a city whose name begins alike is another."""
    tables.register(LAMPS)
    city = schema_of(city_address)
    other = open_tables(tables.data, city_address.replace(f"schema={city}", f"schema={city}_x"))
    assert [] == other.list_places()
    other.register(LAMPS)
    assert [("pieces", "lamps")] == tables.list_places()
    found = city_server.running().ask(
        f"SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE '{city}%'"
        " ORDER BY 1",
        "city",
    )
    assert [(f"{city}_pieces_lamps",), (f"{city}_x_pieces_lamps",)] == found
    other.close()


def test_where_all_stand_is_asked_once(tables: CityTables, city_address: str) -> None:
    """Nothing is there before the first start; the next one knows all versions by one question, and
    what another process did since then is not done twice."""
    other = open_tables(tables.data, city_address)
    assert other._server is not None
    assert {} == other._server.versions()
    tables.register(LAMPS).run_now(put("a"))
    [(schema, version)] = other._server.versions().items()
    assert (other._server.schema("pieces", "lamps"), len(LAMPS.migrations)) == (schema, version)
    other._versions = {schema: 0}
    opened = other.register(LAMPS)
    assert (1, version) == (opened.read_now(count), opened.version())
    assert {} == other._versions
    other.close()


def test_every_text_is_compared_by_code_point(
    tables: CityTables, city_server: CityServer, city_address: str
) -> None:
    """However the database was created: the collation is the column's own."""
    tables.register(LAMPS)
    found = city_server.running().ask(
        "SELECT column_name, collation_name FROM information_schema.columns WHERE table_schema ="
        f" '{schema_of(city_address)}_pieces_lamps' AND table_name = 'lamp' ORDER BY 1",
        "city",
    )
    assert [("hours", None), ("id", "C")] == found


def test_a_lost_connection_is_replaced(tables: CityTables, city_server: CityServer) -> None:
    """The next work does not notice that every connection was cut."""
    lamps = tables.register(LAMPS)
    lamps.run_now(put("L1"))
    for number in range(3):
        end_connections(lamps, city_server)
        lamps.run_now(put(f"M{number}"))
        end_connections(lamps, city_server)
        assert 2 + number == lamps.read_now(count)


def test_cut_in_the_midst_nothing_is_kept(tables: CityTables, city_server: CityServer) -> None:
    """Work whose connection goes is refused with Unavailable, and may be done again."""
    lamps = tables.register(LAMPS)

    def cut(c: sa.Connection) -> None:
        put("L1")(c)
        end_connections(lamps, city_server)
        put("L2")(c)

    with pytest.raises(Unavailable, match="lamps are away") as refused:
        lamps.run_now(cut)
    assert (1, 0) == (refused.value.extra["retry_after"], lamps.read_now(count))


@pytest.mark.parametrize("kept", [True, False])
def test_an_answer_to_commit_that_was_lost_is_asked_for(
    tables: CityTables, city_server: CityServer, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """Committed on the server: done. Not committed: Unavailable, and nothing was kept."""
    lamps = tables.register(LAMPS)
    commit = psycopg.Connection.commit

    def cut(self: psycopg.Connection[Any]) -> None:
        monkeypatch.setattr(psycopg.Connection, "commit", commit)
        if kept:
            commit(self)
        end_connections(lamps, city_server)
        self.execute("SELECT 1")

    monkeypatch.setattr(psycopg.Connection, "commit", cut)
    if kept:
        lamps.run_now(put("L1"))
    else:
        with pytest.raises(Unavailable, match="nothing was kept"):
            lamps.run_now(put("L1"))
    assert (["L1"] if kept else []) == lamps.read_now(ids)


def test_a_table_somebody_holds_is_waited_for_and_then_refused(
    tables: CityTables, city_server: CityServer, city_address: str
) -> None:
    """A DBA's lock delays writing; it does not hang a city for ever."""
    lamps = tables.register(LAMPS)
    schema = f"{schema_of(city_address)}_pieces_lamps"
    with city_server.running().connect("city") as holder:
        holder.autocommit = False
        holder.execute(f'LOCK TABLE "{schema}".lamp')

        def work(c: sa.Connection) -> None:
            c.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")
            put("L1")(c)

        with pytest.raises(Unavailable, match="lock timeout"):
            lamps.run_now(work)
        holder.rollback()
    lamps.run_now(put("L1"))


def test_a_text_with_nul_is_refused_in_words(tables: CityTables) -> None:
    """PostgreSQL cannot keep it; SQLite would."""
    lamps = tables.register(LAMPS)
    with pytest.raises(BadRequestData, match="character NUL, which PostgreSQL cannot keep"):
        lamps.run_now(put("a\x00b"))
    with pytest.raises(BadRequestData, match="cannot be kept"):
        lamps.run_now(lambda c: c.execute(LAMP.insert().values(id="x", hours=2**40)))


def test_reading_writes_nothing(tables: CityTables) -> None:
    """Work that said it only reads is held to it; a mistake of a program stays one."""
    lamps = tables.register(LAMPS)
    with pytest.raises(sa.exc.DBAPIError, match="read-only"):
        lamps.read_now(put("L1"))
    with pytest.raises(sa.exc.ProgrammingError, match="nothing_here"):
        lamps.read_now(lambda c: c.exec_driver_sql("SELECT * FROM nothing_here"))
    assert 0 == lamps.read_now(count)


def test_many_rooms_share_few_connections(tables: CityTables, city_server: CityServer) -> None:
    """Sixteen threads at work at once: no more than the pool, nobody starves."""
    lamps = tables.register(LAMPS)
    most = [0]

    def work(number: int) -> None:
        for step in range(5):
            lamps.run_now(put(f"{number}-{step}"))
            lamps.read_now(count)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for one in threads:
        one.start()
    while any(one.is_alive() for one in threads):
        asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pintu'"
        most[0] = max(most[0], city_server.running().ask(asked)[0][0])
        time.sleep(0.02)
    assert 80 == lamps.read_now(count)
    assert most[0] <= 7


def test_errors_of_the_server_are_ours() -> None:
    """By SQLSTATE, whatever language the server speaks."""
    errors = psycopg.errors
    told: list[tuple[type[psycopg.Error], type[Exception]]] = [
        (errors.UniqueViolation, AlreadyExists),
        (errors.ForeignKeyViolation, AlreadyExists),
        (errors.DiskFull, DiskFull),
        (errors.AdminShutdown, Unavailable),
        (errors.ReadOnlySqlTransaction, Unavailable),
        (errors.TooManyConnections, Unavailable),
        (errors.SerializationFailure, Unavailable),
        (errors.DeadlockDetected, Unavailable),
        (errors.LockNotAvailable, Unavailable),
        (errors.QueryCanceled, DeadlineExceeded),
        (errors.InsufficientPrivilege, ConfigurationError),
        (errors.NumericValueOutOfRange, BadRequestData),
    ]
    assert [ours for _, ours in told] == [type(translated("x", one("no"))) for one, _ in told]
    assert None is translated("x", errors.UndefinedColumn("no"))
    assert None is translated("x", ValueError("no"))
    assert [True, True, False, False] == [
        lost(one)
        for one in (
            psycopg.OperationalError("gone"),
            errors.ReadOnlySqlTransaction("standby"),
            errors.UniqueViolation("twice"),
            ValueError(),
        )
    ]
