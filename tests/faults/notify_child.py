"""A town that tells its subscribers until it is killed, saying what it wrote and what it promised.

`python -m tests.faults.notify_child FOLDER PORT RATE SEED`: writes lamps, lets somebody unsubscribe
or lose their right now and then, and prints a line for each deed when it is done: `wrote LAMP
NUMBER`, `subscribed NAME`, `gone NAME`, `revoked NAME`, each with a time: of the town's clock for
those that end something, which messages tell too, else the machine's monotonic one. A line on its
input ends the writing; it says `idle` when nobody is owed anything.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from pathlib import Path
from typing import Any

import orjson

from pintu.kernel.access import WHOLE, Act, Actor, Gate, Projection
from pintu.kernel.calling import Caller
from pintu.kernel.clock import CityClock, Clock
from pintu.kernel.context import write
from pintu.kernel.egress import Egress
from pintu.kernel.errors import Forbidden
from pintu.kernel.feed import Feed
from pintu.kernel.jsonld import CORE, ContextLibrary
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Op, Store, settled
from pintu.kernel.subscriptions.keeping import Subscriptions
from pintu.kernel.subscriptions.reading import Filed, build, read_document
from pintu.kernel.subscriptions.ways import open_delivery
from pintu.kernel.subscriptions.words import Asker
from pintu.kernel.tables import open_tables

LAMPS = 6
STAYING = ("whole1", "whole2", "whole3", "agreed1", "agreed2")
"""Who subscribes once and stays; those of an agreement are shown one attribute."""

WRITES_S = 25.0
TIMEOUT_MS = 300


def say(deed: str, *words: object) -> None:
    """A deed that is done: from here on it must be true for ever."""
    sys.stdout.write(" ".join(map(str, (deed, *words))) + "\n")
    sys.stdout.flush()


def now() -> int:
    """The machine's monotonic time in ns."""
    return time.monotonic_ns()


class FileGate:
    """Agreements as files: a name in the folder `revoked` has none any more."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "revoked"
        self._folder.mkdir(exist_ok=True)
        self._revoked = {one.name for one in self._folder.iterdir()}

    def decide(self, actor: Actor, act: Act) -> Projection:
        """The whole, one attribute under an agreement, or nothing after it ended."""
        if actor.id in self._revoked:
            raise Forbidden(f"The agreement of {actor.id} is over")
        if actor.id.startswith("agreed"):
            return Projection(attributes=frozenset({"number"}))
        return WHOLE

    def revoke(self, name: str) -> None:
        """Durable before anybody hears of it."""
        (self._folder / name).touch()
        self._revoked.add(name)


class Life:
    """One life of the town."""

    clock: Clock
    store: Store
    caller: Caller | None
    gate: Gate

    def __init__(self, folder: Path, port: int, clock: CityClock, dice: random.Random) -> None:
        self.folder, self.port, self.clock, self.dice = folder, port, clock, dice
        self.writing = True

    async def open(self) -> None:
        """Open every room and begin to tell."""
        self.tables = open_tables(self.folder, "sqlite:")
        self.store = await open_store("sqlite:", self.folder, clock=self.clock)
        self.egress = Egress(allow=("127.0.0.1",))
        self.caller = Caller(self.egress)
        self.library = ContextLibrary(self.folder / "contexts", egress=Egress(), clock=self.clock)
        self.gate = self.agreed = FileGate(self.folder)
        self.feed = Feed(self.store)
        self.subscriptions = Subscriptions(self.tables, self.store, self.clock)
        self.delivery = open_delivery(self.subscriptions, self)
        await self.delivery.start()
        for name in STAYING:
            if self.subscriptions.find(1, _id(name)) is None:
                await self.subscribe(name)

    async def subscribe(self, name: str) -> None:
        """Somebody wants to hear of every lamp."""
        endpoint = {"uri": f"http://127.0.0.1:{self.port}/{name}", "timeout": TIMEOUT_MS}
        sent: dict[str, Any] = {
            "type": "Subscription",
            "entities": [{"type": "Lamp"}],
            "watchedAttributes": ["number"],
            "notification": {"endpoint": endpoint},
        }
        now_us = self.clock.now_us()
        filed = Filed(
            id=_id(name), tenant=1, tenant_name="", asker=Asker(id=name), created_us=now_us
        )
        await self.subscriptions.add(build(read_document(sent, CORE, now_us), filed))
        say("subscribed", name, now())

    async def write(self) -> None:
        """The next number of some lamp, and a secret beside it."""
        id = f"urn:ngsi-ld:Lamp:{self.dice.randrange(LAMPS)}"
        record = await settled(self.store.retrieve(1, id))
        number = 1 + (orjson.loads(record.body)["number"]["value"] if record else 0)
        entity = {
            "id": id,
            "type": "Lamp",
            "number": {"type": "Property", "value": number},
            "secret": {"type": "Property", "value": f"secret {number}"},
        }
        outcomes = await self.store.submit([Op(1, id, write.upsert_replace(entity))])
        if outcomes[0].error is None:
            say("wrote", id, number, now())

    async def live(self) -> None:
        """Write until told to end; now and then somebody comes, goes, or loses their right."""
        guests = [one for one in self.subscriptions.every() if "guest" in one.id]
        while self.writing:
            await self.write()
            chance = self.dice.random()
            if chance < 0.03 and len(guests) < 3:
                name = f"guest{time.monotonic_ns()}"
                await self.subscribe(name)
                guests.append(self.subscriptions.get(1, _id(name)))
            elif chance < 0.05 and guests:
                gone = guests.pop(0)
                await self.subscriptions.remove(1, gone.id)
                say("gone", gone.asker.id, self.clock.now_us())
            elif chance < 0.06 and guests:
                name = guests[0].asker.id
                self.agreed.revoke(name)
                say("revoked", name, self.clock.now_us())
            await asyncio.sleep(self.dice.random() * 2 / WRITES_S)
        while any(one.owing and not one.stopped for one in self.delivery.channels.values()) or (
            self.delivery.follower.position < self.store.head()
        ):
            await asyncio.sleep(0.02)
        say("idle", now())


def _id(name: str) -> str:
    return f"urn:ngsi-ld:Subscription:{name}"


async def main(folder: Path, port: int, rate: float, seed: int) -> None:
    """Live until killed, or until a line comes in and nobody is owed anything."""
    began_file = folder / "began"
    if not began_file.exists():
        began_file.write_text(str(time.time_ns() // 1000))
    clock = CityClock(1_700_000_000_000_000, int(began_file.read_text()), rate)
    life = Life(folder, port, clock, random.Random(seed))
    await life.open()

    def told() -> None:
        sys.stdin.readline()
        life.writing = False

    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), told)
    await life.live()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
