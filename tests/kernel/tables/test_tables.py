"""Private tables on either store: registered, migrated, walked, written to one at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.operations import Operations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pintu.kernel.errors import AlreadyExists, BadRequestData, ConfigurationError
from pintu.kernel.tables import (
    CityTables,
    OpenTables,
    PrivateTables,
    add_rows,
    open_tables,
    put_rows,
)
from pintu.kernel.tables.register import migrate
from tests.kernel.tables.lamps import LAMP, LAMPS, METADATA, count, first, ids

Opener = Callable[[], CityTables]


@pytest.fixture
def city(stores: str, tmp_path: Path) -> Iterator[Opener]:
    """Opens the same city's tables, as often as a test likes: each is another process."""
    opened: list[CityTables] = []

    def opener() -> CityTables:
        opened.append(open_tables(tmp_path, stores))
        return opened[-1]

    yield opener
    for one in opened:
        one.close()


@pytest.fixture
def lamps(city: Opener) -> OpenTables:
    """The lamps of a new city."""
    return city().register(LAMPS)


def test_what_is_registered_is_walked_and_listed(city: Opener) -> None:
    """`walk` gives what this process opened, `list_places` everything there is."""
    tables = city()
    file = tables.register(LAMPS)
    assert [(LAMPS, file)] == list(tables.walk())
    assert file is tables.register(LAMPS)
    assert [("pieces", "lamps")] == city().list_places()
    assert (True, False) == (tables.exists("pieces", "lamps"), tables.exists("rooms", "lamps"))


@pytest.mark.parametrize("version", [0, 1, 2])
def test_every_earlier_version_migrates(city: Opener, version: int) -> None:
    """Tables of any earlier version arrive at the newest and keep their rows."""
    old = city().open("pieces", "lamps")
    migrate(old, LAMPS, up_to=version)
    if version:
        old.run_now(lambda c: c.exec_driver_sql("INSERT INTO lamp (id) VALUES ('L1')"))
    old.close()
    file = city().register(LAMPS)
    assert 2 == file.version()
    expected = [("L1", 0)] if version else []
    assert expected == [tuple(row) for row in file.read_now(lambda c: c.execute(sa.select(LAMP)))]


def test_a_migration_that_fails_leaves_nothing_behind(city: Opener) -> None:
    """DDL and number are one transaction: half a migration does not exist."""

    def broken(op: Operations) -> None:
        op.create_table("half", sa.Column("id", sa.String))
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        city().register(PrivateTables(name="lamps", metadata=METADATA, migrations=(first, broken)))
    opened = city().open("rooms", "lamps")
    assert 1 == opened.version()
    known = {"lamp"} if opened.read_now(lambda c: sa.inspect(c).has_table("lamp")) else set()
    half = opened.read_now(lambda c: sa.inspect(c).has_table("half"))
    assert ({"lamp"}, False) == (known, half)
    opened.close()


def test_two_processes_that_start_at_once_migrate_once(city: Opener) -> None:
    """Each finds the tables ready, whoever was first."""
    opened = [city() for _ in range(4)]
    threads = [threading.Thread(target=one.register, args=(LAMPS,)) for one in opened]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [2, 2, 2, 2] == [one.register(LAMPS).version() for one in opened]


def test_tables_made_since_a_transaction_began_break_nothing(city: Opener) -> None:
    """A server finds their name at once and their rows only in the next transaction; a file knows
    them at its first look."""
    late, quick = city().open("pieces", "lamps"), city()

    def work(connection: sa.Connection) -> int:
        connection.exec_driver_sql("SELECT 1")
        quick.register(LAMPS)
        return late.version_in(connection)

    assert late.read_now(work) in (0, 2)
    assert 2 == late.version()


def test_a_number_no_table_can_hold_is_the_askers_mistake(lamps: OpenTables) -> None:
    """Both stores' have 64 bits."""
    ask = sa.select(sa.func.count()).where(sa.literal(2**70) == sa.func.length(LAMP.c.id))
    for run in (lamps.read_now, lamps.run_now):
        with pytest.raises(BadRequestData, match=r"64 bits|out of range"):
            run(lambda c: c.execute(ask))


