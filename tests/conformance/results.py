"""The counts of runs, kept in one readable file: what docs/ngsi-ld.md is made from."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.conformance.verdicts import Verdict, counted, held

_COUNTS = re.compile(r"\[[\s\d,]+\]")
RESULTS = Path(__file__).with_name("results.json")


def load(path: Path = RESULTS) -> dict[str, Any]:
    """What is kept: edition → run → counts; empty when nothing was."""
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def save(path: Path, edition: str, results: dict[str, list[Verdict]]) -> None:
    """Put the counts of some runs of one edition into the file; other editions stay."""
    kept = load(path)
    runs = kept.setdefault(edition, {})
    for called, found in results.items():
        runs[called] = summary(found)
    _write(path, kept)


def save_clients(path: Path, counts: dict[str, tuple[int, int]]) -> None:
    """Put what outside clients came to into the file."""
    kept = load(path)
    kept.setdefault("clients", {}).update(counts)
    _write(path, kept)


def _write(path: Path, kept: dict[str, Any]) -> None:
    text = json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False)
    text = _COUNTS.sub(lambda found: " ".join(found[0].split()), text)
    path.write_text(text + "\n", encoding="utf-8")


def summary(found: list[Verdict]) -> dict[str, Any]:
    """Counts by group and by clause as [passed, total, held], and the tests that fail."""
    wrong = held()
    by_group: dict[str, list[Verdict]] = defaultdict(list)
    by_clause: dict[str, list[Verdict]] = defaultdict(list)
    for one in found:
        by_group[one.group].append(one)
        for clause in one.clauses:
            by_clause[clause].append(one)

    def counts(some: dict[str, list[Verdict]]) -> dict[str, list[int]]:
        told = {name: counted(members, wrong) for name, members in some.items()}
        return {name: [one.passed, one.total, one.held] for name, one in told.items()}

    total = counted(found, wrong)
    return {
        "total": [total.passed, total.total, total.held],
        "groups": counts(by_group),
        "clauses": counts(by_clause),
        "held": sorted(v.test for v in found if not v.passed and v.test in wrong),
        "fail": sorted(v.test for v in found if not v.passed and v.test not in wrong),
    }
