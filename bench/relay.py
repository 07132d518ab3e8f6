"""What a change costs on its way to another site through NATS, beside floors of the same run.

`python -m bench.relay [--changes 20000] [--rate 500] [--seconds 10]` starts a nats-server on
loopback and prints CPU µs a change of this process:
out: the log read, decided, published, acknowledged; floor: nats-py publishing the same bytes and
hearing every answer. in: heard, checked, landed in the transaction of its mark; floor: the store
alone writing the same in the same batches. Then both at a rate, and the time from the commit at one
site to the commit at the other. The server's own CPU is printed beside.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import uvloop

from bench.measuring import at
from pintu.kernel.context.record import Put, Record
from pintu.kernel.store.port import Change, Op

if TYPE_CHECKING:
    from tests.kernel.relay.conftest import Site
    from tests.nats import NatsServer

ENTITIES = 1_000
BATCH = 500
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Phase:
    """One phase: what it cost and how long it took."""

    name: str
    changes: int
    cpu_s: float
    took_s: float
    server_s: float

    def line(self) -> str:
        """CPU µs a change here and in the server, and changes a second."""
        us = 1e6 / max(self.changes, 1)
        return (
            f"{self.name:<44} {self.cpu_s * us:8.1f} µs {self.server_s * us:8.1f} µs nats-server "
            f"{self.changes / self.took_s:9.0f}/s"
        )


class Measuring:
    """CPU of this process and of the server since it was made."""

    def __init__(self, server: NatsServer) -> None:
        assert server.process is not None
        self._pid = server.process.pid
        self._began = (time.process_time(), time.monotonic(), self._server_s())

    def _server_s(self) -> float:
        told = Path(f"/proc/{self._pid}/stat").read_text("ascii").rpartition(") ")[2].split()
        return (int(told[11]) + int(told[12])) / TICKS

    def phase(self, name: str, changes: int) -> Phase:
        """What was spent until now."""
        cpu_s, at_s, server_s = self._began
        return Phase(
            name,
            changes,
            time.process_time() - cpu_s,
            time.monotonic() - at_s,
            self._server_s() - server_s,
        )


def document(number: int, value: int) -> dict[str, Any]:
    """An entity of 8 attributes, about 600 bytes."""
    made: dict[str, Any] = {"id": f"urn:ngsi-ld:Lamp:{number}", "type": "Lamp"}
    for name in ("power", "level", "voltage", "current", "hours", "cycles", "state"):
        made[name] = {"type": "Property", "value": value, "observedAt": "2026-01-01T00:00:00Z"}
    place = {"type": "Point", "coordinates": [120 + number / 1e4, 30]}
    made["location"] = {"type": "GeoProperty", "value": place}
    return made


def op(tenant: int, value: int) -> Op:
    """One attribute of one entity, or a whole one the first time."""
    number = value % ENTITIES
    doc = document(number, value)

    def transform(record: Record | None, now_us: int) -> Put:
        if record is None:
            return Put(doc, "created")
        entity = orjson.loads(record.body)
        entity["power"] = doc["power"]
        return Put(entity, "updated", ("power",))

    return Op(tenant, str(doc["id"]), transform)


async def write(site: Site, tenant: str, changes: int, source: str = "push/x") -> None:
    """Changes in batches."""
    number = await site.store.open_tenant(tenant)
    for first in range(0, changes, BATCH):
        many = range(first, min(first + BATCH, changes))
        await site.store.submit([op(number, value) for value in many], source)


async def bare(server: NatsServer, changes: int) -> Phase:
    """The floor of the way out."""
    import nats

    client = await nats.connect(server.url)
    stream = {"name": "floor", "subjects": ["floor.>"], "storage": "file"}
    await client.request("$JS.API.STREAM.CREATE.floor", orjson.dumps(stream), timeout=5)
    inbox, heard = client.new_inbox(), 0

    async def answer(message: Any) -> None:
        nonlocal heard
        heard += 1

    await client.subscribe(f"{inbox}.*", cb=answer)
    row = {"what": "row", "id": "urn:ngsi-ld:Lamp:1", "types": ["Lamp"], "verb": "updated"}
    body = orjson.dumps({**row, "at_us": 1, "data": {"power": document(1, 1)["power"]}})
    measuring = Measuring(server)
    for number in range(changes):
        headers = {"Nats-Msg-Id": f"floor:{number}"}
        await client.publish("floor.lamps.Lamp", body, reply=f"{inbox}.{number}", headers=headers)
        if number % 50 == 0:
            await asyncio.sleep(0)
        while number - heard > 512:
            await asyncio.sleep(0.001)
    while heard < changes:
        await asyncio.sleep(0.001)
    phase = measuring.phase("floor: nats-py publishes the same", changes)
    await client.close()
    return phase


async def catching_up(server: NatsServer, here: Site, there: Site, changes: int) -> list[Phase]:
    """What waits in the log goes out, then in; each alone."""
    out: dict[str, Any] = {"urls": server.url, "out": {"lamps": {}}}
    sender = (await here.relay(**out)).outgoing
    assert sender is not None
    await _until(lambda: sender.state == "up" and not sender.telling())
    await asyncio.sleep(1.5)
    await here.stop_relay()
    await write(here, "lamps", changes)
    measuring = Measuring(server)
    last = (await here.relay(**out)).outgoing
    assert last is not None
    await _until(lambda: last.sent >= changes and last.behind == 0)
    found = [measuring.phase("out: what waited in the log", changes)]
    await here.stop_relay()
    measuring = Measuring(server)
    into = {"river": {"tenants": {"lamps": "lamps"}}}
    room = await there.relay(urls=server.url, **{"in": into})
    await _until(lambda: room.incoming[0].landed >= changes)
    found.append(measuring.phase("in: the same, landed", changes))
    await there.stop_relay()
    measuring = Measuring(server)
    await write(there, "floor", changes)
    found.append(measuring.phase("floor: the store alone writes the same", changes))
    return found


async def _until(true: Any) -> None:
    while not true():
        await asyncio.sleep(0.002)


async def lag(server: NatsServer, sites: tuple[Site, Site], rate: int, seconds: float) -> str:
    """Both ways at a rate; from commit to commit."""
    here, there = sites
    sender = (await here.relay(urls=server.url, out={"lamps": {}})).outgoing
    assert sender is not None
    into = {"river": {"tenants": {"lamps": "lamps"}}}
    taker = (await there.relay(urls=server.url, **{"in": into})).incoming[0]
    await _until(lambda: sender.state == taker.state == "up")
    sent: dict[int, float] = {}
    times: list[float] = []

    def committed(changes: list[Change]) -> None:
        for one in changes:
            sent[orjson.loads(one.payload)["power"]["value"]] = time.monotonic()

    def landed(changes: list[Change]) -> None:
        now = time.monotonic()
        for one in changes:
            began = sent.pop(orjson.loads(one.payload)["power"]["value"], None)
            if began is not None:
                times.append(now - began)

    stops = [here.feed.listen(committed), there.feed.listen(landed)]
    number, began, value = await here.store.open_tenant("lamps"), time.monotonic(), 1_000_000
    wanted = int(rate * seconds)
    for turn in range(wanted):
        await here.store.submit([op(number, value + turn)], "push/x")
        ahead = began + (turn + 1) / rate - time.monotonic()
        if ahead > 0:
            await asyncio.sleep(ahead)
    real = wanted / (time.monotonic() - began)
    end = time.monotonic() + 20
    while len(times) < wanted and time.monotonic() < end:
        await asyncio.sleep(0.01)
    for stop in stops:
        stop()
    told = f"p50 {at(times, 0.5) * 1e3:.1f} ms, p99 {at(times, 0.99) * 1e3:.1f} ms"
    return f"at {real:.0f}/s from commit to commit: {told}, {len(times)} of {wanted} came"


async def run(changes: int, rate: int, seconds: float) -> list[str]:
    """Every line."""
    from tests.kernel.relay.conftest import Site
    from tests.nats import nats_server

    lines = []
    with nats_server() as server, tempfile.TemporaryDirectory(prefix="pintu-bench-") as folder:
        sites = (Site("river", Path(folder) / "a"), Site("hill", Path(folder) / "b"))
        for one in sites:
            await one.open()
        try:
            lines.append((await bare(server, changes)).line())
            lines += [one.line() for one in await catching_up(server, *sites, changes)]
            lines.append(await lag(server, sites, rate, seconds))
        finally:
            for one in sites:
                await one.close()
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="bench.relay", description=__doc__)
    parser.add_argument("--changes", type=int, default=20_000)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=10.0)
    asked = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}; CPU µs a change of this process, and of the server")
    for line in uvloop.run(run(asked.changes, asked.rate, asked.seconds)):
        print(line)


if __name__ == "__main__":
    main()
