"""A broker told to stop serves on, says so, and hands its callers to the next one."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.error
import urllib.request
from dataclasses import replace

import uvicorn

from pintu.processes.serving import Server
from pintu.web.app import build_app
from pintu.web.ngsi_ld import Broker, fast_lane
from tests.web.drain_load import Seen, client
from tests.web.small_city import SmallCity

LAMP = "/ngsi-ld/v1/entities/urn:ngsi-ld:Streetlight:street_lights:L00001"


def a_server(city: SmallCity) -> Server:
    config = uvicorn.Config(
        build_app(city.rooms),
        http=fast_lane(Broker(city.rooms)),
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=3,
    )
    return Server(config, city.rooms)


async def listening(server: Server) -> None:
    while not server.started:
        await asyncio.sleep(0.01)


async def test_a_restart_under_load_refuses_nobody(city: SmallCity) -> None:
    """Readers, writers and pages ask on, through one broker's end and the next one's beginning:
    every answer is whole, and none is a refusal."""
    door = socket.create_server(("127.0.0.1", 0), backlog=512)
    port = door.getsockname()[1]
    first = a_server(city)
    serving = asyncio.create_task(first.serve([door.dup()]))
    await listening(first)
    seen, stop = Seen(), asyncio.Event()
    token = f"Authorization: Bearer {city.admin}\r\nNGSILD-Tenant: demo\r\n"
    read = f"GET {LAMP} HTTP/1.1\r\nHost: h\r\n{token}\r\n".encode()
    body = b'{"powerState":{"type":"Property","value":"on"}}'
    lines = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    write = f"PATCH {LAMP} HTTP/1.1\r\nHost: h\r\n{token}{lines}".encode() + body
    page = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
    clients = [
        asyncio.create_task(client(port, request, stop, seen))
        for request in (read, write, page)
        for _ in range(3)
    ]
    await asyncio.sleep(0.3)
    first.drain()
    await serving
    before, city.rooms.draining = seen.answers, ""
    second = a_server(city)
    serving = asyncio.create_task(second.serve([door.dup()]))
    await asyncio.sleep(0.3)
    stop.set()
    await asyncio.gather(*clients)
    second.drain()
    await serving
    door.close()
    assert ([], []) == (seen.refused, seen.broken)
    assert seen.statuses.keys() <= {200, 204}
    assert 0 < before < seen.answers
    assert seen.closes >= len(clients)


async def test_it_says_that_it_ends(city: SmallCity) -> None:
    """With a grace it answers on while /readyz is 503 with the reason, each answer the last of its
    connection."""
    city.rooms.settings = replace(city.rooms.settings, drain_s=30)
    door = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{door.getsockname()[1]}"
    server = a_server(city)
    serving = asyncio.create_task(server.serve([door]))
    await listening(server)
    server.drain()
    status, told = await asyncio.to_thread(asked, address + "/readyz")
    assert (503, "draining") == (status, told["status"])
    assert "told to stop" in told["detail"]
    seen, stop = Seen(), asyncio.Event()
    request = f"GET {LAMP} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {city.admin}\r\n"
    request += "NGSILD-Tenant: demo\r\n\r\n"
    asking = asyncio.create_task(
        client(int(address.rpartition(":")[2]), request.encode(), stop, seen)
    )
    await asyncio.sleep(0.2)
    stop.set()
    await asking
    server.drain()  # asked again it does not wait for the grace
    await asyncio.wait_for(serving, 5)
    assert {200} == seen.statuses.keys()
    assert seen.closes == seen.answers > 1


def asked(address: str) -> tuple[int, dict[str, str]]:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
