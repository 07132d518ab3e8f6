"""kill -9 of every process of the city, and of the source, during each door's load: nothing lost,
nothing doubled (`python -m claims.doors_kill`)."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from bench.http_ops import City
from bench.processes import command_line, tree
from claims.life import ask
from claims.words import Finding, NotRun, judged

SEED = 20261122
PATIENCE_S = 240.0
OURS = ("processes.loads", "processes.broker", "processes.field")


@dataclass(slots=True)
class Load:
    """One door under load: what it wants in the end, and how much is there."""

    name: str
    wanted: int
    there: Callable[[City], int]
    others: list[Callable[[], None]] = field(default_factory=list)  # kills of the source's side


def write_source(data: Path, name: str, source: dict[str, Any], mapping: dict[str, Any]) -> None:
    """A source and its mapping as the files a person would import."""
    for kind, content in (("sources", source), ("mappings", mapping)):
        path = data / "config" / kind / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(tomli_w.dumps({"name": name, **content}), "utf-8")


def write_data_set(data: Path, name: str, columns: list[dict[str, Any]]) -> None:
    """The entry of a table data set."""
    path = data / "config" / "datasets" / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"provider": "table", "source": name, "columns": columns}
    path.write_text(tomli_w.dumps(content), "utf-8")


def rows_of(name: str) -> Callable[[City], int]:
    """Counts the rows of a data set, by its public door."""

    def count(city: City) -> int:
        path = f"/api/v1/data-sets/{name}/rows?limit=1&count=true"
        status, told = ask(city, "GET", path)
        return int(told.get("total") or 0) if status == 200 and isinstance(told, dict) else 0

    return count


def entities_of(kind: str) -> Callable[[City], int]:
    """Counts the entities of a type, by its public door."""

    def count(city: City) -> int:
        status, told = ask(city, "GET", f"/ngsi-ld/v1/entities?type={kind}&limit=1&count=true")
        return told if status == 200 and isinstance(told, int) else 0

    return count


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


def push_into_context(data: Path, count: int, city_of: Callable[[], City | None]) -> Load:
    """A gateway that sends again until it hears that its message is kept."""
    name = "gateway"
    mapping = {
        "type": "WeatherObserved",
        "id": "{id}",
        "observed_at": "at",
        "fields": [{"to": "temperature", "from": "t", "kind": "number", "unit": "CEL"}],
    }
    write_source(
        data, name, {"door": "push", "mappings": [name], "settings": {"most_a_second": 2000}},
        mapping,
    )  # fmt: skip

    def send() -> None:
        for number in range(count):
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            body = json.dumps({"id": f"W{number}", "t": number % 30, "at": at}).encode()
            while not _pushed(city_of(), name, f"key-{number}", body):
                time.sleep(0.05)

    threading.Thread(target=send, daemon=True).start()
    return Load("HTTP push", count, entities_of("WeatherObserved"))


def _pushed(city: City | None, name: str, key: str, body: bytes) -> bool:
    if city is None:
        return False
    request = urllib.request.Request(
        f"http://127.0.0.1:{city.port}/api/v1/push/{name}",
        data=body,
        headers={
            "Authorization": f"Bearer {city.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bool(answer.status < 300)
    except (urllib.error.URLError, OSError):
        return False


def mqtt_into_context(data: Path, count: int, port: int) -> Load:
    """A device at QoS 1 behind a broker that keeps the city's session."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    name = "meters"
    mapping = {
        "type": "Device",
        "id": "{$topic[1]}",
        "fields": [{"to": "batteryLevel", "from": "b", "kind": "number"}],
    }
    settings = {"broker": f"mqtt://127.0.0.1:{port}", "topics": ["meters/#"], "qos": "1"}
    settings["client_id"] = "pintu-kill"
    write_source(data, name, {"door": "mqtt", "mappings": [name], "settings": settings}, mapping)

    def send() -> None:
        time.sleep(12)  # the city subscribes first; its session lasts from then on
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", port)
        client.loop_start()
        for number in range(count):
            told = client.publish(f"meters/D{number}", json.dumps({"b": 0.5}), qos=1)
            told.wait_for_publish(30)
            time.sleep(0.01)  # a broker keeps 1,000 messages for who is away, not more
        client.loop_stop()
        client.disconnect()

    threading.Thread(target=send, daemon=True).start()
    return Load("MQTT", count, entities_of("Device"))


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
    with postgres() as server, mosquitto(port=9942) as port:
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
