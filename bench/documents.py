"""Why the second store holds documents as bytes and writes a group as rows of one statement.

`python -m bench.documents [--groups 300]` starts a private PostgreSQL that waits for the disk and
prints, for groups of 16 documents, CPU µs a document of this process and of the server: first for
each type a document can be held as, then for each way to hand a group over.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import sys
from collections.abc import Awaitable, Callable
from time import process_time
from typing import Any

import asyncpg
import orjson

from bench.http_ops import served
from bench.processes import server_cpu_s
from bench.store_ops import entity
from pintu.kernel.store.address import parse_address

GROUP = 16
ROW = "n bigint, tenant int, id text, kind int, created bigint, modified bigint"
TYPES = ("bytea", "json", "jsonb")

Document = dict[str, Any]
Send = Callable[[asyncpg.Connection, list[tuple[Any, ...]]], Awaitable[Any]]


async def by_type(connection: asyncpg.Connection, pid: int, groups: int) -> None:
    """Insert, replace and read documents held as each type; what of one comes back."""
    print(f"{'held as':10s} {'insert':>16s} {'replace':>16s} {'read':>16s}  bytes  comes back")
    for held in TYPES:
        await connection.execute(f"CREATE TABLE d({ROW}, body {held}, PRIMARY KEY(n))")
        bound = held if held == "bytea" else "text"
        insert = (
            f"INSERT INTO d SELECT o, 1, 'x', 1, 1, 1, b::{held} "
            f"FROM unnest($1::bigint[], $2::{bound}[]) u(o, b)"
        )
        update = (
            f"UPDATE d SET body = b::{held} FROM unnest($1::bigint[], $2::{bound}[]) u(o, b) "
            "WHERE n = o"
        )
        read = f"SELECT body{'' if held == 'bytea' else '::text'} FROM d WHERE n = ANY($1)"
        figures = [
            await _cost(connection, pid, groups, insert, held),
            await _cost(connection, pid, groups, update, held),
            await _cost(connection, pid, groups, read, ""),
        ]
        size = await connection.fetchval("SELECT avg(pg_column_size(body))::int FROM d")
        sent = b'{"b": 1.50, "a": 1e3, "a": 2}'
        given = sent if held == "bytea" else sent.decode()
        back = await connection.fetchval(
            f"SELECT $1::{bound}::{held}{'' if held == 'bytea' else '::text'}", given
        )
        same = "the same bytes" if back in (sent, sent.decode()) else str(back)
        await connection.execute("DROP TABLE d")
        shown = " ".join(f"{own:7.1f} {server:8.1f}" for own, server in figures)
        print(f"{held:10s} {shown}  {size:5d}  {same}", flush=True)


async def _cost(
    connection: asyncpg.Connection, pid: int, groups: int, sql: str, held: str
) -> tuple[float, float]:
    """CPU µs a document, ours and the server's."""
    chance = random.Random(7)
    bodies = [orjson.dumps(entity(i, chance)) for i in range(GROUP)]
    given = bodies if held == "bytea" else [body.decode() for body in bodies]

    async def run(first: int, number: int) -> None:
        for group in range(first, first + number):
            numbers = list(range(group * GROUP, (group + 1) * GROUP))
            await connection.fetch(sql, *((numbers, given) if held else (numbers,)))

    return await _measured(run, pid, groups)


async def _measured(
    run: Callable[[int, int], Awaitable[None]], pid: int, groups: int
) -> tuple[float, float]:
    warm = 20
    await run(0, warm)
    gc.collect()
    own, server = process_time(), server_cpu_s(pid)
    await run(warm, groups)
    scale = 1e6 / (groups * GROUP)
    return (process_time() - own) * scale, (server_cpu_s(pid) - server) * scale


async def by_way(connection: asyncpg.Connection, pid: int, groups: int) -> None:
    """Insert groups of documents in each way a driver has."""
    types = ("bigint", "int", "text", "int", "bigint", "bigint", "bytea")
    columns = ", ".join(f"${i}::{one}[]" for i, one in enumerate(types, 1))
    marks = ", ".join(f"${i}" for i in range(1, len(types) + 1))

    async def single(connection: asyncpg.Connection, rows: list[tuple[Any, ...]]) -> None:
        for row in rows:
            await connection.execute(f"INSERT INTO w VALUES({marks})", *row)

    async def one_by_one(connection: asyncpg.Connection, rows: list[tuple[Any, ...]]) -> None:
        async with connection.transaction():
            await single(connection, rows)

    async def many(connection: asyncpg.Connection, rows: list[tuple[Any, ...]]) -> None:
        await connection.executemany(f"INSERT INTO w VALUES({marks})", rows)

    async def arrays(connection: asyncpg.Connection, rows: list[tuple[Any, ...]]) -> None:
        table = [list(column) for column in zip(*rows, strict=True)]
        await connection.execute(f"INSERT INTO w SELECT * FROM unnest({columns})", *table)

    async def whole(connection: asyncpg.Connection, rows: list[tuple[Any, ...]]) -> None:
        await connection.execute("INSERT INTO w SELECT u.* FROM unnest($1::w[]) u", rows)

    ways: tuple[tuple[str, Send], ...] = (
        ("a commit each", single),
        ("a statement each, one commit", one_by_one),
        ("executemany, one commit", many),
        ("one statement, an array a column", arrays),
        ("one statement, an array of rows", whole),
    )
    print(f"\n{'handed over as':34s} {'here':>7s} {'server':>8s}")
    for name, way in ways:
        await connection.execute(f"CREATE TABLE w({ROW}, body bytea, PRIMARY KEY(n))")
        own, server = await _measured(_sending(connection, way), pid, groups)
        await connection.execute("DROP TABLE w")
        print(f"{name:34s} {own:7.1f} {server:8.1f}", flush=True)


def _sending(connection: asyncpg.Connection, way: Send) -> Callable[[int, int], Awaitable[None]]:
    """Groups of new rows, sent in one way."""
    chance = random.Random(7)
    bodies = [orjson.dumps(entity(i, chance)) for i in range(GROUP)]

    async def run(first: int, number: int) -> None:
        for group in range(first, first + number):
            rows = [
                (group * GROUP + i, 1, f"urn:ngsi-ld:Streetlight:{i}", 1, 1, 1, body)
                for i, body in enumerate(bodies)
            ]
            await way(connection, rows)

    return run


async def measured(address: str, pid: int, groups: int) -> None:
    """Both tables on one connection."""
    told = parse_address(address)
    connection = await asyncpg.connect(**told.for_asyncpg(*told.hosts[0]))
    try:
        await connection.execute("CREATE SCHEMA documents; SET search_path = documents")
        await by_type(connection, pid, groups)
        await by_way(connection, pid, groups)
        await connection.execute("DROP SCHEMA documents CASCADE")
    finally:
        await connection.close()


def main() -> int:
    """Start a server, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--groups", type=int, default=300)
    arguments = parser.parse_args()
    with served("postgres") as (address, pid):
        asyncio.run(measured(address, pid, arguments.groups))
    return 0


if __name__ == "__main__":
    sys.exit(main())
