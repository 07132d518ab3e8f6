"""The desk of loads with a slow made-up door: `python loads_child.py DATA`; killed by tests."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pintu.kernel.clock import CityClock
from pintu.kernel.configuration import Configuration
from pintu.kernel.egress import Egress
from pintu.kernel.intake.doors import register
from pintu.kernel.intake.link import FieldLink
from pintu.kernel.intake.loading_words import Chunk
from pintu.kernel.tables import open_tables
from pintu.processes.loads_desk import Desk, Ground
from pintu.vocabulary.mapping_words import mapping_words

CHUNKS, SIZE = 40, 50


class Counting:
    """Hands out CHUNKS chunks of SIZE records; each ninth record cannot be read."""

    async def chunks(self, after: str) -> AsyncIterator[Chunk]:
        for number in range(int(after or 0), CHUNKS):
            first = number * SIZE + 1
            records = [(n, record(n)) for n in range(first, first + SIZE)]
            yield Chunk(
                records=records,
                position=str(number + 1),
                key=f"c{number}",
                full=number == CHUNKS - 1,
                total=CHUNKS * SIZE,
            )
            await asyncio.sleep(0.01)


def record(number: int) -> dict[str, Any]:
    """One record."""
    capacity = "twelve" if number % 9 == 0 else str(number)
    return {"id": f"P{number}", "name": f"place {number}", "capacity": capacity}


def door() -> Any:
    """A module as the register gives it."""
    made = SimpleNamespace(name="counting", kind="load", settings=())
    return SimpleNamespace(DOOR=made, make_reader=lambda _source, _mapping, _around: Counting())


async def main(data: Path, address: str) -> None:
    """Run until killed."""
    clock = CityClock()
    sys.modules["pintu_counting"] = door()
    register.DOORS["counting"] = "pintu_counting"
    ground = Ground(
        data=data,
        clock=clock,
        egress=Egress(),
        link=FieldLink(data / "broker.sock", name="loads", pieces=["loads"]),
        tables=open_tables(data, address),
        words=mapping_words,
    )
    desk = Desk(Configuration(data / "config", clock), ground)
    print("ready", flush=True)
    await desk.run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), (sys.argv[2:] or ["sqlite:"])[0]))
