"""A backup of a city on PostgreSQL: its schemas through `pg_dump`, back through `pg_restore`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pintu.kernel.errors import ConfigurationError, PintuError, Unavailable
from pintu.kernel.store.address import StoreAddress
from pintu.processes.keeping.counting import ENTITIES, digest_of_rows

DUMP = "store.dump"
_HOMES = "/usr/lib/postgresql"
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


def program(name: str, at_least: int) -> str:
    """The path of a PostgreSQL program that is new enough for a server.

    Raises ConfigurationError, saying what to install, when there is none.
    """
    homes = sorted(Path(_HOMES).glob("*/bin"), reverse=True)
    found = [shutil.which(name), *(shutil.which(name, path=str(one)) for one in homes)]
    older = []
    for path in dict.fromkeys(one for one in found if one):
        told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        match = _VERSION.search(told.stdout)
        version = int(match[1]) if match else 0
        if version >= at_least:
            return path
        older.append(f"{path} is of version {version}")
    get = f"apt-get install postgresql-client-{at_least}"
    if older:
        wrong = f"{name} must be as new as the server, {at_least}: {'; '.join(older)}; {get}"
        raise ConfigurationError([wrong])
    raise ConfigurationError([f"{name} is not installed, a backup of this city needs it: {get}"])


def dump(address: StoreAddress, target: Path) -> dict[str, Any]:
    """Write the city's schemas, all of one moment, into one file; what a manifest says of it, with
    `position`, `entities` (their digest), `rows` of every table, `as_of_us`."""
    schemas = [address.schema, *_private(address)]
    with _connected(address) as connection:
        version = connection.info.server_version // 10_000
        path = program("pg_dump", version)
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        asked = "SELECT pg_export_snapshot(), (extract(epoch FROM now()) * 1000000)::bigint"
        snapshot, as_of_us = connection.execute(asked).fetchone()
        command = [path, "--format=custom", "--compress=1", "--no-owner", "--no-privileges"]
        command += ["--lock-wait-timeout=60000", f"--file={target}", f"--snapshot={snapshot}"]
        run(command + [f"--schema={_exactly(one)}" for one in schemas], address)
        seen = look_at(connection, address.schema, schemas)
    told = {"schema": address.schema, "schemas": schemas, "version": version}
    return {**told, **seen, "as_of_us": as_of_us}


def look_at(connection: Any, schema: str, schemas: list[str]) -> dict[str, Any]:
    """Position, a digest of all entities, rows of every table of these schemas."""
    (position,) = connection.execute(f"SELECT position FROM {_exactly(schema)}.head").fetchone()
    asked = ENTITIES.replace("FROM entity", f"FROM {_exactly(schema)}.entity")
    with (
        connection.cursor("pintu_entities") if _inside(connection) else connection.cursor() as rows
    ):
        rows.execute(asked)
        entities = digest_of_rows(rows)
    tables = connection.execute(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = ANY(%s)"
        " ORDER BY 1, 2",
        (schemas,),
    ).fetchall()
    counted: dict[str, dict[str, int]] = {}
    for place, name in tables:
        asked = f"SELECT count(*) FROM {_exactly(place)}.{_exactly(name)}"
        counted.setdefault(place, {})[name] = connection.execute(asked).fetchone()[0]
    return {"position": int(position), "entities": entities, "rows": counted}


def position_of(address: StoreAddress) -> int:
    """The newest position of the city at an address."""
    with _connected(address) as connection:
        if not _there(connection, address.schema):
            return 0
        asked = f"SELECT position FROM {_exactly(address.schema)}.head"
        return int(connection.execute(asked).fetchone()[0])


def _there(connection: Any, schema: str) -> bool:
    name = f"{_exactly(schema)}.head"
    return bool(connection.execute("SELECT to_regclass(%s)", (name,)).fetchone() != (None,))


def _inside(connection: Any) -> bool:
    """Is a transaction open? Only then a cursor of the server may be used."""
    return bool(connection.info.transaction_status.value)


def read_whole(source: Path) -> str:
    """Read and unpack every row of a dump; what is wrong with it, or ""."""
    done = subprocess.run(
        [program("pg_restore", 1), "--file=/dev/null", str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if not done.returncode else " ".join(done.stderr.split())[:300]


def rows_of(source: Path, schema: str, table: str) -> Iterator[list[str]]:
    """The rows of one table in a dump, as COPY writes their columns."""
    command = [program("pg_restore", 1), "--data-only", f"--schema={schema}", f"--table={table}"]
    with subprocess.Popen(
        [*command, "--file=-", str(source)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        inside = False
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            if inside and line == "\\.":
                inside = False
            elif inside:
                yield line.split("\t")
            elif line.startswith("COPY "):
                inside = True


def restore(address: StoreAddress, told: dict[str, Any], source: Path) -> bool:
    """Bring the schemas of a backup back, all or none; is `pintu init` to be run again, because
    the analysts' view hung on the empty schema that went?

    Raises PintuError when one of them is there, or when the address names another schema.
    """
    if address.schema != told["schema"]:
        wrong = f"The backup is of the schema {told['schema']}, the address names {address.schema}"
        raise PintuError(f"{wrong}: write schema={told['schema']}")
    schemas = [str(one) for one in told["schemas"]]
    viewed = False
    with _connected(address) as connection:
        server = connection.info.server_version // 10_000
        there = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname = ANY(%s)", (schemas,)
        ).fetchall()
        if [(address.schema,)] == there and _fresh(connection, address.schema):
            view = f"{_exactly(address.schema + '_read')}.entities"
            viewed = connection.execute("SELECT to_regclass(%s)", (view,)).fetchone() != (None,)
            connection.execute(f"DROP SCHEMA {_exactly(address.schema)} CASCADE")
            there = []
        if there:
            held = f"{address.shown} is not empty: it holds the schema {there[0][0]}"
            raise PintuError(f"{held}; restore into another database")
    path = program("pg_restore", max(server, int(told["version"])))
    database = f"--dbname={address.database}"
    run(
        [path, "--exit-on-error", "--single-transaction", "--no-owner", database, str(source)],
        address,
    )
    return viewed


def _fresh(connection: Any, schema: str) -> bool:
    """Is it a city as `pintu init` makes it, to which nothing was ever written?"""
    name = _exactly(schema)
    if not _there(connection, schema):
        return False
    asked = f"SELECT position = 0 AND NOT EXISTS(SELECT FROM {name}.entity) FROM {name}.head"
    return bool(connection.execute(asked).fetchone()[0])


def _private(address: StoreAddress) -> list[str]:
    from pintu.kernel.tables.server import TableServer, schema_name

    server = TableServer(address)
    try:
        return [schema_name(address.schema, place, name) for place, name in server.list_places()]
    finally:
        server.close()


def _exactly(schema: str) -> str:
    """A name as a pattern of pg_dump that matches nothing else."""
    return '"' + schema.replace('"', '""') + '"'


def _connected(address: StoreAddress) -> Any:
    import psycopg

    try:
        return psycopg.connect(**address.for_sqlalchemy()[1], autocommit=True)
    except psycopg.OperationalError as error:
        raise Unavailable(f"{address.shown} cannot be reached: {error}") from error


def run(command: list[str], address: StoreAddress) -> None:
    """One of PostgreSQL's programs, connected as the city is; its password is on no command line.

    Raises PintuError with what it complained about.
    """
    done = subprocess.run(
        command,
        env={**os.environ, **environment(address)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise PintuError(f"{Path(command[0]).name} failed: {' '.join(lines[:3])}")


def environment(address: StoreAddress) -> dict[str, str]:
    """How PostgreSQL's own programs hear of a server and of who we are there."""
    told = address.for_sqlalchemy()[1]
    names = {
        "PGHOST": "host",
        "PGPORT": "port",
        "PGDATABASE": "dbname",
        "PGUSER": "user",
        "PGPASSWORD": "password",
        "PGSSLMODE": "sslmode",
        "PGSSLROOTCERT": "sslrootcert",
        "PGSSLCERT": "sslcert",
        "PGSSLKEY": "sslkey",
        "PGTARGETSESSIONATTRS": "target_session_attrs",
    }
    return {name: str(told[key]) for name, key in names.items() if key in told}


_SIGNS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def text_of(told: str) -> str:
    """A text as COPY wrote it."""
    return re.sub(r"\\(.)", lambda found: _SIGNS.get(found[1], found[1]), told)
