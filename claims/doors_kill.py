"""kill -9 of every process of the city, and of the source, during each door's load: nothing lost,
nothing doubled (`python -m claims.doors_kill`); the devices are in `doors_kill_devices`."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.http_ops import City
from bench.processes import command_line, tree
from claims.doors_kill_devices import (
    hj212_into_table,
    mqtt_into_context,
    mqtt_into_table,
    push_into_context,
)
from claims.doors_kill_words import Load, entities_of, rows_of, write_data_set, write_source
from claims.words import Finding, NotRun, judged

SEED = 20261122
PATIENCE_S = 240.0
OURS = ("processes.loads", "processes.broker", "processes.field")


def file_into_table(data: Path, rows: int) -> Load:
    """A CSV without a key: a row that came twice would be there twice."""
    name = "readings"
    fields = [{"to": one, "from": one} for one in ("meter", "value", "at")]
    write_source(data, name, {"door": "upload", "mappings": [name]}, {
        "target": "table", "data_set": name, "fields": fields,
    })  # fmt: skip
    write_data_set(data, name, [{"name": one["to"]} for one in fields])
    path = data / "uploads" / name / "readings.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        file.write("meter,value,at\n")
        for number in range(rows):
            file.write(f"M{number % 997},{number},2026-11-{1 + number % 28:02d}\n")
    return Load("file into a table", rows, rows_of(name))


def file_into_context(data: Path, rows: int) -> Load:
    """A GeoJSON-less list of places, each an entity."""
    name = "places"
    mapping = {
        "type": "PointOfInterest",
        "id": "{id}",
        "fields": [
            {"to": "name", "from": "name"},
            {"to": "location", "from": ["lon", "lat"], "kind": "point"},
        ],
    }
    write_source(data, name, {"door": "upload", "mappings": [name]}, mapping)
    path = data / "uploads" / name / "places.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        file.write("id,name,lon,lat\n")
        for number in range(rows):
            file.write(f"P{number},place {number},{120 + number % 100 / 1000},30.2\n")
    return Load("file into the context", rows, entities_of("PointOfInterest"))


def database_into_table(data: Path, rows: int, server: Any) -> Load:
    """A department's table; its server is killed too."""
    name = "pumps"
    columns = ("id", "name", "capacity")
    fields = [{"to": one, "from": one, "key": one == "id"} for one in columns]
    settings = {
        "system": "postgresql", "host": "127.0.0.1", "port": server.port, "database": "postgres",
        "user": "owner", "every_s": 5,
    }  # fmt: skip
    write_source(
        data, name, {"door": "database", "mappings": [name], "settings": settings},
        {"target": "table", "data_set": name, "records": "pump", "fields": fields},
    )  # fmt: skip
    write_data_set(data, name, [{"name": one, "key": one == "id"} for one in columns])
    secret = data / "keys" / "sources" / name
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_text("demo-password", "utf-8")
    secret.chmod(0o600)
    server.run(
        "CREATE TABLE pump (id integer PRIMARY KEY, name text, capacity float8)",
        f"INSERT INTO pump SELECT n, 'demo ' || n, n FROM generate_series(1, {rows}) n",
    )

    def kill_server() -> None:
        server.kill()
        time.sleep(0.5)
        server.start()

    return Load("database into a table", rows, rows_of(name), [kill_server])


def kill_one(city: City, what: str) -> bool:
    """kill -9 of one of the city's processes; False while it is not there."""
    for pid in tree(city.process.pid):
        if what in command_line(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return True
    return False


@contextlib.contextmanager
def servers() -> Iterator[tuple[Any, int]]:
    """A PostgreSQL and a mosquitto of their own."""
    from pintu.kit.testing import find_mosquitto, mosquitto
    from tests.real_databases import postgres, program

    if program("postgres") is None or find_mosquitto() is None:
        raise NotRun("PostgreSQL or mosquitto is not installed")
    # a broker keeps 1,000 messages for who is away unless told otherwise; a busy machine takes
    # longer than that to start its processes again
    with postgres() as server, mosquitto("max_queued_messages 20000", port=9942) as port:
        yield server, port


def measure(kills: int = 12, scale: int = 1) -> list[Finding]:
    """All doors at once, random kills between, then what is there."""
    os.environ["PINTU_EGRESS_ALLOW"] = "127.0.0.1"
    dice = random.Random(SEED)
    with (
        servers() as (server, port),
        tempfile.TemporaryDirectory(prefix="pintu-doors-", ignore_cleanup_errors=True) as name,
    ):
        data, running = Path(name) / "data", list[City]()
        loads = [
            file_into_table(data, 400_000 * scale),
            file_into_context(data, 20_000 * scale),
            database_into_table(data, 200_000 * scale, server),
            push_into_context(data, 1_000 * scale, lambda: running[0] if running else None),
            mqtt_into_context(data, 2_000 * scale, port),
            mqtt_into_table(data, 2_000 * scale, port),
            hj212_into_table(data, 2_000 * scale),
        ]
        running.append(City(data))
        try:
            killed = _kill(running[0], loads, kills, dice)
            found = _settle(running[0], loads)
        finally:
            running[0].stop()
    figures = ", ".join(f"{who} {times}" for who, times in sorted(killed.items()))
    return [
        judged(
            f"kill -9 during: {load.name}",
            f"{found[load.name]:,} of {load.wanted:,}",
            "none lost or doubled",
            found[load.name] == load.wanted,
            f"killed: {figures}",
        )
        for load in loads
    ]


def _kill(city: City, loads: list[Load], kills: int, dice: random.Random) -> dict[str, int]:
    """Kill something every second or two; who was killed how often."""
    killed: dict[str, int] = {}
    sources = [kill for load in loads for kill in load.others]
    order = [number % (len(OURS) + 1) for number in range(kills)]
    dice.shuffle(order)
    while order:
        time.sleep(0.5 + dice.random() * 1.5)
        choice = order.pop()
        if choice == len(OURS):
            dice.choice(sources)()
            killed["the source"] = killed.get("the source", 0) + 1
        elif kill_one(city, OURS[choice]):
            who = OURS[choice].rpartition(".")[2]
            killed[who] = killed.get(who, 0) + 1
        else:
            order.insert(0, choice)  # it is being started again: later
    return killed


def _settle(city: City, loads: list[Load]) -> dict[str, int]:
    """Wait until everything is there, and a little longer for what would come twice."""
    deadline, found = time.monotonic() + PATIENCE_S, dict[str, int]()
    while time.monotonic() < deadline:
        found = {load.name: load.there(city) for load in loads}
        if all(found[load.name] >= load.wanted for load in loads):
            break
        time.sleep(1)
    time.sleep(5)
    return {load.name: load.there(city) for load in loads}


if __name__ == "__main__":
    for finding in measure():
        sys.stdout.write(finding.line() + "\n")
