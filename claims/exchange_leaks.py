"""Random agreements, random questions by every route: nothing of an answer may come from outside.

`python -m claims exchange-leaks` asks 10,000 times; every value of the city carries a mark of its
own, so that an answer, its headers and its refusals can be searched for what may not be in them,
and what it must hold is worked out in the plainest way beside it.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from pathlib import Path
from typing import Final

from claims.exchange_leaks_asking import Round, Tally
from claims.exchange_leaks_city import open_scene, random_agreement
from claims.exchange_leaks_context import ask_context
from claims.exchange_leaks_tables import ask_table
from claims.words import Claim, Finding, judged

ROUNDS: Final = 10_000
QUESTIONS_EACH: Final = 4


def measure(rounds: int = ROUNDS, seed: int | None = None) -> list[Finding]:
    """Ask `rounds` times; the seed is another each time unless one is told."""
    seed = random.SystemRandom().getrandbits(32) if seed is None else seed
    with tempfile.TemporaryDirectory(prefix="pintu-leaks-") as folder:
        tally = asyncio.run(asked(Path(folder), rounds, seed))
    for one in tally.wrong[:20]:
        print(f"  seed {seed}: {one}")
    by_status = ", ".join(f"{count} × {code}" for code, count in sorted(tally.statuses.items()))
    answered = sum(tally.asked.values())
    return [
        judged(f"{answered} calls by {len(tally.asked)} routes, leaked", f"{len(tally.wrong)}", "0",
               not tally.wrong, f"seed {seed}; {by_status}"),
        judged("answers with a receipt of their own", f"{len(tally.receipts)}",
               f"{tally.statuses[200]}", len(tally.receipts) >= tally.statuses[200]),
    ]  # fmt: skip


async def asked(folder: Path, rounds: int, seed: int) -> Tally:
    """Every round in one city."""
    chance = random.Random(seed)
    scene = await open_scene(folder, chance)
    tally = Tally()
    try:
        number = 0
        while sum(tally.asked.values()) < rounds:
            agreement = random_agreement(chance, number)
            scene.shelf.put(agreement)
            one = Round(scene, agreement, chance, tally)
            for _ in range(QUESTIONS_EACH):
                await (ask_context if agreement.terms.data_set == "sensors" else ask_table)(one)
            number += 1
    finally:
        await scene.web.aclose()
        await scene.city.close()
    return tally


CLAIMS: Final = [Claim(name="leaks", measure=measure, full=True)]
