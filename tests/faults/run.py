"""`python -m tests.faults.run [--fast]`: every fault, or with --fast the quick form of each."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
FAST = "PINTU_FAULTS_FAST"


def fast() -> bool:
    """True when only the quick form of each fault was asked for; a fault's test looks here."""
    return os.environ.get(FAST, "") == "1"


def times(full: int, quick: int) -> int:
    """How often a fault is tried now."""
    return quick if fast() else full


def main() -> int:
    """Run the faults' tests with their output shown; the exit code is theirs."""
    parser = argparse.ArgumentParser(prog="tests.faults.run", description=__doc__)
    parser.add_argument("--fast", action="store_true", help="the quick form of each fault")
    asked, more = parser.parse_known_args()
    words = [sys.executable, "-m", "pytest", "-q", "-ra", "--durations=5", str(FOLDER), *more]
    environ = {**os.environ, **({FAST: "1"} if asked.fast else {})}
    return subprocess.run(words, cwd=FOLDER.parents[1], env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
