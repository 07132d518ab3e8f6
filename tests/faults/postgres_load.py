"""Load on a city on a server from a process of its own, and the check after faults: what was
promised is there, once; what was refused is not; a durable reader saw every change once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from tests.real_databases import Server

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = "city"


class Told:
    """What all lives of the loading process said."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[int | None, int]] = {}  # id: (value, position), the last one
        self.acknowledged: dict[int, str] = {}  # position: id
        self.values: Counter[int] = Counter()
        self.refused: list[int] = []
        self.wrong: list[str] = []
        self.seen = 0  # the newest position the reader saw, in any life
        self.counted = 0  # changes the reader saw, each counted in the life that kept it
        self.answers = 0
        self.last_ack = time.monotonic()
        self.lost_said = 0  # positions the store says were lost with a server
        self.longest_s = 0.0  # the longest time without an answer

    def line(self, text: str) -> None:
        """One line of a loading process."""
        words = text.split()
        what, told = words[0], words[1:]
        if what == "ack":
            self._acknowledged(told)
        elif what == "no" and told[1] != "None":
            self.refused.append(int(told[1]))
        elif what == "from":
            if int(told[0]) > self.seen:
                self.wrong.append(f"the reader began after {told[0]} and had seen {self.seen}")
            self.seen = int(told[0])
        elif what == "seen":
            positions = [int(one) for one in told]
            if positions != list(range(self.seen + 1, self.seen + len(positions) + 1)):
                self.wrong.append(f"after {self.seen} the reader saw {positions[:5]}…")
            self.seen = positions[-1]
        elif what == "end":
            self.lost_said = int(told[1])
        elif what not in ("no", "kept"):
            self.wrong.append(f"the process said {text[:200]!r}")

    def _acknowledged(self, told: list[str]) -> None:
        id, value, position = told[0], told[1], int(told[2])
        now = time.monotonic()
        self.longest_s = max(self.longest_s, now - self.last_ack)
        self.last_ack = now
        self.answers += 1
        number = None if value == "None" else int(value)
        self.kept[id] = (number, position)
        if position in self.acknowledged:
            self.wrong.append(f"position {position} was answered twice")
        if position:
            self.acknowledged[position] = id
            if number is not None:
                self.values[number] += 1


class Load:
    """One life of the loading process."""

    def __init__(self, address: str, life: int, told: Told) -> None:
        self.told = told
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the process
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.postgres_child", address, str(life)],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        )
        told.last_ack = time.monotonic()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for text in self.process.stdout:
            if text.endswith("\n"):
                self.told.line(text)

    def wait_for(self, answers: int, within_s: float = 60) -> None:
        """Until so many more answers came."""
        until, wanted = time.monotonic() + within_s, self.told.answers + answers
        while self.told.answers < wanted:
            if self.process.poll() is not None:
                self._errors.seek(0)
                text = self._errors.read().decode("utf-8", "replace")
                raise RuntimeError(f"the loading process ended by itself: {text[-2000:]}")
            if time.monotonic() > until:
                raise RuntimeError(f"no {answers} answers within {within_s} s")
            time.sleep(0.002)

    def kill(self) -> None:
        """kill -9."""
        assert self.process.poll() is None, "the loading process ended before it was killed"
        self.process.kill()
        self._end()

    def stop(self) -> None:
        """Let it finish: everything that was committed is seen by its reader."""
        self.process.send_signal(signal.SIGTERM)
        self._end()
        if self.process.returncode != 0:
            self.told.wrong.append(f"the loading process ended with {self.process.returncode}")

    def _end(self) -> None:
        self.process.wait(60)
        self._thread.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._errors.close()


def make_city(server: Server) -> None:
    """An empty database for the city."""
    server.run("CREATE DATABASE city")
    server.run(
        "CREATE EXTENSION postgis", f"ALTER DATABASE city SET search_path = {SCHEMA}, public",
        database="city",
    )  # fmt: skip


def address_of(servers: list[Server], password: str, **more: Any) -> str:
    """The address of the city on one server or on several that follow one another."""
    hosts = ",".join(f"127.0.0.1:{one.port}" for one in servers)
    tail = "".join(f"&{name}={value}" for name, value in more.items())
    return f"postgresql://owner:{password}@{hosts}/city?schema={SCHEMA}{tail}"


def wrong_after(server: Server, told: Told, *, gaps: bool = False) -> list[str]:
    """Everything on the server that is not as it was told. `gaps`: positions may be missing, not
    used twice (an asynchronous standby was promoted).
    """
    wrong = list(told.wrong)
    rows = server.ask(
        f"SELECT position, id, verb, payload FROM {SCHEMA}.log ORDER BY position", "city"
    )
    by_position = {position: id for position, id, _, _ in rows}
    wrong += [
        f"position {position} of {id} is missing"
        for position, id in told.acknowledged.items()
        if by_position.get(position) != id
    ]
    if not gaps and [row[0] for row in rows] != list(range(1, len(rows) + 1)):
        wrong.append("the log has gaps")
    values: Counter[int] = Counter()
    for _, _, _, payload in rows:
        if payload:
            values[orjson.loads(bytes(payload))["value"]["value"]] += 1
    wrong += [f"{value} was written twice" for value, count in values.items() if count > 1]
    wrong += [f"{value} was refused and is stored" for value in told.refused if values[value]]
    found = server.ask(f"SELECT id, body FROM {SCHEMA}.entity", "city")
    held = {id: orjson.loads(bytes(body))["value"]["value"] for id, body in found}
    newest = {id: position for position, id, _, _ in rows}
    wrong += [
        f"{id} was promised as {value} and is {held.get(id)}"
        for id, (value, position) in told.kept.items()
        # what came after the last answer that was heard may be there too
        if held.get(id) != value and newest.get(id, 0) <= max(position, 0) and not gaps
    ]
    if told.seen != (rows[-1][0] if rows else 0):
        wrong.append(f"the reader saw up to {told.seen}, the log goes to {rows[-1][0]}")
    return wrong + disagreeing(server)


def disagreeing(server: Server) -> list[str]:
    """Tables of the city that do not agree with one another."""
    checks = {
        "counts of shapes": "(SELECT sum(count) FROM shape) = (SELECT count(*) FROM entity)",
        "points": (
            "NOT EXISTS(SELECT FROM point p WHERE NOT EXISTS(SELECT FROM entity e WHERE e.n = p.n))"
        ),
        "every place": "(SELECT count(*) FROM point) = (SELECT count(*) FROM entity)",
        "last changes": (
            "NOT EXISTS(SELECT FROM entity e LEFT JOIN log l ON l.position = e.last "
            "WHERE l.id IS DISTINCT FROM e.id)"
        ),
        "tombstones": "NOT EXISTS(SELECT FROM tombstone JOIN entity USING (tenant, id))",
        "head": "(SELECT position FROM head) >= (SELECT max(position) FROM log)",
    }
    return [
        f"{name} disagree"
        for name, sql in checks.items()
        if not server.ask(f"SELECT {sql}", "city")[0][0]
    ]
