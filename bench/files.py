"""Files end to end: rows a second into a table data set and into the context, memory, CPU a row.

`python -m bench.files [--rows 100000] [--entities 50000] [--xlsx 20000] [--store postgres]` writes
made-up files, starts a city with two folder sources (no piece, no code), drops the files and
watches. CPU counts every process of the city (not a server's) from the drop until the file lies in
done/; wall too, less the second in which a file must stand still. Beside it, in the same run:
`csv.reader` alone over the same bytes (the floor), our readers alone, and the largest memory of the
loads process.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli_w

from bench.processes import command_line, cpu_s, rss_mb, tree
from pintu.kernel.intake.doors.files_reading import STILL_S
from pintu.kernel.intake.tabular import Place, open_table
from pintu.kernel.intake.tabular.write import write_xlsx
from pintu.kernel.tables import open_tables
from tests.real_databases import PASSWORD, postgres

PORT = 9915
PORTS = (9800, 9819)  # of the server, where the city's store is one
STATIONS = ("滨江", "西湖", "下沙", "临平", "萧山")
COLUMNS = ("编号", "站点", "时间", "浓度", "温度", "湿度", "状态", "备注")
TABLE = {
    "target": "table",
    "data_set": "bench",
    "fields": [
        {"from": "编号", "to": "编号", "key": True},
        {"from": "站点", "to": "站点"},
        {"from": "时间", "to": "时间", "kind": "time"},
        {"from": "浓度", "to": "浓度", "kind": "number"},
        {"from": "温度", "to": "温度", "kind": "number"},
        {"from": "湿度", "to": "湿度", "kind": "number"},
        {"from": "状态", "to": "状态"},
        {"from": "备注", "to": "备注"},
    ],
}
DATA_SET = {
    "provider": "table",
    "title": {"zh": "演示", "en": "demo"},
    "columns": [
        {"name": one["to"], "kind": one.get("kind", "text"), "key": bool(one.get("key"))}
        for one in TABLE["fields"]
        if isinstance(one, dict)
    ],
}
CONTEXT = {
    "type": "AirQualityObserved",
    "id": "{编号}",
    "observed_at": "时间",
    "fields": [
        {"from": "站点", "to": "name"},
        {"from": "浓度", "to": "pm25", "kind": "number", "unit": "µg/m3"},
        {"from": "温度", "to": "temperature", "kind": "number", "unit": "℃"},
    ],
}


def row(number: int) -> list[Any]:
    """Row `number`: the same for everybody."""
    station = STATIONS[number % len(STATIONS)]
    at = f"2026-{number % 11 + 1:02d}-{number % 28 + 1:02d} {number % 24:02d}:00:00"
    return [
        f"E{number:08d}",
        station,
        at,
        number % 300 / 2,
        number % 40,
        number % 100,
        "正常" if number % 7 else "维护",
        f"演示数据 {number}",
    ]


def write_csv(path: Path, rows: int) -> None:
    """A CSV file of made-up rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(row(number) for number in range(rows))


def floor_us(path: Path, rows: int) -> float:
    """CPU µs a row of csv.reader alone."""
    began_s = time.process_time()
    with path.open(encoding="utf-8", newline="") as file:
        for _ in csv.reader(file):
            pass
    return (time.process_time() - began_s) / rows * 1e6


def reader_us(path: Path) -> float:
    """CPU µs a row of our reader alone."""
    began_s, count = time.process_time(), 0
    table = open_table(path)
    for portion in table.portions(Place()):
        count += len(portion.records)
    table.close()
    return (time.process_time() - began_s) / max(1, count) * 1e6


def configure(data: Path) -> None:
    """Two folder sources, their mappings, one data set."""
    settings = {"every_s": 1}
    for name, mapping in (("rows", TABLE), ("things", CONTEXT)):
        _save(data, "mappings", name, mapping)
        source = {"door": "folder", "mappings": [name], "settings": settings}
        _save(data, "sources", name, source)
        (data / "inbox" / name).mkdir(parents=True)
    _save(data, "datasets", "bench", DATA_SET)


