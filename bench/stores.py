"""What one operation costs on each store, end to end and in one run: CPU of broker and server.

`python -m bench.stores [--entities 100000] [--scale 1] [--full] [--out bench/stores.json]` starts
two cities, one on SQLite, one on a private PostgreSQL that waits for the disk, loads both with the
same entities over 32 connections, and measures them in turns, slice by slice, with the floors of
each library between. A bar is a ratio to SQLite's figure of the same run. With `--full` also how
PostgreSQL's figures grow from 10,000 to 1,000,000 entities.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.entities import entity_id, entity_json
from bench.floors import Floors
from bench.http_ops import City, free_port, served, wait_ready
from bench.measuring import at, load
from bench.processes import server_cpu_s

SLICES = 4
STORES = ("sqlite", "postgres")
GROWTH_BAR = 1.3
WARM = 5_000  # entities that a warm read asks for: they fit into every cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One operation: how often, how much dearer than on SQLite it may be, SQLite's floor."""

    name: str
    op: str
    n: int
    bar: float
    floor: str
    per: int = 1  # entities a request
    stock: int = 0  # entities it is about; 0: all


FIGURES = (
    Figure(name="create", op="create", n=12_000, bar=3.5, floor="upsert"),
    Figure(name="PATCH", op="patch", n=12_000, bar=3.5, floor="upsert"),
    Figure(name="batch of 1,000 new", op="batch_new", n=24, bar=2.5, floor="upsert", per=1000),
    Figure(
        name="batch of 500 replaced", op="batch_replaced", n=32, bar=2.5, floor="upsert", per=500
    ),
    Figure(name="retrieve, cache cold", op="retrieve_each", n=20_000, bar=6.0, floor="read"),
    Figure(name="retrieve, warm", op="retrieve", n=20_000, bar=1.0, floor="echo", stock=WARM),
    Figure(name="type + q, limit 20", op="type_q", n=12_000, bar=4.0, floor="read"),
    Figure(name="near 1 km, limit 20", op="near", n=8_000, bar=4.0, floor="read"),
)
CALM_S, PATIENCE_S = 5.0, 1_200.0
GROWING = ("create", "PATCH", "retrieve, cache cold", "type + q, limit 20", "near 1 km, limit 20")


# --- floors of PostgreSQL -------------------------------------------------------------------------
async def _floors(address: str, pid: int, rows: int) -> dict[str, float]:
    """CPU µs a row, client and server: an upsert in groups of 16 that waits for the disk, and a
    point read, alone and 16 at a time."""
    import asyncpg

    connection: Any = await asyncpg.connect(address)
    await connection.execute("CREATE TABLE public.floor(id text PRIMARY KEY, body bytea NOT NULL)")
    write = await connection.prepare(
        "INSERT INTO public.floor SELECT * FROM unnest($1::text[], $2::bytea[]) "
        "ON CONFLICT (id) DO UPDATE SET body = excluded.body"
    )
    one = await connection.prepare("SELECT body FROM public.floor WHERE id = $1")
    many = await connection.prepare("SELECT body FROM public.floor WHERE id = ANY($1::text[])")

    async def groups(statement: Any, *, bodies: bool) -> None:
        for start in range(0, rows, 16):
            keys = [entity_id(n) for n in range(start, start + 16)]
            told = [[entity_json(n) for n in range(start, start + 16)]] if bodies else []
            await statement.fetch(keys, *told)

    async def points() -> None:
        for number in range(rows):
            await one.fetch(entity_id(number))

    async def cost(work: Coroutine[Any, Any, None]) -> float:
        began, server = time.process_time(), server_cpu_s(pid)
        await work
        return (time.process_time() - began + server_cpu_s(pid) - server) * 1e6 / rows

    try:
        found = {"upsert": await cost(groups(write, bodies=True))}
        found["point"] = await cost(points())
        found["point of 16"] = await cost(groups(many, bodies=False))
    finally:
        await connection.execute("DROP TABLE public.floor")
        await connection.close()
    return found


# --- two cities -----------------------------------------------------------------------------------
@contextlib.contextmanager
def cities(folder: Path) -> Iterator[dict[str, City]]:
    """One city on each store, both on empty ones."""
    with contextlib.ExitStack() as stack:
        found = {}
        for store in STORES:
            address, pid = stack.enter_context(served(store))
            (folder / store).mkdir()
            found[store] = City(folder / store / "data", store=address, server=pid)
            stack.callback(found[store].stop)
        yield found


