"""A stop signal ends what pages listen to at once."""

from __future__ import annotations

import asyncio
import socket
import time

import httpx
import uvicorn

from pintu.processes.broker import DRAIN_S
from pintu.processes.serving import Server
from pintu.web.app import build_app
from tests.web.small_city import SmallCity


async def test_open_pages_do_not_hold_a_stop_up(city: SmallCity) -> None:
    """With streams open the server is gone within 1.5 s, and no stream breaks off: each ends."""
    door = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{door.getsockname()[1]}"
    config = uvicorn.Config(
        build_app(city.rooms), log_config=None, timeout_graceful_shutdown=DRAIN_S
    )
    server = Server(config, city.rooms)
    serving = asyncio.create_task(server.serve([door]))
    opened = asyncio.Semaphore(0)

    async def listen(client: httpx.AsyncClient) -> int:
        async with client.stream("GET", "/events?topics=map,alerts") as answer:
            parts = 0
            async for _ in answer.aiter_bytes():
                parts += 1
                opened.release()
        return parts

    async with httpx.AsyncClient(base_url=address, timeout=10) as client:
        pages = [asyncio.create_task(listen(client)) for _ in range(3)]
        for _ in pages:
            await asyncio.wait_for(opened.acquire(), 10)
        began = time.monotonic()
        server.should_exit = True
        await serving
        took_s = time.monotonic() - began
        assert all(parts > 0 for parts in await asyncio.gather(*pages))
    assert took_s < 1.5
