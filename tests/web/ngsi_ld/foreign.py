"""A broker with registrations, and foreign sources that answer as the test says.

The sources are other people's brokers: what they say, and how they fail, is all that is made up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson

from pintu.kernel.access import Actor
from pintu.kernel.calling import Caller
from pintu.kernel.clock import CityClock
from pintu.kernel.egress import Egress
from pintu.kernel.federation import Federation, Registry
from pintu.kernel.federation.maps import EntityMaps
from pintu.kernel.federation.reading import read
from pintu.kernel.federation.snapshots import Snapshots
from pintu.kernel.federation.sources import Sources
from pintu.kernel.federation.watchers import Watchers
from pintu.kernel.feed import Feed
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.store.opening import open_store
from pintu.kernel.subscriptions.opening import open_subscriptions
from pintu.kernel.subscriptions.ways import open_delivery
from pintu.kernel.tables import open_tables
from pintu.settings import Settings
from pintu.web.batch_turns import BatchTurns
from pintu.web.ngsi_ld.broker import Broker
from pintu.web.ngsi_ld.message import Request, Response
from tests.postgres import address_for
from tests.web.ngsi_ld.doors import Desk, Door


@dataclass(frozen=True, slots=True)
class Heard:
    """One request a source got."""

    method: str
    below: str  # path and query below /ngsi-ld/v1/
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """Its body."""
        return orjson.loads(self.body)

    @property
    def line(self) -> str:
        """Method and path."""
        return f"{self.method} {self.below}"


@dataclass(frozen=True, slots=True)
class Said:
    """One answer of a source."""

    status: int
    body: bytes = b""
    kind: str = "application/json"

    def bytes(self) -> bytes:
        """What goes over the wire."""
        head = f"HTTP/1.1 {self.status} X\r\nContent-Type: {self.kind}\r\n"
        return f"{head}Content-Length: {len(self.body)}\r\n\r\n".encode() + self.body


Behaviour = Callable[[Heard], Said | bytes | Awaitable[Said | bytes]]
"""What a source does with a request; bytes are sent as they are, then the connection ends."""


class World:
    """Every foreign source, each below a path of its name; one that nobody described closes the
    connection without a word.
    """

    def __init__(self) -> None:
        self.heard: dict[str, list[Heard]] = {}
        self.behaviours: dict[str, Behaviour] = {}
        self.under_way = self.most_under_way = 0
        self.address = ""
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"

    async def close(self) -> None:
        """Stop listening."""
        assert self._server is not None
        self._server.close()

    def says(self, name: str, status: int, document: Any = None) -> None:
        """A source answers everything with this."""
        body = b"" if document is None else orjson.dumps(document)
        self.behaviours[name] = lambda _: Said(status, body)

    async def _connected(self, reader: Any, writer: Any) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: Any, writer: Any) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        pairs = (line.partition(":") for line in head[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        name, _, below = target[1:].partition("/ngsi-ld/v1/")
        heard = Heard(method, below, headers, body)
        self.heard.setdefault(name, []).append(heard)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        behaviour = self.behaviours.get(name)
        said = behaviour(heard) if behaviour is not None else b""
        if isinstance(said, Awaitable):
            said = await said
        self.under_way -= 1
        writer.write(said if isinstance(said, bytes) else said.bytes())
        await writer.drain()
        return not isinstance(said, bytes)


class Office(Desk):
    """A desk at which the one person there is can be known again."""

    def actor(self, headers: dict[bytes, bytes], peer: str) -> Any:
        """Everybody is the same person."""
        return Actor(id="tester", kind="service")


class Abroad:
    """A door whose broker has registrations at foreign sources."""

    def __init__(self, door: Door, world: World, registry: Registry) -> None:
        self.door, self.world, self.registry = door, world, registry

    async def registers(self, host: str, mode: str = "inclusive", **more: Any) -> str:
        """A registration at a host: of type Lamp, for all writes, unless said otherwise."""
        given = {
            "id": f"urn:ngsi-ld:ContextSourceRegistration:{host}",
            "type": "ContextSourceRegistration", "mode": mode,
            "endpoint": f"{self.world.address}/{host}",
            "information": [{"entities": [{"type": "Lamp"}]}],
            "operations": ["redirectionOps"],
        }  # fmt: skip
        given.update(more)
        await self.registry.add(read(given, tenant="", now_us=0))
        return str(given["id"])

    def lines(self, host: str) -> list[str]:
        """What a source was asked: methods and paths."""
        return [one.line for one in self.world.heard.get(host, [])]

    def last(self, host: str) -> Heard:
        """The last request a source got."""
        return self.world.heard[host][-1]

    def stands_in(self, name: str) -> None:
        """Other brokers of the same world reach this one under a name, over a socket."""

        async def behave(heard: Heard) -> Said:
            path, _, query = heard.below.partition("?")
            headers = {key.encode(): value.encode() for key, value in heard.headers.items()}
            request = Request(
                heard.method, b"/ngsi-ld/v1/" + path.encode(), query.encode(), headers, heard.body
            )
            answer = self.door.broker.handle(request)
            response = answer if isinstance(answer, Response) else await answer
            return Said(response.status, response.body)

        self.world.behaviours[name] = behave


async def open_abroad(
    tmp_path: Path, world: World | None = None, name: str = ""
) -> AsyncIterator[Abroad]:
    """A broker over an empty store, with a registry; several of one world have names."""
    clock, desk, shared = CityClock(), Office(), world
    world = shared or World()
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    store = await open_store(address_for(folder), folder, clock=clock)
    tables = open_tables(folder)
    registry, caller = Registry(tables, clock), Caller(Egress(allow_loopback=True))
    federation = Federation(
        registry=registry, sources=Sources(caller, clock), maps=EntityMaps(clock),
        snapshots=Snapshots(tables, clock),
    )  # fmt: skip
    if shared is None:
        await world.open()
    settings = Settings(data=folder, public_url=f"http://{name}.example" if name else "")
    feed, library = Feed(store), ContextLibrary(clock=clock)
    federation.watchers = Watchers(tables, registry, library, clock)
    subscriptions = open_subscriptions(tables, store, clock, lambda actor: actor)
    rooms: Any = SimpleNamespace(
        settings=settings, clock=clock, store=store, identity=desk, gate=desk, feed=feed,
        library=library, federation=federation, tables=tables, subscriptions=subscriptions,
        caller=caller, egress=Egress(allow_loopback=True),
        batches=BatchTurns(),
    )  # fmt: skip
    rooms.delivery = open_delivery(subscriptions, rooms)
    await rooms.delivery.start()
    yield Abroad(Door(Broker(rooms), desk), world, registry)
    await federation.relaying.stop()
    await rooms.delivery.stop()
    await caller.close()
    if shared is None:
        await world.close()
    tables.close()
    await store.close()
