"""The fast lane and the plain application answer alike, byte for byte but the date."""

from __future__ import annotations

import re
from pathlib import Path

import orjson

from tests.web.ngsi_ld.doors import CABINET, LAMP, open_door
from tests.web.ngsi_ld.places import Place, start

ROOT = b"/ngsi-ld/v1"


def conversation() -> list[bytes]:
    """Requests of every sort, good and bad, in one order."""

    def ask(method: bytes, path: bytes, body: object = None, *headers: bytes) -> bytes:
        lines = [method + b" " + ROOT + path + b" HTTP/1.1", b"host: here", *headers]
        data = b"" if body is None else orjson.dumps(body)
        if body is not None:
            lines += [b"content-type: application/json", b"content-length: %d" % len(data)]
        return b"\r\n".join(lines) + b"\r\n\r\n" + data

    lamp = b"/entities/" + str(LAMP["id"]).encode()
    return [
        ask(b"POST", b"/entityOperations/create", [LAMP, CABINET, {"id": "nonsense"}]),
        ask(b"GET", lamp),
        ask(b"HEAD", lamp),
        ask(b"GET", lamp + b"?join=inline&options=sysAttrs,concise&pick=level"),
        ask(b"GET", b"/entities?type=Lamp,Cabinet&count=true&limit=1"),
        ask(b"GET", b"/entities?type=Lamp&q=level>100"),
        ask(b"GET", lamp, None, b"accept: application/geo+json"),
        ask(b"GET", lamp, None, b"accept: text/html"),
        ask(b"PATCH", lamp + b"/attrs", {"level": {"type": "Property", "value": 1}}),
        ask(b"PATCH", lamp + b"/attrs/level", {"value": 2}),
        ask(b"POST", b"/entities", LAMP),
        ask(b"POST", b"/entities", LAMP, b"ngsild-tenant: west"),
        ask(b"POST", b"/entities"),
        ask(b"GET", b"/types", None, b"ngsild-tenant: nobody"),
        ask(b"GET", b"/types//?details=true"),
        ask(b"PUT", b"/types", {}),
        ask(b"GET", b"/subscriptions"),
        ask(b"DELETE", lamp),
        ask(b"DELETE", lamp),
    ]


async def answers(folder: Path, lane: bool) -> list[bytes]:
    """What a fresh city says to the conversation, one request after another."""
    async for door in open_door(folder):
        server, task, place = await start(door.broker, lane)
        found = [await _answer(place, request) for request in conversation()]
        server.should_exit = True
        await task
    return found


async def _answer(place: Place, request: bytes) -> bytes:
    close = request.replace(b"\r\n", b"\r\nconnection: close\r\n", 1)
    got = await place.talk(close)
    head, _, body = got.partition(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    kept = sorted(line.lower() for line in headers if not line.lower().startswith(b"date:"))
    told = re.sub(rb"\d{4}-\d\d-\d\dT[\d:.]+Z", b"TIME", body)
    return b"\n".join((first, *kept, told))


async def test_both_adapters_answer_alike(tmp_path: Path) -> None:
    """Status, headers and body are the same through both."""
    (tmp_path / "lane").mkdir()
    (tmp_path / "plain").mkdir()
    lane = await answers(tmp_path / "lane", True)
    plain = await answers(tmp_path / "plain", False)
    assert lane == plain
    assert b"HTTP/1.1 207 Multi-Status" in lane[0]
    assert b"HTTP/1.1 404 Not Found" in lane[-1]
