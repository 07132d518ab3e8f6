"""What a query over several brokers costs beside asking each of them directly.

`python -m bench.federation [--rounds 300]` starts a province and eleven cities on loopback (the
cities in two processes), gives each city 200 lamps, and prints, all from one client on one
connection:

- three cities: the slowest of three direct answers asked at once (the floor), and the same query
  asked of the province, which forwards it to the three; the bar is what it adds (p50);
- eleven cities: a type + q query with 100 results; the bar is its p95.

Bars are for a quiet machine on which an echo costs 10 µs of CPU. What it costs here is measured in
the same run, and how much of a core there is by a loop that only counts; the bars grow by both.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop

from bench.machine import times_listed
from bench.processes import cpu_s
from pintu.kernel.calling import Ask, Caller
from pintu.kernel.egress import Egress

CITIES = 11
EACH = 200
FEW = 3
BAR_ADDED_MS = 5.0
BAR_P95_MS = 50.0
QUERY = "/ngsi-ld/v1/entities?type=Lamp&q=level%3E{least}&limit=100"


# --- the brokers --------------------------------------------------------------------------------
async def serve(folder: Path, ports: list[int]) -> None:
    """Several cities in one process, until it is ended."""
    import uvicorn

    from pintu.city import City
    from pintu.settings import Settings
    from pintu.web.ngsi_ld.broker import Broker
    from pintu.web.ngsi_ld.fast_lane import fast_lane

    servers = []
    for port in ports:
        (folder / str(port)).mkdir(parents=True)
        settings = Settings(data=folder / str(port), port=port, open=True, pieces=False)
        city = await City.open(settings)
        config = uvicorn.Config(
            city.application(), port=port, http=fast_lane(Broker(city.rooms)), ws="none",
            loop="none", log_config=None, access_log=False, server_header=False,
        )  # fmt: skip
        servers.append(uvicorn.Server(config))
    print("ready", flush=True)
    await asyncio.gather(*(server.serve() for server in servers))


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@contextlib.contextmanager
def brokers(groups: list[list[int]]) -> Iterator[list[int]]:
    """A process for each group of ports; their ids."""
    with tempfile.TemporaryDirectory(prefix="pintu-federation-") as folder:
        started = []
        try:
            for ports in groups:
                command = [sys.executable, "-m", "bench.federation", "--serve", folder]
                started.append(
                    subprocess.Popen([*command, *map(str, ports)], stdout=subprocess.PIPE)
                )
            for one in started:
                assert one.stdout is not None
                one.stdout.readline()
            time.sleep(1)
            yield [one.pid for one in started]
        finally:
            for one in started:
                one.terminate()
            for one in started:
                one.wait(20)


# --- asking -----------------------------------------------------------------------------------
class Client:
    """Asks brokers on kept connections."""

    def __init__(self) -> None:
        self._caller = Caller(Egress(allow_loopback=True))

    async def get(self, port: int, path: str) -> Any:
        """A document; raises RuntimeError for any other status than 200."""
        return json.loads(await self.raw(port, path))

    async def raw(self, port: int, path: str) -> bytes:
        """The bytes of a document."""
        url = f"http://127.0.0.1:{port}{path}"
        reply = await self._caller.call(Ask(method="GET", url=url))
        if reply.status != 200 or "ngsild-warning" in reply.headers:
            raise RuntimeError(f"{url} answered {reply.status} {reply.headers}")
        return reply.body

    async def post(self, port: int, path: str, document: Any) -> None:
        """Something made; raises RuntimeError when it was not."""
        url, headers = f"http://127.0.0.1:{port}{path}", (("Content-Type", "application/json"),)
        body = json.dumps(document).encode()
        reply = await self._caller.call(Ask(method="POST", url=url, headers=headers, body=body))
        if reply.status != 201:
            raise RuntimeError(f"{url} answered {reply.status} {reply.body[:300]!r}")

    async def close(self) -> None:
        """Let go."""
        await self._caller.close()


def lamp(city: int, number: int) -> dict[str, Any]:
    """A lamp of a city, of about 600 bytes."""
    at = "2026-11-22T09:00:00Z"
    return {
        "id": f"urn:ngsi-ld:Lamp:{city:02}-{number:04}",
        "type": "Lamp",
        "name": {"type": "Property", "value": f"演示 lamp {number} of city {city}"},
        "level": {"type": "Property", "value": number, "unitCode": "P1", "observedAt": at},
        "power": {"type": "Property", "value": number / 3, "unitCode": "WTT", "observedAt": at},
        "state": {"type": "Property", "value": "on", "observedAt": at},
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [120 + city / 10, 30 + number / 1000]},
        },
        "partOf": {"type": "Relationship", "object": f"urn:ngsi-ld:Cabinet:{city}"},
        "kind": {"type": "Property", "value": "LED-150"},
        "street": {"type": "Property", "value": f"Street {number % 17}"},
    }


def registration(port: int, name: str) -> dict[str, Any]:
    """A city registered at the province, for the lamps of one name."""
    return {
        "id": f"urn:ngsi-ld:ContextSourceRegistration:{name}:{port}",
        "type": "ContextSourceRegistration",
        "information": [{"entities": [{"type": "Lamp"}]}],
        "endpoint": f"http://127.0.0.1:{port}",
        "operations": ["queryEntity", "retrieveEntity"],
        "tenant": "",
    }


async def timed(rounds: int, ask: Callable[[], Awaitable[Any]]) -> list[float]:
    """Milliseconds of each round, after twenty that do not count."""
    for _ in range(20):
        await ask()
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        await ask()
        found.append((time.perf_counter() - began) * 1e3)
    return sorted(found)


def crowding() -> float:
    """How many times longer a loop that only counts takes than it has a core: 1 on an idle
    machine."""
    wall, cpu = time.perf_counter(), time.process_time()
    while time.process_time() - cpu < 0.3:
        sum(range(1000))
    return max(1.0, (time.perf_counter() - wall) / (time.process_time() - cpu))


def part(times: list[float], at: float) -> float:
    """The value below which that part lies."""
    return times[min(len(times) - 1, int(len(times) * at))]


async def measured(ports: list[int], pids: list[int], rounds: int) -> dict[str, float]:
    """Every figure, in ms; the first port and process are the province's."""
    province, cities = ports[0], ports[1:]
    client = Client()
    for number, port in enumerate(cities):
        made = [lamp(number, one) for one in range(EACH)]
        await client.post(port, "/ngsi-ld/v1/entityOperations/create", made)
    found = {"crowding": crowding()}
    for count, least in ((FEW, 190), (CITIES, 189)):
        asked = cities[:count]
        for port in asked:
            known = await client.get(
                province, "/ngsi-ld/v1/csourceRegistrations?type=Lamp&limit=50"
            )
            if not any(one["endpoint"].endswith(str(port)) for one in known):
                document = {k: v for k, v in registration(port, "b").items() if v != ""}
                await client.post(province, "/ngsi-ld/v1/csourceRegistrations", document)
        path = QUERY.format(least=least)

        async def directly(asked: list[int] = asked, path: str = path) -> None:
            await asyncio.gather(*(client.raw(port, path) for port in asked))

        async def through(path: str = path) -> None:
            await client.raw(province, path)

        direct = await timed(rounds, directly)
        before = [cpu_s([pids[0]]), cpu_s(pids[1:])]
        passed = await timed(rounds, through)
        after = [cpu_s([pids[0]]), cpu_s(pids[1:])]
        spent = [
            (now - then) / (rounds + 20) * 1e3 for then, now in zip(before, after, strict=True)
        ]
        results = len(await client.get(province, path))
        found |= {
            f"{count} direct p50": part(direct, 0.5), f"{count} direct p95": part(direct, 0.95),
            f"{count} p50": part(passed, 0.5), f"{count} p95": part(passed, 0.95),
            f"{count} CPU": spent[0], f"{count} their CPU": spent[1],
            f"{count} results": float(results),
        }  # fmt: skip
    found["crowding"] = (found["crowding"] + crowding()) / 2
    await client.close()
    return found


