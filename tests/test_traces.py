"""One message followed: its spans arrive at a real receiver of OTLP, as one tree."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pintu.city import City
from pintu.kernel.intake.words import Envelope, Update
from pintu.kernel.tracing import Choice, Parent, read_parent
from pintu.kit.piece import Received
from pintu.kit.sources import SourceRunner
from pintu.settings import Settings
from pintu.traced import FieldFollower, follow_city
from pintu.web.ngsi_ld.message import Request, Response

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Receiver:
    """A collector, and an endpoint of notifications beside it."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.told: list[tuple[str | None, dict[str, Any]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.path == "/v1/traces":
                    read = ExportTraceServiceRequest.FromString(body)
                    for one in read.resource_spans:
                        for scope in one.scope_spans:
                            outer.spans += scope.spans
                else:
                    outer.told.append((self.headers.get("traceparent"), json.loads(body)))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def tree(self) -> dict[str, str]:
        """Span → the one above it, by name."""
        names = {one.span_id: one.name for one in self.spans}
        return {one.name: names.get(one.parent_span_id, "caller") for one in self.spans}


@pytest.fixture
def receiver() -> Any:
    made = Receiver()
    yield made
    made.close()


def settings_for(folder: Path, receiver: Receiver, one_in: int = 0) -> Settings:
    return Settings(
        data=folder, pieces=False, open=True, traces_endpoint=receiver.url + "/v1/traces",
        traces_one_in=one_in,
    )  # fmt: skip


async def ask(broker: Any, method: str, path: str, body: Any, **more: str) -> int:
    encoded = json.dumps(body).encode()
    headers = {b"content-type": b"application/json", b"host": b"localhost"}
    headers |= {b"content-length": b"%d" % len(encoded)}
    headers |= {name.encode(): value.encode() for name, value in more.items()}
    answer = broker.handle(Request(method, path.encode(), b"", headers, encoded, "127.0.0.1"))
    return (answer if isinstance(answer, Response) else await answer).status


LAMP = {"id": "urn:x:lamp:1", "type": "Lamp", "on": {"type": "Property", "value": True}}


async def test_a_request_is_followed_to_its_notification(
    tmp_path: Path, receiver: Receiver
) -> None:
    """The caller's trace goes through request and commit to the notification, which carries it on;
    a request that nobody asked to follow leaves nothing."""
    settings = settings_for(tmp_path, receiver)
    city = await City.open(settings)
    follower, broker = follow_city(settings, city.rooms)
    wanted = {"type": "Subscription", "entities": [{"type": "Lamp"}],
              "notification": {"endpoint": {"uri": receiver.url + "/told"}}}  # fmt: skip
    assert 201 == await ask(broker, "POST", "/ngsi-ld/v1/subscriptions", wanted)
    other = {**LAMP, "id": "urn:x:lamp:2"}
    assert 201 == await ask(broker, "POST", "/ngsi-ld/v1/entities", other)
    await until(lambda: len(receiver.told) == 1)
    assert 201 == await ask(broker, "POST", "/ngsi-ld/v1/entities", LAMP, traceparent=CALLER)
    await until(lambda: len(receiver.told) == 2)
    await city.close()
    await asyncio.to_thread(follower.close)
    expected = {"createEntity": "caller", "commit": "createEntity", "notify": "commit"}
    assert expected == receiver.tree()
    assert receiver.told[0][0] is None
    carried = read_parent(receiver.told[1][0] or "")
    assert carried is not None
    assert f"{carried.trace:032x}" in CALLER
    assert "urn:x:lamp" not in str(receiver.spans), "no id, no value leaves with a span"


async def test_who_is_refused_names_nothing_to_be_followed(
    tmp_path: Path, receiver: Receiver
) -> None:
    """A stranger's trace gets no commit of an entity that the stranger only named; the first write
    of a tenant belongs to the trace of who wrote it."""
    settings = replace(settings_for(tmp_path, receiver), open=False)
    city = await City.open(settings)
    secret, _ = await city.rooms.identity.create_token("writer", ["write:lamps"])
    follower, broker = follow_city(settings, city.rooms)
    path, to = "/ngsi-ld/v1/entities", {"ngsild-tenant": "lamps"}
    mine = {**to, "authorization": f"Bearer {secret}"}
    assert 401 == await ask(broker, "POST", path, LAMP, traceparent=CALLER, **to)
    assert not follower._waiting
    assert 201 == await ask(broker, "POST", path, LAMP, **mine)
    other = {**LAMP, "id": "urn:x:lamp:2"}
    assert 201 == await ask(broker, "POST", path, other, traceparent=CALLER, **mine)
    await city.close()
    await asyncio.to_thread(follower.close)
    told = [(one.name, one.parent_span_id) for one in receiver.spans]
    written = [one.span_id for one in receiver.spans if one.name == "createEntity"]
    assert 3 == len(told), told
    assert [written[-1]] == [above for name, above in told if name == "commit"]


async def test_a_message_is_followed_from_its_connector(tmp_path: Path, receiver: Receiver) -> None:
    """Connector, normaliser, intake and commit of one message in one are one tree."""
    settings = settings_for(tmp_path, receiver, one_in=1)
    city = await City.open(settings)
    follower, _ = follow_city(settings, city.rooms)
    await city.rooms.store.open_tenant("lamps")
    field = FieldFollower(settings)

    class OnePiece:
        name = "street"

        def normalise(self, envelope: Envelope) -> Any:
            yield Update(LAMP, "upsert")

    class Wire:
        name = "mqtt"

    runner: Any = SourceRunner(
        Wire(),
        OnePiece(),
        city.rooms.intake,
        city.rooms.clock,
        tenant="lamps",  # type: ignore[arg-type]
    )
    runner.follower = field
    envelope = Envelope("street/mqtt", "1", city.rooms.clock.now_us(), b"{}")
    lane: asyncio.Queue[Received] = asyncio.Queue()
    acknowledged = asyncio.Event()

    async def acknowledge() -> None:
        acknowledged.set()

    await lane.put(Received(envelope, acknowledge))
    working = asyncio.create_task(runner._work(lane))
    await asyncio.wait_for(acknowledged.wait(), 10)
    working.cancel()
    await city.close()
    await asyncio.to_thread(field.close)
    await asyncio.to_thread(follower.close)
    expected = {
        "connector": "caller", "normalise": "connector", "intake": "connector",
        "commit": "intake",
    }  # fmt: skip
    assert expected == receiver.tree()


async def until(true: Any) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.02)


def test_whom_to_follow() -> None:
    """One in three by itself, whoever asks for it, never more than so many a second."""
    choice = Choice(3)
    assert [False, False, True] * 2 == [choice.follows(None, 0.0) for _ in range(6)]
    asked, silent = read_parent(CALLER), read_parent(CALLER[:-1] + "0")
    choice = Choice(0, most=5)
    assert 5 == sum(choice.follows(asked, 1.0) for _ in range(100))
    assert not choice.follows(silent, 9.0)
    assert not choice.follows(None, 9.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00-0-0-01",
        "01" + CALLER[2:],
        CALLER + "-x",
        CALLER.upper(),
        "00-" + "0" * 32 + CALLER[35:],
    ],
)
def test_what_is_no_traceparent_is_none(text: str) -> None:
    """What the recommendation does not allow is as if nobody had said anything."""
    assert read_parent(text) is None
    assert CALLER == Parent(0xAF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331).text()
