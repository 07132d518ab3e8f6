"""A server that dies, goes away, is replaced: nothing acknowledged lost, changes seen once."""

from __future__ import annotations

import importlib
from typing import Any

from claims.words import Finding, NotRun, judged

ROUNDS, GONE_S = 100, 60.0
QUICK_ROUNDS, QUICK_GONE_S = 6, 5.0


def _module(name: str) -> Any:
    try:
        return importlib.import_module(f"tests.faults.{name}")
    except ModuleNotFoundError as error:
        raise NotRun(f"{error.name} is not here") from error


def killed(rounds: int, gone_s: float) -> list[Finding]:
    """kill -9 of broker and server under load, then the server away."""
    kills = _module("postgres_kill")
    from tests.real_databases import postgres, program

    if program("initdb") is None:
        raise NotRun("PostgreSQL is not installed")
    with postgres(settings=kills.SETTINGS, ports=kills.PORTS) as server:
        kills.make_city(server)
        seen = kills.run_rounds(server, rounds, gone_s=gone_s)
    wrong = seen.wrong or []
    reason = "; ".join(wrong[:3])
    done = f"kill -9 under load, PostgreSQL {seen.servers} times, broker {seen.brokers} times"
    told = f"{seen.answers} acknowledged, {len(wrong)} wrong"
    good = not wrong and seen.answers > 0
    return [
        judged(done, told, "0 lost, none twice", good, reason),
        judged("changes seen in order by a durable reader", f"{seen.changes}", "each once", good),
        judged(
            f"server gone for {gone_s:.0f} s and back",
            f"{seen.longest_s:.1f} s without an answer",
            "goes on by itself",
            good,
        ),
    ]


def promoted(fast: bool) -> list[Finding]:
    """A standby promoted, synchronous and not."""
    found = []
    for words, wrong, bar, good in _module("postgres_standby").run(fast):
        claim, _, told = words.partition(":")
        found.append(judged(claim, f"{wrong} wrong", str(bar), bool(good), told.strip()))
    return found


def quick() -> list[Finding]:
    """A few kills, a few seconds, one promotion of each sort."""
    return [*killed(QUICK_ROUNDS, QUICK_GONE_S), *promoted(True)]


def measure() -> list[Finding]:
    """A hundred kills, a minute, several promotions."""
    return [*killed(ROUNDS, GONE_S), *promoted(False)]
