"""Every door there is, by name; a door's module is imported when somebody asks for that door."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Final

from pintu.kernel.errors import ConfigurationError, ResourceNotFound
from pintu.kernel.intake.doors.device import DeviceConnector
from pintu.kernel.intake.doors.words import Around, Door, SourceFile

_HERE: Final = "pintu.kernel.intake.doors."
DOORS: Final[dict[str, str]] = {
    "mqtt": _HERE + "mqtt",
    "push": _HERE + "push",
    "poll": _HERE + "poll",
    "hj212": _HERE + "hj212",
    "opcua": _HERE + "opcua",
    "modbus": _HERE + "modbus",
    "folder": _HERE + "folder",
    "upload": _HERE + "upload",
    "fetch": _HERE + "fetch",
    "database": _HERE + "database",
}
"""Name → module. Each exports `DOOR`; a device's also `connector`, a load's also `make_reader`."""

MakeConnector = Callable[[SourceFile, Around], DeviceConnector]


def door_module(name: str) -> ModuleType:
    """The module of a door; ResourceNotFound for a name that is none, ConfigurationError when what
    it stands on is not installed."""
    path = DOORS.get(name)
    if path is None:
        raise ResourceNotFound(f"There is no door called {name[:40]!r}: {', '.join(DOORS)}")
    try:
        return importlib.import_module(path)
    except ImportError as error:
        raise ConfigurationError([f"Door {name} cannot be opened here: {error}"]) from error


def find_door(name: str) -> Door:
    """One door, as the pages and the processes know it; raises as `door_module` does."""
    door = door_module(name).DOOR
    assert isinstance(door, Door)
    return door


def device_connector(source: SourceFile, around: Around) -> DeviceConnector:
    """The connector of a device source, not started.

    Raises ConfigurationError with every mistake of the source's settings.
    """
    module = door_module(source.door)
    if module.DOOR.kind != "device":
        raise ConfigurationError([f"Door {source.door} loads: no device enters by it"])
    make: MakeConnector = module.connector
    return make(source, around)
