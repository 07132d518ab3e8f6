"""A server and a data folder on their way to each other: what is there, what is lacking, made."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from pintu.cli import init_sql as sql
from pintu.kernel.errors import ConfigurationError, PintuError, Unavailable
from pintu.kernel.identity.tokens import write_private
from pintu.kernel.store.address import StoreAddress
from pintu.kernel.store.postgres.checks import VERSION
from pintu.processes.moving_places import name_store

MAINTENANCE = "postgres"  # a database that every server has
CITY_FILE = "city.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is there already."""

    user: str
    version: int
    may_all: bool  # a superuser
    database: bool
    roles: frozenset[str]
    postgis: bool
    tables: bool
    view: bool
    signs_in: frozenset[str]  # roles whose password lies here and is right


class Founding:
    """One server and one data folder on their way to each other."""

    def __init__(self, address: StoreAddress, data: Path) -> None:
        self.address, self.data = address, data
        self.roles = sql.Roles(schema=address.schema)
        keys = data / "keys"
        self.files = {
            self.roles.city: keys / "store.password",
            self.roles.read: keys / "store_read.password",
        }

    @property
    def city_address(self) -> StoreAddress:
        """How the city itself will sign in."""
        city = self.roles.city
        return replace(self.address, user=city, password=None, password_file=self.files[city])

    @property
    def in_files(self) -> bool:
        """Whether there is a city in the folder already, which has to be moved."""
        return (self.data / CITY_FILE).exists()

    def passwords(self) -> dict[str, str]:
        """The password of each role that signs in, made and written down where it was not."""
        found = {}
        for role, path in self.files.items():
            if not path.exists():
                path.parent.mkdir(mode=0o700, exist_ok=True)
                write_private(path, secrets.token_urlsafe(32))
                _give(path.parent, self.data)
                _give(path, self.data)
            found[role] = path.read_text("utf-8").strip()
        return found

    def script(self) -> str:
        """All of it as one script for `psql`."""
        return sql.script(self.roles, self.address.database, self.passwords())

    # --- looking ----------------------------------------------------------------------------------
    def look(self) -> Facts:
        """See what is there; ConfigurationError for what this cannot make right."""
        with self._connected(MAINTENANCE) as connection:
            row = _one(
                connection,
                "SELECT current_user, current_setting('server_version_num')::int / 10000,"
                " rolsuper, rolcreatedb, rolcreaterole,"
                " EXISTS(SELECT FROM pg_database WHERE datname = %s),"
                " EXISTS(SELECT FROM pg_available_extensions WHERE name = 'postgis')"
                " FROM pg_roles WHERE rolname = current_user",
                (self.address.database,),
            )
            asked = "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)"
            names = [self.roles.owner, self.roles.city, self.roles.read]
            roles = frozenset(one for (one,) in connection.execute(asked, (names,)).fetchall())
        user, version, may_all, may_databases, may_roles, database, available = row
        mistakes = []
        if version < VERSION:
            mistakes.append(f"The server is PostgreSQL {version}; Pintu needs {VERSION} or newer")
        if not available:
            package = f"apt-get install postgresql-{version}-postgis-3"
            mistakes.append(f"PostGIS is not installed on the server: {package}")
        if not (may_all or may_roles) and len(roles) < len(names):
            mistakes.append(f"{user} may make no roles: use an administrator, or print --sql")
        if not (may_all or may_databases or database):
            mistakes.append(f"{user} may make no database: use an administrator, or print --sql")
        inside = self._look_inside(mistakes) if database else {}
        if mistakes:
            raise ConfigurationError(mistakes)
        return Facts(
            user=user,
            version=version,
            may_all=may_all,
            database=database,
            roles=roles,
            postgis=inside.get("postgis", False),
            tables=inside.get("tables", False),
            view=inside.get("view", False),
            signs_in=frozenset(one for one in self.files if self._signs_in(one, database)),
        )

    def _look_inside(self, mistakes: list[str]) -> dict[str, bool]:
        schema, read = sql.quoted(self.roles.schema), sql.quoted(self.roles.read)
        with self._connected(self.address.database) as connection:
            encoding, postgis, tables, view = _one(
                connection,
                "SELECT current_setting('server_encoding'),"
                " EXISTS(SELECT FROM pg_extension WHERE extname = 'postgis'),"
                " to_regclass(%s) IS NOT NULL, to_regclass(%s) IS NOT NULL",
                (f"{schema}.meta", f"{read}.entities"),
            )
        if encoding != "UTF8":
            told = f"The database {self.address.database} has the encoding {encoding}"
            mistakes.append(f"{told}; Pintu needs UTF8: choose another name for a new one")
        return {"postgis": postgis, "tables": tables, "view": view}

    def _signs_in(self, role: str, database: bool) -> bool:
        path = self.files[role]
        if not (database and path.exists()):
            return False
        one = replace(self.address, user=role, password=None, password_file=path)
        try:
            _connect(one, self.address.database, "any").close()
        except (psycopg.Error, PintuError):
            return False
        return True

    # --- saying -----------------------------------------------------------------------------------
    def plan(self, facts: Facts) -> list[str]:
        """What is there and what will be done, line by line."""
        roles, database = self.roles, self.address.database
        hosts = ", ".join(f"{host}:{port}" for host, port in self.address.hosts)
        made = [
            (f"database {database}", facts.database, "made, UTF8, for this city alone"),
            ("extension postgis", facts.postgis, f"made in {database}"),
            (f"role {roles.owner}", roles.owner in facts.roles, "made: owns all, never signs in"),
            *(
                (
                    f"role {one}",
                    one in facts.signs_in,
                    f"{self._change(facts, one)}: {why}; its password lies in {self.files[one]}",
                )
                for one, why in (
                    (roles.city, "the city signs in as it"),
                    (roles.read, f"for analysts and GIS, reads {roles.read}.entities only"),
                )
            ),
            (f"schema {roles.schema}", facts.tables, "made, with its tables"),
            (f"view {roles.read}.entities", facts.view, "made: entities as jsonb and geometry"),
        ]
        wide = max(len(what) for what, _, _ in made)
        lines = [f"On {hosts} (PostgreSQL {facts.version}), as {facts.user}:"]
        for what, there, told in made:
            lines.append(f"  {what:{wide}}  {'is there' if there else f'will be {told}'}")
        if self.in_files:
            return [
                *lines,
                f"{self.data} keeps its city in files for now: pintu.toml stays as it is",
            ]
        told = f'will name it: store = "{self.city_address.shown}"'
        return [*lines, f"{self.data / 'pintu.toml'} {told}"]

    def _change(self, facts: Facts, role: str) -> str:
        return "given a new password" if role in facts.roles else "made"

    # --- doing ------------------------------------------------------------------------------------
    def make(self, facts: Facts) -> None:
        """Do all of it; what is there already stays."""
        roles, database = self.roles, self.address.database
        with self._connected(MAINTENANCE) as connection:
            if not facts.database:
                _run(connection, sql.make_database(database), sql.close_database(database))
            _run(connection, sql.make_role(roles.owner, "NOLOGIN"))
            for role, password in self.passwords().items():
                _run(connection, sql.make_role(role, "LOGIN"))
                if role not in facts.signs_in:
                    _run(connection, sql.set_password(role, password))
        with self._connected(database) as connection:
            _run(connection, "SET client_min_messages = warning")
            if not facts.postgis:
                _run(connection, "CREATE EXTENSION IF NOT EXISTS postgis SCHEMA public")
            _run(
                connection,
                *sql.grant_roles(roles, database),
                *sql.act_as(roles.owner),
                *sql.make_schema(roles.schema),
                *sql.make_view(roles),
            )
        for role in self.files:
            if not self._signs_in(role, True):
                raise PintuError(
                    f"Everything was made, but {role} cannot sign in from here: let it in in "
                    "pg_hba.conf (scram-sha-256), then run this again"
                )
        if not self.in_files:
            name_store(self.data, self.city_address.shown)

    @contextlib.contextmanager
    def _connected(self, database: str) -> Iterator[psycopg.Connection[Any]]:
        try:
            with _connect(self.address, database) as connection:
                yield connection
        except psycopg.errors.InsufficientPrivilege as error:
            told = f"{_line(error)}: use an administrator, or let one run what --sql prints"
            raise ConfigurationError([told]) from error
        except psycopg.OperationalError as error:
            raise Unavailable(f"The server cannot be reached: {_line(error)}") from error
        except psycopg.Error as error:
            raise PintuError(f"The server refused: {_line(error)}") from error


def _connect(
    address: StoreAddress, database: str, attributes: str = "read-write"
) -> psycopg.Connection[Any]:
    arguments = address.for_sqlalchemy()[1] | {
        "dbname": database,
        "options": "-c timezone=UTC",
        "target_session_attrs": attributes,  # who may only read signs in to no writing session
    }
    return psycopg.connect(**arguments, autocommit=True)


def _run(connection: psycopg.Connection[Any], *statements: str) -> None:
    for one in statements:
        connection.execute(one.encode())


def _one(connection: psycopg.Connection[Any], asked: str, values: tuple[Any, ...]) -> Any:
    return connection.execute(asked.encode(), values).fetchone()


def _line(error: psycopg.Error) -> str:
    return str(error).strip().partition("\n")[0]


def _give(path: Path, data: Path) -> None:
    """What root makes belongs to whom the folder belongs to: the city must read it."""
    owner = data.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.chown(path, owner.st_uid, owner.st_gid)
