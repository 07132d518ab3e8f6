"""10,000 fuzzed inputs to the command ledger and the plays: no interlock broken, no command
repeated, nothing sent without its second person or while commands are stopped.

Everything is asked of the real rooms over a store of their own: commands with arguments that can
and cannot be, keys that come again with the same and with other words, second persons who are the
first, stops and releases, reports that make no sense, lamps that go into maintenance between. What
reaches a device is looked at there, at the moment it comes.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from claims.operations_stand import run
from claims.words import Finding, judged
from pintu.kernel.access import Actor
from pintu.kernel.errors import PintuError
from pintu.kernel.intake.words import Command, CommandReport
from pintu.kernel.operations import Patience
from pintu.kernel.operations.rules import Rule, read_rule

INPUTS, LAMPS, DARK_BELOW, MOST_MINUTE = 10_000, 40, 20, 30
RULE = {
    "two_persons": [{"bound": {"argument": "level", "below": DARK_BELOW}}],
    "interlocks": [
        {
            "name": "maintenance", "q": 'maintenance=="yes"',
            "why": {"zh": "有人在检修", "en": "somebody works on it"},
        }
    ],
    "rate": {"most": MOST_MINUTE, "per_s": 60.0},
}  # fmt: skip
PIECE, DIM = "street_lights", "DimLamp"
WEIRD: tuple[Any, ...] = (
    None, True, "", "100", -1, 101, 1e308, float("nan"), [], {}, "x" * 20_000, 0, 5, 19, 19.999,
    20, 100, {"a": {"b": [1] * 50}},
)  # fmt: skip


def _actor(name: str, *, may: bool = True) -> Actor:
    grants = frozenset({"respond:demo", "command:demo"} if may else {"read:demo"})
    return Actor(
        id=f"person:{name}", kind="person", person=name, grants=grants, roles=frozenset({"duty"})
    )


PEOPLE = (_actor("a"), _actor("b"), _actor("c", may=False))


@dataclass(slots=True)
class Seen:
    """What reached devices, and what was wrong about it."""

    sent: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    by_key: dict[tuple[str, str], str] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)


class Fuzz:
    """One city, one dice."""

    def __init__(self, town: Any, dice: random.Random) -> None:
        self.town, self.dice, self.seen = town, dice, Seen()
        self.shut: set[str] = set()
        self.stopped = False
        self.allowed: dict[str, str] = {}  # command → who allowed it
        self.known: list[Command] = []
        self.asked: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}

    def arrived(self, command: Command) -> None:
        """A command reaches its device."""
        seen = self.seen
        seen.sent[command.id] += 1
        level = command.arguments.get("level")
        number = isinstance(level, int | float) and not isinstance(level, bool)
        if command.target in self.shut:
            seen.wrong.append(f"{command.id}: sent while its interlock was shut")
        if (not number or level < DARK_BELOW) and command.id not in self.allowed:  # type: ignore[operator]
            seen.wrong.append(f"{command.id}: level {level!r} sent with one person")
        if self.allowed.get(command.id) == command.actor:
            seen.wrong.append(f"{command.id}: allowed by who asked")
        if self.stopped:
            seen.wrong.append(f"{command.id}: sent while commands were stopped")

    async def step(self) -> None:
        """One input."""
        kind = self.dice.choices(
            ("ask", "again", "allow", "report", "cancel", "lamp", "stop", "release"),
            (40, 12, 14, 14, 5, 10, 1, 24),
        )[0]
        self.seen.kinds[kind] += 1
        try:
            await getattr(self, f"_{kind}")()
        except PintuError as error:
            self.seen.refused[type(error).__name__] += 1

    async def _ask(self) -> None:
        dice = self.dice
        key = f"k{dice.randrange(4_000)}" if dice.random() > 0.03 else dice.choice(("", "x" * 300))
        level = dice.choice(WEIRD) if dice.random() < 0.4 else dice.randrange(0, 101)
        target = _id(dice.randrange(LAMPS + 2)) if dice.random() > 0.03 else "nothing"
        await self._request(dice.choice(PEOPLE), key, target, {"level": level})

    async def _again(self) -> None:
        """The same key again, now and then with other words."""
        if not self.asked:
            return
        (who, key), (target, arguments) = self.dice.choice(list(self.asked.items()))
        actor = next(one for one in PEOPLE if one.id == who)
        if self.dice.random() < 0.3:
            arguments = {"level": 77.5}
        await self._request(actor, key, target, arguments)

    async def _request(self, actor: Actor, key: str, target: str, arguments: Any) -> None:
        command = await self.town.commands.request(
            actor, PIECE, DIM, target, arguments, key=key, tenant="demo"
        )
        name = (actor.id, key)
        before = self.seen.by_key.setdefault(name, command.id)
        if before != command.id:
            self.seen.wrong.append(f"key {key} of {actor.id} became two commands")
        self.asked.setdefault(name, (target, arguments))
        self.known.append(command)

    async def _allow(self) -> None:
        if not self.known:
            return
        command, actor = self.dice.choice(self.known[-200:]), self.dice.choice(PEOPLE)
        held = (await self.town.commands.get(command.id)).state == "held"
        if held:  # it may be sent before `allow` returns
            self.allowed[command.id] = actor.id
        try:
            await self.town.commands.allow(actor, command.id)
        except PintuError:
            if held:
                del self.allowed[command.id]
            raise

    async def _report(self) -> None:
        if not self.known:
            return
        states = ("sent", "acknowledged", "confirmed", "failed", "desired", "nonsense", "")
        id = self.dice.choice(self.known[-200:]).id if self.dice.random() > 0.05 else "nobody"
        told = CommandReport(id, self.dice.choice(states))  # type: ignore[arg-type]
        entry = await self.town.commands.get(id)
        if entry.state != "held":
            await self.town.commands.report(told, "process:field")

    async def _cancel(self) -> None:
        if self.known:
            command = self.dice.choice(self.known[-200:])
            await self.town.commands.cancel(self.dice.choice(PEOPLE), command.id, "fuzz")

    async def _lamp(self) -> None:
        """A lamp goes into maintenance, or comes out of it."""
        number = self.dice.randrange(LAMPS)
        into = self.dice.random() < 0.5
        await self._settle()  # what is on its way to a device was asked for before
        await self.town.put(_lamp(number, "yes" if into else "no"))
        (self.shut.add if into else self.shut.discard)(_id(number))

    async def _stop(self) -> None:
        await self._settle()
        await self.town.commands.stop_all(PEOPLE[0], "fuzz", tenant="demo")
        self.stopped = True

    async def _release(self) -> None:
        if self.stopped:
            stop = await self.town.commands.release(self.dice.choice(PEOPLE), tenant="demo")
            self.stopped = not stop.released_us

    async def _settle(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)


def _id(number: int) -> str:
    return f"urn:ngsi-ld:Streetlight:street_lights:L{number:05d}"


def _lamp(number: int, maintenance: str) -> dict[str, Any]:
    return {
        "id": _id(number),
        "type": "Streetlight",
        "maintenance": maintenance,
        "illuminanceLevel": 0.4,
    }


async def fuzzed(folder: Path, seed: int, inputs: int) -> Seen:
    """So many inputs from one seed."""
    from pintu.kernel.tables import open_tables
    from tests.kernel.operations.plays_town import Town

    rules: dict[tuple[str, str], Rule] = {(PIECE, DIM): read_rule(RULE)}
    town = Town(open_tables(folder), folder, rules=rules,
                patience=Patience(attempts=1, send_s=600, answer_s=600, effect_s=600))  # fmt: skip
    fuzz = Fuzz(town, random.Random(seed))
    town.deaf |= {_id(number) for number in range(LAMPS + 2)} | {"nothing"}
    deaf = town.commands.on_dispatch(fuzz.arrived)
    await town.start()
    try:
        await town.put(*[_lamp(number, "no") for number in range(LAMPS)])
        for number in range(inputs):
            await fuzz.step()
            if number % 400 == 399:
                town.clock.on(61)  # another minute for the rate
        await asyncio.sleep(0.2)
    finally:
        deaf()
        await town.end()
    fuzz.seen.wrong += [
        f"{id}: sent {many} times" for id, many in fuzz.seen.sent.items() if many > 1
    ]
    return fuzz.seen


def measure(inputs: int = INPUTS, seed: int | None = None) -> list[Finding]:
    """Another seed each time, unless told."""
    seed = secrets.randbelow(1 << 31) if seed is None else seed
    seen = run(lambda folder: fuzzed(folder, seed, inputs))
    for one in seen.wrong[:20]:
        print(f"    seed {seed}: {one}", file=sys.stderr)
    refused = sum(seen.refused.values())
    kinds = ", ".join(f"{many} {kind}" for kind, many in seen.refused.most_common(5))
    return [
        judged(f"{inputs} fuzzed inputs: interlocks broken or commands repeated",
               f"{len(seen.wrong)}", "0", not seen.wrong, f"seed {seed}"),
        judged("of these sent to a device, and refused", f"{len(seen.sent)}, {refused}", "some",
               bool(seen.sent) and refused > 0, kinds),
    ]  # fmt: skip


def quick() -> list[Finding]:
    """A thousand."""
    return measure(1_000)


def main() -> None:
    """`python -m claims.operations_fuzz [INPUTS [SEED]]`."""
    words = [int(one) for one in sys.argv[1:]]
    for one in measure(*words):
        print(one.line(), flush=True)


if __name__ == "__main__":
    main()
