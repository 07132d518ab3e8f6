"""The whole of NGSI-LD: what its issue promises, measured (`make show NAME=ngsi-ld`)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from claims.doors import of, tested
from claims.words import Claim, Finding, NotRun, judged

ROOT = Path(__file__).resolve().parents[1]
PROOFS = ("tests/kernel/proofs", "tests/kernel/store/test_model.py")
PAST = ("tests/kernel/analytics",)
CONTEXTS = ("tests/kernel/jsonld",)
MANY = "1000"
LONGEST_S = 3600


def measured(claim: str, module: str, *arguments: str) -> list[Finding]:
    """A claim that is a bench: its table is printed, each line with a bar is a finding, and its
    exit code is the verdict."""
    if not (ROOT / (module.replace(".", "/") + ".py")).is_file():
        raise NotRun(f"there is no {module} here")
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    print("\n".join(f"    {line}" for line in done.stdout.strip().splitlines()))
    if not done.stdout.strip() or done.returncode not in (0, 1):
        raise NotRun((done.stderr or done.stdout).strip()[-300:] or f"{module} said nothing")
    lines = [line for line in done.stdout.splitlines() if "bar" in line]
    figure = lines[-1] if lines else done.stdout.strip().splitlines()[-1]
    bar = re.search(r"bars? ([^)]*)\)", figure)
    told = re.sub(r"\s*\(bars? [^)]*\)", "", figure).strip()
    held = bar[1] if bar else "exit 0"
    return [judged(claim, told[-70:], held, done.returncode == 0)]


def bench(claim: str, module: str, *arguments: str) -> Callable[[], list[Finding]]:
    """The same, when it is asked for."""
    return partial(measured, claim, module, *arguments)


def proofs(examples: str = "") -> list[Finding]:
    """Properties against pyld, naive models and dictionaries; the past by the dictionaries of its
    own moments, roll-ups by raw."""
    before = os.environ.get("PINTU_EXAMPLES")
    if examples:
        os.environ["PINTU_EXAMPLES"] = examples
    try:
        if not examples:
            return tested("properties, a few examples each", PROOFS[0])
        told = tested(f"properties, {examples} examples each", *PROOFS)
        return [*told, *tested("as of any instant; roll-ups equal to raw", *PAST)]
    finally:
        if before is None:
            os.environ.pop("PINTU_EXAMPLES", None)
        else:
            os.environ["PINTU_EXAMPLES"] = before


def contexts() -> list[Finding]:
    """Hosted, cached, implicit, bundles; large, deep, slow and circular ones."""
    return tested("contexts: kinds, counters, bundles, hostile ones", *CONTEXTS)


def page() -> list[Finding]:
    """docs/ngsi-ld.md is what the kept results make."""
    from tests.conformance.table import page as made

    kept = (ROOT / "docs" / "ngsi-ld.md").read_text(encoding="utf-8")
    return [judged("docs/ngsi-ld.md", "as made", "as made", kept == made())]


_of, _told = "claims.ngsi_ld_conformance", "claims.notifications"

CLAIMS = [
    Claim(name="the page", measure=page),
    Claim(name="properties", measure=proofs, also="make test"),
    Claim(
        name="a quick day of failures",
        measure=of(_told, "a_quick_day"),
        also="make faults FAST=1",
    ),
    Claim(name="contexts", measure=contexts, full=True),
    Claim(
        name="idle subscriptions",
        measure=bench("10,000 idle subscriptions", "bench.matching", "--quick"),
        speed=True,
    ),
    Claim(name="outgoing calls", measure=of(_told, "one_call"), speed=True),
    Claim(name="properties, many", measure=partial(proofs, MANY), full=True),
    Claim(name="official edition", measure=of(_of, "official"), full=True),
    Claim(name="full edition", measure=of(_of, "everything"), full=True),
    Claim(name="interoperability", measure=of(_of, "interoperability"), full=True),
    Claim(name="outside clients", measure=of(_of, "outside_clients"), full=True),
    Claim(name="province", measure=of("claims.ngsi_ld_province", "measure"), full=True),
    Claim(name="a day of failures", measure=of(_told, "a_day"), full=True),
    Claim(name="notifications", measure=of(_told, "speed"), speed=True, full=True),
    Claim(
        name="federation",
        measure=bench("a query over several brokers", "bench.federation"),
        speed=True,
        full=True,
    ),
    Claim(
        name="history",
        measure=bench("history", "bench.temporal"),
        speed=True,
        full=True,
    ),
]
