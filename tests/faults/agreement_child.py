"""A process that does deeds of agreements until it is killed, saying each one that was answered."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from pintu.kernel.errors import StateConflict
from tests.faults.agreement_town import FaultTown, actor, fault_town, wanted

ASKER = actor("pa", "education", "officer")
CHIEF = actor("pc", "education", "owner")
OWNERS = (actor("po", "health", "owner"), actor("px", "health", "owner"))
TASKS = 4


def say(deed: str, id: str, person: str) -> None:
    """An answer that came: from here on it must be true for ever."""
    sys.stdout.write(f"{deed} {id} {person}\n")
    sys.stdout.flush()


async def approve(town: FaultTown, owner: int, id: str) -> None:
    """One of two who approve at the same moment."""
    who = OWNERS[owner]
    try:
        await town.room.approve(who, id, key=f"approve/{id}")
        say("approve", id, who.person)
    except StateConflict:
        say("lost", id, who.person)


async def one(town: FaultTown, name: str, number: int) -> None:
    """One agreement: left to its silence, or approved by two at once, signed, revoked."""
    made = await town.room.request(
        ASKER, wanted(), reason="入学核验疫苗接种", key=f"{name}/{number}"
    )
    say("request", made.id, "pa")
    if number % 4 == 0:
        return
    await asyncio.gather(approve(town, 0, made.id), approve(town, 1, made.id))
    await town.room.sign(CHIEF, made.id, key=f"sign/{made.id}")
    say("sign", made.id, "pc")
    if number % 4 == 1:
        town.room.held(made.id, number)
        await town.room.revoke(OWNERS[0], made.id, reason="目的已经达到", key=f"end/{made.id}")
        say("revoke", made.id, "po")


async def task(town: FaultTown, name: str) -> None:
    """One agreement after the other."""
    for number in range(1_000_000):
        await one(town, name, number)


async def main(folder: Path, seed: str) -> None:
    """Do deeds with some tasks for ever."""
    async with fault_town(folder) as town:
        say("ready", seed, "-")
        await asyncio.gather(*(task(town, f"{seed}.{which}") for which in range(TASKS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
