"""Clients that nobody here wrote, unmodified, against a fresh city: `make conformance`.

`python -m tests.conformance.clients [--only NAME]` installs each client with its own package
manager into a folder of its own outside the project (`PINTU_CLIENTS`, else the user's cache),
starts a city, lets each do its normal operations, and prints a row a step. Exit 0: every step of
every client went well; 1: not; 2: a client could not be installed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.http_ops import City, free_port
from tests.conformance.results import save_clients

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LONGEST_S = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An outside client: the package, its exact version, what drives it."""

    package: str
    version: str
    language: str
    driver: str
    port: bool = False  # it listens, on a port it is told


CLIENTS = (
    Client(package="ngsildclient", version="0.5.2", language="python", driver="ngsildclient"),
    Client(package="filip", version="0.7.5", language="python", driver="filip"),
    Client(package="ngsijs", version="1.4.1", language="node", driver="ngsijs"),
    Client(
        package="iotagent-node-lib", version="4.14.0", language="node", driver="iotagent", port=True
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing a client did, and how it went."""

    client: str
    name: str
    ok: bool
    detail: str


class NotInstalled(Exception):
    """A client cannot be had here; says why."""


def kept() -> Path:
    """Where clients are installed, once for all runs of this machine."""
    told = os.environ.get("PINTU_CLIENTS")
    return Path(told) if told else Path.home() / ".cache" / "pintu-clients"


def install(client: Client) -> Path:
    """The folder that has the client, installed when it is not; raises NotInstalled."""
    folder = kept() / f"{client.package}-{client.version}"
    done = folder / ".installed"
    if done.is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {
        "python": [
            [sys.executable, "-m", "venv", str(folder)],
            [f"{folder}/bin/pip", "install", "-q", f"{client.package}=={client.version}"],
        ],
        "node": [
            [
                *("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder)),
                f"{client.package}@{client.version}",
            ]
        ],
    }
    for command in wanted[client.language]:
        _installing(command)
    done.touch()
    return folder


def _installing(command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        raise NotInstalled(f"{command[0]} is not here")
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().split("\n")[-1]
        raise NotInstalled(f"{Path(command[0]).name} failed: {last[:200]}")


def drive(client: Client, folder: Path, port: int) -> Iterator[Step]:
    """Let a client do its operations against the broker on a port; a row for each."""
    if client.language == "python":
        words = [f"{folder}/bin/python", "-W", "ignore", "-m"]
        words.append(f"tests.conformance.clients_{client.driver}")
    else:
        words = ["node", str(HERE / f"clients_{client.driver}.js")]
    words += ["127.0.0.1", str(port), *([str(free_port())] if client.port else [])]
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "NODE_PATH": str(folder / "node_modules"),
        "NO_PROXY": "127.0.0.1",
    }
    with tempfile.TemporaryDirectory(prefix="pintu-client-") as place:
        done = subprocess.run(
            words, cwd=place, env=environ, capture_output=True, text=True, timeout=LONGEST_S,
            check=False,
        )  # fmt: skip
    steps = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"step"')]
    for one in steps:
        yield Step(client=client.package, name=one["step"], ok=one["ok"], detail=one["detail"])
    if done.returncode or not steps:
        last = done.stderr.strip().split("\n")[-1]
        yield Step(client=client.package, name="run to its end", ok=False, detail=last[:300])


def run(only: str = "") -> tuple[list[Step], list[str]]:
    """Every step of every client that could be installed, and why others could not."""
    found: list[Step] = []
    absent: list[str] = []
    for client in CLIENTS:
        if only and only not in client.package:
            continue
        try:
            folder = install(client)
        except (NotInstalled, OSError, subprocess.TimeoutExpired) as error:
            absent.append(f"{client.package} {client.version}: {error}")
            continue
        with tempfile.TemporaryDirectory(prefix="pintu-clients-") as place:
            city = City(Path(place) / "data", "--open", "--no-pieces")
            try:
                found += drive(client, folder, city.port)
            finally:
                city.stop()
    return found, absent


def counts(found: list[Step]) -> dict[str, tuple[int, int]]:
    """Steps that went well, of all, by the name and version of each client that ran."""
    told = {}
    for client in CLIENTS:
        mine = [one.ok for one in found if one.client == client.package]
        if mine:
            told[f"{client.package} {client.version}"] = (sum(mine), len(mine))
    return told


def main(arguments: list[str] | None = None) -> int:
    """Print a row a step, then one a client."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only clients whose name contains this")
    parser.add_argument("--save", type=Path, help="put the counts into this file")
    options = parser.parse_args(arguments)
    found, absent = run(options.only)
    if options.save:
        save_clients(options.save, counts(found))
    for one in found:
        print(f"{one.client:<20}{one.name:<44}{'ok' if one.ok else 'FAIL ' + one.detail}")
    for name, (good, total) in counts(found).items():
        print(f"{name}: {good} of {total} steps")
    for told in absent:
        print(f"not run: {told}")
    return 2 if absent else int(not all(one.ok for one in found))


if __name__ == "__main__":
    sys.exit(main())
