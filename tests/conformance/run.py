"""Run the outside NGSI-LD suite on a fresh city, through the fast lane and through plain ASGI.

`python -m tests.conformance.run [--door fast|plain|both] [--store sqlite|postgres|both]
[--edition official|full] [--iop] [--group NAME ...] [--save FILE]` needs ETSI_HOME (a folder with
`suite/` and `venv/`) and ETSI_TOOLS (the folder of its `run.sh`). Prints passes a group, every
failing test, every test held to be wrong (held.tsv) with its clause, and whether the doors and the
stores asked for agree. The city differs from the default one in `--open`, `--plain` and the size
of a temporal page. Exit 0: all that is not held to be wrong passes and all agree; 1: not; 2: could
not run.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.http_ops import City, served
from tests.conformance.results import save
from tests.conformance.verdicts import Verdict, counted, held, verdicts

BROKERS = 5
"""How many the interoperability tests talk to."""
TEMPORAL_PAGE = "30"
PUBLIC = (
    "https://raw.githubusercontent.com/marek-mraz/ngsi-ld-test-suite/main/resources/jsonld-contexts"
)
LONGEST_S = 7_800


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a run is asked for, besides its door and store."""

    edition: str = "official"
    iop: bool = False
    groups: tuple[str, ...] = ()
    ports: int = 8385


def drive(door: str, store: str, asked: Asked, out: Path) -> list[Verdict]:
    """Start fresh cities on one store, run the suite against them, stop them."""
    extra = ("--open",) if door == "fast" else ("--open", "--plain")
    with ExitStack() as opened:
        name = opened.enter_context(tempfile.TemporaryDirectory(prefix="pintu-etsi-"))
        cities = []
        for number in range(BROKERS if asked.iop else 1):
            address, _ = opened.enter_context(served(store))
            city = City(_made(Path(name) / str(number)) / "data", *extra, store=address)
            opened.callback(city.stop)
            cities.append(f"http://127.0.0.1:{city.port}/ngsi-ld/v1")
        suite = offline_suite(Path(name) / "suite", asked.ports)
        _run(command(cities, suite, asked, out))
    return [one for one in verdicts(out / "output.xml") if _wanted(one, asked)]


def command(cities: list[str], suite: Path, asked: Asked, out: Path) -> list[str]:
    """The call of the suite's own runner."""
    only = [word for group in asked.groups for word in ("--only", group)]
    words = ["bash", f"{os.environ['ETSI_TOOLS']}/run.sh", cities[0], "--suite", str(suite)]
    words += ["--ports", str(asked.ports), "--out", str(out), *only]
    if asked.edition == "official":
        words.append("--official")
    if asked.iop:  # these alone: the runner adds them to what it is told to run
        words += ["--only", "CommonBehaviours", "--iop", ",".join(cities), "--", "--include", "iop"]
    return words


def offline_suite(copy: Path, ports: int) -> Path:
    """A copy of the suite in which GeoJSON expectations, too, name the local server of @contexts:
    its runner rewrites those addresses in every other kind of file."""
    shutil.copytree(
        Path(os.environ["ETSI_HOME"]) / "suite", copy, ignore=shutil.ignore_patterns(".git")
    )
    for path in copy.rglob("*.geojson"):
        text = path.read_text(encoding="utf-8")
        path.write_text(
            text.replace(PUBLIC, f"http://127.0.0.1:{ports + 3}/contexts"), encoding="utf-8"
        )
    return copy


