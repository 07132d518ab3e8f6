"""A small city for plays: lamps in the context, gateways that answer, a clock that is set."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from pintu.kernel.access import Actor
from pintu.kernel.configuration import Configuration
from pintu.kernel.identity import ThinGate
from pintu.kernel.intake import Intake
from pintu.kernel.intake.words import Batch, Command, CommandReport, Update
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.operations import Commands, Patience
from pintu.kernel.operations.journal import Journal
from pintu.kernel.operations.playbooks.desk import Desk
from pintu.kernel.operations.playbooks.looking import Looking
from pintu.kernel.operations.playbooks.plays import Plays
from pintu.kernel.operations.playbooks.schema import TABLES
from pintu.kernel.operations.rules import Rule
from pintu.kernel.operations.states import FINAL
from pintu.kernel.store.port import settled
from pintu.kernel.store.sqlite import open_sqlite
from pintu.kernel.tables import CityTables
from pintu.kernel.timers import Timers

BEGIN_US = 1_790_000_000_000_000


def person(name: str, *roles: str, commands: bool = True) -> Actor:
    """Somebody of the operations room."""
    grants = {"respond:demo", "command:demo"} if commands else {"respond:demo"}
    return Actor(
        id=f"person:{name}",
        kind="person",
        person=name,
        grants=frozenset(grants),
        roles=frozenset(roles),
    )


DUTY = person("duty", "duty")
SUPERVISOR = person("sup", "supervisor")
FOREMAN = person("fore", "foreman", commands=False)
PATIENT = Patience(send_s=30.0, answer_s=30.0, effect_s=30.0)
SQUARE = {
    "type": "Polygon",
    "coordinates": [
        [[120.0, 30.0], [120.01, 30.0], [120.01, 30.01], [120.0, 30.01], [120.0, 30.0]]
    ],
}


FROM_NS = time.monotonic_ns()
"""From here on, whenever the machine was started: night has playbooks of its own."""


class SetClock:
    """A clock that somebody sets; real seconds do not move it."""

    rate = 1.0

    def __init__(self, us: int = BEGIN_US) -> None:
        self.us = us

    def now_us(self) -> int:
        self.us += 1  # no two deeds at one time
        return self.us

    def on(self, seconds: float) -> None:
        self.us += int(seconds * 1e6)


class RunningClock(SetClock):
    """One that goes on by itself, and can be moved ahead."""

    def __init__(self) -> None:
        super().__init__(0)

    def now_us(self) -> int:
        return BEGIN_US + self.us + (time.monotonic_ns() - FROM_NS) // 1000


def lamp(number: int, level: float = 0.4, **more: Any) -> dict[str, Any]:
    """A lamp at its own place, a hundred metres from the next."""
    return {
        "id": f"urn:ngsi-ld:Streetlight:street_lights:L{number:05d}",
        "type": "Streetlight",
        "illuminanceLevel": level,
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [120.0 + number * 0.001, 30.005]},
        },
        **more,
    }


class Hands:
    """Opens orders, or sends messages: what was done, once a key."""

    def __init__(self) -> None:
        self.done: dict[str, dict[str, Any]] = {}
        self.undone: list[str] = []

    async def do(self, play: Any, given: dict[str, Any], *, key: str, targets: list[str]) -> str:
        self.done.setdefault(key, {**given, "targets": targets})
        return f"ref-{key}"

    async def undo(self, play: Any, ref: str, *, key: str, reason: str) -> None:
        if ref not in self.undone:
            self.undone.append(ref)


class Town:
    """One life of a city with plays; `obey` is what a lamp does when it is told something."""

    def __init__(
        self,
        tables: CityTables,
        folder: Path,
        *,
        rules: dict[tuple[str, str], Rule] | None = None,
        patience: Patience = PATIENT,
    ) -> None:
        self.clock = RunningClock()
        self.tables = tables
        self.store = open_sqlite(folder / "context.db", clock=self.clock)
        self.intake = Intake(self.store, ContextLibrary(folder / "contexts"), self.clock, tables)
        self.timers = Timers(tables, self.clock)
        self.gate = ThinGate()
        self.commands = Commands(
            tables,
            self.timers,
            self.clock,
            self.gate,
            patience={"street_lights": patience},
            rules=rules,
        )
        self.journal = Journal(self.intake, self.clock)
        self.configuration = Configuration(folder / "config", self.clock)
        looking = Looking(self.store)
        self.commands.join(self.journal, looking.entity)
        opened = tables.register(TABLES)
        self.journal.join(opened)
        desk = Desk(opened, self.journal, self.clock, looking)
        self.plays = Plays(desk, self.commands, self.timers, self.gate, self.configuration)
        self.orders, self.messages = Hands(), Hands()
        self.plays.hands.update(order=self.orders, message=self.messages)
        self.ended = False
        self.sent: list[Command] = []
        self.deaf: set[str] = set()  # lamps that do not answer
        self.lame: set[str] = set()  # lamps that acknowledge and do nothing
        self._tasks: set[asyncio.Task[None]] = set()
        self.commands.on_dispatch(self._take)

    async def start(self) -> None:
        """Everything that runs by itself."""
        await self.timers.start()
        await self.plays.start()

    async def end(self) -> None:
        """All of it, closed."""
        if self.ended:
            return
        self.ended = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.plays.stop()
        await self.timers.stop()
        await self.store.close()
        self.tables.close()

    async def put(self, *entities: dict[str, Any]) -> None:
        """Tell the city of things."""
        key = str(self.clock.now_us())
        updates = [Update(one, "merge") for one in entities]
        receipt = await self.intake.accept(Batch("test", "demo", key, updates))
        assert [] == receipt.errors

    async def level(self, number: int) -> int:
        """How bright a lamp is, in percent."""
        tenant = self.store.tenant("demo")
        assert tenant is not None
        id = lamp(number)["id"]
        record = await settled(self.store.retrieve(tenant, id))
        assert record is not None
        return round(100 * float(orjson.loads(record.body)["illuminanceLevel"]["value"]))

    def _take(self, command: Command) -> None:
        self.sent.append(command)
        task = asyncio.create_task(self._obey(command))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _obey(self, command: Command) -> None:
        if command.target in self.deaf:
            return
        for state in ("sent", "acknowledged", "confirmed"):
            if state == "confirmed":
                if command.target in self.lame:
                    return
                told = {"id": command.target, "type": "Streetlight"}
                await self.put({**told, "illuminanceLevel": command.arguments["level"] / 100})
            await self.commands.report(CommandReport(command.id, state), "process:field")


async def until(holds: Callable[[], Any], timeout_s: float = 10.0) -> None:
    """Wait until something holds; `holds` may be a coroutine function."""
    end_s = time.monotonic() + timeout_s
    while True:
        told = holds()
        if asyncio.iscoroutine(told):
            told = await told
        if told:
            return
        assert time.monotonic() < end_s, "it never came true"
        await asyncio.sleep(0.01)


async def lost_patience(town: Town, holds: Callable[[], Any]) -> None:
    """Wait until something holds; whenever nothing but broken devices keeps the ledger waiting, its
    patience is over: the clock goes ahead, so that a slow machine loses no healthy device."""

    async def held() -> bool:
        told = holds()
        if await told if asyncio.iscoroutine(told) else told:
            return True
        open_ones = [one for one in await town.commands.recent() if one.state not in FINAL]
        broken = town.deaf | town.lame
        if open_ones and all(one.command.target in broken for one in open_ones):
            town.clock.on(31)
            await town.timers.set("test.nudge", "nudge", town.clock.now_us())
        return False

    await until(held)


async def states(town: Town, cause: str, *wanted: str) -> bool:
    """Whether every play of a cause is in one of these states."""
    return all(one.state in wanted for one in await town.plays.list_for(cause))
