"""docs/ngsi-ld.md from the kept counts: `python -m tests.conformance.table > docs/ngsi-ld.md`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.conformance.results import load
from tests.conformance.verdicts import held

TITLES = Path(__file__).with_name("clauses.tsv")
EDITIONS = ("official", "full", "interoperability")
_HEAD = """\
# NGSI-LD, clause by clause

This page is made from results by commands and never edited. `python -m tests.conformance.run
--save tests/conformance/results.json` (once more with `--edition full`, once with `--edition full
--iop`) runs ETSI's test suite on a fresh city; `python -m tests.conformance.table >
docs/ngsi-ld.md` writes what came of it. The suite is not part of this project: `ETSI_HOME` and
`ETSI_TOOLS` say where it is.

**How to read it.** A row is a clause of ETSI GS CIM 009 V1.9.1; a test may be about several and is
counted in each. *Official* are ETSI's own tests, *full* adds the extensions of the corrected
edition, *five brokers* are the interoperability tests with five cities of ours. `17/17` is passed
of all; `held` are tests that contradict the standard, each listed below with the clause and the
reason. Figures of groups and clauses are the fast lane's; the first table has plain ASGI, too. The
city under test differs from the default one in `--open`, `--plain` and a small page of history
(`PINTU_TEMPORAL_PAGE=30`).
"""


def titles() -> dict[str, str]:
    """What each clause is about."""
    lines = TITLES.read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return dict((number, title) for number, title in rows)


def page(kept: dict[str, Any] | None = None) -> str:
    """The whole page as text; from results handed in, else from those kept."""
    kept = load() if kept is None else kept
    parts = [_HEAD, _totals(kept), _groups(kept), _clauses(kept), _held(kept), _clients(kept)]
    return "\n".join(part for part in parts if part)


def _runs(kept: dict[str, Any], edition: str) -> dict[str, Any]:
    runs: dict[str, Any] = kept.get(edition, {})
    return runs


def _first(kept: dict[str, Any], edition: str) -> dict[str, Any]:
    runs = _runs(kept, edition)
    found: dict[str, Any] = runs.get("fast") or next(iter(runs.values()), {})
    return found


def _cell(count: list[int] | None) -> str:
    if count is None:
        return "–"
    passed, total, wrong = count
    return f"{passed}/{total}" + (f", {wrong} held" if wrong else "")


def _totals(kept: dict[str, Any]) -> str:
    lines = ["| run | passed | held to be wrong | failed |", "|---|---|---|---|"]
    for edition in EDITIONS:
        for door, one in sorted(_runs(kept, edition).items()):
            passed, total, wrong = one["total"]
            name = "five brokers" if edition == "interoperability" else edition
            lines.append(
                f"| {name}, {door} | {passed} of {total} | {wrong} | {total - passed - wrong} |"
            )
    return "\n".join(lines) + "\n"


def _groups(kept: dict[str, Any]) -> str:
    return _table(kept, "groups", "## By group of the suite", lambda name: name)


def _clauses(kept: dict[str, Any]) -> str:
    known = titles()

    def named(clause: str) -> str:
        return f"{clause} {known.get(clause) or known.get(clause.rpartition('.')[0], '')}".strip()

    return _table(kept, "clauses", "## By clause", named)


def _table(kept: dict[str, Any], member: str, head: str, named: Any) -> str:
    columns = [_first(kept, edition).get(member, {}) for edition in EDITIONS]
    names = sorted({name for column in columns for name in column}, key=_order)
    lines = [f"{head}\n", "| | official | full | five brokers |", "|---|---|---|---|"]
    lines += [
        f"| {named(name)} | {' | '.join(_cell(column.get(name)) for column in columns)} |"
        for name in names
    ]
    return "\n".join(lines) + "\n"


def _order(name: str) -> tuple[Any, ...]:
    parts = name.split(".")
    return tuple(int(part) for part in parts) if parts[0].isdigit() else (0, name)


def _held(kept: dict[str, Any]) -> str:
    wrong = held()
    met = sorted({test for edition in EDITIONS for test in _first(kept, edition).get("held", ())})
    if not met:
        return ""
    lines = ["## Tests held to be wrong\n", "| test | clause | why |", "|---|---|---|"]
    lines += [
        f"| {test.replace('::', ': ')} | {wrong[test].clause} | {wrong[test].sentence} |"
        for test in met
        if test in wrong
    ]
    return "\n".join(lines) + "\n"


def _clients(kept: dict[str, Any]) -> str:
    if not kept.get("clients"):
        return ""
    lines = [
        "## Clients that nobody here wrote\n",
        "`make conformance` installs each unmodified and lets it do its normal operations.\n",
        "| client | steps that went well |",
        "|---|---|",
    ]
    lines += [f"| {name} | {good} of {total} |" for name, (good, total) in kept["clients"].items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
