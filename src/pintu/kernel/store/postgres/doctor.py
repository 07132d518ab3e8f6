"""What `pintu doctor` says about a server: one plain line a thing, with what to do about it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from asyncpg import Connection

from pintu.kernel.errors import ConfigurationError
from pintu.kernel.store.address import StoreAddress
from pintu.kernel.store.postgres.checks import facts_of, told_plainly, wrong_with
from pintu.kernel.store.postgres.line import FAILED, Purpose, connect

OTHER_CONNECTIONS = 24
"""Connections of a city besides those that read: its writer, hints, long work, private tables of
three processes.
"""

SKEW_S = 2.0
OLD_XIDS = 1_000_000_000
_SETTINGS = (
    "fsync", "full_page_writes", "synchronous_commit", "synchronous_standby_names",
    "max_connections", "superuser_reserved_connections", "autovacuum", "shared_buffers",
    "server_version", "data_checksums", "TimeZone",
)  # fmt: skip
_MORE = """
SELECT (SELECT datcollate FROM pg_database WHERE datname = current_database()) AS collation,
       (SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()) AS xids,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connected,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_limit,
       current_user AS "user",
       has_database_privilege(current_database(), 'CREATE') AS may_create,
       to_regnamespace($1) IS NOT NULL AS schema_there,
       coalesce(has_schema_privilege(to_regnamespace($1), 'CREATE'), false) AS may_use_schema,
       (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS encrypted,
       (SELECT count(*) FROM pg_stat_replication) AS standbys,
       (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) AS synced,
       (SELECT count(*) FROM pg_stat_replication WHERE sync_state IS NULL) AS unseen,
       extract(epoch FROM pg_last_xact_replay_timestamp())::float8 AS replayed,
       pg_database_size(current_database()) AS size
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One thing about a server: right (True), wrong (False), or only to be known (None)."""

    what: str
    right: bool | None
    told: str


async def look_at(address: StoreAddress) -> list[Look]:
    """Everything about every host of an address; never raises for what is wrong with a server."""
    found: list[Look] = []
    for host, port in address.hosts:
        found += await _host(address, host, port)
    standbys = [one for one in found if one.what == "takes writes" and not one.right]
    if found and len(standbys) == len(address.hosts):
        told = "no host takes writes: a city on a standby can only be read"
        found.append(Look(what="writing", right=False, told=told))
    return found


async def _host(address: StoreAddress, host: str, port: int) -> list[Look]:
    started = time.perf_counter()
    try:
        line = await connect(address, host, port, Purpose(me="pintu", name="doctor", deadline_s=5))
    except ConfigurationError as error:
        return [Look(what="server", right=False, told=one) for one in error.mistakes]
    except FAILED as error:
        return [Look(what="server", right=False, told=f"{host}:{port}: {told_plainly(error)}")]
    connected_ms = (time.perf_counter() - started) * 1000
    try:
        facts = await _facts(line.connection, address)
    except FAILED as error:
        return [Look(what="server", right=False, told=f"{host}:{port}: {told_plainly(error)}")]
    finally:
        await line.close()
    told = f"{host}:{port} answers: connected in {connected_ms:.0f} ms, {facts['trip_ms']:.1f} ms"
    return [
        Look(what="server", right=True, told=f"{told} a round trip"),
        *_what_it_is(facts, address),
        *_rights(facts, address),
        *_promises(facts),
        *_room(facts, address),
        *_following(facts),
    ]


async def _facts(connection: Connection, address: StoreAddress) -> dict[str, Any]:
    facts = await facts_of(connection)
    row = await connection.fetchrow(_MORE, address.schema)
    assert row is not None
    facts.update(dict(row))
    names = await connection.fetch(
        "SELECT name, setting, unit FROM pg_settings WHERE name = ANY($1::text[])", list(_SETTINGS)
    )
    facts["settings"] = {row[0]: row[1] for row in names}
    before, started = time.time(), time.perf_counter()
    theirs = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
    trip_s = time.perf_counter() - started
    facts["trip_ms"] = trip_s * 1000
    facts["skew_s"] = theirs - (before + trip_s / 2)
    return facts


def _what_it_is(facts: Mapping[str, Any], address: StoreAddress) -> Iterator[Look]:
    wrong = wrong_with(facts, address)
    for one in wrong:
        yield Look(what="server", right=False, told=one)
    if not wrong:
        version = facts["settings"].get("server_version", "")
        told = f"PostgreSQL {version}, PostGIS {facts['postgis']}, encoding {facts['encoding']}"
        yield Look(what="version", right=True, told=told)
    told = f"{facts['collation']}; orders are by code point, whatever it is"
    yield Look(what="collation", right=True, told=told)
    skew = facts["skew_s"]
    told = f"{abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this machine"
    if abs(skew) > SKEW_S:
        yield Look(what="clock", right=False, told=f"{told}: run an NTP client on both")
    else:
        yield Look(what="clock", right=True, told=told)
    far = not all(host.startswith(("/", "127.")) or host == "::1" for host, _ in address.hosts)
    if facts["encrypted"]:
        yield Look(what="TLS", right=True, told=f"encrypted, sslmode={address.sslmode}")
    elif far:
        told = "what is sent crosses the network in the clear: switch TLS on at the server"
        yield Look(what="TLS", right=False, told=f"{told} and say sslmode=verify-full")


def _rights(facts: Mapping[str, Any], address: StoreAddress) -> Iterator[Look]:
    user, schema = facts["user"], address.schema
    if facts["schema_there"]:
        told = f"{user} may make tables in schema {schema}"
        if not facts["may_use_schema"]:
            told = f"{user} may not: GRANT ALL ON SCHEMA {schema} TO {user}"
        yield Look(what="rights", right=facts["may_use_schema"], told=told)
    elif facts["may_create"]:
        yield Look(what="rights", right=True, told=f"{user} may make the schema {schema}")
    else:
        told = f"{user} may make no schema: run pintu init, or CREATE SCHEMA {schema}"
        yield Look(what="rights", right=False, told=f"{told} AUTHORIZATION {user}")


def _promises(facts: Mapping[str, Any]) -> Iterator[Look]:
    """Does a commit that was answered survive a power cut?"""
    settings = facts["settings"]
    for name, why in (
        ("fsync", "a power cut can destroy the database"),
        ("full_page_writes", "a power cut can tear pages"),
    ):
        if settings.get(name) != "on":
            told = f"off: {why}; ALTER SYSTEM SET {name} = on, then reload"
            yield Look(what=name, right=False, told=told)
    commit = settings.get("synchronous_commit")
    if commit == "off":
        told = "off: the last answered writes are lost in a crash; set it on for this database"
        yield Look(what="synchronous_commit", right=False, told=told)
    elif all(settings.get(name) == "on" for name in ("fsync", "full_page_writes")):
        told = f"fsync and full_page_writes are on, synchronous_commit is {commit}"
        yield Look(what="durability", right=True, told=told)
    if settings.get("data_checksums") == "off":
        told = "off: a disk that changes bits is not noticed; pg_checksums --enable while stopped"
        yield Look(what="data checksums", right=None, told=told)
    if settings.get("autovacuum") != "on":
        told = "off: tables grow without end; ALTER SYSTEM SET autovacuum = on"
        yield Look(what="autovacuum", right=False, told=told)
    if facts["xids"] > OLD_XIDS:
        told = f"{facts['xids']:,} transactions old: VACUUM FREEZE soon, writing stops at 2 billion"
        yield Look(what="freezing", right=False, told=told)


def _room(facts: Mapping[str, Any], address: StoreAddress) -> Iterator[Look]:
    settings = facts["settings"]
    most = int(settings["max_connections"]) - int(settings["superuser_reserved_connections"])
    if facts["role_limit"] >= 0:
        most = min(most, facts["role_limit"])
    left, wanted = most - facts["connected"], address.pool + OTHER_CONNECTIONS
    told = f"{left} of {most} left; a city with pool={address.pool} uses up to {wanted}"
    if left < wanted:
        told += ": raise max_connections, or say a smaller pool"
    yield Look(what="connections", right=left >= wanted, told=told)
    buffers_mb = int(settings["shared_buffers"]) * 8 // 1024  # in pages of 8 KiB
    told = f"{facts['size'] / 1e6:.0f} MB, shared_buffers {buffers_mb} MB"
    if facts["size"] > 4 * buffers_mb * 1e6:
        told += ": a quarter of the machine's memory is usual"
        yield Look(what="size", right=None, told=told)
    else:
        yield Look(what="size", right=True, told=told)


def _following(facts: Mapping[str, Any]) -> Iterator[Look]:
    """Standbys: who follows whom, and what is lost when the first one is."""
    if facts["standby"]:
        replayed = facts["replayed"]
        late = "nothing yet" if replayed is None else f"{max(time.time() - replayed, 0):.0f} s ago"
        told = f"no: a standby, its newest transaction is of {late}"
        yield Look(what="takes writes", right=None, told=told)
        return
    yield Look(what="takes writes", right=True, told="yes")
    names = facts["settings"].get("synchronous_standby_names")
    if facts["unseen"]:
        # the server shows strangers that there are some, and nothing of them
        told = f"{facts['unseen']}; whether commits wait for them is not shown to {facts['user']}:"
        told += f" GRANT pg_read_all_stats TO {facts['user']}"
        yield Look(what="standbys", right=None, told=told)
    elif facts["synced"]:
        told = f"{facts['synced']} synchronous: what was answered survives the loss of this server"
        yield Look(what="standbys", right=True, told=told)
    elif names:
        told = f"synchronous_standby_names is '{names}' and none is here: writes wait for it"
        yield Look(what="standbys", right=False, told=told)
    elif facts["standbys"]:
        told = f"{facts['standbys']}, asynchronous: the last moments are lost with this server;"
        told += " set synchronous_standby_names = '*' for none"
        yield Look(what="standbys", right=None, told=told)
    else:
        yield Look(what="standbys", right=None, told="none: a backup is all there is besides")
