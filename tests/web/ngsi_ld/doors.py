"""A broker over a real store, with an identity and a gate that do as the test says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson

from pintu.kernel.access import Deed, Projection
from pintu.kernel.clock import CityClock
from pintu.kernel.errors import Forbidden
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.store.opening import open_store
from pintu.settings import Settings
from pintu.web.batch_turns import BatchTurns
from pintu.web.ngsi_ld.broker import Broker
from pintu.web.ngsi_ld.message import Request, Response
from tests.postgres import address_for

ROOT = "/ngsi-ld/v1"
LAMP: dict[str, Any] = {
    "id": "urn:ngsi-ld:Lamp:1",
    "type": "Lamp",
    "level": {"type": "Property", "value": 40},
    "secret": {"type": "Property", "value": "x"},
    "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [120.1, 30.2]}},
    "partOf": {"type": "Relationship", "object": "urn:ngsi-ld:Cabinet:1"},
}
CABINET = {
    "id": "urn:ngsi-ld:Cabinet:1",
    "type": "Cabinet",
    "name": {"type": "Property", "value": "C1"},
}


class Desk:
    """An identity that knows one person, and a gate that gives whatever projection it is told."""

    def __init__(self) -> None:
        self.projection = Projection(basis="test")
        self.acts: list[Any] = []

    def actor(self, headers: dict[bytes, bytes], peer: str) -> Any:
        """Everybody is the same person."""
        return SimpleNamespace(id="token:tester")

    def recall(self, raw: bytes | None, local: bool) -> Any:
        """The same person again."""
        return SimpleNamespace(id="token:tester")

    def decide(self, actor: Any, act: Any) -> Projection:
        """The projection told; writing to tenant `locked` is forbidden."""
        self.acts.append(act)
        if act.tenant == "locked" and act.deed is not Deed.READ:
            raise Forbidden("Nobody writes to locked")
        return self.projection


class Door:
    """Calls the broker and reads what comes back."""

    def __init__(self, broker: Broker, desk: Desk) -> None:
        self.broker, self.desk = broker, desk

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """One request; `body` is JSON, or bytes as they are."""
        target, _, query = path.partition("?")
        given = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
        data = b""
        if body is not None:
            data = body if isinstance(body, bytes) else orjson.dumps(body)
            given.setdefault(b"content-type", b"application/json")
            given[b"content-length"] = b"%d" % len(data)
        request = Request(method, (ROOT + target).encode(), query.encode(), given, data)
        answer = self.broker.handle(request)
        return answer if isinstance(answer, Response) else await answer

    async def json(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The body of the answer."""
        return orjson.loads((await self(method, path, body, **headers)).body)


def header(response: Response, name: bytes) -> list[bytes]:
    """The values of one header."""
    return [value for key, value in response.headers if key == name]


async def open_door(tmp_path: Path, address: str = "") -> AsyncIterator[Door]:
    """A broker over an empty store, the one of the run where none is named."""
    clock, desk = CityClock(), Desk()
    store = await open_store(address or address_for(tmp_path), tmp_path, clock=clock)
    settings = Settings(data=tmp_path, strict_tenants=frozenset({"strict"}))
    rooms: Any = SimpleNamespace(
        settings=settings, clock=clock, store=store, library=ContextLibrary(clock=clock),
        identity=desk, gate=desk, batches=BatchTurns(),
    )  # fmt: skip
    yield Door(Broker(rooms), desk)
    await store.close()
