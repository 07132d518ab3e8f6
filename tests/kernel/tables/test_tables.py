"""Private tables: registered, migrated, walked, copied."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.operations import Operations

from pintu.kernel.errors import AlreadyExists, ConfigurationError
from pintu.kernel.tables import CityTables, PrivateTables, TableFile, open_tables
from pintu.kernel.tables.register import migrate

METADATA = sa.MetaData()
LAMP = sa.Table(
    "lamp",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("hours", sa.Integer, nullable=False, server_default="0"),
)


def first(op: Operations) -> None:
    """The table as it first was."""
    op.create_table("lamp", sa.Column("id", sa.String, primary_key=True))


def second(op: Operations) -> None:
    """Hours were added."""
    op.add_column("lamp", sa.Column("hours", sa.Integer, nullable=False, server_default="0"))


LAMPS = PrivateTables(name="lamps", metadata=METADATA, migrations=(first, second), place="pieces")


def test_a_registered_file_lies_in_its_place_and_is_walked(tmp_path: Path) -> None:
    """Registering makes `pieces/lamps.db`, and `walk` finds it."""
    tables = open_tables(tmp_path)
    file = tables.register(LAMPS)
    assert tmp_path / "pieces" / "lamps.db" == file.path
    assert [(LAMPS, file)] == list(tables.walk())
    assert file is tables.register(LAMPS)
    tables.close()


@pytest.mark.parametrize("version", [0, 1, 2])
def test_every_earlier_version_migrates(tmp_path: Path, version: int) -> None:
    """A file of any earlier version arrives at the newest and keeps its rows."""
    (tmp_path / "pieces").mkdir()
    old = TableFile("lamps", tmp_path / "pieces" / "lamps.db")
    migrate(old, LAMPS, up_to=version)
    if version:
        old.run_now(lambda c: c.exec_driver_sql("INSERT INTO lamp (id) VALUES ('L1')"))
    old.close()
    tables = open_tables(tmp_path)
    file = tables.register(LAMPS)
    assert 2 == file.version()
    expected = [("L1", 0)] if version else []
    assert expected == [
        tuple(row) for row in file.run_now(lambda c: c.execute(sa.select(LAMP)).all())
    ]
    tables.close()


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """DDL and number are one transaction: half a migration does not exist."""

    def broken(op: Operations) -> None:
        op.create_table("half", sa.Column("id", sa.String))
        raise ValueError("no")

    tables = open_tables(tmp_path)
    with pytest.raises(ValueError, match="no"):
        tables.register(
            PrivateTables(name="broken", metadata=sa.MetaData(), migrations=(first, broken))
        )
    connection = sqlite3.connect(tmp_path / "rooms" / "broken.db")
    assert [("lamp",)] == connection.execute(
        "SELECT name FROM sqlite_master WHERE type='table'"
    ).fetchall()
    assert (1,) == connection.execute("PRAGMA user_version").fetchone()
    connection.close()


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    """An older program does not touch a newer file."""
    tables = open_tables(tmp_path)
    tables.register(LAMPS)
    tables.close()
    older = PrivateTables(name="lamps", metadata=METADATA, migrations=(first,), place="pieces")
    with pytest.raises(ConfigurationError, match=r"version 2, this .* knows 1"):
        open_tables(tmp_path).register(older)


@pytest.mark.parametrize("name", ["", "Lamps", "../lamps", "a/b", "x" * 65])
def test_a_name_that_could_leave_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    """Names are words, not paths."""
    with pytest.raises(ConfigurationError, match="need a name"):
        open_tables(tmp_path).register(PrivateTables(name=name, metadata=METADATA, migrations=()))


def test_work_runs_off_the_loop_and_rolls_back(tmp_path: Path) -> None:
    """`run` is on the file's thread; what raises leaves no row; errors are ours."""
    tables = open_tables(tmp_path)
    file = tables.register(LAMPS)

    def insert_twice(c: sa.Connection) -> None:
        c.execute(LAMP.insert().values(id="L1"))
        c.execute(LAMP.insert().values(id="L1"))

    async def scene() -> str:
        with pytest.raises(AlreadyExists, match="lamps"):
            await file.run(insert_twice)
        return await file.run(lambda c: threading.current_thread().name)

    assert asyncio.run(scene()).startswith("tables-lamps")
    assert 0 == file.run_now(
        lambda c: c.execute(sa.select(sa.func.count()).select_from(LAMP)).scalar_one()
    )
    tables.close()


def test_settings_of_a_file_are_durable(tmp_path: Path) -> None:
    """WAL, synchronous FULL, foreign keys on."""
    tables = open_tables(tmp_path)
    file = tables.register(LAMPS)
    read = [
        file.run_now(lambda c, p=p: c.exec_driver_sql(f"PRAGMA {p}").scalar_one())  # type: ignore[misc]
        for p in ("journal_mode", "synchronous", "foreign_keys")
    ]
    assert ["wal", 2, 1] == read
    tables.close()


def test_a_backup_is_taken_while_writing_goes_on(tmp_path: Path) -> None:
    """An online copy is whole, and the files of absent pieces are copied too."""
    tables: CityTables = open_tables(tmp_path / "data")
    file = tables.register(LAMPS)
    (tmp_path / "data" / "rooms").mkdir()
    stray = sqlite3.connect(tmp_path / "data" / "rooms" / "gone.db")
    stray.execute("CREATE TABLE t (x)")
    stray.close()
    file.run_now(lambda c: c.execute(LAMP.insert(), [{"id": f"L{n}"} for n in range(5000)]))
    writing = [
        file.later(lambda c, n=n: c.execute(LAMP.insert().values(id=f"M{n}")))  # type: ignore[misc]
        for n in range(50)
    ]
    copied = tables.backup(tmp_path / "copy")
    for future in writing:
        future.result()
    assert [Path("pieces/lamps.db"), Path("rooms/gone.db")] == copied
    connection = sqlite3.connect(tmp_path / "copy" / "pieces" / "lamps.db")
    assert ("ok",) == connection.execute("PRAGMA integrity_check").fetchone()
    assert 5000 <= connection.execute("SELECT count(*) FROM lamp").fetchone()[0]
    connection.close()
    tables.close()


def test_another_connection_s_commit_is_seen_cheaply(tmp_path: Path) -> None:
    """`data_version` changes when anybody else commits."""
    tables = open_tables(tmp_path)
    file = tables.register(LAMPS)
    before = file.data_version()
    file.run_now(lambda c: c.execute(LAMP.insert().values(id="L1")))
    assert before != file.data_version()
    tables.close()


async def test_reading_waits_for_nobody_s_write(tmp_path: Path) -> None:
    """Another process may hold the file's write lock; what is there can still be read."""
    tables = open_tables(tmp_path)
    file = tables.register(LAMPS)
    file.run_now(lambda c: c.execute(LAMP.insert().values(id="L1")))
    other = sqlite3.connect(file.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO lamp (id) VALUES ('L2')")
    found = await asyncio.wait_for(
        file.read(lambda c: c.execute(sa.select(LAMP.c.id)).scalars().all()), 2
    )
    assert ["L1"] == found
    other.execute("ROLLBACK")
    other.close()
    tables.close()
