"""The register of private tables in one data folder: who has tables, in which file, at which
version.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Connection, MetaData

from pintu.kernel.errors import ConfigurationError, DiskFull
from pintu.kernel.tables.file import TableFile, copy_file

if TYPE_CHECKING:
    from alembic.operations import Operations

Place = Literal["rooms", "pieces", "datasets"]
Migration = Callable[["Operations"], None]
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateTables:
    """What one room or piece keeps for itself.

    `migrations` are applied in order, each in its own transaction with its number; a new file runs
    all of them, so the way an old file takes is the way every file took. They never change once
    released.
    `metadata` is what the newest migration leaves behind; a test compares the two.
    """

    name: str
    metadata: MetaData
    migrations: tuple[Migration, ...]
    place: Place = "rooms"


class CityTables:
    """Every private table of one data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._files: dict[tuple[Place, str], tuple[PrivateTables, TableFile]] = {}

    def register(self, tables: PrivateTables) -> TableFile:
        """Open (and migrate) the file of `tables`; the same registration twice is the same file.

        Raises ConfigurationError for a bad or taken name or a file newer than this program,
        DiskFull when the folder cannot be written.
        """
        known = self._files.get((tables.place, tables.name))
        if known is not None:
            if known[0] is not tables:
                raise ConfigurationError([f"Private tables {tables.name!r} are registered twice"])
            return known[1]
        if not NAME.fullmatch(tables.name):
            raise ConfigurationError(
                [f"Private tables {tables.name!r} need a name like 'street_lights'"]
            )
        folder = self.data / tables.place
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DiskFull(f"Folder {folder} cannot be made: {error.strerror}") from error
        file = TableFile(tables.name, folder / f"{tables.name}.db")
        try:
            migrate(file, tables)
        except BaseException:
            file.close()
            raise
        self._files[tables.place, tables.name] = (tables, file)
        return file

    def walk(self) -> Iterator[tuple[PrivateTables, TableFile]]:
        """Every registered file with its tables, in the order of registration."""
        yield from list(self._files.values())

    def list_files(self) -> list[Path]:
        """Every private file in the folder, relative to it; those of absent pieces too, so none is
        left behind.
        """
        return sorted(
            path.relative_to(self.data)
            for place in ("rooms", "pieces", "datasets")
            for path in (self.data / place).glob("*.db")
        )

    def backup(self, target: Path) -> list[Path]:
        """Copy every private file online under `target`; returns the relative paths copied."""
        paths = self.list_files()
        for path in paths:
            copy_file(self.data / path, target / path)
        return paths

    def close(self) -> None:
        """Finish what is queued everywhere, then let go of every file."""
        for _, file in self._files.values():
            file.close()
        self._files.clear()


def open_tables(data: Path) -> CityTables:
    """The register of a data folder; rooms and pieces register with it."""
    return CityTables(data)


def migrate(file: TableFile, tables: PrivateTables, *, up_to: int | None = None) -> None:
    """Apply the migrations a file lacks, each in one transaction together with its number."""
    version, newest = file.version(), len(tables.migrations)
    if version > newest:
        raise ConfigurationError(
            [f"{file.path.name} is at version {version}, this Pintu knows {newest}: use a newer"]
        )
    for number in range(version, newest if up_to is None else up_to):
        migration = tables.migrations[number]

        def step(
            connection: Connection, migration: Migration = migration, number: int = number
        ) -> None:
            # Another process may open the same file at this moment and have been quicker.
            if connection.exec_driver_sql("PRAGMA user_version").scalar_one() != number:
                return
            # Alembic takes 0.2 s to import and is needed only when something is to be migrated.
            from alembic.migration import MigrationContext
            from alembic.operations import Operations

            migration(Operations(MigrationContext.configure(connection)))
            connection.exec_driver_sql(f"PRAGMA user_version = {number + 1}")

        file.run_now(step)
