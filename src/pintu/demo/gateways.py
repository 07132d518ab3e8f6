"""What a gateway says: inventory kept by the broker, telemetry every few seconds, an answer to
each command."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import time
from collections.abc import Iterable
from typing import Any, Final, Protocol

import aiomqtt
import orjson

from pintu.demo.city_time import iso
from pintu.demo.connecting import Broker, keep_talking
from pintu.demo.lamps import SiteState

LOST = 0.03
LATE = 0.05
ALREADY_DONE = 500
"""Command ids a gateway remembers, so that one sent again is answered, not obeyed twice."""
AT_ONCE: Final = 100
"""Commands a gateway takes in one message, as its inventory says; so it answers, too."""
LOOK_S: Final = 0.1
READS_AFTER_S: Final = 0.6  # a lamp that was told something is read again


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
        self._todo: list[tuple[float, int, str, Any]] = []  # when, in order, what, with what
        self._numbers = itertools.count()

    async def run(self, broker: Broker, begins_in_s: float) -> None:
        """Connect, talk, and connect again when the broker goes away; until cancelled."""
        await asyncio.sleep(begins_in_s)
        await keep_talking(broker, f"demo-{self.name}", self._chance, self._talk)

    async def _talk(self, client: aiomqtt.Client) -> None:
        await client.publish(
            f"lamps/{self.name}/inventory", orjson.dumps(self.inventory()), qos=1, retain=True
        )
        await client.subscribe(f"lamps/{self.name}/command", qos=1)
        self._todo.clear()
        listening = asyncio.create_task(self._listen(client))
        answering = asyncio.create_task(self._answer_on(client))
        try:
            while True:
                began = time.monotonic()
                if not self._silent():
                    await self._publish(client, self.telemetry())
                for task in (listening, answering):
                    if task.done():
                        task.result()
                        return
                # A crystal is never exact: gateways drift apart, and the city hears them all the
                # time.
                pause = self.interval_s * self._chance.uniform(0.97, 1.03)
                await asyncio.sleep(max(0.05, pause - (time.monotonic() - began)))
        finally:
            listening.cancel()
            answering.cancel()

    def inventory(self) -> dict[str, Any]:
        """What is installed: the gateway, its cabinet, each lamp with its place."""
        site = self.state.site
        return {
            "gateway": site.gateway,
            "cabinet": site.cabinet,
            "lat": site.lat,
            "lon": site.lon,
            "interval_s": self.interval_s,
            "at_once": AT_ONCE,
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

    def telemetry(self, only: Iterable[str] | None = None) -> bytes:
        """One message of readings, of all lamps or some."""
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
            if not self._silent():
                self.hear(bytes(message.payload))

    def hear(self, body: bytes) -> None:
        """Commands came, one or several; some are lost on the way to the lamp, some answers come
        late, but a lamp that hears obeys in its turn."""
        for one in _told(body):
            if self._chance.random() < LOST:
                continue
            acts_s = time.monotonic() + self._chance.uniform(0.05, 0.4)
            late_s = self._chance.uniform(3, 8) if self._chance.random() < LATE else 0.0
            self._later(acts_s, "act", (one, acts_s + late_s))

    def _later(self, at_s: float, what: str, given: Any) -> None:
        heapq.heappush(self._todo, (at_s, next(self._numbers), what, given))

    async def _answer_on(self, client: aiomqtt.Client) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._todo:
                continue
            answers, lamps = self.work(time.monotonic())
            if len(answers) > 1:
                answers = [b'{"acks":[' + b",".join(answers) + b"]}"]
            if answers:
                await client.publish(f"lamps/{self.name}/ack", answers[0], qos=1)
            if lamps:
                await self._publish(client, self.telemetry(lamps))

    def work(self, now_s: float) -> tuple[list[bytes], list[str]]:
        """What is due by then: answers to be given, and lamps to be read."""
        answers: list[bytes] = []
        lamps: dict[str, None] = {}
        while self._todo and self._todo[0][0] <= now_s:
            at_s, _, what, given = heapq.heappop(self._todo)
            if what == "act":
                lamp, answer = self.answer(given[0])
                self._later(given[1], "answer", answer)
                if lamp:
                    self._later(at_s + READS_AFTER_S, "read", lamp)
            elif what == "answer":
                answers.append(given)
            else:
                lamps[given] = None
        return answers, list(lamps)

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


def _told(body: bytes) -> list[bytes]:
    """The commands of a message, each as if it had come alone."""
    try:
        some = orjson.loads(body).get("cmds")
    except (ValueError, AttributeError):
        return [body]
    return [orjson.dumps(one) for one in some[:AT_ONCE]] if isinstance(some, list) else [body]
