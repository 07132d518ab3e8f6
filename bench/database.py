"""A department's database into a table data set: rows a second, CPU a row, lag of a change.

`python -m bench.database [--rows 200000] [--changes 40] [--systems postgres,mariadb]` starts real
servers, fills a table, then a city with one source (no piece, no code) and watches. Beside it, in
the same run: the driver alone fetching the same rows in the same pages (the floor), and the door's
reader alone. CPU is that of our side: the driver's process, or every process of the city.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.files import DATA_SET, TABLE, city, row
from bench.measuring import at
from bench.processes import cpu_s, rss_mb, tree
from pintu.kernel.clock import CityClock
from pintu.kernel.configuration import Configuration
from pintu.kernel.egress import Egress
from pintu.kernel.intake.doors.database import make_reader
from pintu.kernel.intake.doors.secrets import write_secret
from pintu.kernel.intake.doors.words import Around, SourceFile
from pintu.kernel.intake.mapping import read_mapping
from tests.real_databases import PASSWORD, Server, mariadb, postgres

PAGE = 5_000
PORT = 9936
COLUMNS = "编号, 站点, 时间, 浓度, 温度, 湿度, 状态, 备注"
MADE = (
    (
        "CREATE TABLE readings (编号 varchar(20) PRIMARY KEY, 站点 varchar(20), 时间 timestamp,"
        " 浓度 double precision, 温度 int, 湿度 int, 状态 varchar(10), 备注 varchar(60),"
        " changed timestamp(6))"
    ),
    "CREATE INDEX by_changed ON readings (changed)",
)
NOW = {"postgres": "timezone('UTC', clock_timestamp())", "mariadb": "utc_timestamp(6)"}


def fill(server: Server, rows: int) -> None:
    """A table of made-up rows."""
    server.run("CREATE DATABASE city")
    server.run(*MADE, database="city")
    with closing(server.connect("city")) as connection:
        cursor = connection.cursor()
        for start in range(0, rows, PAGE):
            part = [(*row(n), "2026-01-01 00:00:00") for n in range(start, min(start + PAGE, rows))]
            marks = f"({', '.join(['%s'] * 9)})"
            values = [value for line in part for value in line]
            cursor.execute(f"INSERT INTO readings VALUES {', '.join([marks] * len(part))}", values)
    server.run("ANALYZE readings" if server.name == "postgres" else "ANALYZE TABLE readings",
               database="city")  # fmt: skip


def floor_us(server: Server) -> tuple[float, float]:
    """The driver alone: CPU µs a row, rows a second."""
    with closing(server.connect("city")) as connection:
        cursor = connection.cursor()
        used_s, began_s, after, count = time.process_time(), time.monotonic(), "", 0
        while True:
            cursor.execute(
                f"SELECT {COLUMNS} FROM readings WHERE 编号 > %s ORDER BY 编号 LIMIT {PAGE}",
                (after,),
            )
            lines = cursor.fetchall()
            count += len(lines)
            if len(lines) < PAGE:
                break
            after = lines[-1][0]
    wall_s = time.monotonic() - began_s
    return (time.process_time() - used_s) / count * 1e6, count / wall_s


def settings(server: Server) -> dict[str, Any]:
    """What the source is told."""
    return {
        "system": "postgresql" if server.name == "postgres" else "mariadb",
        "host": "127.0.0.1",
        "port": server.port,
        "database": "city",
        "user": "owner",
        "table": "readings",
        "follow": "time",
        "column": "changed",
        "overlap_s": 5,
    }


def reader_us(server: Server, data: Path) -> tuple[float, float]:
    """The door's reader alone: CPU µs a row, rows a second."""
    told = SourceFile(
        name="department", door="database", settings=settings(server) | {"stay": False}
    )
    around = Around(
        data=data, secret=PASSWORD, egress=Egress(allow_loopback=True), clock=CityClock()
    )
    mapping = read_mapping({"name": "rows", **TABLE})

    async def read() -> int:
        count = 0
        async for chunk in make_reader(told, mapping, around).chunks(""):
            count += len(chunk.records)
            if chunk.full:
                break
        return count

    used_s, began_s = time.process_time(), time.monotonic()
    count = asyncio.run(read())
    wall_s = time.monotonic() - began_s
    return (time.process_time() - used_s) / count * 1e6, count / wall_s


