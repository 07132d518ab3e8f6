"""What a gateway says: inventory kept by the broker, telemetry every few seconds, an answer to
each command."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import aiomqtt
import orjson

from pintu.demo.city_time import iso
from pintu.demo.lamps import SiteState

LOST = 0.03
LATE = 0.05
ALREADY_DONE = 500
"""Command ids a gateway remembers, so that one sent again is answered, not obeyed twice."""


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


class Now(Protocol):
    """What a gateway needs of a clock."""

    def now_s(self) -> float:
        """The city's time in seconds since 1970 UTC."""
        ...


class Gateway:
    """One simulated gateway: one MQTT connection, a hundred lamps."""

    def __init__(self, state: SiteState, clock: Now, *, interval_s: float, seed: int) -> None:
        self.state, self.clock, self.interval_s = state, clock, interval_s
        self.name = state.site.gateway
        self._chance = random.Random(f"gateway {seed} {self.name}")
        self._seq = 0
        self._done: dict[str, bytes] = {}
        self._answering: set[asyncio.Task[None]] = set()

    async def run(self, broker: Broker, begins_in_s: float) -> None:
        """Connect, talk, and connect again when the broker goes away; until cancelled."""
        await asyncio.sleep(begins_in_s)
        while True:
            try:
                async with aiomqtt.Client(
                    broker.host,
                    broker.port,
                    username=broker.username,
                    password=broker.password,
                    identifier=f"demo-{self.name}",
                    keepalive=60,
                    clean_session=True,
                    tls_params=aiomqtt.TLSParameters() if broker.tls else None,
                ) as client:
                    await self._talk(client)
            except (aiomqtt.MqttError, OSError):
                await asyncio.sleep(1 + self._chance.random() * 2)

    async def _talk(self, client: aiomqtt.Client) -> None:
        await client.publish(
            f"lamps/{self.name}/inventory", orjson.dumps(self.inventory()), qos=1, retain=True
        )
        await client.subscribe(f"lamps/{self.name}/command", qos=1)
        listening = asyncio.create_task(self._listen(client))
        try:
            while True:
                began = time.monotonic()
                if not self._silent():
                    await self._publish(client, self.telemetry())
                if listening.done():
                    listening.result()
                    return
                # A crystal is never exact: gateways drift apart, and the city hears them all the
                # time.
                pause = self.interval_s * self._chance.uniform(0.97, 1.03)
                await asyncio.sleep(max(0.05, pause - (time.monotonic() - began)))
        finally:
            listening.cancel()
            for task in list(self._answering):
                task.cancel()

    def inventory(self) -> dict[str, Any]:
        """What is installed: the gateway, its cabinet, each lamp with its place."""
        site = self.state.site
        return {
            "gateway": site.gateway,
            "cabinet": site.cabinet,
            "lat": site.lat,
            "lon": site.lon,
            "interval_s": self.interval_s,
            "note": "演示 / demo",
            "lamps": [
                {
                    "id": one.id,
                    "lat": one.lat,
                    "lon": one.lon,
                    "road": one.road,
                    "pole": one.pole,
                    "rated_w": one.rated_w,
                    "cct": one.cct,
                    "feeder": site.feeders[one.id],
                    "group": site.groups[one.id],
                    "program": "always" if one.kind == "tunnel" else "dusk-to-dawn",
                }
                for one in site.lamps
            ],
        }

    def telemetry(self, only: str | None = None) -> bytes:
        """One message of readings, all lamps or one."""
        at_s = self.clock.now_s()
        self._seq += 1
        return orjson.dumps(
            {"seq": self._seq, "ts": iso(at_s), "lamps": self.state.readings(at_s, only)}
        )

    def _silent(self) -> bool:
        return self.state.plan.now(self.name, self.clock.now_s()) is not None

    async def _publish(self, client: aiomqtt.Client, body: bytes) -> None:
        await client.publish(f"lamps/{self.name}/telemetry", body, qos=1)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            task = asyncio.create_task(self._obey(client, bytes(message.payload)))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _obey(self, client: aiomqtt.Client, body: bytes) -> None:
        """Do what is asked; some commands are lost on the way to the lamp, some answers come
        late."""
        if self._silent() or self._chance.random() < LOST:
            return
        late = self._chance.random() < LATE
        await asyncio.sleep(self._chance.uniform(3, 8) if late else self._chance.uniform(0.05, 0.4))
        lamp, answer = self.answer(body)
        try:
            await client.publish(f"lamps/{self.name}/ack", answer, qos=1)
            if lamp:
                await asyncio.sleep(0.6)
                await self._publish(client, self.telemetry(lamp))
        except aiomqtt.MqttError:
            return

    def answer(self, body: bytes) -> tuple[str, bytes]:
        """The lamp that was told ("" when none) and what is answered."""
        try:
            told = orjson.loads(body)
            name, lamp, level = str(told["cmd"]), str(told["lamp"]), int(told["level"])
        except (ValueError, KeyError, TypeError):
            return "", orjson.dumps({"cmd": "", "ok": False, "reason": "not readable"})
        if name in self._done:
            return lamp, self._done[name]
        at_s = self.clock.now_s()
        ok = 0 <= level <= 100 and self.state.command(lamp, level, at_s)
        answer = {"cmd": name, "ok": ok, "ts": iso(at_s)}
        if not ok:
            answer["reason"] = (
                "level is not 0..100" if not 0 <= level <= 100 else "no such lamp here"
            )
        self._done[name] = orjson.dumps(answer)
        if len(self._done) > ALREADY_DONE:
            del self._done[next(iter(self._done))]
        return (lamp if ok else ""), self._done[name]