def _save(data: Path, kind: str, name: str, content: dict[str, Any]) -> None:
    path = data / "config" / kind / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tomli_w.dumps(content), "utf-8")


@contextlib.contextmanager
def city(data: Path, port: int = PORT) -> Iterator[int]:
    """A running city; its process."""
    command = [sys.executable, "-m", "pintu", "up", "--data", str(data), "--port", str(port)]
    process = subprocess.Popen(
        command, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while not _loads(process.pid) or not (data / "broker.sock").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("The city did not start")
            time.sleep(0.2)
        time.sleep(3)
        yield process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _loads(pid: int) -> int:
    return next((one for one in tree(pid) if "loads" in command_line(one)), 0)


def drop(pid: int, folder: Path, file: Path, rows: int) -> None:
    """Drop a file and watch until it is done; prints what it cost."""
    loads, largest = _loads(pid), 0.0
    whole = folder.parent / f"{folder.name}.part"
    shutil.copyfile(file, whole)
    used_s, began_s = cpu_s(tree(pid)), time.monotonic()
    whole.replace(folder / file.name)
    while not (folder / "done" / file.name).exists():
        if (folder / "failed").exists() or time.monotonic() - began_s > 3_600:
            raise SystemExit(f"{file.name} was not read")
        largest = max(largest, rss_mb(loads))
        time.sleep(0.1)
    wall_s = time.monotonic() - began_s - STILL_S
    used_s = cpu_s(tree(pid)) - used_s
    print(
        f"{file.name:14s} → {folder.name:8s} {used_s / rows * 1e6:8.1f} µs CPU a row  "
        f"{rows / wall_s:9.0f} rows/s wall  loads process {largest:5.0f} MB",
        flush=True,
    )


@contextlib.contextmanager
def store_of(name: str) -> Iterator[str]:
    """The address of a store: files, or a server of this run."""
    if name == "sqlite":
        yield "sqlite:"
        return
    with postgres(ports=PORTS) as server:
        server.run("CREATE DATABASE city")
        server.run("CREATE EXTENSION postgis", database="city")
        yield f"postgresql://owner:{PASSWORD}@127.0.0.1:{server.port}/city"


def landed(data: Path, address: str) -> int:
    """Rows in the data set."""
    tables = open_tables(data, address)
    try:
        opened = tables.open("datasets", "bench")
        count = "SELECT count(*) FROM rows"
        return int(opened.read_now(lambda c: c.exec_driver_sql(count).scalar_one()))
    finally:
        tables.close()


def main() -> None:
    """Floors, readers, then the city."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--entities", type=int, default=50_000)
    parser.add_argument("--xlsx", type=int, default=20_000)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    told = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="pintu-files-") as folder,
        store_of(told.store) as address,
    ):
        os.environ["PINTU_STORE"] = address
        data = Path(folder) / "data"
        big, small, book = (Path(folder) / one for one in ("rows.csv", "things.csv", "rows.xlsx"))
        write_csv(big, told.rows)
        write_csv(small, told.entities)
        with book.open("wb") as file:
            rows = (dict(zip(COLUMNS, row(n), strict=True)) for n in range(told.xlsx))
            write_xlsx(file, COLUMNS, rows)
        print(f"floor: csv.reader alone    {floor_us(big, told.rows):8.1f} µs CPU a row")
        print(f"our CSV reader alone       {reader_us(big):8.1f} µs CPU a row")
        print(f"our XLSX reader alone      {reader_us(book):8.1f} µs CPU a row", flush=True)
        configure(data)
        with city(data) as pid:
            drop(pid, data / "inbox" / "rows", big, told.rows)
            drop(pid, data / "inbox" / "things", small, told.entities)
            drop(pid, data / "inbox" / "rows", book, told.xlsx)
        print(f"floor again                {floor_us(big, told.rows):8.1f} µs CPU a row")
        found = landed(data, address)
        print(f"rows in the data set {found} of {max(told.rows, told.xlsx)}")


if __name__ == "__main__":
    main()
