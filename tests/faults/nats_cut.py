"""The line between a site and NATS is cut, silently or not, while both sites go on writing; after
each cut both catch up. `python -m tests.faults.nats_cut --cuts N`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.faults.nats_sites import Told, load, settle, two_sites
from tests.faults.seen import Seen
from tests.kernel.relay.conftest import Site, until
from tests.nats import nats_server


class CutLine:
    """A TCP proxy on loopback; cut, it either resets what is open or swallows all of it."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._flows = asyncio.Event()
        self._flows.set()
        self.port = 0

    async def start(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_server(self._joined, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.close()
            return
        self._open |= {writer, back}
        for source, target in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._carry(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                if not self._flows.is_set():  # what is under way when it is cut is gone
                    break
                target.write(data)
                await target.drain()
        if self._flows.is_set():
            target.close()

    async def cut(self, *, silent: bool) -> None:
        """Nothing gets through; silent: and nobody is told."""
        self._flows.clear()
        if not silent:
            assert self._server is not None
            self._server.close()
            self._reset()

    def _reset(self) -> None:
        for one in self._open:
            one.transport.abort()
        self._open.clear()

    async def mend(self) -> None:
        """It flows again; what was open is not."""
        self._reset()
        self._flows.set()
        if self._server is not None and not self._server.is_serving():
            await self.start()

    async def stop(self) -> None:
        """Take no more."""
        if self._server is not None:
            self._server.close()
        self._reset()
        for task in set(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@dataclass(slots=True)
class Figures:
    """What happened in one run."""

    cuts: int = 0
    longest_cut_s: float = 0.0
    written_cut_off: int = 0  # rows acknowledged by the site that was cut off, meanwhile


async def cuts(number: int, seconds: float, told: tuple[Told, Told]) -> Figures:
    """So many cuts of one site's line, silent ones in turn, both sites sending and landing."""
    figures = Figures()
    with nats_server() as server, tempfile.TemporaryDirectory(prefix="pintu-cut-") as folder:
        line = CutLine(server.port)
        await line.start()
        async with two_sites(Path(folder)) as (here, there):
            await _join(here, there, server.url)
            await _join(there, here, f"nats://127.0.0.1:{line.port}")
            await until(lambda: _up(here) and _up(there), 30)
            writing = [
                asyncio.create_task(load(here, "own", told[0], 1)),
                asyncio.create_task(load(there, "own", told[1], 2)),
            ]
            for cut in range(number):
                await asyncio.sleep(0.5)
                before, began = told[1].answers, time.monotonic()
                await line.cut(silent=bool(cut % 2))
                await asyncio.sleep(seconds)
                figures.written_cut_off += told[1].answers - before
                await line.mend()
                figures.cuts += 1
                figures.longest_cut_s = max(figures.longest_cut_s, time.monotonic() - began)
                await until(lambda: _up(here) and _up(there), 30)
            for task in writing:
                task.cancel()
            await asyncio.gather(*writing, return_exceptions=True)
            await settle(here, there, "own", "theirs", told[0])
            await settle(there, here, "own", "theirs", told[1])
        await line.stop()
    return figures


async def _join(site: Site, other: Site, url: str) -> None:
    into = {other.name: {"tenants": {"own": "theirs"}}}
    await site.relay(urls=url, max_mb=200, out={"own": {}}, **{"in": into})


def _up(site: Site) -> bool:
    room = site.room
    assert room is not None and room.outgoing is not None
    return room.outgoing.state == "up" and room.outgoing.behind < 50


def measured(number: int, seconds: float) -> tuple[Figures, Told, Told]:
    """So many cuts, what became of both sites."""
    told = (Told(), Told())
    figures = asyncio.run(cuts(number, seconds, told))
    return figures, *told


def line_of(figures: Figures, one: Told, other: Told) -> str:
    """What happened, in one line."""
    behind, after = max(one.longest_behind, other.longest_behind), other.caught_up_s
    return (
        f"line of a site cut {figures.cuts} times, up to {figures.longest_cut_s:.1f} s: it took "
        f"{figures.written_cut_off} rows meanwhile, {one.answers} and {other.answers} in all, at "
        f"most {behind} behind, even {max(one.caught_up_s, after):.1f} s after; both copies equal"
    )


def measure(way: str, tries: int) -> Seen:
    """So many cuts, for the table of faults; short ones when they are few."""
    figures, one, other = measured(tries, 2.0 if tries <= 2 else 10.0)
    return Seen(
        tries=figures.cuts,
        acknowledged=one.answers + other.answers,
        wrong=one.wrong + other.wrong,
        recovered_s=max(one.caught_up_s, other.caught_up_s),
        told=line_of(figures, one, other),
    )


def main() -> int:
    """The figures on one line; what is wrong on lines of its own."""
    parser = argparse.ArgumentParser(prog="tests.faults.nats_cut", description=__doc__)
    parser.add_argument("--cuts", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=10.0)
    asked = parser.parse_args()
    figures, one, other = measured(asked.cuts, asked.seconds)
    print(line_of(figures, one, other))
    for text in (one.wrong + other.wrong)[:20]:
        print(f"  {text}", file=sys.stderr)
    return 1 if one.wrong or other.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
