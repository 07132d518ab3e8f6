"""A made-up waterworks (演示) behind OPC UA: tanks and a pump whose values change, one ill sensor.

`python -m pintu.demo.opcua_device PORT`. The library it stands on is large, so the demo starts it
in a process of its own, and only once somebody connects (`Door`).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import socket
import sys
import time
from typing import Any

EVERY_S = 1.0
READY_WITHIN_S = 20.0
IDLE_S = 60.0
CONNECTIONS = 20
CHUNK = 65_536


async def serve(port: int) -> None:
    """The server itself, until cancelled."""
    from asyncua import ua
    from asyncua.server.server import Server
    from asyncua.ua.status_codes import StatusCodes

    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_server_name("演示水厂 / demo waterworks")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    space = await server.register_namespace("urn:demo:waterworks")
    plant = await server.nodes.objects.add_object(space, "DemoWaterworks")
    variables = await _build(plant, space)
    async with server:
        while True:
            now_s = time.time()
            for number, tank in enumerate(variables["level"]):
                await tank.write_value(round(3 + math.sin(now_s / 300 + number), 3))
            await variables["pressure"].write_value(round(0.35 + 0.02 * math.sin(now_s / 60), 4))
            await variables["running"].write_value(math.sin(now_s / 900) > -0.9)
            ill = ua.DataValue(
                ua.Variant(0.0, ua.VariantType.Double),
                ua.StatusCode(ua.UInt32(StatusCodes.BadSensorFailure)),
            )
            await server.write_attribute_value(variables["chlorine"].nodeid, ill)
            await asyncio.sleep(EVERY_S)


async def _build(plant: Any, space: int) -> dict[str, Any]:
    found: dict[str, Any] = {"level": []}
    for number in (1, 2):
        tank = await plant.add_object(space, f"Tank{number}")
        level = await tank.add_variable(f"ns={space};s=Tank{number}.Level", "Level", 3.0)
        found["level"].append(level)
        name = f"演示清水池 {number}"
        await tank.add_variable(f"ns={space};s=Tank{number}.Name", "Name", name)
    pump = await plant.add_object(space, "Pump1")
    for name, first in (("Pressure", 0.35), ("Running", True), ("Chlorine", 0.0)):
        made = await pump.add_variable(f"ns={space};s=Pump1.{name}", name, first)
        found[name.lower()] = made
    return found


class Door:
    """Listens where the server should be, starts it when the first caller comes, and lets it go
    when nobody has called for a minute."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0
        self._callers: set[asyncio.Task[Any]] = set()
        self._starting = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen; OSError when the port is taken."""
        self._server = await asyncio.start_server(self._call, host, port)

    async def stop(self) -> None:
        """Close every connection and end the server."""
        if self._server is not None:
            self._server.close()
        for one in list(self._callers):
            one.cancel()
        await self._let_go()

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._callers) >= CONNECTIONS:
            writer.close()
            return
        self._callers.add(task)
        if self._idle is not None:
            self._idle.cancel()
        try:
            async with self._starting:
                await self._ensure()
            inner, outer = await asyncio.open_connection("127.0.0.1", self._port)
            ways = [
                asyncio.create_task(_pipe(reader, outer)),
                asyncio.create_task(_pipe(inner, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                outer.close()
        except (OSError, TimeoutError):
            pass  # whoever called sees a closed connection and calls again
        except asyncio.CancelledError:
            pass  # the demo ends
        finally:
            self._callers.discard(task)
            writer.close()
            if not self._callers:
                loop = asyncio.get_running_loop()
                self._idle = loop.call_later(IDLE_S, self._forget)

    def _forget(self) -> None:
        self._idle = asyncio.get_running_loop().call_later(0, lambda: None)
        if not self._callers and self._process is not None and self._process.returncode is None:
            self._process.terminate()

    async def _ensure(self) -> None:
        if self._process is not None and self._process.returncode is None:
            return
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pintu.demo.opcua_device", str(self._port), str(os.getpid())
        )
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.close()
                return
            await asyncio.sleep(0.1)
        raise TimeoutError("The demo's OPC UA server did not start")

    async def _let_go(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()


async def _until_orphaned(parent: int) -> None:
    """End with the demo, however it ended."""
    while os.getppid() == parent:
        await asyncio.sleep(1.0)


async def _run(arguments: list[str]) -> None:
    serving = asyncio.create_task(serve(int(arguments[0])))
    if len(arguments) > 1:
        orphaned = asyncio.create_task(_until_orphaned(int(arguments[1])))
        await asyncio.wait((serving, orphaned), return_when=asyncio.FIRST_COMPLETED)
        return
    await serving


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(sys.argv[1:]))