def test_newer_tables_are_refused(city: Opener, lamps: OpenTables) -> None:
    """An older program does not touch newer tables."""
    older = PrivateTables(name="lamps", metadata=METADATA, migrations=(first,), place="pieces")
    with pytest.raises(ConfigurationError, match=r"version 2, this .* knows 1"):
        city().register(older)


@pytest.mark.parametrize("name", ["", "Lamps", "../lamps", "a/b", 'a"b', "x" * 65])
def test_a_name_that_could_leave_its_place_is_refused(city: Opener, name: str) -> None:
    """Names are words, neither paths nor SQL."""
    with pytest.raises(ConfigurationError, match="need a name"):
        city().register(PrivateTables(name=name, metadata=METADATA, migrations=()))


def test_a_long_name_is_a_name(city: Opener) -> None:
    """Two that differ only at their end stay two."""
    tables = city()
    for end in "ab":
        name = "x" * 63 + end
        made = PrivateTables(name=name, metadata=METADATA, migrations=(first,), place="datasets")
        opened = tables.register(made)
        opened.run_now(lambda c, end=end: c.exec_driver_sql(f"INSERT INTO lamp VALUES ('{end}')"))  # type: ignore[misc]
    assert ["a", "b"] == [one.read_now(ids)[0] for _, one in tables.walk()]
    assert ["x" * 63 + "a", "x" * 63 + "b"] == [name for _, name in city().list_places()]


def test_work_runs_off_the_loop_and_rolls_back(lamps: OpenTables) -> None:
    """`run` is on the tables' own thread; what raises leaves no row; errors are ours."""

    def insert_twice(c: sa.Connection) -> None:
        c.execute(LAMP.insert().values(id="L1"))
        c.execute(LAMP.insert().values(id="L1"))

    async def scene() -> str:
        with pytest.raises(AlreadyExists, match="lamps"):
            await lamps.run(insert_twice)
        return await lamps.run(lambda c: threading.current_thread().name)

    assert asyncio.run(scene()).startswith("tables-lamps")
    assert 0 == lamps.read_now(count)


def test_what_was_read_still_holds_when_it_is_written(city: Opener) -> None:
    """Two processes that read first and write later lose nothing of each other's."""
    opened = [city().register(LAMPS) for _ in range(2)]
    opened[0].run_now(lambda c: c.execute(LAMP.insert().values(id="L1", hours=0)))

    def one_more(c: sa.Connection) -> None:
        hours = c.execute(sa.select(LAMP.c.hours)).scalar_one()
        c.execute(LAMP.update().values(hours=hours + 1))

    futures = [one.later(one_more) for one in opened * 25]
    for future in futures:
        future.result()
    assert 50 == opened[0].read_now(lambda c: c.execute(sa.select(LAMP.c.hours)).scalar_one())


def test_one_reading_sees_one_moment(city: Opener) -> None:
    """What others commit meanwhile is not half seen."""
    mine, theirs = (city().register(LAMPS) for _ in range(2))

    def twice(c: sa.Connection) -> tuple[int, int]:
        before = count(c)
        theirs.run_now(lambda other: other.execute(LAMP.insert().values(id="L1")))
        return before, count(c)

    assert (0, 0) == mine.read_now(twice)
    assert 1 == mine.read_now(count)


async def test_reading_waits_for_nobody_s_write(city: Opener) -> None:
    """Another process may be in the midst of writing; what is there can still be read."""
    mine, theirs = (city().register(LAMPS) for _ in range(2))
    mine.run_now(lambda c: c.execute(LAMP.insert().values(id="L1")))
    writing, done = threading.Event(), threading.Event()

    def slowly(c: sa.Connection) -> None:
        c.execute(LAMP.insert().values(id="L2"))
        writing.set()
        done.wait(10)

    future = theirs.later(slowly)
    writing.wait(10)
    found = await asyncio.wait_for(mine.read(ids), 2)
    done.set()
    future.result()
    assert (["L1"], ["L1", "L2"]) == (found, await mine.read(ids))


