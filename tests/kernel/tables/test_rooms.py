"""The private tables of every room and piece, on either store: each earlier version arrives at what
the code expects.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import pintu
from pintu.kernel.tables import PrivateTables, open_tables
from pintu.kernel.tables.register import migrate

SRC = Path(pintu.__file__).parent


def _declared() -> list[PrivateTables]:
    """Every constant that declares private tables; those of data sets are made one by one."""
    found = []
    for path in sorted(SRC.rglob("*.py")):
        if "tests" in path.parts or not re.search(r"^TABLES\b", path.read_text("utf-8"), re.M):
            continue
        name = ".".join(path.relative_to(SRC.parent).with_suffix("").parts)
        tables = importlib.import_module(name).TABLES
        found += [tables] if isinstance(tables, PrivateTables) else []
    return found


ROOMS = _declared()
VERSIONS = [(room, version) for room in ROOMS for version in range(len(room.migrations) + 1)]


def _differences(connection: Any, room: PrivateTables) -> list[Any]:
    def ours(name: str | None, kind: str, _: Any) -> bool:
        return kind != "table" or name in room.metadata.tables

    context = MigrationContext.configure(connection, opts={"include_name": ours})
    return list(compare_metadata(context, room.metadata))


def test_rooms_are_found() -> None:
    """The guard sees those that there are."""
    names = {room.name for room in ROOMS}
    assert {"identity", "intake", "loads", "files", "operations", "timers"} <= names
    assert "pieces" in {room.place for room in ROOMS}


@pytest.mark.parametrize(("room", "version"), VERSIONS, ids=[f"{r.name}-{v}" for r, v in VERSIONS])
def test_tables_of_any_version_become_what_the_code_expects(
    tmp_path: Path, stores: str, room: PrivateTables, version: int
) -> None:
    """Migrated from there, the tables are those of the metadata, column by column."""
    tables = open_tables(tmp_path, stores)
    old = tables.open(room.place, room.name)
    migrate(old, room, up_to=version)
    old.close()
    opened = tables.register(room)
    assert len(room.migrations) == opened.version()
    assert [] == opened.run_now(lambda connection: _differences(connection, room))
    tables.close()
