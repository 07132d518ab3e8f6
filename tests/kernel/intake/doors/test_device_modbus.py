"""Modbus TCP against pymodbus' simulating server: types, scales, holes, exceptions in words."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from pintu.kernel.clock import CityClock
from pintu.kernel.egress import Egress
from pintu.kernel.errors import BadRequestData, ConfigurationError, Unavailable
from pintu.kernel.intake.doors.modbus import connector, look
from pintu.kernel.intake.doors.registers import blocks_of, read_register
from pintu.kernel.intake.doors.words import Around, SourceFile
from pintu.kernel.intake.words import Envelope

PORT = 9947
REGISTERS = [
    "pump1/temperature = holding 0 int16 x0.1",
    "pump1/flow = holding 2 float32",
    "pump1/energy = 40011 uint32",
    "pump1/serial = holding 20 text=2",
    "pump2/temperature = holding 1 int16 x0.1 none=-32768",
    "pump2/pressure = holding 4 float32 words=little",
    "pump2/count = input 0 uint16 +5",
]


def source(*registers: str, port: int = PORT, **settings: Any) -> SourceFile:
    told = {"address": f"127.0.0.1:{port}", "registers": list(registers), "every_s": 0.2}
    return SourceFile(name="pumps", door="modbus", settings={**told, **settings})


def around(data: Path) -> Around:
    return Around(data=data, secret="", egress=Egress(allow=("127.0.0.1",)), clock=CityClock())


def device() -> SimDevice:
    holding = [
        SimData(0, values=[-125, -32768], datatype=DataType.INT16),
        SimData(2, values=[3.5], datatype=DataType.FLOAT32),
        SimData(4, values=[0x0000, 0x4020], datatype=DataType.REGISTERS),  # 2.5, words swapped
        SimData(10, values=[70_000], datatype=DataType.UINT32),
        SimData(20, values="P-17", datatype=DataType.STRING),
    ]
    bits = [SimData(0, values=[True, False], datatype=DataType.BITS)]
    inputs = [SimData(0, values=[7], datatype=DataType.UINT16)]
    return SimDevice(1, simdata=(bits, bits, holding, inputs))


@pytest.fixture
async def simulator() -> AsyncIterator[ModbusTcpServer]:
    server = ModbusTcpServer(device(), address=("127.0.0.1", PORT))
    await server.serve_forever(background=True)
    yield server
    await server.shutdown()


async def heard(made: Any, most: int) -> list[Envelope]:
    found: list[Envelope] = []
    receiving = made.receive()
    try:
        async with asyncio.timeout(8):
            async for received in receiving:
                found.append(received.envelope)
                if len(found) == most:
                    break
    finally:
        await receiving.aclose()
    return found


async def test_a_register_map_is_read(simulator: ModbusTcpServer, tmp_path: Path) -> None:
    """Each device is one record: types, word order, scale, reference numbers and the device's own
    word for no value."""
    found = await heard(connector(source(*REGISTERS), around(tmp_path)), 2)
    rows = {row["device"]: row for row in (orjson.loads(one.body) for one in found)}
    first = {"temperature": -12.5, "flow": 3.5, "energy": 70_000, "serial": "P-17"}
    second = {"temperature": None, "pressure": 2.5, "count": 12.0}
    assert (first, second) == (
        {name: rows["pump1"][name] for name in first},
        {name: rows["pump2"][name] for name in second},
    )
    assert rows["pump1"]["time"].endswith("Z")


async def test_a_hole_spoils_only_itself(simulator: ModbusTcpServer, tmp_path: Path) -> None:
    """A register that is not there is said in words, once, and the others of its block are read
    all the same."""
    made = connector(source(*REGISTERS, "pump1/gone = holding 8 uint16"), around(tmp_path))
    found = await heard(made, 6)
    refused = [one for one in found if "bad" in one.meta]
    assert 1 == len(refused)
    said = "pump1/gone (holding 8 of unit 1): the device has no such address (exception 2)"
    assert (said, said) == (refused[0].meta["bad"], made.detail)
    assert 3.5 == orjson.loads(found[0].body)["flow"]


async def test_equal_values_may_be_kept_rarely(simulator: ModbusTcpServer, tmp_path: Path) -> None:
    """With `repeat_s` told, what did not change is not said again before its time."""
    made = connector(source(REGISTERS[0], repeat_s=60), around(tmp_path))
    found: list[Any] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            async for received in made.receive():
                found.append(orjson.loads(received.envelope.body)["temperature"])
    assert [-12.5] == found


async def test_looking_gives_a_table_a_device(simulator: ModbusTcpServer, tmp_path: Path) -> None:
    """What the wizard shows: the devices with their columns, measured on one reading."""
    tables = {one.name: one for one in await look(source(*REGISTERS), around(tmp_path))}
    assert {"pump1", "pump2"} == set(tables)
    flow = next(one for one in tables["pump1"].columns if one.name == "flow")
    assert ("number", ("3.5",)) == (flow.type, flow.examples)


async def test_nobody_there_is_said(tmp_path: Path) -> None:
    """An address where nobody listens raises what the source's page shows."""
    with pytest.raises(Unavailable, match="does not take a Modbus connection"):
        await look(source(REGISTERS[0], port=PORT + 1), around(tmp_path))


@pytest.mark.parametrize(
    "line",
    [
        "temperature", "a = holding", "a = holding x int16", "a = holding 70000",
        "a = coil 1 int16",
        "a = holding 1 int17", "time = holding 1", "a = 50001", "a = holding 1 unit=300",
        "/a = holding 1", "a b = holding 1", "a = holding 1 bit=16", "a = 40000",
    ],
)  # fmt: skip
def test_wrong_lines_are_refused(line: str) -> None:
    """A line that is no register says what one looks like."""
    with pytest.raises(BadRequestData, match="Register"):
        read_register(line)


def test_registers_close_together_are_one_question() -> None:
    """Neighbours share a question; a far one, another unit and another function have their own."""
    lines = ["a = holding 0", "b = holding 5 float32", "c = holding 99", "d = holding 0 unit=2",
             "e = input 0"]  # fmt: skip
    blocks = blocks_of([read_register(one) for one in lines])
    assert [
        ("holding", 1, 0, 7), ("holding", 1, 99, 1), ("input", 1, 0, 1), ("holding", 2, 0, 1)
    ] == [(one.function, one.unit, one.address, one.count) for one in blocks]  # fmt: skip


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    """A twin, a wrong line and a wrong interval are three sentences."""
    with pytest.raises(ConfigurationError) as caught:
        connector(source("a = holding 1", "a = holding 2", "nonsense", every_s=0), around(tmp_path))
    text = "; ".join(caught.value.mistakes)
    assert all(one in text for one in ("twice", "nonsense", "every_s"))