def test_commits_are_seen_cheaply(city: Opener) -> None:
    """`data_version` changes when anybody commits a change, and only then."""
    mine, theirs = (city().register(LAMPS) for _ in range(2))
    seen = [mine.data_version()]
    mine.run_now(lambda c: c.execute(LAMP.insert().values(id="L1")))
    seen.append(mine.data_version())
    theirs.run_now(lambda c: c.execute(LAMP.insert().values(id="L2")))
    until(lambda: mine.data_version() != seen[-1])
    seen.append(mine.data_version())
    mine.run_now(count)
    theirs.read_now(count)
    with pytest.raises(AlreadyExists):
        theirs.run_now(lambda c: c.execute(LAMP.insert().values(id="L2")))
    assert (seen[-1], 3) == (mine.data_version(), len(set(seen)))


def test_texts_are_ordered_by_code_point(lamps: OpenTables) -> None:
    """Capitals before small letters, Latin before Chinese, on every store."""
    words = ["é", "z", "Z", "a", "_", "中", "丁", "10", "9", "\U0001f600", "\uffee"]
    lamps.run_now(lambda c: add_rows(c, LAMP, [{"id": one} for one in words]))
    assert sorted(words) == lamps.read_now(ids)
    above = sa.select(LAMP.c.id).where(LAMP.c.id > "Z").order_by(LAMP.c.id.desc())
    found = lamps.read_now(lambda c: list(c.execute(above).scalars()))
    assert sorted((one for one in words if one > "Z"), reverse=True) == found


def test_a_row_is_put_or_takes_a_place(lamps: OpenTables) -> None:
    """`put_rows` replaces, `add_rows` leaves what is there; within one call too."""
    rows = [{"id": "L1", "hours": 1}, {"id": "L2", "hours": 2}, {"id": "L1", "hours": 3}]
    lamps.run_now(lambda c: put_rows(c, LAMP, rows))
    lamps.run_now(lambda c: add_rows(c, LAMP, [{"id": "L2"}, {"id": "L3"}]))
    lamps.run_now(lambda c: put_rows(c, LAMP, []))
    found = lamps.read_now(lambda c: c.execute(sa.select(LAMP).order_by(LAMP.c.id)).all())
    assert [("L1", 3), ("L2", 2), ("L3", 0)] == [tuple(one) for one in found]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-(2**31), 2**31 - 1)), max_size=8))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_put_last_holds(lamps: OpenTables, told: list[tuple[str, int]]) -> None:
    """After any series of rows each key has what was told of it last."""
    rows = [{"id": id, "hours": hours} for id, hours in told]
    lamps.run_now(lambda c: c.execute(LAMP.delete()))
    lamps.run_now(lambda c: put_rows(c, LAMP, rows))
    found = lamps.read_now(lambda c: c.execute(sa.select(LAMP)).all())
    assert dict(told) == {row.id: row.hours for row in found}


def test_a_backup_is_one_file_wherever_the_tables_lie(city: Opener, tmp_path: Path) -> None:
    """Taken while writing goes on, and tables of absent pieces are in it too."""
    tables = city()
    lamps = tables.register(LAMPS)
    gone = PrivateTables(name="gone", metadata=METADATA, migrations=(first,))
    city().register(gone)
    lamps.run_now(lambda c: add_rows(c, LAMP, [{"id": f"L{n:04}"} for n in range(2500)]))
    writing = [
        lamps.later(lambda c, n=n: c.execute(LAMP.insert().values(id=f"M{n}")))  # type: ignore[misc]
        for n in range(50)
    ]
    copied = tables.backup(tmp_path / "copy")
    for future in writing:
        future.result()
    assert [Path("pieces/lamps.db"), Path("rooms/gone.db")] == copied
    assert {"lamps.db"} == {one.name for one in (tmp_path / "copy" / "pieces").iterdir()}
    copy = open_tables(tmp_path / "copy")
    there = copy.register(LAMPS)
    assert 2 == there.version()
    assert ["L0000", "L2499"] == [there.read_now(ids)[n] for n in (0, 2499)]
    copy.close()


def until(true: Callable[[], bool]) -> None:
    """Wait for something that another process did."""
    for _ in range(2000):
        if true():
            return
        threading.Event().wait(0.002)
    raise AssertionError("it never came true")
