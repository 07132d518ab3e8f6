"""The broker process: HTTP, the writer thread, feed, pages; the only one that writes `city.db`."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys

import uvicorn

from pintu.city import City
from pintu.processes.child import run_child, told
from pintu.processes.door import door
from pintu.processes.serving import Server
from pintu.settings import Settings
from pintu.web.ngsi_ld.broker import Broker

DRAIN_S = 3


def main() -> None:
    """Serve the city on the listening socket the supervisor opened."""
    # the writer thread and the loop share one interpreter: hand over ten times as often as usual
    sys.setswitchinterval(0.0005)
    settings, more = told()
    for inherited in filter(None, more.values()):
        # a job that outlives this process must not keep the city's door and lock
        os.set_inheritable(inherited, False)
    import uvloop

    uvloop.run(_serve(settings, more["listener"]))


async def _serve(settings: Settings, listener: int | None) -> None:
    city = await City.open(settings, socket=True)
    try:
        server = Server(_config(settings, city), city.rooms)
        gc.collect()
        gc.freeze()  # what is here stays: the collector need not look at it again
        gc.set_threshold(50_000, 20, 50)
        sockets = [socket.socket(fileno=listener)] if listener is not None else None
        await server.serve(sockets)
    finally:
        async with asyncio.timeout(5):
            await city.close()


def _config(settings: Settings, city: City) -> uvicorn.Config:
    return uvicorn.Config(
        **door(city.application(), Broker(city.rooms), plain=settings.plain),
        host=settings.host,
        port=settings.port,
        ws="none",
        loop="none",
        lifespan="auto",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_S,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=str(settings.tls_key) if settings.tls_key else None,
        workers=1,
        backlog=2048,
    )


if __name__ == "__main__":
    run_child("broker", main)
