"""Three NATS servers; the one that leads the stream is killed -9 under load, again and again.
`python -m tests.faults.nats_leader --rounds N`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pintu.kernel.relay.outgoing import Outgoing
from tests.faults.nats_sites import Told, load, settle, stream_in_order, two_sites
from tests.faults.seen import Seen
from tests.kernel.relay.conftest import until
from tests.nats import NatsServer, leader_of, nats_cluster

STREAM = "pintu_river"


@dataclass(slots=True)
class Figures:
    """What happened in one run."""

    kills: int = 0
    longest_s: float = 0.0  # from a kill until the next message was acknowledged
    sent: int = 0


def _further(out: Outgoing, before: int) -> bool:
    return out.position > before + 20


async def rounds(servers: list[NatsServer], number: int, told: Told) -> Figures:
    """So many kills of whoever leads, each brought back before the next."""
    figures = Figures()
    urls = [one.url for one in servers]
    with tempfile.TemporaryDirectory(prefix="pintu-leader-") as folder:
        async with two_sites(Path(folder)) as (here, there):
            room = await here.relay(urls=urls, replicas=3, max_mb=200, out={"lamps": {}})
            into = {"river": {"tenants": {"lamps": "lamps"}}}
            await there.relay(urls=urls, **{"in": into})
            out = room.outgoing
            assert out is not None
            await until(lambda: out.state == "up", 60)
            writing = asyncio.create_task(load(here, "lamps", told, 1))
            for _ in range(number):
                await until(lambda: out.state == "up", 60)
                await asyncio.sleep(1.0)
                leader = await asyncio.to_thread(leader_of, servers, STREAM)
                if leader is None:
                    continue
                before, began = out.position, time.monotonic()
                await asyncio.to_thread(leader.kill)
                figures.kills += 1
                await until(partial(_further, out, before), 60)
                figures.longest_s = max(figures.longest_s, time.monotonic() - began)
                await asyncio.to_thread(leader.start)
            await asyncio.sleep(0.5)
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writing
            await settle(here, there, "lamps", "lamps", told)
            figures.sent = out.sent
            alive = next(one for one in servers if one.alive())
            told.wrong += await asyncio.to_thread(stream_in_order, alive, STREAM)
    return figures


def measured(number: int) -> tuple[Figures, Told]:
    """A cluster, so many kills, what became of both sites."""
    told = Told()
    with nats_cluster() as servers:
        figures = asyncio.run(rounds(servers, number, told))
    return figures, told


def line(figures: Figures, told: Told) -> str:
    """What happened, in one line."""
    return (
        f"NATS leader of three killed {figures.kills} times under load: {told.answers} rows "
        f"acknowledged, {figures.sent} sent, at most {figures.longest_s:.1f} s until the next was "
        f"taken, at most {told.longest_behind} behind; the copy is equal row by row"
    )


def measure(way: str, tries: int) -> Seen:
    """So many kills, for the table of faults."""
    figures, told = measured(tries)
    return Seen(
        tries=figures.kills,
        acknowledged=told.answers,
        wrong=told.wrong,
        recovered_s=figures.longest_s,
        told=line(figures, told),
    )


def main() -> int:
    """The figures on one line; what is wrong on lines of its own."""
    parser = argparse.ArgumentParser(prog="tests.faults.nats_leader", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    figures, told = measured(parser.parse_args().rounds)
    print(line(figures, told))
    for one in told.wrong[:20]:
        print(f"  {one}", file=sys.stderr)
    return 1 if told.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
