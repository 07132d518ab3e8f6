"""The register of private tables of one city: who has tables, where, at which version."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, MetaData

from pintu.kernel.errors import ConfigurationError, DiskFull
from pintu.kernel.store.address import is_postgres, parse_address
from pintu.kernel.tables.door import PLACES, OpenTables, Place
from pintu.kernel.tables.file import TableFile, copy_file

if TYPE_CHECKING:
    from alembic.operations import Operations

    from pintu.kernel.tables.server import TableServer

Migration = Callable[["Operations"], None]
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateTables:
    """What one room or piece keeps for itself.

    `migrations` are applied in order, each in its own transaction with its number; new tables run
    all of them, so the way old ones take is the way all took. They never change once released and
    are the same on every store.
    `metadata` is what the newest migration leaves behind; a test compares the two.
    """

    name: str
    metadata: MetaData
    migrations: tuple[Migration, ...]
    place: Place = "rooms"


class CityTables:
    """Every private table of one city: files in its data folder, or schemas on its server."""

    def __init__(self, data: Path, server: TableServer | None = None) -> None:
        self.data = data
        self._server = server
        self._open: dict[tuple[Place, str], tuple[PrivateTables, OpenTables]] = {}
        self._versions: dict[str, int] | None = None  # by schema, of a server, at the start

    @property
    def on_server(self) -> bool:
        """Whether they lie on PostgreSQL instead of in files."""
        return self._server is not None

    def register(self, tables: PrivateTables) -> OpenTables:
        """Open (and migrate) `tables`; the same registration twice is the same door.

        Raises ConfigurationError for a bad or taken name or tables newer than this program,
        DiskFull when the folder cannot be written, Unavailable when the server is away.
        """
        known = self._open.get((tables.place, tables.name))
        if known is not None:
            if known[0] is not tables:
                raise ConfigurationError([f"Private tables {tables.name!r} are registered twice"])
            return known[1]
        opened = self.open(tables.place, tables.name)
        try:
            migrate(opened, tables, version=self._version(tables))
        except BaseException:
            opened.close()
            raise
        self._open[tables.place, tables.name] = (tables, opened)
        return opened

    def _version(self, tables: PrivateTables) -> int | None:
        """The version that a set of tables had when the first one was opened; None: it is asked.
        It is told once: what is opened again may have moved on."""
        if self._server is None:
            return None
        if self._versions is None:
            self._versions = self._server.versions()
        return self._versions.pop(self._server.schema(tables.place, tables.name), None)

    def open(self, place: Place, name: str) -> OpenTables:
        """The tables of that name as they are, nothing migrated, and made where they are not: for
        moving tables whose piece is absent. Whoever asks closes them.
        """
        if not NAME.fullmatch(name):
            raise ConfigurationError([f"Private tables {name!r} need a name like 'street_lights'"])
        if self._server is not None:
            from pintu.kernel.tables.schema import TableSchema

            return TableSchema(name, place, self._server)
        folder = self.data / place
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DiskFull(f"Folder {folder} cannot be made: {error.strerror}") from error
        return TableFile(name, folder / f"{name}.db")

    def walk(self) -> Iterator[tuple[PrivateTables, OpenTables]]:
        """Every registered set with its tables, in the order of registration."""
        yield from list(self._open.values())

    def list_places(self) -> list[tuple[Place, str]]:
        """(place, name) of every set of tables there is, those of absent pieces too, so that none
        is left behind.
        """
        if self._server is not None:
            return self._server.list_places()
        return sorted(
            (place, path.stem)
            for place in PLACES
            for path in (self.data / place).glob("*.db")
            if NAME.fullmatch(path.stem)
        )

    def exists(self, place: Place, name: str) -> bool:
        """Whether anybody ever kept something there."""
        if self._server is not None:
            return (place, name) in self._server.list_places(name)
        return (self.data / place / f"{name}.db").exists()

    def list_files(self) -> list[Path]:
        """Every private file in the folder, relative to it."""
        return sorted(
            path.relative_to(self.data)
            for place in PLACES
            for path in (self.data / place).glob("*.db")
        )

    def backup(self, target: Path) -> list[Path]:
        """Copy every set of tables under `target` while writing goes on, as one SQLite file each,
        wherever they lie now; returns the relative paths written.
        """
        if self._server is None:
            paths = self.list_files()
            for path in paths:
                copy_file(self.data / path, target / path)
            return paths
        paths = []
        for place, name in self.list_places():
            paths.append(Path(place) / f"{name}.db")
            opened = self.open(place, name)
            try:
                opened.backup(target / paths[-1])
            finally:
                opened.close()
        return sorted(paths)

    def close(self) -> None:
        """Finish what is queued everywhere, then let go of every file and connection."""
        if self._server is not None:
            self._server.closing()
        for _, opened in self._open.values():
            opened.close()
        self._open.clear()
        if self._server is not None:
            self._server.close()


def open_tables(data: Path, address: str = "sqlite:", *, called: str = "") -> CityTables:
    """The register of a city's private tables: in its data folder, or on the server that its
    store's address names. Rooms and pieces register with it.

    Raises ConfigurationError for an address that cannot be read. Nothing is connected yet.
    """
    if not is_postgres(address):
        return CityTables(data)
    # A city in files imports no driver.
    from pintu.kernel.tables.server import TableServer

    return CityTables(data, TableServer(parse_address(address), called))


def migrate(
    opened: OpenTables,
    tables: PrivateTables,
    *,
    up_to: int | None = None,
    version: int | None = None,
) -> None:
    """Apply the migrations that are lacking, each in one transaction together with its number.
    `version`: where they stand, if that is known; more may have been done since."""
    version = opened.version() if version is None else version
    newest = len(tables.migrations)
    if version > newest:
        raise ConfigurationError(
            [f"{opened.name} is at version {version}, this Pintu knows {newest}: use a newer"]
        )
    for number in range(version, newest if up_to is None else up_to):
        migration = tables.migrations[number]

        def step(
            connection: Connection, migration: Migration = migration, number: int = number
        ) -> None:
            # Another process may open the same tables at this moment and have been quicker.
            if opened.version_in(connection) != number:
                return
            # Alembic takes 0.2 s to import and is needed only when something is to be migrated.
            from alembic.migration import MigrationContext
            from alembic.operations import Operations

            migration(Operations(MigrationContext.configure(connection)))
            opened.keep_version(connection, number + 1)

        opened.run_now(step)
