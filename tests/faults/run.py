"""`python -m tests.faults.run [--fast] [--only WORDS]`: every fault of the table, a line each, then
the tests of faults. Ends with 1 when one is short; writes bench/faults.json.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.processes import as_installed
from tests.faults.seen import Fault, Result, Seen
from tests.faults.table import FAULTS, MORE

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
FAST = "PINTU_FAULTS_FAST"
OUT = ROOT / "bench" / "faults.json"
NOT_RUN = 77
_ERROR = re.compile(r"[\w.]*(Error|Exception)\b")


def fast() -> bool:
    """True when only the quick form of each fault was asked for; a fault's test looks here."""
    return os.environ.get(FAST, "") == "1"


def times(full: int, quick: int) -> int:
    """How often a fault is tried now."""
    return quick if fast() else full


def every_fault() -> list[Fault]:
    """The table, and the rows that modules of other parts bring."""
    found = list(FAULTS)
    for name in MORE:
        if (FOLDER / f"{name}.py").exists():
            found += importlib.import_module(f"tests.faults.{name}").FAULTS
    return found


def measured(fault: Fault, quick: bool) -> Result:
    """One fault in a process of its own: what it breaks is gone with it."""
    tries = fault.fast if quick else fault.full
    began = time.monotonic()
    words = [sys.executable, "-m", "tests.faults.one", fault.module, fault.way, str(tries)]
    environ = {**as_installed(), **({FAST: "1"} if quick else {})}
    child = subprocess.Popen(
        words, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        told, said = child.communicate(timeout=fault.limit_s)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGINT)  # it stops what it started
        try:
            child.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
        told, said = "", f"given up after {fault.limit_s:g} s"
    took = time.monotonic() - began
    lines = (said or told).strip().splitlines()
    last = [one for one in lines if _ERROR.match(one)][-1:] or lines[-1:] or ["it said nothing"]
    if child.returncode == NOT_RUN:
        return Result(fault=fault, seen=None, took_s=took, reason=last[0])
    if child.returncode != 0:
        sys.stderr.write(said[-4000:] + "\n")
        broken = Seen(tries=tries, acknowledged=0, wrong=[f"it broke: {last[0]}"], told=last[0])
        return Result(fault=fault, seen=broken, took_s=took)
    return Result(fault=fault, seen=Seen(**json.loads(told.splitlines()[-1])), took_s=took)


def table(chosen: list[Fault], *, quick: bool, jobs: int) -> list[Result]:
    """Every chosen fault, its line as soon as it is known."""

    def one(fault: Fault) -> Result:
        result = measured(fault, quick)
        for text in [result.line(), *_details(result)]:
            print(text, flush=True)
        return result

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, chosen))


def _details(result: Result) -> list[str]:
    seen = result.seen
    return [] if seen is None else [f"    {one}" for one in [*seen.lost, *seen.wrong][:10]]


def the_tests(quick: bool, more: list[str]) -> int:
    """The tests of faults, with their output shown; the exit code is theirs."""
    words = [sys.executable, "-m", "pytest", "-q", "-ra", "--durations=5", str(FOLDER), *more]
    environ = {**os.environ, **({FAST: "1"} if quick else {})}
    return subprocess.run(words, cwd=ROOT, env=environ, check=False).returncode


def main() -> int:
    """Faults of the table, then the tests."""
    parser = argparse.ArgumentParser(prog="tests.faults.run", description=__doc__)
    parser.add_argument("--fast", action="store_true", help="the quick form of each fault")
    parser.add_argument("--only", default="", help="only faults whose name has these words")
    parser.add_argument("--jobs", type=int, help="so many faults at a time")
    parser.add_argument("--out", type=Path, default=OUT, help="where the figures are written")
    parser.add_argument("--table", action="store_true", help="the table without the tests")
    asked, more = parser.parse_known_args()
    chosen = [one for one in every_fault() if asked.only in one.name]
    chosen = [one for one in chosen if one.fast or not asked.fast]
    jobs = asked.jobs or (2 if asked.fast else 1)  # the quick ones mostly wait
    results = table(chosen, quick=asked.fast, jobs=jobs)
    rows = [one.plain() for one in results]
    asked.out.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", "utf-8")
    short = any(one.verdict == "short" for one in results)
    if asked.only or asked.table:
        return int(short)
    return the_tests(asked.fast, more) or int(short)


if __name__ == "__main__":
    sys.exit(main())
