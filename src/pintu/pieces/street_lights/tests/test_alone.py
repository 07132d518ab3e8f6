"""The piece alone with a real broker: kept before acknowledged, nothing lost while the city is
away."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from pintu.kit import Command, read_manifest, run_piece
from pintu.kit.tables import open_tables
from pintu.kit.testing import FakeClock, MemoryLink, find_mosquitto, mosquitto
from pintu.pieces.street_lights.model import lamp_id

PIECE = Path(__file__).resolve().parents[1]
INVENTORY = (PIECE / "fixtures" / "01-inventory.json").read_bytes()
EVENING = (PIECE / "fixtures" / "02-telemetry-evening.json").read_bytes()
AT_US = 1_795_183_205_430_000

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")


@pytest.fixture
def port() -> Iterator[int]:
    """A broker that remembers."""
    with mosquitto() as chosen:
        yield chosen


@contextlib.asynccontextmanager
async def running(
    port: int, folder: Path, **told: Any
) -> AsyncIterator[tuple[MemoryLink, asyncio.Task[None]]]:
    clock = FakeClock(AT_US)
    link = MemoryLink(clock)
    tables = open_tables(folder)
    settings = {"broker": f"mqtt://127.0.0.1:{port}", **told}
    task = asyncio.create_task(
        run_piece(read_manifest(PIECE / "piece.toml"), link, clock, told=settings, tables=tables)
    )
    try:
        await until(lambda: "street_lights/mqtt" in link.source_reports)
        yield link, task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        tables.close()


async def until(holds: Callable[[], bool], timeout_s: float = 12.0) -> None:
    """Wait for what has to come."""
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.02)


async def published(port: int, *messages: tuple[str, bytes], retain: bool = False) -> None:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        for topic, body in messages:
            await client.publish(topic, body, qos=1, retain=retain)


async def test_what_a_gateway_says_is_in_the_context(port: int, tmp_path: Path) -> None:
    """Inventory and reading arrive as one lamp; the same message twice is one batch."""
    await published(port, ("lamps/GW001/inventory", INVENTORY), retain=True)
    async with running(port, tmp_path) as (link, _):
        await until(lambda: bool(link.batches))
        message = ("lamps/GW001/telemetry", EVENING)
        await published(port, message, message, ("lamps/GW001/telemetry", b"{}"))
        await until(lambda: len(link.quarantine) == 1)
        lamp = link.context.entities[lamp_id("L00012")]
        assert (lamp["gateway"]["value"], lamp["activePower"]["value"]) == ("GW001", 122.6)
        mine = [one for one in link.batches if one.source == "street_lights/mqtt"]
        assert len(mine) == 3


async def test_while_the_city_is_away_the_broker_keeps_what_comes(
    port: int, tmp_path: Path
) -> None:
    """Not committed is not acknowledged: a piece that dies meanwhile is sent it again."""
    async with running(port, tmp_path, client_id="lamps-test") as (link, _):
        await until(lambda: link.source_reports["street_lights/mqtt"].state == "up")
        link.away = True
        await published(port, ("lamps/GW001/telemetry", EVENING))
        await asyncio.sleep(1.0)
        assert link.batches == []
    async with running(port, tmp_path, client_id="lamps-test") as (link, _):
        await until(lambda: bool(link.batches))
        assert lamp_id("L00012") in link.context.entities


async def test_a_command_goes_out_and_comes_back_measured(port: int, tmp_path: Path) -> None:
    """desired → sent → acknowledged → confirmed, over the wire."""
    await published(port, ("lamps/GW001/inventory", INVENTORY), retain=True)
    async with running(port, tmp_path) as (link, _), aiomqtt.Client("127.0.0.1", port) as gateway:
        await gateway.subscribe("lamps/GW001/command", qos=1)
        await until(lambda: lamp_id("L00012") in link.context.entities)
        target = lamp_id("L00012")
        link.ask(Command("c-1", "demo", "street_lights", "DimLamp", target, {"level": 40}, "x", 0))
        async with asyncio.timeout(10):
            message = await anext(gateway.messages)
        told = json.loads(message.payload)
        assert told == {"cmd": "c-1", "lamp": "L00012", "level": 40}
        await gateway.publish("lamps/GW001/ack", b'{"cmd":"c-1","ok":true}', qos=1)
        await until(lambda: "acknowledged" in link.states("c-1"))
        rated = link.context.entities[target]["ratedPower"]["value"]
        lamp = {"id": "L00012", "p": rated * 0.436, "v": 229.0, "lvl": 40, "hrs": 1.0, "t": 9.0}
        body = {"seq": 2, "ts": "2026-11-20T14:00:07Z", "lamps": [lamp]}
        await gateway.publish("lamps/GW001/telemetry", json.dumps(body).encode(), qos=1)
        await until(lambda: "confirmed" in link.states("c-1"))
        assert link.states("c-1") == ["sent", "acknowledged", "confirmed"]


async def test_a_broker_that_is_away_is_tried_again(tmp_path: Path) -> None:
    """The source says that it is down and why, and comes up by itself."""
    with mosquitto() as port:
        pass
    async with running(port, tmp_path) as (link, _):
        await until(lambda: link.source_reports["street_lights/mqtt"].state == "down")
        assert "refused" in link.source_reports["street_lights/mqtt"].detail
        with mosquitto(port=port):
            await published(port, ("lamps/GW001/inventory", INVENTORY), retain=True)
            await until(lambda: bool(link.batches), 20)