def filled(city: City, entities: int) -> None:
    """Store so many entities and let the index of the queries be learned."""
    base = {"port": city.port, "token": city.token}
    plan = {**base, "op": "batch_new", "n": entities // 1000, "size": 1000, "connections": 2}
    load({**plan, "timeout": 1800})
    load({**base, "op": "type_q", "n": 500, "connections": 32})
    time.sleep(5)


def slice_of(city: City, plan: dict[str, Any], per: int) -> dict[str, Any]:
    """One slice: CPU µs an item of the city and of its server, latencies a request in ms."""
    before = city.shares_s()
    seen = load({**plan, "port": city.port, "token": city.token})
    after = city.shares_s()
    if seen["errors"]:
        raise RuntimeError(
            f"{plan['op']}: {seen['errors']} of {seen['n']} failed: {seen['sample']}"
        )
    items = max(1, seen["n"] * per)
    city_us, server_us = (
        (end - start) * 1e6 / items for start, end in zip(before, after, strict=True)
    )
    return {"city_us": city_us, "server_us": server_us, "times_ms": seen["times_ms"]}


def measured(
    figure: Figure, running: dict[str, City], first: int, stocks: dict[str, int], scale: float
) -> dict[str, dict[str, Any]]:
    """One figure on each city, in turns; `stocks`: how many entities each of them has."""
    n = max(1, int(figure.n * scale) // SLICES)
    if figure.op == "retrieve_each":
        n = min(n, min(stocks.values()) // SLICES)
    plan: dict[str, Any] = {"op": figure.op, "n": n, "size": figure.per}
    plan["connections"] = 2 if figure.per > 1 else 32
    plans = {name: {**plan, "stock": figure.stock or stocks[name]} for name in running}
    if figure.op == "retrieve":
        for name, city in running.items():  # nothing of it is asked for the first time
            slice_of(city, {**plans[name], "op": "retrieve_each", "n": WARM, "first": 0}, 1)
    if figure.op == "retrieve_each":
        for name, city in running.items():  # an empty cache
            city.stop()
            city.start()
            slice_of(city, {**plans[name], "op": "type_q", "n": 200}, 1)
        time.sleep(8)  # what only the start needs has ended: its CPU would be missing afterwards
    parts: dict[str, list[dict[str, Any]]] = {name: [] for name in running}
    for number in range(SLICES):
        part = {"first": first + number * n * figure.per, "seed": number + 1}
        for name, city in running.items():
            parts[name].append(slice_of(city, {**plans[name], **part}, figure.per))
    return {name: _mean(found) for name, found in parts.items()}


def _mean(parts: list[dict[str, Any]]) -> dict[str, Any]:
    city, server = (sum(one[key] for one in parts) / len(parts) for key in ("city_us", "server_us"))
    times = [time_ms for one in parts for time_ms in one["times_ms"]]
    return {
        "cpu_us": city + server,
        "city_us": city,
        "server_us": server,
        "p50_ms": at(times, 0.5),
        "p99_ms": at(times, 0.99),
    }


def used_up(figure: Figure, scale: float) -> int:
    """Entities that a figure makes."""
    made = figure.op in ("create", "batch_new")
    return max(1, int(figure.n * scale) // SLICES) * SLICES * figure.per if made else 0


# --- the table ------------------------------------------------------------------------------------
def table(entities: int, scale: float) -> list[dict[str, Any]]:
    """Every figure on both stores; prints each line as it is known."""
    with tempfile.TemporaryDirectory(prefix="pintu-stores-") as name, cities(Path(name)) as running:
        floors = Floors(Path(name), int(2_000 * scale) + 100, port := free_port())
        try:
            wait_ready(f"http://127.0.0.1:{port}/ngsi-ld/echo", 60)
            for city in running.values():
                filled(city, entities)
            rows, first = [], entities
            for figure in FIGURES:
                seen = measured(figure, running, first, dict.fromkeys(STORES, entities), scale)
                first += used_up(figure, scale)
                city = running["postgres"]
                theirs = asyncio.run(_floors(city.store, city.server, int(2_000 * scale) + 160))
                rows.append(row(figure, seen, floors.take(figure.floor).cpu_us, theirs))
                print(line(rows[-1]), flush=True)
            return rows
        finally:
            floors.stop()


def row(
    figure: Figure, seen: dict[str, dict[str, Any]], floor_us: float, theirs: dict[str, float]
) -> dict[str, Any]:
    """One line of the table as data. PostgreSQL's floor of a write is its upsert, of a cold read
    and of a query its point reads in groups; a warm read asks it nothing."""
    floors = {"upsert": theirs["upsert"], "read": theirs["point of 16"], "echo": floor_us}
    ratio = seen["postgres"]["cpu_us"] / seen["sqlite"]["cpu_us"]
    return {
        "name": figure.name,
        **seen,
        "floor": figure.floor,
        "sqlite_floor_us": floor_us,
        "postgres_floor_us": floors[figure.floor],
        "postgres_floors_us": theirs,
        "ratio": ratio,
        "bar": figure.bar,
        "ok": ratio <= figure.bar,
    }


def line(row: dict[str, Any]) -> str:
    """One line of the table as text."""
    one, two = row["sqlite"], row["postgres"]
    return (
        f"{row['name']:<24} SQLite {one['cpu_us']:7.1f} µs"
        f" ({row['floor']} {row['sqlite_floor_us']:5.1f})"
        f"  PostgreSQL {two['cpu_us']:7.1f} µs = broker {two['city_us']:6.1f} + server"
        f" {two['server_us']:6.1f} ({row['floor']} {row['postgres_floor_us']:5.1f})"
        f"  ×{row['ratio']:5.2f} of {row['bar']:.2f}"
        f"  p50 {one['p50_ms']:6.2f} / {two['p50_ms']:6.2f}  p99 {one['p99_ms']:6.2f} /"
        f" {two['p99_ms']:6.2f} ms  {'ok' if row['ok'] else 'short'}"
    )


def calm(city: City) -> None:
    """Return when the city and its server do next to nothing: what they put off while they were
    filled (indexes, packs; of a million entities either takes minutes) is billed to no operation.
    TimeoutError when they never rest."""
    until, resting = time.monotonic() + PATIENCE_S, 0
    while resting < 3:
        if time.monotonic() > until:
            raise TimeoutError(f"The city did not come to rest within {PATIENCE_S:.0f} s")
        before = city.cpu_s()
        time.sleep(CALM_S)
        resting = resting + 1 if city.cpu_s() - before < 0.04 * CALM_S else 0


def settled(city: City) -> None:
    """The city is calm, and its server has looked through its tables."""
    import psycopg

    calm(city)
    with psycopg.connect(city.store, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def growth(scale: float, most: int = 1_000_000) -> list[dict[str, Any]]:
    """PostgreSQL alone, with 10,000 entities and with a hundred times as many: two cities side by
    side, asked in turns, so that what the machine does meanwhile is done to both."""
    stocks = {"small": 10_000, "large": most}
    figures = [one for one in FIGURES if one.name in GROWING]
    found, first = [], most
    with (
        tempfile.TemporaryDirectory(prefix="pintu-growth-") as name,
        contextlib.ExitStack() as stack,
    ):
        running = {}
        for city, entities in stocks.items():
            address, pid = stack.enter_context(served("postgres"))
            running[city] = City(Path(name) / city, store=address, server=pid)
            stack.callback(running[city].stop)
            filled(running[city], entities)
            settled(running[city])
        for figure in figures:
            seen = measured(figure, running, first, stocks, scale)
            first += used_up(figure, scale)
            found.append(_grown(figure, *(seen[city]["cpu_us"] for city in stocks)))
    return found


def _grown(figure: Figure, small: float, large: float) -> dict[str, Any]:
    """One line of the growth, printed as it is known."""
    ratio = large / small
    print(f"{figure.name:<24} {small:7.1f} → {large:7.1f} µs  ×{ratio:.2f} of {GROWTH_BAR}")
    told = {"name": figure.name, "small_us": small, "large_us": large, "ratio": ratio}
    return {**told, "bar": GROWTH_BAR, "ok": ratio <= GROWTH_BAR}


def run(entities: int, scale: float, *, full: bool = False) -> dict[str, Any]:
    """Measure everything; returns what is printed and written."""
    result: dict[str, Any] = {"entities": entities, "rows": table(entities, scale)}
    if full:
        result["growth"] = growth(scale)
    return result


def main() -> int:
    """Print the table, write it, and say by the exit code whether every bar held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--scale", type=float, default=1.0, help="fewer operations: a quick look")
    parser.add_argument("--full", action="store_true", help="also the growth to 1,000,000")
    parser.add_argument("--out", type=Path, default=Path("bench/stores.json"))
    options = parser.parse_args()
    result = run(options.entities, options.scale, full=options.full)
    options.out.write_text(json.dumps(result, indent=1))
    return 0 if all(one["ok"] for one in [*result["rows"], *result.get("growth", [])]) else 1


if __name__ == "__main__":
    sys.exit(main())
