"""The broker process: HTTP, the writer thread, feed, pages; the only one that writes `city.db`."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    gc.disable()  # nothing of what is imported goes: looking for that took a fifth of it

import uvicorn

from pintu.city import City
from pintu.kept import read_kept
from pintu.kernel.store.address import is_postgres
from pintu.processes.child import run_child, told
from pintu.processes.door import door
from pintu.processes.serving import Server
from pintu.restored import is_quiet
from pintu.settings import Settings
from pintu.web.metrics.sampling import sampled
from pintu.web.ngsi_ld.broker import Broker

if TYPE_CHECKING:
    from pintu.processes.keeping.keeper import Keeper

DRAIN_S = 3


def main() -> None:
    """Serve the city on the listening socket the supervisor opened."""
    # the writer thread and the loop share one interpreter: hand over ten times as often as usual
    sys.setswitchinterval(0.0005)
    gc.freeze()
    gc.enable()
    settings, more = told()
    for inherited in filter(None, more.values()):
        # a job that outlives this process must not keep the city's door and lock
        os.set_inheritable(inherited, False)
    import uvloop

    uvloop.run(_serve(settings, more["listener"]))


async def _serve(settings: Settings, listener: int | None) -> None:
    if settings.node:
        await _serve_one_of_several(settings, listener)
        return
    keeper = keeper_of(settings)
    city = await City.open(settings, socket=True)
    unfollow: Callable[[], None] = _nothing
    try:
        if keeper is not None:
            keeper.attach(city.rooms.store, city.rooms.clock.now_us)
        broker, unfollow = _broker(settings, city)
        broker.meter.sampled = sampled(broker)
        config = _config(settings, city.application(), broker)
        await _served(Server(config, city.rooms), listener)
    finally:
        async with asyncio.timeout(5):
            await city.close()
        unfollow()
        if keeper is not None:
            keeper.stop()


def _nothing() -> None:
    """Nobody is followed."""


def _broker(settings: Settings, city: City) -> tuple[Broker, Callable[[], None]]:
    """The broker, following messages where settings say where to; and what ends that."""
    if not settings.traces_endpoint:
        return Broker(city.rooms), _nothing
    from pintu.traced import follow_city  # the extra `traces`

    follower, broker = follow_city(settings, city.rooms)
    return broker, follower.close


def keeper_of(settings: Settings) -> Keeper | None:
    """Who keeps every moment of a city in files, where `[backup]` asks for it; it holds the
    write-ahead logs before the city opens them."""
    kept, _ = read_kept(settings.backup)
    if kept is None or not kept.stream or is_postgres(settings.store) or is_quiet(settings.data):
        return None
    from pintu.processes.keeping.keeper import Keeper  # which takes numpy

    keeper = Keeper(settings.data, kept)
    keeper.prepare()
    return keeper


async def _serve_one_of_several(settings: Settings, listener: int | None) -> None:
    from pintu.processes.several import Several, SeveralServer  # which takes the second store

    several = Several(settings)
    try:
        await several.open()
        config = _config(settings, several.standing, several.broker)
        await _served(SeveralServer(config, several), listener)
    finally:
        async with asyncio.timeout(8):
            await several.close()


async def _served(server: Server, listener: int | None) -> None:
    gc.collect()
    gc.freeze()  # what is here stays: the collector need not look at it again
    gc.set_threshold(50_000, 20, 50)
    sockets = [socket.socket(fileno=listener)] if listener is not None else None
    await server.serve(sockets)


def _config(settings: Settings, application: Any, broker: Broker) -> uvicorn.Config:
    return uvicorn.Config(
        **door(application, broker, plain=settings.plain),
        host=settings.host,
        port=settings.port,
        ws="none",
        loop="none",
        lifespan="off" if settings.node else "auto",
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
