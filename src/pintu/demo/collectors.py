"""The platforms that things report to (演示): one MQTT connection a kind, an inventory the broker
keeps, readings when something changed or it is time, alarms at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final, Protocol

import aiomqtt
import orjson

from pintu.demo.city_time import iso
from pintu.demo.connecting import Broker, keep_talking
from pintu.demo.events import Course
from pintu.demo.sensing import SAID, alarm, reading, shown, told_at
from pintu.demo.things import OWNERS, Thing, inventory

LOOK_S: Final = 2.0  # real seconds between two looks for signs
SLOTS: Final = 10  # a look reads this part of the things, so that no two reports are large
AT_ONCE: Final = 200  # records in one message
Message = tuple[str, bytes]


class Now(Protocol):
    """What a collector needs of a clock."""

    def now_s(self) -> float:
        """The city's time in seconds since 1970 UTC."""
        ...


class Collector:
    """All things of one kind: what is to be told at each look. No network in here."""

    def __init__(self, kind: str, things: list[Thing], course: Course, *, again_after: int) -> None:
        """`again_after`: looks after which a thing is told though nothing changed."""
        self.kind, self.things, self.course = kind, things, course
        self._again_after = max(SLOTS, again_after)
        self._signs: dict[str, str] = {}
        self._told: dict[str, tuple[dict[str, Any], int]] = {}
        self._look = 0

    def inventory(self, at_s: float) -> Message:
        """What is installed; the broker keeps it."""
        items = [{**one, "ts": iso(at_s)} for one in inventory(self.things)]
        body = {"note": "演示 / demo", "items": items}
        return f"things/{self.kind}/inventory", orjson.dumps(body)

    def look(self, at_s: float) -> list[Message]:
        """Alarms that came or went since the look before, and readings that are due."""
        self._look += 1
        rain = self.course.rainfall(at_s)
        alarms, items = [], []
        for number, one in enumerate(self.things):
            sign = shown(one, at_s, self.course)
            before = self._signs.get(one.id, "")
            if sign != before:
                alarms += self._turn(one, before, sign, at_s)
            elif number % SLOTS != self._look % SLOTS:
                continue
            item = reading(one, at_s, sign, rain)
            last, when = self._told.get(one.id, (None, 0))
            if item != last or self._look - when >= self._again_after:
                self._told[one.id] = (item, self._look)
                items.append({**item, "ts": iso(told_at(one, at_s, self.course))})
        return [*self._messages("alarms", alarms), *self._messages("readings", items)]

    def _turn(self, one: Thing, before: str, sign: str, at_s: float) -> list[dict[str, Any]]:
        self._signs[one.id] = sign
        when_s = told_at(one, at_s, self.course)
        told = []
        if before:
            told.append(alarm(one, before, when_s, raised=False))
        if sign:
            told.append(alarm(one, sign, when_s, raised=True))
        return [self._with_place(one, each) for each in told]

    def _with_place(self, one: Thing, told: dict[str, Any]) -> dict[str, Any]:
        (place,) = inventory([one])
        at_s = told.pop("at_s")
        zh, en = SAID[told["what"]]
        return {
            **told,
            "ts": iso(at_s),
            "name": f"{zh}：{place['name']}",
            "name_en": f"{en}: {place['name_en']}",
            "lon": place["lon"],
            "lat": place["lat"],
            "road": one.road,
            "owner": OWNERS[one.kind],
            "about": one.entity,
            "state": "raised" if told["raised"] else "ended",
            "demo": True,
        }

    def _messages(self, what: str, items: list[dict[str, Any]]) -> list[Message]:
        topic = f"things/{self.kind}/{what}"
        return [
            (topic, orjson.dumps({"items": items[start : start + AT_ONCE]}))
            for start in range(0, len(items), AT_ONCE)
        ]


class Talk:
    """One connection that says what a collector has to say, until cancelled."""

    def __init__(self, collector: Collector, clock: Now, *, seed: int) -> None:
        self.collector, self.clock = collector, clock
        self.first: list[Message] = [collector.inventory(clock.now_s())]
        self.on_message: Callable[[bytes], None] | None = None
        self.listens_to = ""
        self._chance = random.Random(f"collector {seed} {collector.kind}")

    async def run(self, broker: Broker, begins_in_s: float) -> None:
        """Connect, talk, and connect again when the broker goes away."""
        await asyncio.sleep(begins_in_s)
        name = f"demo-things-{self.collector.kind}"
        await keep_talking(broker, name, self._chance, self._talk)

    async def _talk(self, client: aiomqtt.Client) -> None:
        for topic, body in self.first:
            await client.publish(topic, body, qos=1, retain=True)
        listening: asyncio.Task[None] | None = None
        if self.on_message is not None:
            await client.subscribe(self.listens_to, qos=1)
            listening = asyncio.create_task(self._listen(client, self.on_message))
        try:
            while True:
                for topic, body in self.collector.look(self.clock.now_s()):
                    await client.publish(topic, body, qos=1)
                await asyncio.sleep(LOOK_S * self._chance.uniform(0.95, 1.05))
        finally:
            if listening is not None:
                listening.cancel()

    @staticmethod
    async def _listen(client: aiomqtt.Client, heard: Callable[[bytes], None]) -> None:
        async for message in client.messages:
            heard(bytes(message.payload))
