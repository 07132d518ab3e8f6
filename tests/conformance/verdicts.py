"""What the outside suite found: one verdict a test, its group, its clauses, what is held wrong."""

from __future__ import annotations

import csv
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

HELD = Path(__file__).with_name("held.tsv")
_CLAUSE = re.compile(r"^[4-6]_\d+(?:_\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One test: its path and name, its group, the clauses it is about, how it ended and why."""

    test: str
    group: str
    clauses: tuple[str, ...]
    status: str
    message: str

    @property
    def passed(self) -> bool:
        """Whether it ended well; a test that was skipped did not."""
        return self.status == "PASS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A test held to be wrong: the clause that says otherwise, and the sentence that says why."""

    test: str
    clause: str
    sentence: str


def held(path: Path = HELD) -> dict[str, Held]:
    """The tests held to be wrong, by path and name; a row without all three is an error."""
    with path.open(encoding="utf-8", newline="") as lines:
        plain = (line for line in lines if not line.startswith("#"))
        rows = [Held(**row) for row in csv.DictReader(plain, delimiter="\t")]
    for row in rows:
        if not (row.test and row.clause and row.sentence):
            raise ValueError(f"Test {row.test!r} is held to be wrong without a clause and a reason")
    return {row.test: row for row in rows}


def group_of(path: str) -> str:
    """The part of the suite a test file is in, as the suite's own folders cut it."""
    parts = path.split("/")
    if parts[0] == "ContextInformation" and parts[1] in ("Consumption", "Provision"):
        return "/".join(parts[:3])
    if parts[0] in ("ContextInformation", "ContextSource", "DistributedOperations"):
        return "/".join(parts[:2])
    return parts[0]


def clauses_of(tags: Iterable[str]) -> tuple[str, ...]:
    """The clauses among a test's tags, down to three numbers: `5_7_2_4` is about 5.7.2."""
    found = (_CLAUSE.match(tag) for tag in tags)
    return tuple(sorted({one[0].replace("_", ".") for one in found if one}))


def verdicts(output: Path) -> Iterator[Verdict]:
    """Read robot's output.xml as it streams by; what a run that was cut off left behind is kept."""
    sources: list[str] = []
    try:
        for event, node in ET.iterparse(output, events=("start", "end")):
            if node.tag == "suite" and event == "start":
                sources.append(node.get("source", ""))
            elif node.tag == "suite":
                sources.pop()
            elif node.tag == "test" and event == "end":
                yield _verdict(sources[-1].split("/NGSI-LD/")[-1], node)
                node.clear()
    except ET.ParseError:
        return


def _verdict(path: str, node: ET.Element) -> Verdict:
    status = node.find("status")
    assert status is not None
    return Verdict(
        test=f"{path}::{node.get('name', '').strip()}",
        group=group_of(path),
        clauses=clauses_of(tag.text or "" for tag in node.iter("tag")),
        status=status.get("status", ""),
        message=" | ".join((status.text or "").split("\n"))[:200].strip(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many passed, of how many, and how many of those that did not are held to be wrong."""

    passed: int
    total: int
    held: int

    @property
    def share(self) -> float:
        """Passes among what is not held to be wrong; 0 when nothing ran."""
        counted = self.total - self.held
        return self.passed / counted if counted else float(self.total > 0)


def counted(found: Iterable[Verdict], wrong: dict[str, Held]) -> Count:
    """Count verdicts; one that is held to be wrong and passes all the same is a pass."""
    ends = Counter("pass" if v.passed else "held" if v.test in wrong else "fail" for v in found)
    return Count(passed=ends["pass"], total=ends.total(), held=ends["held"])
