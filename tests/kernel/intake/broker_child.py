"""A broker reduced to intake and its socket: `python broker_child.py DATA`; killed by tests."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from pintu.kernel.clock import CityClock
from pintu.kernel.identity import Identity
from pintu.kernel.intake import Intake, socket_server
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.operations import Commands
from pintu.kernel.store.sqlite import open_sqlite
from pintu.kernel.tables import open_tables
from pintu.kernel.timers import Timers


async def main(data: Path) -> None:
    """Run until killed."""
    clock = CityClock()
    tables = open_tables(data)
    store = open_sqlite(data / "city.db", clock=clock)
    intake = Intake(store, ContextLibrary(data / "contexts", clock=clock), clock, tables)
    timers = Timers(tables, clock)
    commands = Commands(tables, timers, clock, Identity(tables, clock).gate)
    await timers.start()
    await intake.start()
    await socket_server(intake, commands, store, data / "broker.sock")
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
