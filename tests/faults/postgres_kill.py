"""kill -9 of PostgreSQL and of the broker's process under load, again and again on one city; then
the server gone for a while. `python -m tests.faults.postgres_kill --rounds N [--gone S]`.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from dataclasses import dataclass

from tests.faults.postgres_load import Load, Told, address_of, make_city, wrong_after
from tests.faults.power_cut import Claim
from tests.faults.seen import Seen
from tests.real_databases import PASSWORD, Server, postgres

PORTS = (9760, 9769)
SETTINGS = {
    "max_connections": "40",
    "checkpoint_timeout": "30s",
    "max_wal_size": "64MB",
    "recovery_init_sync_method": "syncfs",  # else it opens every file before it begins
}


@dataclass(slots=True)
class Figures:
    """What happened in one run."""

    servers: int = 0  # times PostgreSQL was killed
    brokers: int = 0
    answers: int = 0
    refused: int = 0
    changes: int = 0
    longest_s: float = 0.0
    wrong: list[str] | None = None

    def line(self) -> str:
        """The one line."""
        wrong = self.wrong or []
        return (
            f"PostgreSQL killed {self.servers} times, the broker {self.brokers} times under load: "
            f"{self.answers} acknowledged, {self.refused} refused, {self.changes} changes in order "
            f"and seen once, at most {self.longest_s:.1f} s without an answer, wrong: {len(wrong)}"
        )


def run_rounds(server: Server, rounds: int, *, seed: int = 1, gone_s: float = 0) -> Figures:
    """So many kills on one city, then the server away for `gone_s`."""
    chance = random.Random(seed)
    told, figures = Told(), Figures()
    address = address_of([server], PASSWORD, wait_s=2)
    lives = 1
    load = Load(address, lives, told)
    load.wait_for(50)
    for _ in range(rounds):
        time.sleep(chance.random() * 0.6)
        load.wait_for(chance.randrange(1, 300))
        which = chance.choices(("server", "broker", "both"), (55, 35, 10))[0]
        if which != "server":
            load.kill()
            figures.brokers += 1
        if which != "broker":
            server.kill()
            figures.servers += 1
            time.sleep(chance.choice([0, 0, 0.3]))
            server.start()
        if which != "server":
            lives += 1
            load = Load(address, lives, told)
    load.wait_for(50)
    if gone_s:
        server.kill()
        time.sleep(gone_s)
        server.start()
        load.wait_for(50)
        figures.servers += 1
    load.stop()
    figures.wrong = wrong_after(server, told)
    figures.answers, figures.refused = told.answers, len(told.refused)
    figures.changes, figures.longest_s = told.seen, told.longest_s
    return figures


def run(fast: bool) -> list[Claim]:
    """60 kills and a server gone for a minute, or 6 and five seconds."""
    with postgres(settings=SETTINGS, ports=PORTS) as server:
        make_city(server)
        figures = run_rounds(server, 6 if fast else 60, gone_s=5 if fast else 60)
    wrong = figures.wrong or []
    return [(f"{figures.line()} {wrong[:3]}", len(wrong), 0, not wrong)]


def measure(way: str, tries: int) -> Seen:
    """`kill`: so many kills. `gone`: the server away for so many seconds, under load."""
    seed = random.SystemRandom().randrange(10**9)
    with postgres(settings=SETTINGS, ports=PORTS) as server:
        make_city(server)
        if way == "kill":
            figures = run_rounds(server, tries, seed=seed)
        else:
            figures = run_rounds(server, 0, seed=seed, gone_s=tries)
    # what it may take to come back is beside the time it was away
    away_s = 0.0 if way == "kill" else float(tries)
    return Seen(
        tries=figures.servers + figures.brokers,
        acknowledged=figures.answers,
        lost=figures.wrong or [],
        recovered_s=max(0.0, figures.longest_s - away_s),
        told=f"seed {seed}; {figures.refused} refused; {figures.changes} changes seen once",
    )


def main() -> int:
    """The long form with figures on one line; what is wrong on lines of its own."""
    parser = argparse.ArgumentParser(prog="tests.faults.postgres_kill", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--gone", type=float, default=0, metavar="S")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with postgres(settings=SETTINGS, ports=PORTS) as server:
        make_city(server)
        figures = run_rounds(server, asked.rounds, seed=asked.seed, gone_s=asked.gone)
    print(figures.line())
    for one in (figures.wrong or [])[:20]:
        print(f"  {one}", file=sys.stderr)
    return 1 if figures.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
