"""The finder: 200 copies planted among 2,000 data sets nobody has seen before
(`make show NAME=exchange-finder`)."""

from __future__ import annotations

import os
import resource
import secrets
import time

from claims.exchange_finder_copies import made_city
from claims.words import Claim, Finding, judged
from pintu.kernel.exchange.finding.pairing import find_twins
from pintu.kernel.exchange.finding.salt import Salt
from pintu.kernel.exchange.finding.sketching import Sketching

RECALL, PRECISION = 0.95, 0.9


def _seed() -> int:
    """One nobody has seen; PINTU_SEED asks for a known one again."""
    told = os.environ.get("PINTU_SEED", "")
    return int(told) if told else secrets.randbelow(10**9)


def planted_duplicates(
    seed: int | None = None, *, planted: int = 200, sets: int = 2_000
) -> list[Finding]:
    """Recall and precision over pairs of data sets, and the time it took."""
    seed = _seed() if seed is None else seed
    city = made_city(seed, planted=planted, sets=sets)
    rows = sum(len(one) for _, one in city.sets)
    salt = Salt(secrets.token_bytes(32))
    began = time.perf_counter()
    sketches = []
    for data_set, its_rows in city.sets:
        sketching = Sketching(data_set, salt)
        sketching.add(its_rows)
        sketches.append(sketching.made(0))
    sketched_s = time.perf_counter() - began
    began = time.perf_counter()
    twins = find_twins(sketches)
    found_s = time.perf_counter() - began
    told = {frozenset((one.left, one.right)) for one in twins if one.whole}
    right = len(told & city.planted)
    recall = right / len(city.planted)
    precision = right / len(told) if told else 0.0
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = f"{len(city.sets):,} data sets, {rows:,} rows, seed {seed}"
    return [
        judged(f"duplicates found of {len(city.planted)} ({size})", f"recall {recall:.3f}",
               f">= {RECALL}", recall >= RECALL),
        judged("what is called a duplicate is one", f"precision {precision:.3f}",
               f">= {PRECISION}", precision >= PRECISION),
        judged("time to sketch, time to find; memory",
               f"{sketched_s:.0f} s + {found_s:.1f} s; {memory:.0f} MB", "printed", True),
    ]  # fmt: skip


CLAIMS = [Claim(name="planted duplicates", measure=planted_duplicates)]
