"""The desk of loads with the real database door, on a broker that takes everything:
`python database_child.py DATA`; killed by tests."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from pintu.kernel.clock import CityClock
from pintu.kernel.configuration import Configuration
from pintu.kernel.egress import Egress
from pintu.kernel.intake.words import Batch, Envelope, Receipt, SourceReport
from pintu.kernel.tables import open_tables
from pintu.processes import loads_job
from pintu.processes.loads_desk import Desk, Ground
from pintu.vocabulary.mapping_words import mapping_words


class Link:
    """The broker's end reduced to what the desk asks of it; quarantine is told on stdout."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def accept(self, batch: Batch) -> Receipt:
        for one in batch.unreadable:
            print("bad", one.reason, flush=True)
        return Receipt(batch.key, len(batch.updates), len(batch.unreadable))

    async def report_source(self, report: SourceReport) -> None:
        pass

    async def retries(self, _piece: str) -> AsyncIterator[Envelope]:
        await asyncio.Event().wait()
        yield Envelope("", "", 0, b"")


async def main(data: Path) -> None:
    """Run until killed."""
    link: Any = Link()
    clock = CityClock()
    vars(loads_job)["BACK_OFF_S"] = (0.2,)
    ground = Ground(
        data=data,
        clock=clock,
        egress=Egress(allow_loopback=True),
        link=link,
        tables=open_tables(data),
        words=mapping_words,
    )
    print("ready", flush=True)
    await Desk(Configuration(data / "config", clock), ground).run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
