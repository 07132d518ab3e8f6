"""Loads a folder into a table data set: `python file_child.py DATA STORE`; killed by tests."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from pintu.kernel.clock import CityClock
from pintu.kernel.exchange.landing import open_landing
from pintu.kernel.exchange.words import Column, DataSet
from pintu.kernel.intake.mapping import compile_mapping
from tests.kernel.intake.doors.file_scene import Scene

COLUMNS = [Column(name="id", key=True), Column(name="v")]


async def main(data: Path, store: str) -> None:
    """Run until there is nothing more, or until killed."""
    scene = Scene(data, store=store)
    tables = scene.tables
    data_set = DataSet(name="d", provider="table", columns=COLUMNS)
    landing = open_landing(tables, CityClock(), data_set, source="air/m")
    mapper = compile_mapping(scene.mapping, None, source="air")  # type: ignore[arg-type]
    print("ready", flush=True)
    reader = scene.reader()
    async for chunk in reader.chunks(await landing.position()):
        good, bad = mapper.rows(chunk.records)
        await landing.land(chunk.key, chunk.position, good, [*chunk.bad, *bad])
        reader.landed(chunk.position)
        print(len(chunk.records), flush=True)
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
