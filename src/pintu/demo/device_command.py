"""What `python -m pintu.demo` is told about devices nobody wired and the file somebody drops."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from pintu.demo.district import Road
from pintu.demo.modbus_device import ModbusDevice
from pintu.demo.opcua_device import Door
from pintu.demo.points import drop


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of devices and files; without them there are none."""
    parser.add_argument("--modbus-port", type=int, help="of a pumping station behind Modbus TCP")
    parser.add_argument("--opcua-port", type=int, help="of a waterworks behind OPC UA")
    parser.add_argument("--inbox", type=Path, help="drop a file of public points into this folder")


def mistakes(told: argparse.Namespace) -> list[str]:
    """What is wrong with them, in words."""
    ports = {"--modbus-port": told.modbus_port, "--opcua-port": told.opcua_port}
    return [
        f"{name} is not between 1 and 65535"
        for name, port in ports.items()
        if port is not None and not 1 <= port <= 65_535
    ]


@dataclass(slots=True)
class Devices:
    """The devices that are there."""

    modbus: ModbusDevice | None = None
    opcua: Door | None = None

    async def stop(self) -> None:
        """Close what is open."""
        for one in (self.modbus, self.opcua):
            if one is not None:
                await one.stop()


async def start(told: argparse.Namespace, roads: list[Road]) -> Devices:
    """Drop the file and open the devices; OSError when a port is taken."""
    if told.inbox:
        drop(told.inbox, roads, told.seed)
    devices = Devices()
    if told.modbus_port:
        devices.modbus = ModbusDevice(told.clock.now_s)
        await devices.modbus.start(told.host, told.modbus_port)
        print(f"演示 / demo: pumps behind Modbus TCP {told.host}:{told.modbus_port}", flush=True)
    if told.opcua_port:
        devices.opcua = Door()
        await devices.opcua.start(told.host, told.opcua_port)
        print(f"演示 / demo: waterworks behind opc.tcp://{told.host}:{told.opcua_port}", flush=True)
    return devices
