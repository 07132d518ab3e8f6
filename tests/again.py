"""`python -m tests.again`: the few tests that failed last, once more and alone.

Some tests wait for processes that start, servers that are killed and browsers that paint; beside
thousands of others on a noisy machine one of them may come too late, which says nothing about
the change. What fails alone fails, and more than `MOST` are never noise.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

MOST = 3
CACHE = Path(__file__).parents[1] / ".pytest_cache/v"


def kept(name: str, otherwise: Any) -> Any:
    """What the last run wrote under that name."""
    file = CACHE / name
    return json.loads(file.read_text()) if file.exists() else otherwise


def main() -> int:
    """0 when all that failed last now pass; they are named either way."""
    failed: list[str] = sorted(kept("cache/lastfailed", {}))
    whole = kept("pintu/ended", None) == pytest.ExitCode.TESTS_FAILED
    print(
        f"{len(failed)} failed, the run {'ended' if whole else 'did not end'}:", *failed, sep="\n  "
    )
    if not (whole and 0 < len(failed) <= MOST):
        print(f"nothing is tried again: that is done for one to {MOST} tests")
        return 1
    code = int(pytest.main(["-q", *failed]))
    print("they pass alone" if code == 0 else "they fail alone too")
    return code


if __name__ == "__main__":
    sys.exit(main())