def run(rounds: int) -> dict[str, float]:
    """Start everything, measure, end it."""
    ports = free_ports(CITIES + 1)
    with tempfile.TemporaryDirectory(prefix="pintu-floor-") as folder:
        slow = times_listed(Path(folder), "echo")
    with brokers([ports[:1], ports[1:7], ports[7:]]) as pids:
        return {**uvloop.run(measured(ports, pids, rounds)), "slow": slow}


def main() -> int:
    """Print the figures; 1 when a bar is not held."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--rounds", type=int, default=300)
    reader.add_argument("--serve", nargs="+", default=[])
    asked = reader.parse_args()
    if asked.serve:
        with contextlib.suppress(KeyboardInterrupt):
            uvloop.run(serve(Path(asked.serve[0]), [int(one) for one in asked.serve[1:]]))
        return 0
    return judged(run(asked.rounds))


def judged(found: dict[str, float]) -> int:
    """Print the figures and what they are held against."""
    crowded = found["crowding"]
    added = found[f"{FEW} p50"] - found[f"{FEW} direct p50"]
    p95 = found[f"{CITIES} p95"]
    for count in (FEW, CITIES):
        print(
            f"{count} cities, {found[f'{count} results']:.0f} results: all asked directly at once "
            f"p50 {found[f'{count} direct p50']:.1f} p95 {found[f'{count} direct p95']:.1f} ms; "
            f"through the province p50 {found[f'{count} p50']:.1f} p95 {found[f'{count} p95']:.1f} "
            f"ms; CPU a query {found[f'{count} CPU']:.2f} ms there, "
            f"{found[f'{count} their CPU']:.2f} ms in all cities"
        )
    print(f"this machine gives 1/{crowded:.1f} of a core: bars grow by that")
    bars = tuple(bar * crowded * found["slow"] for bar in (BAR_ADDED_MS, BAR_P95_MS))
    print(f"the province adds {added:.1f} ms to the slowest of {FEW} (bar {bars[0]:.1f})")
    print(f"{CITIES} cities p95 {p95:.1f} ms (bar {bars[1]:.1f})")
    return 0 if added <= bars[0] and p95 <= bars[1] else 1


if __name__ == "__main__":
    sys.exit(main())
