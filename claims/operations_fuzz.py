"""Random inputs to the command ledger: no interlock broken, no command repeated, none sent while
everything is stopped or before a second person agreed, no device told more often than its rate."""

from __future__ import annotations

import asyncio
import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from claims.words import Finding, judged
from pintu.kernel.access import Actor
from pintu.kernel.errors import PintuError
from pintu.kernel.identity import ThinGate
from pintu.kernel.intake import Intake
from pintu.kernel.intake.words import Command, CommandReport
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.operations import Ask, Commands, Patience
from pintu.kernel.operations.journal import Journal
from pintu.kernel.operations.rules import Bound, Interlock, Rate, Rule, TwoPersons
from pintu.kernel.store.sqlite import open_sqlite
from pintu.kernel.tables import open_tables
from pintu.kernel.timers import Timers

LAMPS, PERSONS, RATE, RATE_S = 12, 4, 6, 120.0
RULE = Rule(
    two_persons=(TwoPersons(bound=Bound(argument="level", below=20)),),
    interlocks=(Interlock(name="works", q="works==true", why={"en": "work"}),),
    rate=Rate(most=RATE, per_s=RATE_S),
)
STATES = ("sent", "acknowledged", "confirmed", "failed", "cancelled", "held", "nonsense")
ARGUMENTS: tuple[Any, ...] = (0, 10, 20, 50, 100, -1, 1e9, True, None, "50", [], float("nan"))


class Hands:
    """A clock that the dice move."""

    rate = 1.0
    us = 1_790_000_000_000_000

    def now_us(self) -> int:
        """The city's time."""
        self.us += 1
        return self.us


