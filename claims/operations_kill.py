"""Fifty kill -9 in the middle of plans: each ends once, nothing is asked of a device twice."""

from __future__ import annotations

from claims.words import Finding, judged
from tests.faults.plays_kill import run

KILLS = 50


def measure(kills: int = KILLS) -> list[Finding]:
    """Kill so often, then look at what became of every plan and every lamp."""
    wrong, plays = run(kills)
    return [
        judged(
            f"kill -9 in the middle of {plays} plans, {kills} times",
            f"{len(wrong)} wrong",
            "0",
            not wrong,
            "; ".join(wrong[:3]),
        )
    ]
