"""Run the outside NGSI-LD suite on a fresh city, through the fast lane and through plain ASGI.

`python -m tests.conformance.run [--door fast|plain|both] [--store sqlite|postgres|both]
[--group NAME ...]` needs ETSI_HOME (a folder with `suite/` and `venv/`) and ETSI_TOOLS (the folder
of its `run.sh`). Prints passes a group, whether the doors and the stores asked for agree, every
failing test, and every excluded test with the path of a later issue that it calls.
Exit 0: the share is reached and all agree; 1: not; 2: could not run.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.http_ops import City, served

GROUPS = (
    "ContextInformation/Provision",
    "ContextInformation/Consumption/Entity",
    "ContextInformation/Consumption/Discovery",
    "jsonldContext",
    "CommonBehaviours",
)
COUNTED = GROUPS[:4]  # CommonBehaviours is shown; its rest comes with subscriptions and federation
CLEANING_UP = re.compile(r"DELETE Request : url=\S+/ngsi-ld/v1/temporal/entities/\S+")
LATER = re.compile(
    r"/ngsi-ld/v1/((?:temporal|subscriptions|csource\w+|entityMaps|snapshots)[^\s?\"',]*)"
)
BAR = 0.97


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One test: its group, how it ended, why, and the first path of a later issue it called."""

    test: str
    group: str
    status: str
    message: str
    later: str | None


def verdicts(output: Path) -> Iterator[Verdict]:
    """Read robot's output.xml; the paths a test called stand in its request log."""
    sources: list[str] = []
    for event, node in ET.iterparse(output, events=("start", "end")):
        if node.tag == "suite" and event == "start":
            sources.append(node.get("source", ""))
        elif node.tag == "suite":
            sources.pop()
        elif node.tag == "test" and event == "end":
            path = sources[-1].split("/NGSI-LD/")[-1]
            text = "\n".join(m.text or "" for m in node.iter("msg"))
            # most tests also delete the history of what they made; that alone excludes none of them
            requested = re.findall(r"([A-Z]+ Request : url=\S+)", text)
            asked = "\n".join(one for one in requested if not CLEANING_UP.match(one))
            found = LATER.search(asked)
            status = node.find("status")
            assert status is not None
            yield Verdict(
                test=f"{path}::{node.get('name')}",
                group=next((g for g in GROUPS if path.startswith(g)), path),
                status=status.get("status", ""),
                message=(status.text or "").strip().split("\n")[0][:200],
                later=found[1] if found else ("temporal" if "/TemporalEntity" in path else None),
            )
            node.clear()


def drive(door: str, store: str, groups: tuple[str, ...], out: Path) -> list[Verdict]:
    """Start a fresh city on one store, run the suite against it, stop it."""
    extra = ("--open",) if door == "fast" else ("--open", "--plain")
    with tempfile.TemporaryDirectory(prefix="pintu-etsi-") as name, served(store) as (address, _):
        city = City(Path(name) / "data", *extra, store=address)
        try:
            only = [word for group in groups for word in ("--only", group)]
            command = [
                "bash",
                f"{os.environ['ETSI_TOOLS']}/run.sh",
                f"http://127.0.0.1:{city.port}/ngsi-ld/v1",
                "--official",
                "--ports",
                os.environ.get("ETSI_PORTS", "8385"),
                "--out",
                str(out),
                *only,
            ]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=False, timeout=3600)
        finally:
            city.stop()
    return list(verdicts(out / "output.xml"))


def report(door: str, found: list[Verdict]) -> float:
    """Print one door's table; returns the share of passes in the counted groups."""
    inside = [v for v in found if v.later is None]
    for group in sorted({v.group for v in inside}):
        count = Counter(v.status for v in inside if v.group == group)
        total = sum(count.values())
        print(
            f"{door:<18}{group:<46}{count['PASS']:>5} of {total:<5}"
            f"{100 * count['PASS'] / total:6.1f} %"
        )
    for verdict in inside:
        if verdict.status != "PASS":
            print(f"{door:<18}FAIL {verdict.test}: {verdict.message}")
    counted = [v for v in inside if v.group in COUNTED]
    share = sum(v.status == "PASS" for v in counted) / max(1, len(counted))
    print(
        f"{door:<18}{len(counted)} tests counted, {100 * share:.1f} % pass; "
        f"{sum(v.later is not None for v in found)} excluded"
    )
    return share


def main(arguments: list[str] | None = None) -> int:
    """Run, compare, and say by the exit code what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--door", choices=("fast", "plain", "both"), default="both")
    parser.add_argument("--store", choices=("sqlite", "postgres", "both"), default="sqlite")
    parser.add_argument("--group", action="append", choices=GROUPS)
    options = parser.parse_args(arguments)
    missing = [name for name in ("ETSI_HOME", "ETSI_TOOLS") if name not in os.environ]
    if missing:
        print(f"not run: {' and '.join(missing)} not set (the suite is not part of this project)")
        return 2
    results = driven(options.door, options.store, tuple(options.group or GROUPS))
    shares = [report(asked, found) for asked, found in results.items()]
    first = next(iter(results.values()))
    for verdict in sorted(first, key=lambda v: v.test):
        if verdict.later is not None:
            print(f"excluded {verdict.test}: calls {verdict.later}")
    differing = disagreeing(results)
    for told in differing:
        print(f"differs {told}")
    return 0 if not differing and min(shares) >= BAR else 1


def driven(door: str, store: str, groups: tuple[str, ...]) -> dict[str, list[Verdict]]:
    """The verdicts of each run asked for; a run on PostgreSQL is called so."""
    doors = ("fast", "plain") if door == "both" else (door,)
    stores = ("sqlite", "postgres") if store == "both" else (store,)
    results: dict[str, list[Verdict]] = {}
    with tempfile.TemporaryDirectory(prefix="pintu-etsi-out-") as name:
        for one in doors:
            for where in stores:
                out = Path(name) / f"{one}-{where}"
                out.mkdir()
                called = one if where == "sqlite" else f"{one} on {where}"
                results[called] = drive(one, where, groups, out)
    return results


def disagreeing(results: dict[str, list[Verdict]]) -> list[str]:
    """Every test that did not end alike in all runs, with its ends; absent is an end, too."""
    ends = [{v.test: v.status for v in found} for found in results.values()]
    tests = sorted({test for one in ends for test in one})
    told = [(test, [one.get(test, "absent") for one in ends]) for test in tests]
    return [f"{test}: {', '.join(found)}" for test, found in told if len(set(found)) > 1]


if __name__ == "__main__":
    sys.exit(main())
