"""The second store: what it promises beside the first, measured (`make show NAME=second-store`)."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from functools import partial
from pathlib import Path

from claims.doors import of
from claims.words import Claim, Finding, NotRun, judged

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("store", "feed", "timers", "tables")
STORES = ("sqlite", "postgres")
SAME = "tests/kernel/store/test_same_answers.py"
DOORS = ("tests/web",)


def _asked(*words: str, **environ: str) -> tuple[list[tuple[str, str]], str]:
    """(test, how it ended) of a run of pytest in which PostgreSQL is required, and its last words.

    Raises NotRun when the server's programs are not here.
    """
    from tests.real_databases import program

    if program("initdb") is None:
        raise NotRun("PostgreSQL is not installed")
    with tempfile.NamedTemporaryFile(suffix=".xml") as file:
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={file.name}", *words]
        told = {**os.environ, "PINTU_REQUIRE": "postgres", **environ}
        done = subprocess.run(
            command, cwd=ROOT, env=told, capture_output=True, text=True, check=False
        )
        text = Path(file.name).read_text("utf-8")
    if not text:
        raise NotRun((done.stdout + done.stderr).strip()[-300:])
    found = []
    for case in ET.fromstring(text).iter("testcase"):
        ends = [end for end in ("failure", "error", "skipped") if case.find(end) is not None]
        name = f"{case.get('classname')}::{case.get('name')}"
        found.append((name, ends[0] if ends else "passed"))
    return found, done.stdout.strip()[-300:]


def _on(test: str, store: str) -> bool:
    return re.search(rf"\[(.*-)?{store}(-.*)?\]", test) is not None


def suites() -> list[Finding]:
    """Every room's suite asks both stores the same, and none is skipped."""
    findings = []
    for room in ROOMS:
        found, told = _asked(f"tests/kernel/{room}", f"--ignore={SAME}")
        ends = Counter(end for _, end in found)
        passed = {
            store: sum(end == "passed" and _on(test, store) for test, end in found)
            for store in STORES
        }
        other = ends["passed"] - sum(passed.values())
        figure = f"{passed['sqlite']} and {passed['postgres']}, {ends['skipped']} skipped"
        good = set(ends) == {"passed"} and passed["sqlite"] == passed["postgres"] > 0
        reason = "" if set(ends) == {"passed"} else f"{dict(ends)} {told[-150:]}"
        name = f"suite of {room} on SQLite and PostgreSQL ({other} of neither)"
        findings.append(judged(name, figure, "equal, 0 skipped", good, reason))
    return findings


def doors_alike() -> list[Finding]:
    """The suites of the doors and the screens, whole, on each store."""
    passed: dict[str, set[str]] = {}
    reasons = ""
    for store in STORES:
        found, told = _asked(*DOORS, PINTU_TEST_STORE=store)
        passed[store] = {test for test, end in found if end == "passed"}
        reasons += "" if len(passed[store]) == len(found) else f"{store}: {told[-150:]}"
    figure = f"{len(passed['sqlite'])} and {len(passed['postgres'])} pass"
    alike = passed["sqlite"] == passed["postgres"]
    return [judged("suites of the doors on each store", figure, "equal", alike, reasons)]


def same_answers(programs: int) -> list[Finding]:
    """Programs nobody has seen before; the seed is told, so that one that differs can be run again
    (PINTU_SEED).
    """
    seed = secrets.randbelow(10**6)
    found, told = _asked(SAME, PINTU_SEED=str(seed), PINTU_PROGRAMS=str(programs))
    good = len(found) == programs and all(end == "passed" for _, end in found)
    figure = f"{len(found)} programs from seed {seed}"
    reason = "" if good else told[-200:]
    return [judged("random programs answered alike", figure, "all", good, reason)]


def outside() -> list[Finding]:
    """The outside NGSI-LD suite through the fast door: each test ends alike on both stores."""
    missing = [name for name in ("ETSI_HOME", "ETSI_TOOLS") if name not in os.environ]
    if missing:
        raise NotRun(f"{' and '.join(missing)} not set (the suite is not part of this project)")
    from tests.conformance.run import asked_by_environment, disagreeing, driven

    results = driven("fast", "both", asked_by_environment())
    differing = disagreeing(results)
    ends = [Counter(v.status for v in found) for found in results.values()]
    figure = " and ".join(f"{one['PASS']} of {one.total()}" for one in ends) + " pass"
    reason = "; ".join(differing)[:200]
    return [judged("outside suite on both stores", figure, "equal", not differing, reason)]


def costs() -> list[Finding]:
    """CPU of broker and server beside SQLite's in one run."""
    from bench import stores

    result = stores.run(100_000, 1.0)
    return [*map(_cost, result["rows"])]


def growth() -> list[Finding]:
    """What a hundred times as many entities change."""
    from bench import stores

    return [
        judged(
            f"{one['name']}, 10 k → 1 M",
            f"{one['small_us']:.0f} → {one['large_us']:.0f} µs, ×{one['ratio']:.2f}",
            f"≤ {one['bar']}",
            bool(one["ok"]),
        )
        for one in stores.growth(1.0)
    ]


def _cost(row: dict[str, object]) -> Finding:
    one, two = row["sqlite"], row["postgres"]
    assert isinstance(one, dict) and isinstance(two, dict)
    figure = f"{one['cpu_us']:.0f} → {two['cpu_us']:.0f} µs, ×{row['ratio']:.2f}"
    floors = f"floors {row['sqlite_floor_us']:.0f}, {row['postgres_floor_us']:.0f}"
    return judged(f"{row['name']} ({floors})", figure, f"≤ ×{row['bar']}", bool(row["ok"]))


MOVING = "claims.second_store_moving"
FAULTS = "claims.second_store_faults"
CLAIMS = [
    # `make test` and `make faults` have asked these where only what is quick and safe is asked
    Claim(name="suites on both stores", measure=suites, speed=True),
    Claim(name="same answers", measure=partial(same_answers, 1)),
    Claim(name="same answers, many", measure=partial(same_answers, 10), full=True),
    Claim(name="moved and back, quick", measure=of(MOVING, "quick")),
    Claim(name="faults of a server, quick", measure=of(FAULTS, "quick"), speed=True),
    Claim(name="costs beside SQLite's", measure=costs, speed=True),
    Claim(name="suites of the doors", measure=doors_alike, full=True),
    Claim(name="outside suite", measure=outside, full=True),
    Claim(name="1,000,000 moved and back", measure=of(MOVING, "measure"), full=True),
    Claim(name="faults of a server", measure=of(FAULTS, "measure"), full=True),
    Claim(name="growth", measure=growth, full=True),
]
