"""Private tables in files: where they lie, how durable they are."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from pintu.kernel.tables import TableFile, open_tables
from tests.kernel.tables.lamps import LAMPS


def test_a_registered_file_lies_in_its_place(tmp_path: Path) -> None:
    """Registering makes `pieces/lamps.db`."""
    tables = open_tables(tmp_path)
    file = tables.register(LAMPS)
    assert isinstance(file, TableFile)
    assert tmp_path / "pieces" / "lamps.db" == file.path
    assert [Path("pieces/lamps.db")] == tables.list_files()
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


def test_a_file_that_nobody_registered_is_copied_whole(tmp_path: Path) -> None:
    """A backup takes what lies there, whatever is in it."""
    tables = open_tables(tmp_path / "data")
    tables.register(LAMPS)
    (tmp_path / "data" / "rooms").mkdir()
    stray = sqlite3.connect(tmp_path / "data" / "rooms" / "gone.db")
    stray.execute("CREATE TABLE t (x)")
    stray.close()
    assert [Path("pieces/lamps.db"), Path("rooms/gone.db")] == tables.backup(tmp_path / "copy")
    copy = sqlite3.connect(tmp_path / "copy" / "rooms" / "gone.db")
    assert [("t",)] == copy.execute("SELECT name FROM sqlite_master").fetchall()
    assert ("ok",) == copy.execute("PRAGMA integrity_check").fetchone()
    copy.close()
    tables.close()
