"""How everything in the demo reaches its MQTT broker: connect, talk, and connect again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import aiomqtt

PENDING = 1_000  # messages under way before the client says that this is many


@dataclass(frozen=True, slots=True)
class Broker:
    """Where to connect: `mqtt://user:password@host:port` or `mqtts://…`."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: bool = False


def read_broker(url: str) -> Broker:
    """Take an address of a broker apart; ValueError when it is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise ValueError(f"{url!r} is not mqtt://HOST:PORT or mqtts://HOST:PORT")
    tls = parts.scheme == "mqtts"
    return Broker(
        parts.hostname,
        parts.port or (8883 if tls else 1883),
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
        tls,
    )


async def keep_talking(
    broker: Broker,
    name: str,
    chance: random.Random,
    talk: Callable[[aiomqtt.Client], Awaitable[None]],
) -> None:
    """Connect by that name and talk; again when the broker goes away; until cancelled."""
    while True:
        try:
            async with aiomqtt.Client(
                broker.host,
                broker.port,
                username=broker.username,
                password=broker.password,
                identifier=name,
                keepalive=60,
                clean_session=True,
                tls_params=aiomqtt.TLSParameters() if broker.tls else None,
            ) as client:
                client.pending_calls_threshold = PENDING
                await talk(client)
        except (aiomqtt.MqttError, OSError):
            await asyncio.sleep(1 + chance.random() * 2)