def landed(data: Path, where: str = "1") -> int:
    """Rows in the data set."""
    path = data / "datasets" / "bench.db"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        try:
            return int(file.execute(f"SELECT count(*) FROM rows WHERE {where}").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def whole(server: Server, rows: int, changes: int, data: Path) -> None:
    """A city from nothing to the last row, then changes one by one."""
    os.environ["PINTU_EGRESS_ALLOW"] = "127.0.0.1"
    saved = Configuration(data / "config", CityClock())
    saved.save("datasets", "bench", DATA_SET, by="bench")
    saved.save("mappings", "rows", {**TABLE, "zone": "UTC"}, by="bench")
    write_secret(data, "department", PASSWORD)
    with city(data, PORT) as pid:
        used_s, began_s = cpu_s(tree(pid)), time.monotonic()
        source = {"door": "database", "mappings": ["rows"], "settings": settings(server)}
        saved.save("sources", "department", source, by="bench")
        while not landed(data):
            time.sleep(0.05)
        first_s = time.monotonic()
        while (found := landed(data)) < rows:
            if time.monotonic() - began_s > 600:
                raise SystemExit(f"{found} of {rows} rows landed")
            time.sleep(0.05)
        wall_s = time.monotonic() - began_s
        used_s = cpu_s(tree(pid)) - used_s
        largest = max(map(rss_mb, tree(pid)))
        print(
            f"{server.name}: city, first load {used_s / rows * 1e6:8.1f} µs CPU a row "
            f"{rows / wall_s:9.0f} rows/s wall (first row after {first_s - began_s:.1f} s), "
            f"largest process {largest:.0f} MB",
            flush=True,
        )
        time.sleep(3)
        lags = [lag_s(server, data, number) for number in range(changes)]
        print(
            f"{server.name}: lag of a change p50 {at(lags, 0.5):.2f} s, largest {max(lags):.2f} s",
            flush=True,
        )


def lag_s(server: Server, data: Path, number: int) -> float:
    """Seconds from a commit there to the row here."""
    name = f"E{number * 37:08d}"
    server.run(
        f"UPDATE readings SET 备注 = 'new', changed = {NOW[server.name]} WHERE 编号 = '{name}'",
        database="city",
    )
    began_s = time.monotonic()
    while not landed(data, f"_key = '{name}' AND 备注 = 'new'"):
        if time.monotonic() - began_s > 60:
            raise SystemExit(f"{name} did not come")
        time.sleep(0.01)
    lag = time.monotonic() - began_s
    time.sleep(0.37)
    return lag


def main() -> None:
    """Floor, reader, city, floor again; for each system."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--changes", type=int, default=40)
    parser.add_argument("--systems", default="postgres,mariadb")
    told = parser.parse_args()
    servers = {"postgres": postgres, "mariadb": mariadb}
    for name in told.systems.split(","):
        with (
            servers[name]() as server,
            tempfile.TemporaryDirectory(prefix="pintu-database-") as text,
        ):
            data = Path(text) / "data"
            fill(server, told.rows)
            floors = [floor_us(server)]
            readers = [reader_us(server, data)]
            whole(server, told.rows, told.changes, data)
            floors.append(floor_us(server))
            readers.append(reader_us(server, data))
            for said, found in (("driver alone (floor)", floors), ("door's reader", readers)):
                cpu = " and ".join(f"{one[0]:.1f}" for one in found)
                wall = " and ".join(f"{one[1]:.0f}" for one in found)
                print(f"{name}: {said:22s} {cpu} µs CPU a row, {wall} rows/s", flush=True)


if __name__ == "__main__":
    main()
