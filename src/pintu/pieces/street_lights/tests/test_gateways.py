"""Commands to one gateway go together where it takes that; only its own answers count."""

from __future__ import annotations

import asyncio
import json

import pytest

from pintu.kit import Unavailable
from pintu.kit.mqtt import MqttAddress
from pintu.kit.testing import FakeClock
from pintu.pieces.street_lights.connectors.mqtt import GatewayConnector
from pintu.pieces.street_lights.settings import Settings


class Wire(GatewayConnector):
    """A connector whose messages end here."""

    def __init__(self) -> None:
        settings = Settings(
            broker=MqttAddress(host="127.0.0.1", port=1),
            client_id="",
            tenant="",
            interval_s=10,
            lat=30,
            lon=120,
        )
        super().__init__(settings, FakeClock())
        self.told: list[tuple[str, list[str]]] = []
        self.away = False
        for gateway, more in (("G1", {"at_once": 3}), ("G2", {})):
            lamps = [{"id": f"{gateway}L{number}"} for number in range(5)]
            body = json.dumps({"lamps": lamps, **more}).encode()
            self._look(f"lamps/{gateway}/inventory", body)

    async def publish(self, topic: str, payload: bytes) -> None:
        if self.away:
            raise Unavailable("The broker is away")
        told = json.loads(payload)
        self.told.append((topic, [one["cmd"] for one in told.get("cmds", [told])]))

    def ack(self, gateway: str, *names: str) -> None:
        """A gateway answers, several in one message."""
        acks = [{"cmd": one, "ok": True} for one in names]
        self._look(f"lamps/{gateway}/ack", json.dumps({"acks": acks}).encode())


async def test_what_is_asked_for_together_goes_together() -> None:
    """As many in one message as a gateway says it takes, in order; one by one where it says
    nothing; one answer may be of several."""
    wire = Wire()
    first = [wire.send(f"a{number}", f"G1L{number}", 50) for number in range(4)]
    other = [wire.send(f"b{number}", f"G2L{number}", 50) for number in range(2)]
    answers = await asyncio.gather(*first, *other)
    assert sorted(wire.told) == [
        ("lamps/G1/command", ["a0", "a1", "a2"]),
        ("lamps/G1/command", ["a3"]),
        ("lamps/G2/command", ["b0"]),
        ("lamps/G2/command", ["b1"]),
    ]
    wire.ack("G1", "a0", "a1", "a2", "a3", "unknown")
    wire.ack("G2", "b0")
    assert [one.done() for one in answers] == [True] * 5 + [False]


async def test_another_gateways_answer_is_none() -> None:
    """Whoever else says yes; and what was answered is not answered again."""
    wire = Wire()
    answer = await wire.send("a0", "G1L0", 50)
    wire.ack("G2", "a0")
    assert not answer.done()
    wire.ack("G1", "a0", "a0")
    assert answer.result().ok


async def test_what_is_taken_back_in_time_is_not_sent() -> None:
    """It is left out of its message; the others go."""
    wire = Wire()
    tasks = [asyncio.create_task(wire.send(f"a{n}", f"G1L{n}", 50)) for n in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert wire.told == [("lamps/G1/command", ["a0", "a2"])]
    wire.away = True
    with pytest.raises(Unavailable):
        await wire.send("a9", "G1L0", 50)
