"""The operations room: what it promises from an alarm to a command with evidence, measured (`make
show NAME=operations`)."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from claims.doors import tested
from claims.words import Claim, Finding, NotRun, judged

PARTS = "tests/kernel/operations"


def part(module: str, function: str = "claim") -> Callable[[], list[Finding]]:
    """The findings of another file, imported when they are asked for; `not run` says what is not
    there."""

    def measure() -> list[Finding]:
        try:
            told = getattr(importlib.import_module(module), function)
        except (ModuleNotFoundError, AttributeError) as error:
            raise NotRun(f"{module}.{function} is not there: {error}") from error
        found: list[Finding] = told()
        return found

    return measure


def service_clock() -> list[Finding]:
    """Worked cases of holidays, make-up days and suspensions."""
    import json
    from pathlib import Path

    cases = Path(__file__).resolve().parents[1] / PARTS / "orders" / "clock_cases.json"
    many = len(json.loads(cases.read_text("utf-8")))
    found = tested("the service clock, case by case", f"{PARTS}/orders/test_service.py")
    return [
        *found,
        judged("worked cases of the service clock", str(many), "≥ 50", many >= 50),
    ]


def interlocks() -> list[Finding]:
    """10,000 fuzzed inputs: no interlock broken, no command repeated."""
    return part("claims.operations_fuzz", "measure")()


# What takes a minute or hangs on this machine's speed is asked with --full or without --quick-safe.
CLAIMS = [
    Claim(name="bad input", measure=part("claims.operations_bad", "quick")),
    Claim(name="warnings", measure=part("claims.operations_cap", "measure")),
    Claim(name="typhoon", measure=part("claims.operations_typhoon", "measure")),
    Claim(name="fuzzed inputs, quick", measure=part("claims.operations_fuzz", "quick")),
    Claim(name="alarms together", measure=part("claims.operations_speed", "alarms"), speed=True),
    Claim(name="proposal", measure=part("claims.operations_speed", "proposal"), speed=True),
    Claim(name="service clock", measure=service_clock, full=True),
    Claim(name="fuzzed inputs", measure=interlocks, full=True),
    Claim(name="kill -9", measure=part("claims.operations_kill", "measure"), full=True),
    Claim(name="replay", measure=part("claims.operations_replay", "measure"), full=True),
    Claim(name="three seeds", measure=part("claims.operations_scorer", "measure"), full=True),
    Claim(name="scene", measure=part("claims.operations_scene", "measure"), full=True),
    Claim(
        name="many commands",
        measure=part("claims.operations_speed", "commands"),
        speed=True,
        full=True,
    ),
    Claim(name="wall", measure=part("claims.operations_speed", "wall"), speed=True, full=True),
    Claim(name="wall open a week", measure=part("claims.operations_wall", "measure"), full=True),
    Claim(
        name="replay speed",
        measure=part("claims.operations_speed", "replay"),
        speed=True,
        full=True,
    ),
]
