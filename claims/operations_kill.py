"""Fifty kill -9 in the middle of playbooks: each play ends once, no command is asked for twice."""

from __future__ import annotations

import sys

from claims.words import Finding, judged

KILLS = 50


def measure(kills: int = KILLS) -> list[Finding]:
    """Kill a city that runs play after play at random moments, then look at every lamp."""
    from tests.faults.plays_kill import run

    wrong, plays = run(kills)
    return [
        judged(f"{kills} kill -9 in the middle of {plays} plays: each ends once",
               f"{len(wrong)} things wrong", "0", not wrong, "; ".join(wrong)[:160]),
    ]  # fmt: skip


if __name__ == "__main__":
    for one in measure(int(sys.argv[1]) if sys.argv[1:] else KILLS):
        print(one.line(), flush=True)
