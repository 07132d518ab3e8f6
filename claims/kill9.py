"""kill -9 of the broker under load: every write that was acknowledged is there afterwards."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from bench.http_ops import City
from bench.processes import command_line, tree

Claim = tuple[str, str, str, str]
WRITERS = 8


class Writer(threading.Thread):
    """Creates entities and updates them, one after another; remembers what was acknowledged."""

    def __init__(self, port: int, token: str, name: int) -> None:
        super().__init__(daemon=True)
        self.port, self.index, self.stopped = port, name, False
        self.headers = {"Content-Type": "application/json"}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"
        self.acknowledged: dict[str, int] = {}  # id → newest acknowledged value
        self.sent: dict[str, int] = {}  # id → newest value that may have arrived
        self.connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, document: Any) -> int | None:
        """The status, or None when the connection died and nobody knows what became of it."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            self.connection.request(method, path, json.dumps(document), self.headers)
            answer = self.connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            self.close()
            time.sleep(0.02)
            return None

    def close(self) -> None:
        """Let go of the connection; the next request opens another."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def run(self) -> None:
        """Until told to stop: one entity, five values."""
        number = 0
        while not self.stopped:
            number += 1
            key = f"urn:ngsi-ld:Thing:kill9:{self.index}-{number}"
            for value in range(5):
                attribute = {"type": "Property", "value": value}
                if value == 0:
                    body = {"id": key, "type": "Thing", "count": attribute}
                    path, method = "/ngsi-ld/v1/entities", "POST"
                else:
                    body = {"count": attribute}
                    path, method = f"/ngsi-ld/v1/entities/{key}/attrs", "PATCH"
                self.sent[key] = value
                status = self.ask(method, path, body)
                if status in (201, 204):
                    self.acknowledged[key] = value
                else:
                    break  # not known, or refused: this entity is left as it is
        self.close()


def broker_of(city: City) -> int | None:
    """The broker's process, None while it is being restarted."""
    pids = [pid for pid in tree(city.process.pid) if pid != city.process.pid]
    return next((pid for pid in pids if "broker" in command_line(pid)), None)


def missing(city: City, writers: list[Writer]) -> list[str]:
    """Every acknowledged write that is not there, in words."""
    reader = Writer(city.port, city.token, -1)
    found = []
    for writer in writers:
        for key, least in writer.acknowledged.items():
            connection = http.client.HTTPConnection("127.0.0.1", city.port, timeout=10)
            connection.request(
                "GET", f"/ngsi-ld/v1/entities/{key}?format=simplified", headers=reader.headers
            )
            answer = connection.getresponse()
            text = answer.read()
            connection.close()
            if answer.status != 200:
                found.append(f"{key} answers {answer.status}")
            elif not least <= json.loads(text)["count"] <= writer.sent[key]:
                found.append(f"{key} holds {json.loads(text)['count']}, acknowledged was {least}")
    return found


def run(full: bool) -> list[Claim]:
    """Kill the broker 50 times (5 when not full) at random moments while 8 clients write."""
    kills, dice = (50 if full else 5), random.Random(20261122)
    with tempfile.TemporaryDirectory(prefix="pintu-kill9-") as name:
        city = City(Path(name) / "data", "--no-pieces")
        writers = [Writer(city.port, city.token, i) for i in range(WRITERS)]
        for writer in writers:
            writer.start()
        done, slowest = 0, 0.0
        try:
            while done < kills:
                time.sleep(0.2 + dice.random())
                broker = broker_of(city)
                if broker is None:
                    continue
                os.kill(broker, signal.SIGKILL)
                began = time.monotonic()
                while broker_of(city) in (None, broker) and time.monotonic() - began < 30:
                    time.sleep(0.02)
                probe = Writer(city.port, city.token, -1)
                while probe.ask("GET", "/readyz", None) != 200:
                    if time.monotonic() - began > 60:
                        return [
                            (
                                "kill -9 under load",
                                f"broker did not return after kill {done + 1}",
                                "comes back by itself",
                                "short",
                            )
                        ]
                probe.close()
                slowest = max(slowest, time.monotonic() - began)
                done += 1
            for writer in writers:
                writer.stopped = True
            for writer in writers:
                writer.join(20)
            lost = missing(city, writers)
        finally:
            city.stop()
    count = sum(len(w.acknowledged) for w in writers)
    figure = f"{done} kills, {count} acknowledged, {len(lost)} lost, back in {slowest:.1f} s"
    return [
        (
            "kill -9 under load: acknowledged writes lost",
            figure + "".join(f"; {x}" for x in lost[:3]),
            "0",
            "ok" if not lost and count else "short",
        )
    ]


if __name__ == "__main__":
    import sys

    for claim in run("--full" in sys.argv):
        print(*claim, sep=" · ")
