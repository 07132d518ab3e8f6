"""The operations room at 03:00 on a port, for browser tests: the demo's people, things and lamps, a
field that obeys, a clock that the test moves.

`python -m tests.browser.serve_operations PORT FOLDER`; prints the token, then a line of JSON for
each word read from its standard input: `incident`, `over`, `later SECONDS`, `heard`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import uvicorn

import pintu.city as wiring
from claims.operations_stand import TENANT, Stand
from pintu.city import City
from pintu.demo.district import base_map, build_roads, degrees, make_sites, place_lamps
from pintu.demo.events import Course, Event, Planner
from pintu.demo.faults import Fault, FaultPlan
from pintu.demo.gateways import Gateway
from pintu.demo.lamps import SiteState
from pintu.kernel.errors import StateConflict
from pintu.kernel.intake.words import Command, CommandReport, Envelope, Update
from pintu.made_up import take_in
from pintu.pieces.street_lights.normalise import normalise
from pintu.settings import Settings

THREE_S = 1_795_978_800.0
"""2026-11-30T03:00+08:00."""
SEED, ALARMS, REACH_KM = 7, 41, 1.6


class MovedClock:
    """Real time from 03:00 on, moved ahead by the test."""

    rate = 1.0

    def __init__(self) -> None:
        self.ahead_s = THREE_S - time.monotonic()

    def now_us(self) -> int:
        """Microseconds since 1970."""
        return int(self.now_s() * 1e6)

    def now_s(self) -> float:
        """Seconds, as the demo asks."""
        return time.monotonic() + self.ahead_s


class Endpoint:
    """The duty officer's own webhook: what it heard."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.url = ""

    async def start(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                size = int(head.partition("content-length: ")[2].partition("\r")[0] or 0)
                body = await reader.readexactly(size)
                with contextlib.suppress(ValueError):
                    self.heard.append(json.loads(body))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                await writer.drain()
        writer.close()


class Night:
    """The city of one run: its things, its lamps, and what happens."""

    def __init__(self, city: City, clock: MovedClock) -> None:
        self.stand, self.clock = Stand(city.rooms, clock), clock
        self.rooms = city.rooms
        self.endpoint = Endpoint()
        self.event: Event | None = None
        self.dark = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._gateways: dict[str, Gateway] = {}
        self._keys = 0

    async def begin(self) -> None:
        """Everything that is there before anything happens."""
        await take_in(self.rooms, self.rooms.tables, data=False)  # type: ignore[arg-type]
        await self.endpoint.start()
        layout = self.stand.lay_out(SEED, lamps=5_000)
        planner = Planner(layout, SEED)
        self.event = planner.make("pumps", self.clock.now_s(), count=ALARMS)
        assert self.event is not None
        self.course = Course()
        self.collectors = self.stand.collectors(self.course, again_after=30)
        await self.stand.hear(self.stand.ground(self.clock.now_s()))
        await self._lamps()
        self.rooms.commands.on_dispatch(self._take)
        await self._reach()
        self._begin(self._talk())

    async def _lamps(self) -> None:
        """The lamps around the place where it will happen; the first one told breaks."""
        assert self.event is not None
        here = degrees((self.event.x, self.event.y))
        sites = make_sites(place_lamps(build_roads(), 5_000, SEED), 50)
        near = [one for one in sites if _apart_km(here, (one.lon, one.lat)) <= REACH_KM]
        for site in near:
            gateway = Gateway(
                SiteState(site, FaultPlan([]), SEED), self.clock, interval_s=10, seed=SEED
            )
            self._gateways |= {lamp.id: gateway for lamp in site.lamps}
            name = gateway.name
            await self._hear(f"lamps/{name}/inventory", orjson.dumps(gateway.inventory()))
            await self._hear(f"lamps/{name}/telemetry", gateway.telemetry())

    async def _hear(self, topic: str, body: bytes) -> None:
        envelope = Envelope("street_lights/mqtt", "", self.clock.now_us(), body, {"topic": topic})
        updates = [one for one in normalise(envelope) if isinstance(one, Update)]
        await self.stand.tell(updates)

    async def _reach(self) -> None:
        """The duty officer left a way to be reached."""
        from pintu.kernel.operations.roster.words import Reach

        people, room = self.rooms.identity.people, self.stand.room
        person = people.find_login("demo_duty")
        assert person is not None
        actor = people.actor(person.id, "", True)
        reach = Reach(
            id="", person=person.id, kind="webhook", channel="webhook", address=self.endpoint.url
        )
        await room.ways.save(actor, TENANT, reach)

    # --- what goes on by itself -------------------------------------------------------------------
    def _begin(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _talk(self) -> None:
        while True:
            at_s = self.clock.now_s()
            for one in self.collectors:
                await self.stand.hear(one.look(at_s))
            await asyncio.sleep(1.0)

    def _take(self, command: Command) -> None:
        self._begin(self._obey(command))

    async def _obey(self, command: Command) -> None:
        """As the piece does: send, hear the gateway, measure; a broken lamp says yes and stays
        dark."""
        lamp = command.target.rpartition(":")[2]
        gateway = self._gateways[lamp]
        if not self.dark:
            self._break(lamp, gateway.state)
        await self._report(command.id, "sent")
        await asyncio.sleep(0.3)
        level = int(command.arguments.get("level", 100))
        gateway.state.command(lamp, level, self.clock.now_s())
        await self._report(command.id, "acknowledged")
        await asyncio.sleep(0.5)
        await self._hear(f"lamps/{gateway.name}/telemetry", gateway.telemetry([lamp]))
        if lamp != self.dark:
            await self._report(command.id, "confirmed")

    def _break(self, lamp: str, state: SiteState) -> None:
        self.dark, now_s = lamp, self.clock.now_s()
        state.plan = FaultPlan([Fault("F1", "failed", lamp, now_s - 60, now_s + 9e6)])
        state.states[lamp].faulty = True

    async def _report(self, id: str, state: Any) -> None:
        with contextlib.suppress(StateConflict):  # it was sent twice, and is past that
            await self.rooms.commands.report(CommandReport(id, state), "process:field")

    # --- what the test asks for -------------------------------------------------------------------
    async def told(self, words: list[str]) -> dict[str, Any]:
        """One word of the test."""
        if words[0] == "incident":
            assert self.event is not None
            now_s = self.clock.now_s()
            made = Event(
                id="E1", kind=self.event.kind, x=self.event.x, y=self.event.y,
                reach_km=self.event.reach_km, begins_s=now_s, ends_s=now_s + 3_000,
                signs={
                    thing: (sign, 0.0 if sign == "pumps_down" else 3.0 + number % 4)
                    for number, (thing, (sign, _)) in enumerate(self.event.signs.items())
                },
            )  # fmt: skip
            self.course.add(made)
            return {"alarms": len(made.signs)}
        if words[0] == "later":
            self.clock.ahead_s += float(words[1])
            await self.stand.nudge()
            return {"now_s": self.clock.now_s()}
        if words[0] == "over":
            self.course.end(self.clock.now_s())
            return {}
        return {"heard": self.endpoint.heard, "now_us": self.clock.now_us()}


def _apart_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    return math.hypot((one[0] - other[0]) * 96.2, (one[1] - other[1]) * 110.85)


async def serve(port: int, folder: Path) -> None:
    """Until its standard input ends."""
    folder.mkdir(parents=True, exist_ok=True)
    clock = MovedClock()
    land = json.dumps(base_map(build_roads()), ensure_ascii=False)
    (folder / "demo-basemap.geojson").write_text(land, "utf-8")
    wiring.clock_of = lambda _settings: clock  # type: ignore[assignment]
    settings = Settings(data=folder, port=port, demo=True, egress_allow=("127.0.0.1",))
    city = await City.open(settings)
    night = Night(city, clock)
    await night.begin()
    config = uvicorn.Config(
        city.application(), host="127.0.0.1", port=port, log_level="warning",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    print(settings.token_file.read_text("utf-8").strip(), flush=True)
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        print(json.dumps(await night.told(line.decode().split())), flush=True)
    server.should_exit = True
    await serving
    await city.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
