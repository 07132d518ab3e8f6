"""Modbus TCP: meters, pumps and controllers read by a register map, on a timer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson

from pintu.kernel.clock import Clock, iso
from pintu.kernel.egress import Egress
from pintu.kernel.errors import BadRequestData, Unavailable
from pintu.kernel.intake.doors.device import Received, nobody_waits
from pintu.kernel.intake.doors.mapped import REFUSED
from pintu.kernel.intake.doors.registers import (
    Block,
    Register,
    blocks_of,
    read_register,
    single,
)
from pintu.kernel.intake.doors.seen import measured
from pintu.kernel.intake.doors.told import Told
from pintu.kernel.intake.doors.words import Around, Door, DoorSetting, SourceFile, TableSeen
from pintu.kernel.intake.words import Envelope

if TYPE_CHECKING:
    from pymodbus.client import AsyncModbusTcpClient

PORT: Final = 502
EXCEPTIONS: Final = {
    1: "the device does not know this function",
    2: "the device has no such address",
    3: "the device refuses the number of registers asked for",
    4: "the device failed while it read",
    5: "the device took the question and has no answer yet",
    6: "the device is busy",
    8: "the device's memory is damaged",
    10: "the gateway has no way to the device",
    11: "the device behind the gateway does not answer",
}

SETTINGS: Final = (
    DoorSetting(
        name="address",
        title={"zh": "设备或网关地址", "en": "Device or gateway"},
        kind="address",
        help={"zh": "主机 或 主机:端口（默认 502）", "en": "HOST or HOST:PORT (502 unless told)"},
        required=True,
    ),
    DoorSetting(
        name="registers",
        title={"zh": "寄存器表", "en": "Register map"},
        kind="lines",
        help={
            "zh": "每行一个：泵1/温度 = holding 100 int16 x0.1 unit=1；地址可写作 40101",
            "en": "One a line: pump1/temperature = holding 100 int16 x0.1 unit=1; addresses count "
            "from 0, or write a reference such as 40101",
        },
        required=True,
    ),
    DoorSetting(
        name="every_s",
        title={"zh": "间隔（秒）", "en": "Every so many seconds"},
        kind="number",
        default=10,
    ),
    DoorSetting(
        name="repeat_s",
        title={"zh": "相同数值每隔多少秒再记", "en": "Say equal values again after (s)"},
        kind="number",
        default=0,
        help={
            "zh": "0：每次读取都记录",
            "en": "0: every reading is kept, also when nothing changed",
        },
    ),
    DoorSetting(
        name="timeout_s",
        title={"zh": "超时（秒）", "en": "Wait for an answer (s)"},
        kind="number",
        default=3,
    ),
)


class ModbusConnector:
    """Asks for the registers again and again; each device's values are one envelope."""

    def __init__(self, source: SourceFile, around: Around) -> None:
        """ConfigurationError with every mistake of the source's settings."""
        told = Told(source, SETTINGS)
        self.name, self.expected_interval_s = source.name, source.expected_interval_s
        self._host, self._port = told.host_port("address", PORT)
        self._registers = _registers(told)
        self._every_s = told.number("every_s", low=0.1, high=86_400)
        self._repeat_s = told.number("repeat_s", low=0, high=86_400)
        self._timeout_s = told.number("timeout_s", low=0.1, high=60)
        told.done()
        self._egress: Egress = around.egress
        self._clock: Clock = around.clock
        self._blocks = blocks_of(self._registers)
        self._client: AsyncModbusTcpClient | None = None
        self._said: dict[str, tuple[dict[str, Any], float]] = {}
        self._troubles: dict[str, str] = {}

    @property
    def connected(self) -> bool:
        """True while the device or its gateway has the connection open."""
        return self._client is not None and self._client.connected

    @property
    def detail(self) -> str:
        """Which registers do not answer now, in words."""
        return "; ".join(list(self._troubles.values())[:5])

    async def receive(self) -> AsyncIterator[Received]:
        """Connect and ask on the timer; raises Unavailable when nothing answers."""
        client = await self._connect()
        self._client = client
        loop = asyncio.get_running_loop()
        try:
            while True:
                began_s = loop.time()
                values, refused = await self._ask(client)
                now_us = self._clock.now_us()
                for one in self._envelopes(values, refused, now_us, began_s):
                    yield Received(one, nobody_waits)
                await asyncio.sleep(max(0.0, began_s + self._every_s - loop.time()))
        finally:
            self._client = None
            client.close()

    async def read_once(self) -> dict[str, dict[str, Any]]:
        """The values of every device as they are now; Unavailable when nothing answers."""
        client = await self._connect()
        try:
            values, _ = await self._ask(client)
        finally:
            client.close()
        return values

    @property
    def troubles(self) -> tuple[str, ...]:
        """What could not be read the last time, one sentence a register."""
        return tuple(self._troubles.values())

    async def _connect(self) -> AsyncModbusTcpClient:
        from pymodbus.client import AsyncModbusTcpClient

        address = await self._egress.reach(self._host, self._port)
        client = AsyncModbusTcpClient(
            address,
            port=self._port,
            timeout=self._timeout_s,
            retries=1,
            reconnect_delay=0,  # the runtime comes back, later each time
        )
        if not await client.connect():
            client.close()
            raise Unavailable(f"{self._host}:{self._port} does not take a Modbus connection")
        return client

    async def _ask(
        self, client: AsyncModbusTcpClient
    ) -> tuple[dict[str, dict[str, Any]], list[tuple[Register, str]]]:
        """Every block once: values by device, and what was refused since it last answered."""
        values: dict[str, dict[str, Any]] = {}
        refused: list[tuple[Register, str]] = []
        answered = False
        for block in list(self._blocks):
            found, why = await _read(client, block)
            if found is None and len(block.registers) > 1 and not why.startswith("nobody"):
                # One hole refuses the whole block: from now on each register is asked for alone.
                at = self._blocks.index(block)
                singles = [single(one) for one in block.registers]
                self._blocks[at : at + 1] = singles
                answers = [(one, *await _read(client, one)) for one in singles]
            else:
                answers = [(block, found, why)]
            for asked, data, reason in answers:
                answered = answered or data is not None or not reason.startswith("nobody")
                for one in asked.registers:
                    value, trouble = (None, reason) if data is None else _value(one, asked, data)
                    if trouble:
                        refused += self._trouble(one, trouble)
                    else:
                        self._troubles.pop(one.label, None)
                        values.setdefault(one.device, {})[one.name] = value
        if not answered:
            raise Unavailable(f"{self._host}:{self._port} answers none of the questions")
        return values, refused

    def _trouble(self, one: Register, why: str) -> list[tuple[Register, str]]:
        said = f"{one.label}: {why}"
        new = self._troubles.get(one.label) != said
        self._troubles[one.label] = said
        return [(one, said)] if new else []

    def _envelopes(
        self,
        values: dict[str, dict[str, Any]],
        refused: Sequence[tuple[Register, str]],
        now_us: int,
        now_s: float,
    ) -> list[Envelope]:
        found = []
        for device, row in values.items():
            before, said_s = self._said.get(device, (None, 0.0))
            if before == row and now_s - said_s < self._repeat_s:
                continue
            self._said[device] = (row, now_s)
            body = orjson.dumps({"device": device, "time": iso(now_us), **row})
            key = f"{now_us} {device}"[:280]
            found.append(Envelope(self.name, key, now_us, body, {"topic": device[:200]}))
        for one, why in refused:
            key = f"refused {one.label}"[:280]
            meta = {"topic": one.device[:200], REFUSED: why}
            found.append(Envelope(self.name, key, now_us, why.encode(), meta))
        return found


