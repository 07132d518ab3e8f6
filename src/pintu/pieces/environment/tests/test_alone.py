"""The piece alone over TCP: kept before answered, nothing lost while the city is away."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from pintu.kit import read_manifest, run_piece
from pintu.kit.protocols import read_hj212
from pintu.kit.tables import open_tables
from pintu.kit.testing import FakeClock, MemoryLink, free_port

PIECE = Path(__file__).resolve().parents[1]
FIXTURES = PIECE / "fixtures"
HOUR = (FIXTURES / "02-hour.hj212").read_bytes()
AT_US = json.loads((FIXTURES / "02-hour.hj212.meta.json").read_text("utf-8"))["received_us"]
STATION = "urn:ngsi-ld:AirQualityObserved:environment:DEMO-AIR-0001"


@contextlib.asynccontextmanager
async def running(folder: Path, **told: Any) -> AsyncIterator[tuple[MemoryLink, int]]:
    port = free_port(9850, 9869)
    clock = FakeClock(AT_US)
    link, tables = MemoryLink(clock), open_tables(folder)
    settings = {
        "listen": f"127.0.0.1:{port}", "station_file": str(FIXTURES / "01-stations.json"), **told,
    }  # fmt: skip
    task = asyncio.create_task(
        run_piece(read_manifest(PIECE / "piece.toml"), link, clock, told=settings, tables=tables)
    )
    try:
        await until(lambda: STATION in link.context.entities)
        yield link, port
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        tables.close()


async def until(holds: Callable[[], bool], timeout_s: float = 15.0) -> None:
    """Wait for what has to come."""
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def station(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A station's end of the wire."""
    for _ in range(200):
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            break
        await asyncio.sleep(0.02)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_an_hour_over_the_wire_is_in_the_context_and_answered(tmp_path: Path) -> None:
    """The list gives name and place, the frame its values, the watchers the index; the station
    gets its 9014 only then."""
    async with running(tmp_path) as (link, port), station(port) as (reader, writer):
        writer.write(HOUR)
        async with asyncio.timeout(10):
            answer = await reader.readuntil(b"\r\n")
        assert read_hj212(answer).fields["CN"] == "9014"
        await until(lambda: "airQualityIndex" in link.context.entities[STATION])
        told = link.context.entities[STATION]
        assert (told["name"]["value"], told["pm25"]["value"]) == ("演示站01 Demo station 1", 45.0)
        assert told["indexTable"]["value"] == "HJ 633-2026"


async def test_while_the_city_is_away_no_station_is_answered(tmp_path: Path) -> None:
    """Not committed is not acknowledged; back again, it is kept once."""
    async with running(tmp_path) as (link, port), station(port) as (reader, writer):
        link.away = True
        writer.write(HOUR)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                assert await reader.read(1) == b""
        assert "pm25" not in link.context.entities[STATION]
        link.away = False
        async with asyncio.timeout(10):
            assert await reader.readexactly(2) == b"##"
        assert link.context.entities[STATION]["pm25"]["value"] == 45.0


async def test_damage_goes_to_quarantine_and_the_next_frame_lands(tmp_path: Path) -> None:
    """A wrong CRC waits with its reason."""
    async with running(tmp_path) as (link, port), station(port) as (_, writer):
        writer.write((FIXTURES / "08-wrong-crc.hj212").read_bytes() + HOUR)
        await until(lambda: "pm25" in link.context.entities[STATION])
        await until(lambda: bool(link.quarantine))
        assert "CRC" in link.quarantine[0].reason


async def test_a_wrong_password_is_not_let_in(tmp_path: Path) -> None:
    """With a file of passwords a station needs its own."""
    passwords = tmp_path / "passwords"
    passwords.write_text("DEMO-AIR-0001 another\n", "utf-8")
    async with running(tmp_path, passwords=str(passwords)) as (link, port):
        async with station(port) as (_, writer):
            writer.write(HOUR)
            await until(lambda: bool(link.quarantine))
        assert "pm25" not in link.context.entities[STATION]
        assert "123456" not in repr(link.quarantine[0])


async def test_a_list_that_changes_is_read_again(tmp_path: Path, monkeypatch: Any) -> None:
    """A new name is in the context without a restart."""
    monkeypatch.setattr("pintu.pieces.environment.connectors.stations.LOOK_EVERY_S", 0.05)
    told = json.loads((FIXTURES / "01-stations.json").read_text("utf-8"))
    file = tmp_path / "stations.json"
    file.write_text(json.dumps(told), "utf-8")
    async with running(tmp_path, station_file=str(file)) as (link, _):
        told["stations"][0]["name"] = "新名"
        file.write_text(json.dumps(told), "utf-8")
        await until(lambda: link.context.entities[STATION]["name"]["value"] == "新名")
