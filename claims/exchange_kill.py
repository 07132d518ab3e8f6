"""kill -9 while people look at records: no answer without its row of the log, every receipt's row
is there and proved (`python -m claims.exchange_kill [TIMES]`).

Readers ask the real route of a data set with persons, over HTTP, and keep the receipt of every
answer they got. The broker is killed at random moments. Afterwards the log is one, without a gap,
and a stranger's `pintu-verify` accepts the proof of every receipt and the log as a whole.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomli_w

from bench.http_ops import City
from bench.processes import tree
from claims.words import Claim, Finding, NotRun, judged
from pintu_verify.bundle import check_bundle
from pintu_verify.merkle import leaf_of
from pintu_verify.notes import read_key
from pintu_verify.sources import pieces_of

READERS = 6
BY_PROGRAM = 5
TIMES = 20
FULL_TIMES = 100
PATH = "/api/v1/data-sets/patients_demo/rows"


class Reader(threading.Thread):
    """Asks for one made-up person after another; keeps what every answer said of its row."""

    def __init__(self, city: City, name: int) -> None:
        super().__init__(daemon=True)
        self.city, self.index, self.stopped = city, name, False
        self.receipts: list[tuple[int, str]] = []
        self.bare = 0  # answers that named no row
        self.connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        """Until told to stop."""
        number = 0
        while not self.stopped:
            number += 1
            try:
                self._ask(number)
            except (OSError, http.client.HTTPException):
                self._close()
                time.sleep(0.02)
        self._close()

    def _close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _ask(self, number: int) -> None:
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.city.port, timeout=10)
        # no real person's number: letters instead of digits
        path = f"{PATH}?f.id=DEMO-{self.index}-{number}&purpose=treatment"
        headers = {"Pintu-Reason": f"visit%20{self.index}-{number}", "Pintu-Purpose": "treatment"}
        self.connection.request("GET", path, headers=headers)
        answer = self.connection.getresponse()
        answer.read()
        if answer.status != 200:
            time.sleep(0.02)
            return
        told = answer.getheader("Pintu-Receipt") or ""
        number_told, _, leaf = told.partition("; leaf=")
        if number_told.isdecimal() and len(leaf) == 64:
            self.receipts.append((int(number_told), leaf))
        else:
            self.bare += 1


def write_data_set(data: Path) -> None:
    """A table about persons, without rows: what counts is that somebody looked."""
    path = data / "config" / "datasets" / "patients_demo.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [
        {"name": "id", "key": True, "person": "id_number"},
        {"name": "state", "person": "health"},
    ]
    content = {"provider": "table", "source": "patients_demo", "owner": "health"}
    path.write_text(tomli_w.dumps({**content, "columns": columns}), "utf-8")


def kill(city: City, chance: random.Random) -> None:
    """Kill every process of the city at a random moment, and start it again."""
    time.sleep(chance.uniform(0.05, 1.2))
    for pid in tree(city.process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    city.process.wait(20)
    city.start()


def get(city: City, path: str) -> tuple[int, bytes]:
    """(status, body); status 0 when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", city.port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def verify(*words: str) -> int:
    """A stranger's program, in a process of its own."""
    command = [sys.executable, "-m", "pintu_verify", *words]
    return subprocess.run(command, capture_output=True, check=False).returncode


def proved(city: City, receipts: Sequence[tuple[int, str]], folder: Path) -> tuple[int, str]:
    """(how many of the receipts a stranger accepts, the log's key). The first few by the program
    itself, the others by its own check in this process: it takes as long to start as to look.
    """
    key = get(city, "/api/v1/audit/key")[1].decode().strip()
    right = 0
    for place, (number, leaf) in enumerate(receipts):
        path = folder / "proof.json"
        status, body = get(city, f"/api/v1/audit/proof/{number}?leaf={leaf}")
        bundle = json.loads(body) if status == 200 else {}
        if bundle.get("leaf") != leaf or "row" not in bundle:
            continue
        if place < BY_PROGRAM:
            path.write_bytes(body)
            right += verify(str(path), "--key", key) == 0
        else:
            right += not check_bundle(bundle, [read_key(key)], [])[0]
    return right, key


def measure(times: int) -> list[Finding]:
    """Kill it so often; then look at every receipt."""
    seed = random.SystemRandom().randrange(10**9)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="claim-audit-kill-") as name:
        data = Path(name) / "data"
        write_data_set(data)
        city = City(data, "--open", "--no-pieces")
        try:
            readers = [Reader(city, number) for number in range(READERS)]
            for reader in readers:
                reader.start()
            for _ in range(times):
                kill(city, chance)
            time.sleep(0.5)
            for reader in readers:
                reader.stopped = True
            for reader in readers:
                reader.join(20)
            receipts = [one for reader in readers for one in reader.receipts]
            bare = sum(reader.bare for reader in readers)
            return findings(city, receipts, (bare, times, seed), Path(name))
        finally:
            city.stop()


def findings(
    city: City, receipts: list[tuple[int, str]], told: tuple[int, int, int], folder: Path
) -> list[Finding]:
    """What became of the answers."""
    bare, times, seed = told
    if len(receipts) < times:
        raise NotRun(f"Only {len(receipts)} answers came: nothing was measured")
    time.sleep(1.5)  # the last second is sealed
    looked = random.Random(seed).sample(receipts, min(len(receipts), 300))
    right, key = proved(city, looked, folder)
    numbers = [number for number, _ in receipts]
    city.stop()
    heads = data_file(city, "rooms/audit.db")
    whole = verify("log", str(data_file(city, "city.db")), "--key", key, "--heads", str(heads))
    at = f"{times} kills, seed {seed}"
    return [
        judged("answers about a person without a row", f"{bare} of {len(receipts)}", "0",
               bare == 0, at),
        judged("two answers with one row", str(len(numbers) - len(set(numbers))), "0",
               len(numbers) == len(set(numbers))),
        judged("receipts that a stranger accepts", f"{right} of {len(looked)}", "all",
               right == len(looked)),
        judged("receipts whose row is in the log", f"{found_in(city, receipts)} of {len(receipts)}",
               "all", found_in(city, receipts) == len(receipts)),
        judged("the log as a whole, by pintu-verify", f"exit {whole}", "exit 0", whole == 0),
    ]  # fmt: skip


def found_in(city: City, receipts: list[tuple[int, str]]) -> int:
    """How many receipts have their row in the stopped city's own file."""
    leaves: dict[int, str] = {}
    for one in pieces_of(data_file(city, "city.db")):
        if isinstance(one, tuple):
            leaves[one[0]] = leaf_of(one[1]).hex()
    return sum(leaves.get(number) == leaf for number, leaf in receipts)


def data_file(city: City, name: str) -> Path:
    """A file of the stopped city."""
    return city.folder / name


CLAIMS: list[Claim] = [
    Claim(name="no answer without its row", measure=lambda: measure(TIMES)),
    Claim(name="no answer without its row, often", measure=lambda: measure(FULL_TIMES), full=True),
]


def main() -> int:
    """Print the findings; 0 when all hold."""
    words: list[Any] = sys.argv[1:]
    found = measure(int(words[0]) if words else TIMES)
    for one in found:
        print(one.line())
    return 0 if all(one.verdict == "ok" for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
