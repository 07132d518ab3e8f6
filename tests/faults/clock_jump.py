"""The wall clock of a running city jumps by an hour, ahead and back (`shim.c`), under load:
times of the log stay in order, what waits is done, who is signed in stays so, nothing is lost;
`measure("", jumps)`.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import random
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import apsw

from bench.http_ops import City
from tests.faults.callers import ENTITIES, SUBSCRIPTIONS, Caller, Line, entity, missing_of
from tests.faults.promises import sound
from tests.faults.seen import Seen
from tests.faults.shim import below

HOUR_S = 3_600.0
CALLERS = 3
PROBE = "urn:ngsi-ld:Probe:clock"
SOON_S = 10.0
"""What is due now is done within so many seconds, however the clock jumped."""


class Ear(http.server.BaseHTTPRequestHandler):
    """Takes notifications in."""

    heard: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        """Keep the newest number."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for one in body["data"]:
            self.heard.append(one["count"]["value"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


SAME_US = 1_000
"""Rows of one group share a time, but for an entity that changes twice in it: that is a microsecond
later each time."""


def measure(_way: str, jumps: int) -> Seen:
    """So many jumps: an hour ahead, back to what is right, an hour back, and at random."""
    seed = random.SystemRandom().randrange(10**9)
    chance = random.Random(seed)
    seen = Seen(tries=0, acknowledged=0, told=f"seed {seed}")
    ear = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ear)
    threading.Thread(target=ear.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="pintu-clock-") as name:
        data = Path(name).resolve() / "data"
        with below(Path(name), data) as under, told_egress(ear.server_port):
            city = City(data, "--no-pieces")
            callers = [Caller(city.port, city.token, f"{seed}-{one}") for one in range(CALLERS)]
            line = Line(city.port, city.token)
            try:
                _subscribe(line, ear.server_port)
                for one in callers:
                    one.start()
                wrong_s = 0.0
                for number in range(jumps):
                    wrong_s = (HOUR_S, 0.0, -HOUR_S, 0.0)[number % 4]
                    if number >= 8:
                        wrong_s = chance.uniform(-HOUR_S, HOUR_S)
                    under.clock(wrong_s)
                    _after(line, callers, wrong_s, number, seen)
                    seen.tries += 1
                for one in callers:
                    one.stopped = True
                for one in callers:
                    one.join(40)
                seen.lost += missing_of(line, callers)
                city.stop()
                city.start()
                seen.lost += missing_of(line, callers)
            finally:
                city.stop()
                ear.shutdown()
        for caller in callers:
            seen.acknowledged += caller.acknowledged
            seen.wrong += caller.wrong
        seen.wrong += sound(data / "city.db") + times_in_order(data / "city.db")
    return seen


@contextlib.contextmanager
def told_egress(port: int) -> Any:
    """A city started meanwhile may call this port of this machine."""

    os.environ["PINTU_EGRESS_ALLOW"] = f"127.0.0.1:{port}"
    try:
        yield
    finally:
        del os.environ["PINTU_EGRESS_ALLOW"]


def _subscribe(line: Line, port: int) -> None:
    body = {
        "type": "Subscription",
        "entities": [{"type": "Probe"}],
        "throttling": 0.2,
        "notification": {"endpoint": {"uri": f"http://127.0.0.1:{port}/"}},
    }
    assert (line.ask("POST", SUBSCRIPTIONS, body) or (0,))[0] == 201
    made = {**entity(PROBE, 0), "type": "Probe"}
    assert (line.ask("POST", ENTITIES, made) or (0,))[0] == 201


def _after(line: Line, callers: list[Caller], wrong_s: float, number: int, seen: Seen) -> None:
    """What must be true soon after a jump."""
    value, was = number + 1, [one.acknowledged for one in callers]
    began = time.monotonic()
    body = {"count": {"type": "Property", "value": value}}
    answer = line.ask("PATCH", f"{ENTITIES}/{PROBE}/attrs", body)
    if answer is None or answer[0] != 204:
        seen.wrong.append(f"a write after the clock jumped was answered {answer}")
    fleeting = f"urn:ngsi-ld:Fleeting:{number}"
    now = datetime.now(UTC) + timedelta(seconds=wrong_s)
    ends = (now + timedelta(seconds=1.5)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    made = {**entity(fleeting, 1), "type": "Fleeting", "expiresAt": ends}
    answer = line.ask("POST", ENTITIES, made)
    if answer is None or answer[0] != 201:
        seen.wrong.append(f"an entity that ends soon was answered {answer}")
    waits = {"a notification": False, "the end of an entity": False, "writes": False}
    while not all(waits.values()) and time.monotonic() - began < SOON_S:
        time.sleep(0.02)
        waits["a notification"] = value in Ear.heard
        gone = line.ask("GET", f"{ENTITIES}/{fleeting}")
        waits["the end of an entity"] = gone is not None and gone[0] == 404
        waits["writes"] = all(
            one.acknowledged > before for one, before in zip(callers, was, strict=True)
        )
    late = [name for name, done in waits.items() if not done]
    seen.wrong += [f"clock {wrong_s:+.0f} s: {one} did not come in {SOON_S:g} s" for one in late]
    seen.recovered_s = max(seen.recovered_s, time.monotonic() - began)
    ready = line.ask("GET", "/readyz")
    if ready is None or ready[0] != 200:
        seen.wrong.append(f"clock {wrong_s:+.0f} s: not ready: {ready}")


def times_in_order(path: Path) -> list[str]:
    """Where the log of a stopped city goes back in time."""
    db = apsw.Connection(str(path))
    try:
        rows = list(db.execute("SELECT position, at FROM log ORDER BY position"))
    finally:
        db.close()
    return [
        f"row {after[0]} of the log is {(before[1] - after[1]) / 1e6:.1f} s before the one before"
        for before, after in pairwise(rows)
        if after[1] < before[1] - SAME_US
    ]
