"""Programs of others against a city: the outside suite in three parts, and outside clients."""

from __future__ import annotations

import contextlib
import io
import re

from claims.words import Finding, NotRun, judged
from tests.conformance import clients as outside_programs
from tests.conformance import run as outside
from tests.conformance.results import RESULTS

_COUNTED = re.compile(r"^(\S+) +(\d+) tests counted, ([\d.]+) % pass; (\d+) pass, (\d+) held", re.M)


def official() -> list[Finding]:
    """ETSI's own tests through both doors."""
    return _suite("official")


def everything() -> list[Finding]:
    """The full edition through both doors."""
    return _suite("full", "--edition", "full")


def interoperability() -> list[Finding]:
    """The tests of five brokers, all ours."""
    return _suite("five brokers", "--edition", "full", "--iop", "--door", "fast")


def _suite(called: str, *arguments: str) -> list[Finding]:
    """Run, print the table, keep the counts for docs/ngsi-ld.md, and judge each door."""
    with contextlib.redirect_stdout(io.StringIO()) as told:
        code = outside.main([*arguments, "--save", str(RESULTS)])
    text = told.getvalue()
    if code == 2:
        raise NotRun(text.strip())
    print(text)
    found = []
    for door, count, share, good, wrong in _COUNTED.findall(text):
        figure = f"{good} of {count}, {wrong} held wrong"
        found.append(judged(f"{called}, {door} door", figure, "100 %", float(share) == 100))
    if not found:
        raise NotRun(text.strip()[-300:])
    differing = len(re.findall("^differs", text, re.MULTILINE))
    return [*found, judged(f"{called}, the doors agree", f"{differing} differ", "0", not differing)]


def outside_clients() -> list[Finding]:
    """Each client's own operations, and what could not be installed."""
    steps, absent = outside_programs.run()
    found = []
    for client in sorted({one.client for one in steps}):
        mine = [one for one in steps if one.client == client]
        good = sum(one.ok for one in mine)
        failed = "; ".join(f"{one.name}: {one.detail}" for one in mine if not one.ok)
        figure = f"{good} of {len(mine)} steps"
        found.append(judged(f"client {client}", figure, "all", good == len(mine), failed[:300]))
    if absent and not found:
        raise NotRun("; ".join(absent))
    enough = judged("clients that ran", f"{len(found)}", "≥ 3", len(found) >= 3, "; ".join(absent))
    return [*found, enough]
