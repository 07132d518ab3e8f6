"""A made-up pumping station (演示) behind Modbus TCP: two pumps whose registers change.

Unit 1, holding registers from 0, a pump every 20: temperature (int16, tenths of a degree), running
(0 or 1), flow (float32, m³/h), energy (uint32, kWh). Whatever else is asked for is exception 2.
`python -m pintu.demo.modbus_device PORT`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import struct
import sys
from collections.abc import Callable

PUMPS = 2
STRIDE = 20
HEADER = struct.Struct(">HHHB")
READ_HOLDING = 3
BAD_FUNCTION, BAD_ADDRESS, BAD_COUNT = 1, 2, 3
MOST = 125
CONNECTIONS = 50


def registers(now_s: float) -> dict[int, int]:
    """What the station measures at a moment, by address."""
    found = {}
    for pump in range(PUMPS):
        turn = now_s / 600 + pump
        running = int(math.sin(turn / 3) > -0.8)
        warm = round(10 * (35 + 8 * math.sin(turn) * running))
        flow = running * (120 + 15 * math.sin(5 * turn))
        energy = int(now_s / 3600 * 22) % 4_000_000_000
        words = struct.unpack(">HHHHHH", struct.pack(">hHfI", warm, running, flow, energy))
        found.update({pump * STRIDE + at: word for at, word in enumerate(words)})
    return found


def answer(question: bytes, now_s: float) -> bytes:
    """The answer to one protocol data unit."""
    if len(question) != 5 or question[0] != READ_HOLDING:
        return bytes((question[0] | 0x80 if question else 0x80, BAD_FUNCTION))
    address, count = struct.unpack(">HH", question[1:])
    if not 1 <= count <= MOST:
        return bytes((READ_HOLDING | 0x80, BAD_COUNT))
    known = registers(now_s)
    wanted = range(address, address + count)
    if not all(one in known for one in wanted):
        return bytes((READ_HOLDING | 0x80, BAD_ADDRESS))
    return bytes((READ_HOLDING, 2 * count)) + struct.pack(
        f">{count}H", *(known[one] for one in wanted)
    )


class ModbusDevice:
    """A server for a few masters at a time; light enough to run beside everything else."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self, host: str, port: int) -> None:
        """Listen; OSError when the port is taken."""
        self._server = await asyncio.start_server(self._serve, host, port)

    async def stop(self) -> None:
        """Close every connection."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= CONNECTIONS:
            writer.close()
            return
        self._open.add(writer)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    head = await reader.readexactly(HEADER.size)
                    number, protocol, length, unit = HEADER.unpack(head)
                    if protocol or not 2 <= length <= 254:
                        return
                    told = answer(await reader.readexactly(length - 1), self._now_s())
                    writer.write(HEADER.pack(number, 0, len(told) + 1, unit) + told)
                    await writer.drain()
        finally:
            self._open.discard(writer)
            writer.close()


async def _run(port: int) -> None:
    import time

    device = ModbusDevice(time.time)
    await device.start("127.0.0.1", port)
    print(f"演示 / demo: a pumping station behind Modbus TCP 127.0.0.1:{port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(int(sys.argv[1])))