@dataclass(slots=True)
class Watch:
    """What went out, beside what was allowed then."""

    clock: Hands
    shut: set[str] = field(default_factory=set)
    stopped: bool = False
    asked_by: dict[str, str] = field(default_factory=dict)
    allowed: set[str] = field(default_factory=set)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    seen: set[tuple[str, int]] = field(default_factory=set)
    times: dict[str, dict[str, int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    sent: int = 0

    def take(self, command: Command) -> None:
        """A command went to the process that sends it."""
        self.sent += 1
        name = (command.id, command.attempt)
        if name in self.seen:
            self.wrong.append(f"{name} was sent twice")
        self.seen.add(name)
        if command.target in self.shut:
            self.wrong.append(f"{command.target} was told while its interlock was shut")
        if self.stopped:
            self.wrong.append(f"{command.id} was sent while everything is stopped")
        level = command.arguments.get("level")
        dark = isinstance(level, bool) or not isinstance(level, int | float) or level < 20
        if dark and command.id not in self.allowed:
            self.wrong.append(f"{command.id} was sent without a second person")
        self.times.setdefault(command.target, {})[command.id] = command.created_us

    def rates(self) -> None:
        """No window of the rate has more than it allows."""
        for target, by_id in self.times.items():
            times = sorted(by_id.values())
            for first, last in zip(times, times[RATE:], strict=False):
                if last - first < RATE_S * 1e6:
                    self.wrong.append(f"{target} was told {RATE + 1} times in {RATE_S:.0f} s")


def person(number: int) -> Actor:
    """One of those who play."""
    name = f"p{number}"
    grants = frozenset({"command:demo"}) if number else frozenset({"read:demo"})
    return Actor(id=f"person:{name}", kind="person", person=name, grants=grants)


class Game:
    """One ledger and the dice."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.dice, self.clock = random.Random(seed), Hands()
        self.watch = Watch(self.clock)
        self.tables = open_tables(folder)
        self.store = open_sqlite(folder / "context.db", clock=self.clock)
        intake = Intake(self.store, ContextLibrary(folder / "c"), self.clock, self.tables)
        self.timers = Timers(self.tables, self.clock)
        patience = Patience(attempts=3, send_s=40, answer_s=20, effect_s=40, second_s=60)
        self.commands = Commands(
            self.tables,
            self.timers,
            self.clock,
            ThinGate(),
            patience={"lamps": patience},
            rules={("lamps", "Dim"): RULE},
        )
        self.commands.join(Journal(intake, self.clock), self.look)
        self.commands.on_dispatch(self.watch.take)
        self.ids: list[str] = []

    async def look(self, tenant: str, id: str) -> dict[str, Any] | None:
        """A lamp as it is; one is not known."""
        if id.endswith(":0"):
            return None
        works = {"type": "Property", "value": id in self.watch.shut}
        return {"id": id, "type": "Streetlight", "works": works}

    async def turn(self) -> None:
        """One input; what is refused is refused."""
        deeds = ["ask"] * 6 + ["report"] * 6 + ["many", "allow", "allow", "cancel", "flip"]
        deeds += ["flip", "stop", "release", "release", "time", "connect"]
        deed = getattr(self, f"_{self.dice.choice(deeds)}")
        try:
            await deed()
        except PintuError:
            return

    def some(self) -> Ask:
        """A wish that may be one, with a key that may be another's."""
        target = f"urn:x:lamp:{self.dice.randrange(LAMPS)}"
        level = self.dice.choice(ARGUMENTS)
        name = "Dim" if self.dice.random() < 0.97 else self.dice.choice(("dim", "", "D" * 99))
        key = self.dice.choice(("", f"k{self.dice.randrange(400)}", f"k{self.dice.randrange(400)}"))
        return Ask(piece="lamps", name=name, target=target, arguments={"level": level}, key=key)

    def kept(self, who: Actor, ask: Ask, command: Command) -> None:
        """The same person's same key is one command for ever."""
        before = self.watch.keys.setdefault((who.id, ask.key), command.id)
        if before != command.id:
            self.watch.wrong.append(f"key {ask.key} is two commands")
        self.watch.asked_by[command.id] = who.id
        self.ids.append(command.id)

    async def _ask(self) -> None:
        who, one = person(self.dice.randrange(PERSONS)), self.some()
        command = await self.commands.request(
            who, one.piece, one.name, one.target, one.arguments, key=one.key, tenant="demo"
        )
        self.kept(who, one, command)

    async def _many(self) -> None:
        who = person(self.dice.randrange(1, PERSONS))
        asks = [self.some() for _ in range(self.dice.randrange(1, 8))]
        found = await self.commands.request_many(who, asks, tenant="demo")
        for one, command in zip(asks, found.commands, strict=True):
            if command is not None:
                self.kept(who, one, command)

    def one(self) -> str:
        """A command, mostly a young one."""
        return self.dice.choice(self.ids[-30:]) if self.ids else "none"

    async def _report(self) -> None:
        state: Any = self.dice.choice(STATES)
        await self.commands.report(CommandReport(self.one(), state), "process:fuzz")

    async def _allow(self) -> None:
        who, id = person(self.dice.randrange(PERSONS)), self.one()
        second = self.watch.asked_by.get(id) != who.id and who.grants != frozenset({"read:demo"})
        if second:  # before the answer: it is sent while `allow` runs
            self.watch.allowed.add(id)
        await self.commands.allow(who, id)
        if not second:
            self.watch.wrong.append(f"{who.id} allowed {id} as their own second person")

    async def _cancel(self) -> None:
        await self.commands.cancel(person(self.dice.randrange(PERSONS)), self.one())

    async def _flip(self) -> None:
        target = f"urn:x:lamp:{self.dice.randrange(LAMPS)}"
        self.watch.shut ^= {target}

    async def _stop(self) -> None:
        if self.dice.random() < 0.1:
            await self.commands.stop_all(person(self.dice.randrange(PERSONS)), "x", tenant="demo")
            self.watch.stopped = True

    async def _release(self) -> None:
        who = person(self.dice.randrange(PERSONS))
        asked = self.commands.stops.of("demo")
        first = asked.asked_by if asked is not None else ""
        found = await self.commands.release(who, tenant="demo")
        if found.released_us:
            self.watch.stopped = False
            if not first or first == who.person:
                self.watch.wrong.append("one person released a stop")

    async def _time(self) -> None:
        self.clock.us += int(self.dice.choice((1, 5, 25, 70)) * 1e6)
        self.timers._wake.set()
        for _ in range(3):
            await asyncio.sleep(0.001)

    async def _connect(self) -> None:
        self.watch.seen.clear()  # a process begins anew: it knows nothing
        given = self.commands.to_send(frozenset({"lamps"}))
        for one in given:
            self.watch.take(one)

    async def play(self, turns: int) -> Watch:
        """So many inputs."""
        await self.timers.start()
        for _ in range(turns):
            await self.turn()
        self.watch.rates()
        await self.commands.stop()
        await self.timers.stop()
        await self.store.close()
        self.tables.close()
        return self.watch


def fuzz(turns: int, seed: int) -> Watch:
    """Play once."""
    with tempfile.TemporaryDirectory(prefix="fuzz-ledger-") as name:

        async def go() -> Watch:
            return await Game(Path(name), seed).play(turns)

        return asyncio.run(go())


def _found(turns: int) -> list[Finding]:
    watch = fuzz(turns, seed=20_261_123)
    return [
        judged(
            f"{turns:,} fuzzed inputs to the ledger, {watch.sent:,} sent",
            f"{len(watch.wrong)} rules broken",
            "0",
            not watch.wrong and watch.sent > turns // 50,
            "; ".join(watch.wrong[:3]),
        )
    ]


def quick() -> list[Finding]:
    """A thousand of them."""
    return _found(1_000)


def measure() -> list[Finding]:
    """Ten thousand."""
    return _found(10_000)
