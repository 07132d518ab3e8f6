"""A process that writes to a city on a server and follows its changes until it is killed, saying
each thing on its output: what it was answered, what was refused, what its durable reader saw.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys

from pintu.kernel.clock import CityClock
from pintu.kernel.errors import Unavailable
from pintu.kernel.feed import Feed, cursor_of
from pintu.kernel.store.port import Store
from pintu.kernel.store.postgres import open_postgres
from tests.faults.promises import Promises

TASKS = 16
READER = "watch"


def say(*words: object) -> None:
    """One line that is out before anything else happens."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


class Telling(Promises):
    """Says each answer after it came, and each refusal."""

    def promise(self, id: str, value: int | None, position: int) -> None:
        super().promise(id, value, position)
        say("ack", id, value, position)

    def refuse(self, id: str, value: int | None, error: Unavailable) -> None:
        super().refuse(id, value, error)
        say("no", id, value, type(error).__name__)


async def follow(store: Store) -> None:
    """A durable reader of every change; its place is kept now and then."""
    feed = Feed(store)
    stream = feed.subscribe(READER, after=cursor_of(0))
    say("from", stream.position)
    async for batch in stream.batches():
        say("seen", *(change.position for change in batch))
        stream.position = batch[-1].position
        try:
            await stream.save()
        except Unavailable:
            await asyncio.sleep(0.01)
        else:
            say("kept", stream.position)


async def main(address: str, life: int) -> None:
    """Write with 16 tasks and read with one until SIGTERM; then finish what is queued."""
    store = await open_postgres(address, clock=CityClock(), patience_s=None)
    promises = Telling()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    reader = asyncio.create_task(follow(store))
    writers = [
        asyncio.create_task(promises.write(store, life * TASKS + one, random.Random(one)))
        for one in range(TASKS)
    ]
    ended, _ = await asyncio.wait(
        [asyncio.create_task(stop.wait()), reader, *writers], return_when=asyncio.FIRST_COMPLETED
    )
    for one in ended:
        one.result()  # a reader or a writer that broke is not an orderly end
    for task in writers:
        task.cancel()
    await asyncio.sleep(0.3)
    while reader.done() is False and store.cursors().get(READER, 0) < store.head():
        await asyncio.sleep(0.05)
    figures = store.statistics()
    reader.cancel()
    await store.close()
    say("end", figures["head"], figures.get("lost_positions", 0), figures["reconnects"])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
