"""The private tables of the kernel's own rooms: every earlier version arrives at what the code
expects.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from pintu.kernel.identity.schema import TABLES as IDENTITY
from pintu.kernel.intake.schema import TABLES as INTAKE
from pintu.kernel.operations.schema import TABLES as OPERATIONS
from pintu.kernel.tables import PrivateTables, TableFile, open_tables
from pintu.kernel.tables.register import migrate
from pintu.kernel.timers.schema import TABLES as TIMERS

ROOMS = (IDENTITY, INTAKE, OPERATIONS, TIMERS)
VERSIONS = [(room, version) for room in ROOMS for version in range(len(room.migrations) + 1)]


def _differences(connection: Any, room: PrivateTables) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), room.metadata))


@pytest.mark.parametrize(("room", "version"), VERSIONS, ids=[f"{r.name}-{v}" for r, v in VERSIONS])
def test_a_file_of_any_version_becomes_what_the_code_expects(
    tmp_path: Path, room: PrivateTables, version: int
) -> None:
    """Migrated from there, the tables are those of the metadata, column by column."""
    (tmp_path / room.place).mkdir()
    old = TableFile(room.name, tmp_path / room.place / f"{room.name}.db")
    migrate(old, room, up_to=version)
    old.close()
    tables = open_tables(tmp_path)
    file = tables.register(room)
    assert len(room.migrations) == file.version()
    assert [] == file.run_now(lambda connection: _differences(connection, room))
    tables.close()
