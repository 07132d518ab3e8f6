"""What a server must be before a city lives on it, and what is wrong with it in plain words."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

import asyncpg
from asyncpg import Connection

from pintu.kernel.errors import ConfigurationError
from pintu.kernel.store.address import StoreAddress

VERSION = 14
POSTGIS = 3
log = logging.getLogger("pintu.store")

_FACTS = """
SELECT current_setting('server_version_num')::int AS version,
       current_setting('server_encoding') AS encoding,
       pg_is_in_recovery() AS standby,
       to_regtype('geography') IS NOT NULL AS geography,
       (SELECT extversion FROM pg_extension WHERE extname = 'postgis') AS postgis,
       (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname = 'postgis') AS postgis_schema,
       EXISTS(SELECT FROM pg_available_extensions WHERE name = 'postgis') AS available
"""


def claim_key(name: str) -> int:
    """The key of the server's lock that stands for a name (a city's schema, one writer)."""
    digest = hashlib.sha256(f"pintu:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def told_plainly(error: BaseException) -> str:
    """What a driver or the network said, as one line with what it means."""
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return f"the server does not let us in ({text}): look at user, password and pg_hba.conf"
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return f"{text}: make it with CREATE DATABASE, or run pintu init"
    if "SSL upgrade" in text:
        return "the server speaks no TLS: switch it on there, or say sslmode=disable here"
    return text


async def require(connection: Connection, address: StoreAddress) -> None:
    """Look whether a server is what a city needs, and make PostGIS there where we may.

    Raises ConfigurationError with a sentence for each thing that is not so.
    """
    facts = await facts_of(connection)
    if facts["postgis"] is None and facts["available"] and not facts["standby"]:
        try:
            await connection.execute("CREATE EXTENSION IF NOT EXISTS postgis SCHEMA public")
            log.info("PostGIS was made in the database %s", address.database)
            facts = await facts_of(connection)
        except (asyncpg.InsufficientPrivilegeError, asyncpg.DuplicateObjectError) as error:
            log.info("PostGIS could not be made: %s", error)
    mistakes = wrong_with(facts, address)
    if mistakes:
        raise ConfigurationError(mistakes)


_CLAIMANT = """
SELECT a.application_name, a.pid, coalesce(host(a.client_addr), 'this machine')
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND l.classid::bigint = ($1::bigint >> 32) & 4294967295 AND l.objid::bigint = $1 & 4294967295
"""


async def claimant(connection: Connection, key: int) -> str:
    """Which session has the claim `key`: its name, process number and address."""
    row = await connection.fetchrow(_CLAIMANT, key)
    return "it just ended" if row is None else f"session {row[1]} {row[0]!r} from {row[2]}"


async def facts_of(connection: Connection) -> dict[str, Any]:
    """What a server is, to be judged by `wrong_with`."""
    row = await connection.fetchrow(_FACTS)
    assert row is not None
    return dict(row)


def wrong_with(facts: Mapping[str, Any], address: StoreAddress) -> list[str]:
    """A sentence for each thing a server lacks, with what to do."""
    mistakes = []
    database, version = address.database, facts["version"] // 10_000
    if version < VERSION:
        mistakes.append(f"The server is PostgreSQL {version}; Pintu needs {VERSION} or newer")
    if facts["encoding"] != "UTF8":
        mistakes.append(
            f"The database {database} has the encoding {facts['encoding']}; Pintu needs UTF8: "
            f"CREATE DATABASE {database} ENCODING 'UTF8' TEMPLATE template0"
        )
    mistakes += _wrong_with_postgis(facts, database, version)
    return mistakes


def _wrong_with_postgis(facts: Mapping[str, Any], database: str, version: int) -> list[str]:
    postgis = facts["postgis"]
    if postgis is None and not facts["available"]:
        package = f"postgresql-{version}-postgis-3"
        return [f"PostGIS is not installed on the server: apt-get install {package}"]
    if postgis is None:
        told = "as its administrator run CREATE EXTENSION postgis SCHEMA public"
        return [f"The database {database} has no PostGIS: {told}"]
    if int(str(postgis).partition(".")[0]) < POSTGIS:
        return [f"PostGIS is {postgis}; Pintu needs {POSTGIS}: ALTER EXTENSION postgis UPDATE"]
    if not facts["geography"]:
        told = f"PostGIS lies in the schema {facts['postgis_schema']}, where it is not found"
        return [f"{told}: as its administrator run ALTER EXTENSION postgis SET SCHEMA public"]
    return []
