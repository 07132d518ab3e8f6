"""A city that runs plan after plan over lamps that remember what they were told, until killed."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path
from typing import Any

from pintu.kernel.intake.words import Command, CommandReport
from pintu.kernel.operations import Patience
from pintu.kernel.tables import open_tables
from tests.kernel.operations.plays_town import DUTY, Town, lamp

LAMPS = 20
LEVELS = (60, 100)
TITLE = {"zh": "演练", "en": "drill"}
STEP: dict[str, Any] = {
    "title": TITLE,
    "do": "command",
    "piece": "street_lights",
    "command": "DimLamp",
    "back": {"level": {"from": "illuminanceLevel", "times": 100}},
    "targets": {"type": "Streetlight"},
    "within_s": 60,
    "until": "confirmed",
    "enough": 1.0,
}
BOOK: dict[str, Any] = {
    "title": TITLE,
    "about": TITLE,
    "groups": [
        {
            "name": "all",
            "title": TITLE,
            "steps": [
                {**STEP, "name": "half", "arguments": {"level": LEVELS[0]}},
                {"name": "crew", "title": TITLE, "do": "order", "given": {"what": "inspect"}},
                {**STEP, "name": "full", "arguments": {"level": LEVELS[1]}},
            ],
        }
    ],
}
PATIENT = Patience(attempts=20, send_s=120, answer_s=120, effect_s=120)


class World(Town):
    """A town whose lamps write each thing they do into a file that no kill empties."""

    log: Path
    chance: random.Random

    def say(self, *words: object) -> None:
        """One line of what happened outside of the city."""
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(words) + "\n")

    async def _obey(self, command: Command) -> None:
        await asyncio.sleep(self.chance.uniform(0.001, 0.02))
        await self.commands.report(CommandReport(command.id, "sent"), "process:field")
        self.say("did", command.target, command.id, command.arguments["level"])
        told = {"id": command.target, "type": "Streetlight"}
        await self.put({**told, "illuminanceLevel": command.arguments["level"] / 100})
        for state in ("acknowledged", "confirmed"):
            await self.commands.report(CommandReport(command.id, state), "process:field")


class Crew:
    """Orders, by key, in the same file."""

    def __init__(self, town: World) -> None:
        self._town = town

    async def do(self, play: Any, given: dict[str, Any], *, key: str, targets: list[str]) -> str:
        """Open one."""
        self._town.say("order", key)
        return f"ref-{key}"

    async def undo(self, play: Any, ref: str, *, key: str, reason: str) -> None:
        """Call one off."""
        self._town.say("off", ref)


async def live(folder: Path, plays: int) -> None:
    """Bring so many plans to their end and back; then say what became of each."""
    town = World(open_tables(folder, "sqlite:"), folder, patience=PATIENT)
    town.log, town.chance = folder / "world.jsonl", random.Random()
    crew = Crew(town)
    town.plays.hands.update(order=crew, message=crew)
    if not town.configuration.list_saved("playbooks"):
        await town.put(*[lamp(n, 0.01 * n) for n in range(1, LAMPS + 1)])
        town.configuration.save("playbooks", "drill", BOOK, by="test")
    await town.start()
    for command in town.commands.to_send(frozenset({"street_lights"})):
        town._take(command)
    for entry in town.commands.waiting():
        if entry.state == "acknowledged":  # the lamp's next reading shows it
            await town.commands.report(
                CommandReport(entry.command.id, "confirmed"), "process:field"
            )
    print("alive", flush=True)
    for number in range(plays):
        cause = f"incident:{number}"
        if any(one.state == "undone" for one in await town.plays.list_for(cause)):
            continue  # an earlier life brought it to its end
        play = await town.plays.propose(DUTY, "drill", cause, tenant="demo")
        if play.state == "proposed":
            await town.plays.approve(DUTY, play.id, "all")
        while (await town.plays.get(play.id)).state == "running":
            await asyncio.sleep(0.01)
        await town.plays.undo(cause, "person:duty", "over")
        while (await town.plays.get(play.id)).state == "undoing":
            await asyncio.sleep(0.01)
        print("over", number, (await town.plays.get(play.id)).state, flush=True)
    for number in range(plays):
        found = await town.plays.list_for(f"incident:{number}")
        commands = [
            (one.command.target, one.command.id, one.command.arguments["level"], one.state)
            for play in found
            for one in await town.commands.for_cause(f"play:{play.id}")
        ]
        said = [(play.id, play.state, [step.state for step in play.steps]) for play in found]
        print("told", json.dumps([said, commands]), flush=True)
    levels = [await town.level(n) for n in range(1, LAMPS + 1)]
    print("levels", json.dumps(levels), flush=True)
    await town.end()


if __name__ == "__main__":
    asyncio.run(live(Path(sys.argv[1]), int(sys.argv[2])))