async def _read(client: AsyncModbusTcpClient, block: Block) -> tuple[list[Any] | None, str]:
    """Bits or registers of one question; None with the reason when there are none."""
    from pymodbus.exceptions import ModbusException

    ask = {
        "coil": client.read_coils,
        "discrete": client.read_discrete_inputs,
        "holding": client.read_holding_registers,
        "input": client.read_input_registers,
    }[block.function]
    try:
        answer = await ask(block.address, count=block.count, device_id=block.unit)
    except (ModbusException, OSError) as error:
        return None, f"nobody answers: {error}"
    if answer.isError():
        code = getattr(answer, "exception_code", 0)
        words = EXCEPTIONS.get(code, "the device refuses for a reason of its own")
        return None, f"{words} (exception {code})"
    data = answer.bits if block.function in ("coil", "discrete") else answer.registers
    if len(data) < block.count:
        return None, f"the device gave {len(data)} of {block.count} values"
    return list(data), ""


def _value(one: Register, block: Block, data: list[Any]) -> tuple[Any, str]:
    at = one.address - block.address
    part = data[at : at + one.length]
    if one.type == "bool":
        return bool(part[0]), ""
    if one.bit is not None:
        return bool(part[0] >> one.bit & 1), ""
    from pymodbus.client.mixin import ModbusClientMixin

    kind = "string" if one.type == "text" else one.type
    try:
        value = ModbusClientMixin.convert_from_registers(
            part, ModbusClientMixin.DATATYPE[kind.upper()], word_order=one.words
        )
    except (ValueError, UnicodeDecodeError) as error:
        return None, f"what the device gave is no {one.type}: {error}"
    if isinstance(value, str):
        return value.rstrip("\x00 "), ""
    assert isinstance(value, int | float)
    if one.none is not None and value == one.none:
        return None, ""  # the device says that it has no value
    if isinstance(value, float) and not math.isfinite(value):
        return None, "the device gave no number"
    if one.type == "float32":
        value = float(f"{value:.7g}")  # it holds no more digits than these
    if (one.scale, one.offset) == (1.0, 0.0):
        return value, ""
    return float(f"{value * one.scale + one.offset:.9g}"), ""


def _registers(told: Told) -> list[Register]:
    found: list[Register] = []
    for line in told.lines("registers"):
        try:
            found.append(read_register(line))
        except BadRequestData as error:
            told.mistakes.append(error.detail)
    names = [(one.device, one.name) for one in found]
    for device, name in sorted({one for one in names if names.count(one) > 1}):
        told.mistake("registers", f"says {device}/{name} twice")
    return found


def connector(source: SourceFile, around: Around) -> ModbusConnector:
    """The poll of one device or gateway; ConfigurationError with every mistake."""
    return ModbusConnector(source, around)


async def look(source: SourceFile, around: Around) -> list[TableSeen]:
    """Read every register once; one table a device. Raises as the connector does."""
    reading = ModbusConnector(source, around)
    try:
        async with asyncio.timeout(18):
            values = await reading.read_once()
    except TimeoutError as error:
        raise Unavailable(f"Source {source.name} did not answer within 18 s") from error
    now = iso(around.clock.now_us())
    return [
        measured(device, [{"device": device, "time": now, **row}], reading.troubles[:5])
        for device, row in values.items()
    ]


DOOR: Final = Door(
    name="modbus",
    kind="device",
    title={"zh": "Modbus TCP 设备", "en": "Modbus TCP devices"},
    summary={
        "zh": "按寄存器表定时读取电表、水泵、控制器；异常码以文字说明。",
        "en": "Reads meters, pumps and controllers by a register map; exceptions come as words.",
    },
    settings=SETTINGS,
    look=look,
)