def _run(words: list[str]) -> None:
    """In a process group of its own, so that a run that hangs ends with all it has started."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        process.wait(timeout=LONGEST_S)
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _wanted(one: Verdict, asked: Asked) -> bool:
    return (one.group == "Interoperability") == asked.iop


def report(called: str, found: list[Verdict]) -> float:
    """Print one run's table; returns the share of passes among tests not held to be wrong."""
    wrong = held()
    for group in sorted({v.group for v in found}):
        count = counted((v for v in found if v.group == group), wrong)
        told = f"   {count.held} held to be wrong" if count.held else ""
        print(
            f"{called:<18}{group:<50}{count.passed:>5} of {count.total:<5}"
            f"{100 * count.share:6.1f} %{told}"
        )
    for one in found:
        if one.test in wrong:
            row = wrong[one.test]
            end = "passes all the same" if one.passed else "held to be wrong"
            print(f"{called:<18}{end} {one.test}: {row.clause}: {row.sentence}")
        elif not one.passed:
            print(f"{called:<18}FAIL {one.test}: {one.message}")
    count = counted(found, wrong)
    print(
        f"{called:<18}{count.total} tests counted, {_percent(count.share)} % pass; "
        f"{count.passed} pass, {count.held} held to be wrong"
    )
    return count.share


def _percent(share: float) -> str:
    """Rounded down: 100.0 is said of nothing that is less."""
    return f"{int(1000 * share) / 10:.1f}"


def main(arguments: list[str] | None = None) -> int:
    """Run, compare, and say by the exit code what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--door", choices=("fast", "plain", "both"), default="both")
    parser.add_argument("--store", choices=("sqlite", "postgres", "both"), default="sqlite")
    parser.add_argument("--edition", choices=("official", "full"), default="official")
    parser.add_argument("--iop", action="store_true", help="the tests of five brokers instead")
    parser.add_argument("--group", action="append", help="a folder of the suite")
    parser.add_argument("--save", type=Path, help="put the counts into this file")
    options = parser.parse_args(arguments)
    missing = [name for name in ("ETSI_HOME", "ETSI_TOOLS") if name not in os.environ]
    if missing:
        print(f"not run: {' and '.join(missing)} not set (the suite is not part of this project)")
        return 2
    groups = tuple(options.group or ())
    asked = asked_by_environment(edition=options.edition, iop=options.iop, groups=groups)
    results = driven(options.door, options.store, asked)
    shares = [report(called, found) for called, found in results.items()]
    differing = disagreeing(results)
    for told in differing:
        print(f"differs {told}")
    if options.save:
        save(options.save, "interoperability" if asked.iop else asked.edition, results)
    return 0 if not differing and min(shares) >= 1 else 1


def asked_by_environment(
    edition: str = "official", iop: bool = False, groups: tuple[str, ...] = ()
) -> Asked:
    """What is asked for, at the ports that ETSI_PORTS names; cities started from here on have
    pages of history as small as the suite expects."""
    os.environ.setdefault("PINTU_TEMPORAL_PAGE", TEMPORAL_PAGE)
    ports = int(os.environ.get("ETSI_PORTS", "8385"))
    return Asked(edition=edition, iop=iop, groups=groups, ports=ports)


def driven(door: str, store: str, asked: Asked) -> dict[str, list[Verdict]]:
    """The verdicts of each run asked for; a run on PostgreSQL is called so."""
    doors = ("fast", "plain") if door == "both" else (door,)
    stores = ("sqlite", "postgres") if store == "both" else (store,)
    results: dict[str, list[Verdict]] = {}
    with tempfile.TemporaryDirectory(prefix="pintu-etsi-out-") as name:
        for one in doors:
            for where in stores:
                out = _made(Path(name) / f"{one}-{where}")
                called = one if where == "sqlite" else f"{one} on {where}"
                results[called] = drive(one, where, asked, out)
    return results


def disagreeing(results: dict[str, list[Verdict]]) -> list[str]:
    """Every test that did not end alike in all runs, with its ends; absent is an end, too."""
    ends = [{v.test: v.status for v in found} for found in results.values()]
    tests = sorted({test for one in ends for test in one})
    told = [(test, [one.get(test, "absent") for one in ends]) for test in tests]
    return [f"{test}: {', '.join(found)}" for test, found in told if len(set(found)) > 1]


if __name__ == "__main__":
    sys.exit(main())
