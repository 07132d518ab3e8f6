"""MQTT by mapping alone: 5,000 readings a second in gateway messages, lag, memory, CPU a reading.

`python -m bench.doors [--full] [--seconds 60] [--rate 5000]` starts mosquitto, a city with one
source and one mapping (no piece, no code), and 50 gateways in a process of their own; each message
holds 20 readings of 20 things. At the end every thing must hold its gateway's last number. Beside
it, as a floor, the CPU of a bare client that takes and parses the same messages and keeps nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt
import orjson
import tomli_w

from bench.processes import command_line, cpu_s, rss_mb, tree
from pintu.kit.testing import mosquitto

GATEWAYS, READINGS = 50, 20
BROKER_PORT, CITY_PORT = 9957, 9958
WARM_S = 5.0
MAPPING = {
    "type": "AirQualityObserved",
    "id": "{$topic[1]}-{id}",
    "records": "readings",
    "observed_at": "$.ts",
    "fields": [{"from": "v", "to": "temperature", "kind": "number"}],
}
SOURCE = {
    "door": "mqtt",
    "mappings": ["reading"],
    "expected_interval_s": 5.0,
    "settings": {"broker": f"mqtt://127.0.0.1:{BROKER_PORT}", "topics": ["bench/+/readings"]},
}


# --- gateways -------------------------------------------------------------------------------------
async def gateways(rate: float, seconds: float) -> None:
    """Publish at the rate; prints how many messages each gateway sent."""
    every_s = GATEWAYS * READINGS / rate
    rounds = int(seconds / every_s)
    began_s = time.monotonic()
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(aiomqtt.Client("127.0.0.1", BROKER_PORT))
            for _ in range(10)
        ]
        for number in range(1, rounds + 1):
            await asyncio.sleep(max(0.0, began_s + number * every_s - time.monotonic()))
            sends = [_send(clients[one % 10], one, number) for one in range(GATEWAYS)]
            await asyncio.gather(*sends)
    print(rounds, time.monotonic() - began_s, flush=True)


async def _send(client: aiomqtt.Client, gateway: int, number: int) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    readings = [{"id": f"S{one:02d}", "v": number % 40 + one / 100} for one in range(READINGS)]
    body = orjson.dumps({"ts": now, "readings": readings})
    await client.publish(f"bench/GW{gateway:02d}/readings", body, qos=1)


async def bare(seconds: float) -> None:
    """The floor: take, parse, acknowledge; prints CPU seconds and readings."""
    count, cpu_began = 0, time.process_time()
    async with aiomqtt.Client("127.0.0.1", BROKER_PORT) as client:
        await client.subscribe("bench/+/readings", qos=1)
        print("ready", flush=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for message in client.messages:
                    count += len(orjson.loads(message.payload)["readings"])
    print(time.process_time() - cpu_began, count, flush=True)


# --- the city -------------------------------------------------------------------------------------
@contextlib.contextmanager
def city(data: Path) -> Iterator[tuple[int, str]]:
    """A city with the source; its process and the administrator's token."""
    for kind, name, content in (("mappings", "reading", MAPPING), ("sources", "bench", SOURCE)):
        path = data / "config" / kind / f"{name}.toml"
        path.parent.mkdir(parents=True)
        path.write_text(tomli_w.dumps(content), "utf-8")
    command = [sys.executable, "-m", "pintu", "up", "--data", str(data), "--port", str(CITY_PORT)]
    told = {**os.environ, "PINTU_EGRESS_ALLOW": f"127.0.0.1:{BROKER_PORT}"}
    process = subprocess.Popen(
        command, env=told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                token = (data / "admin.token").read_text().strip()
                if source_of(token).get("health") == "up":
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("The city did not start")
            time.sleep(0.2)
        yield process.pid, token
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def asked(path: str, token: str) -> Any:
    """One GET of the city."""
    request = urllib.request.Request(f"http://127.0.0.1:{CITY_PORT}{path}")
    request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def source_of(token: str) -> dict[str, Any]:
    """What the city says of its source."""
    told: list[dict[str, Any]] = asked("/api/v1/sources", token)
    return next((one for one in told if one["name"] == "doors/bench"), {})


def age_s(token: str, gateway: int) -> float:
    """Since when the newest stored reading of a gateway was measured."""
    path = f"/ngsi-ld/v1/entities/urn:ngsi-ld:AirQualityObserved:bench:GW{gateway:02d}-S00"
    at = datetime.fromisoformat(asked(path, token)["temperature"]["observedAt"])
    return (datetime.now(UTC) - at).total_seconds()


def missing(token: str, rounds: int) -> int:
    """How many things do not hold their gateway's last number."""
    wrong = 0
    for gateway in range(GATEWAYS):
        pattern = f"urn:ngsi-ld:AirQualityObserved:bench:GW{gateway:02d}-.*"
        path = f"/ngsi-ld/v1/entities?type=AirQualityObserved&idPattern={pattern}&limit=100"
        values = {one["id"][-3:]: one["temperature"]["value"] for one in asked(path, token)}
        for one in range(READINGS):
            wrong += values.get(f"S{one:02d}") != rounds % 40 + one / 100
    return wrong


# --- the run --------------------------------------------------------------------------------------
def floor(rate: float) -> float:
    """CPU µs a reading of the bare client over five seconds."""
    client = _child("bare", 7.0)
    assert client.stdout is not None
    client.stdout.readline()
    _child("gateways", rate, 5.0).wait()
    used, count = client.communicate()[0].split()
    return 1e6 * float(used) / max(1, int(count))


def _child(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.doors", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def give_places(token: str) -> None:
    """The things stand somewhere before they report: a map shows nothing that has no place."""
    things = [
        {
            "id": f"urn:ngsi-ld:AirQualityObserved:bench:GW{gateway:02d}-S{one:02d}",
            "type": "AirQualityObserved",
            "location": {
                "type": "GeoProperty",
                "value": {
                    "type": "Point",
                    "coordinates": [120 + gateway / 100, 30 + one / 100],
                },
            },
        }
        for gateway in range(GATEWAYS)
        for one in range(READINGS)
    ]
    request = urllib.request.Request(
        f"http://127.0.0.1:{CITY_PORT}/ngsi-ld/v1/entityOperations/create",
        json.dumps(things).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()


@contextlib.contextmanager
def map_open(token: str) -> Iterator[list[int]]:
    """The stream of events that a page with the map listens to, read all the while; the list holds
    how many events of the map came."""
    path = "/events?topics=map&bbox=-180,-85,180,85"
    request = urllib.request.Request(
        f"http://127.0.0.1:{CITY_PORT}{path}", headers={"Authorization": f"Bearer {token}"}
    )
    heard, over = [0], threading.Event()
    with urllib.request.urlopen(request, timeout=30) as stream:

        def read() -> None:
            with contextlib.suppress(OSError, ValueError):
                while not over.is_set() and (line := stream.readline()):
                    heard[0] += line == b"event: map\n"

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            yield heard
        finally:
            over.set()
            reader.join(35)


def watched(pid: int, token: str, rate: float, seconds: float) -> dict[str, Any]:
    """Run the gateways and look twice a second how old the newest reading is."""
    sending = _child("gateways", rate, seconds)
    time.sleep(WARM_S)
    processes = {one: command_line(one) for one in tree(pid)}
    ours = [one for one, line in processes.items() if ".broker" in line or ".field" in line]
    began_s, cpu_began = time.monotonic(), cpu_s(ours)
    kept = -int(source_of(token)["accepted"])
    ages: list[float] = []
    memory: list[float] = []
    while sending.poll() is None:
        with contextlib.suppress(OSError):
            ages.append(age_s(token, len(ages) % GATEWAYS))
        memory.append(sum(rss_mb(one) for one in ours))
        time.sleep(0.5)
    used, passed_s = cpu_s(ours) - cpu_began, time.monotonic() - began_s
    kept += int(source_of(token)["accepted"])
    rounds, took_s = sending.communicate()[0].split()
    ended_s = time.monotonic()
    while missing(token, int(rounds)) and time.monotonic() - ended_s < 60:
        time.sleep(0.1)
    half = len(ages) // 2
    ages_sorted = sorted(ages)
    return {
        "rate": int(rounds) * GATEWAYS * READINGS / float(took_s),
        "lag_s": ages_sorted[int(len(ages) * 0.99)] - GATEWAYS * READINGS / rate,
        "drained_s": time.monotonic() - ended_s,
        "late_s": max(ages[half:]) - max(ages[:half]),
        "cpu_us": 1e6 * used / max(1, kept),
        "kept": kept / passed_s,
        "cores": used / passed_s,
        "memory": (memory[len(memory) // 4], memory[-1]),
        "memory_by_eighths": [memory[(len(memory) - 1) * one // 8] for one in range(9)],
        "missing": missing(token, int(rounds)),
    }


def told_well(
    found: dict[str, Any], floor_us: float, seconds: float, heard: list[int] | None
) -> bool:
    """Print what was `found`; whether it is within its bars. `heard`: what an open map was told."""
    first, last = found["memory"]
    print(f"MQTT by mapping, {seconds:g} s, messages of {READINGS} readings, QoS 1:")
    print(f"  {found['rate']:,.0f} readings a second, {found['kept']:,.0f} kept a second")
    print(
        f"  lag p99 {found['lag_s']:.2f} s (bar 1 s); load {os.getloadavg()[0]:.1f} on "
        f"{os.cpu_count()} cores"
    )
    print(f"  all kept {found['drained_s']:.1f} s after the last; {found['missing']} missing")
    print(
        f"  CPU {found['cpu_us']:.0f} µs a reading, broker and field ({found['cores']:.2f} cores)"
    )
    print(f"  floor {floor_us:.0f} µs: a bare client that parses and keeps nothing")
    print(
        f"  memory {first:.0f} → {last:.0f} MB ({last / first - 1:+.1%});"
        f" age later − earlier {found['late_s']:+.2f} s"
    )
    print(f"  memory by eighths: {', '.join(f'{mb:.0f}' for mb in found['memory_by_eighths'])} MB")
    if heard is not None:
        print(f"  the map heard {sum(heard)} events; a temperature is not drawn, so they are short")
    most = first * 1.05 if heard is not None else first * 1.15 + 20
    good = found["lag_s"] <= 1 and not found["missing"] and last < most
    return good and (heard is None or sum(heard) > 0)


def main() -> int:
    """Run what was asked for; 1 when a bar is missed."""
    if len(sys.argv) > 1 and sys.argv[1] == "gateways":
        asyncio.run(gateways(float(sys.argv[2]), float(sys.argv[3])))
        return 0
    if len(sys.argv) > 1 and sys.argv[1] == "bare":
        asyncio.run(bare(float(sys.argv[2])))
        return 0
    parser = argparse.ArgumentParser(prog="python -m bench.doors", description=__doc__)
    parser.add_argument("--full", action="store_true", help="ten minutes")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=5000.0, help="readings a second")
    parser.add_argument("--map", action="store_true", help="with the map open; memory ≤ 5 %% more")
    told = parser.parse_args()
    seconds = 600.0 if told.full else told.seconds
    heard: list[int] = []
    with (
        tempfile.TemporaryDirectory(prefix="bench-doors-") as folder,
        mosquitto("max_queued_messages 0", port=BROKER_PORT),
    ):
        floor_us = floor(told.rate)
        with (
            city(Path(folder) / "data") as (pid, token),
            contextlib.ExitStack() as pages,
        ):
            if told.map:
                give_places(token)
                heard = pages.enter_context(map_open(token))
            found = watched(pid, token, told.rate, seconds)
    return 0 if told_well(found, floor_us, seconds, heard if told.map else None) else 1


if __name__ == "__main__":
    sys.exit(main())
