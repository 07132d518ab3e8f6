"""`python -m tests.faults.one MODULE WAY TRIES`: one fault of the table; its figures as JSON on the
last line, exit code 77 when it cannot be run here.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys

import pytest

from claims.words import NotRun
from tests.faults.run import NOT_RUN


def main() -> int:
    """Measure; 0 also when something was lost: the figures say so."""
    module, way, tries = sys.argv[1:]
    try:
        found = importlib.import_module(f"tests.faults.{module}").measure(way, int(tries))
    except (NotRun, pytest.skip.Exception) as reason:
        print(reason, file=sys.stderr)
        return NOT_RUN
    print(json.dumps(dataclasses.asdict(found), ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
