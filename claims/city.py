"""The city in one command: everything its README promises, measured (`make show NAME=city`)."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast, get_args

from claims import life, suites
from claims.words import Claim, Finding, NotRun, Verdict, judged

ROOT = Path(__file__).resolve().parents[1]


def borrowed(module: str, switch: bool) -> Callable[[], list[Finding]]:
    """The claims another file measures: `run(switch)` gives (claim, figure, bar, verdict) each.

    The switch is "full" in claims/ and "fast" in tests/faults/.
    """

    def measure() -> list[Finding]:
        try:
            run = importlib.import_module(module).run
        except ModuleNotFoundError as error:
            raise NotRun(f"{error.name} is not here") from error
        return [_finding(*one) for one in run(switch)]

    return measure


def _finding(claim: str, figure: object, bar: object, verdict: str | bool) -> Finding:
    if isinstance(verdict, bool):
        return judged(
            claim, f"{figure:g}" if isinstance(figure, float) else f"{figure}", f"{bar}", verdict
        )
    word, _, reason = verdict.partition(":")
    if word.strip() not in get_args(Verdict):
        raise ValueError(f"{claim} ends in {verdict!r}, which is no verdict")
    return Finding(
        claim=claim,
        figure=str(figure) or "-",
        bar=str(bar),
        verdict=cast(Verdict, word.strip()),
        reason=reason.strip(),
    )


def tests_and_coverage() -> list[Finding]:
    """The tests pass, and cover at least nine lines of ten of the kernel."""
    began = time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "--cov", "--cov-report=term"),
            *("tests", "src/pintu/pieces"),
            *("--ignore=tests/browser", "--ignore=tests/faults", "--ignore=tests/conformance"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - began
    told = done.stdout
    total = re.search(r"^TOTAL\s.*?(\d+)%", told, re.MULTILINE)
    counts = re.findall(r"(\d+) (passed|failed|skipped|error)", told)
    figure = ", ".join(f"{number} {word}" for number, word in counts) or "no count"
    percent = int(total[1]) if total else 0
    return [
        judged("make test", f"{figure} in {seconds:.0f} s", "all pass", done.returncode == 0),
        judged("line coverage of the kernel", f"{percent} %", "≥ 90 %", percent >= 90),
    ]


def fresh_clone() -> list[Finding]:
    """A fresh clone, only Python and make: `make up` to the first answer, installation included."""
    with tempfile.TemporaryDirectory(prefix="pintu-clone-", ignore_cleanup_errors=True) as name:
        clone = Path(name) / "p"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        began = time.monotonic()
        plain = {one: value for one, value in os.environ.items() if "VIRTUAL_ENV" not in one}
        with (Path(name) / "log").open("w+") as log:
            make = subprocess.Popen(
                ["make", "up", "PORT=9690"],
                cwd=clone,
                stdout=log,
                stderr=log,
                env=plain,
                start_new_session=True,
            )
            try:
                ready_s = _first_answer(9690, make, 600)
            finally:
                os.killpg(make.pid, 2)
                make.wait(60)
            log.seek(0)
            tail = " / ".join(log.read().splitlines()[-3:])
    if ready_s is None:
        return [judged("fresh clone: make up", "no answer", "a city", False, tail)]
    total = time.monotonic() - began
    return [judged("fresh clone: make up", f"{ready_s:.0f} s of {total:.0f}", "a city", True)]


def _first_answer(port: int, make: subprocess.Popen[Any], patience_s: float) -> float | None:
    from bench.http_ops import wait_ready

    began = time.monotonic()
    while time.monotonic() - began < patience_s and make.poll() is None:
        try:
            wait_ready(f"http://127.0.0.1:{port}/readyz", 1)
            return time.monotonic() - began
        except TimeoutError:
            continue
    return None


def _official() -> list[Finding]:
    """ETSI's own tests through both doors, imported when they are asked for."""
    from claims import ngsi_ld_conformance

    return ngsi_ld_conformance.official()


FAULTS = "make faults FAST=1"
CLAIMS = [
    Claim(name="second start", measure=life.second_start, also=FAULTS),
    Claim(name="stop and continue", measure=life.stop_and_continue, also=FAULTS),
    Claim(name="children return", measure=life.children_return, also=FAULTS),
    Claim(name="kill -9 under load, quick", measure=borrowed("claims.kill9", False), also=FAULTS),
    Claim(name="power cut, quick", measure=borrowed("tests.faults.power_cut", True), also=FAULTS),
    Claim(name="first map", measure=life.first_map, speed=True),
    Claim(name="lamp faults", measure=borrowed("claims.lamp_faults", True), speed=True),
    Claim(name="Bristol", measure=borrowed("claims.bristol", True), speed=True),
    Claim(name="map latency", measure=borrowed("claims.map_latency", True), speed=True),
    Claim(name="fresh clone", measure=fresh_clone, full=True, speed=True),
    Claim(name="tests and coverage", measure=tests_and_coverage, full=True),
    Claim(name="kill -9 under load, 50 times", measure=borrowed("claims.kill9", True), full=True),
    Claim(name="power cut, 50 times", measure=borrowed("tests.faults.power_cut", False), full=True),
    Claim(name="conformance", measure=_official, full=True),
    Claim(name="bench", measure=suites.bench, full=True, speed=True),
]
