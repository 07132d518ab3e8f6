"""A whole city on PostgreSQL: started before its server, then both killed under load over HTTP."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from pintu.kit.testing import free_port
from tests.faults.postgres_load import address_of, make_city
from tests.faults.run import times
from tests.real_databases import PASSWORD, Server, postgres

PORTS = (9760, 9769)
SETTINGS = {"max_connections": "60", "recovery_init_sync_method": "syncfs"}


class Callers:
    """Some who create things over HTTP all the time, and remember each answer."""

    def __init__(self, address: str, token: str, count: int = 4) -> None:
        self.answers: dict[str, int] = {}  # id: status; 0 when no answer came
        self.told_when: list[bool] = []  # did a 503 say when to come again?
        self._stop = threading.Event()
        self._address, self._token = address, token
        self._threads = [
            threading.Thread(target=self._call, args=(one,), daemon=True) for one in range(count)
        ]
        for one in self._threads:
            one.start()

    def _call(self, which: int) -> None:
        number = 0
        with httpx.Client(base_url=self._address, timeout=30, headers=bearer(self._token)) as http:
            while not self._stop.is_set():
                number += 1
                id = f"urn:ngsi-ld:Lamp:{which}-{number}"
                lamp = {"id": id, "type": "Lamp", "n": {"type": "Property", "value": number}}
                status = 0
                with contextlib.suppress(httpx.HTTPError):
                    answer = http.post("/ngsi-ld/v1/entities", json=lamp)
                    status = answer.status_code
                    if status == 503:
                        self.told_when.append("Retry-After" in answer.headers)
                self.answers[id] = status
                time.sleep(0.005 if status == 201 else 0.1)

    def count(self, status: int) -> int:
        """Answers of a status until now."""
        return list(self.answers.values()).count(status)

    def wait_for_more(self, status: int, more: int = 20, within_s: float = 60) -> None:
        """Until so many more answers of a status came."""
        wanted, until = self.count(status) + more, time.monotonic() + within_s
        while self.count(status) < wanted:
            assert time.monotonic() < until, f"no {more} answers {status} within {within_s} s"
            time.sleep(0.02)

    def stop(self) -> None:
        """Let each finish."""
        self._stop.set()
        for one in self._threads:
            one.join(40)


def bearer(token: str) -> dict[str, str]:
    """The header that says who we are."""
    return {"Authorization": f"Bearer {token}"}


@contextlib.contextmanager
def city(folder: Path, store: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`pintu up` without pieces; ended in order."""
    words = [sys.executable, "-m", "pintu", "up", "--no-pieces"]
    words += ["--data", str(folder), "--port", str(port)]
    process = subprocess.Popen(words, env={**os.environ, "PINTU_STORE": store})
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def kill_broker(supervisor: subprocess.Popen[bytes]) -> None:
    """kill -9 of the broker's process; the supervisor starts another one."""
    for child in psutil.Process(supervisor.pid).children(recursive=True):
        if any("broker" in word for word in child.cmdline()):
            child.kill()
            return
    raise AssertionError("no broker runs")


def ready(http: httpx.Client, status: int = 200, within_s: float = 60) -> str:
    """Wait until /readyz answers a status; what it says."""
    until = time.monotonic() + within_s
    while True:
        with contextlib.suppress(httpx.HTTPError):
            answer = http.get("/readyz", timeout=2)
            if answer.status_code == status:
                return answer.text
        assert time.monotonic() < until, f"/readyz does not answer {status}"
        time.sleep(0.1)


def start_late(server: Server, http: httpx.Client) -> None:
    """The city waits for its server, and is there when that is."""
    time.sleep(4)
    with contextlib.suppress(httpx.HTTPError):
        assert http.get("/readyz", timeout=1).status_code != 200
    server.start()
    ready(http)


def test_what_a_city_on_a_server_answered_is_there(tmp_path: Path) -> None:
    """Whatever was answered 201 is there, whatever was answered 503 is not and says when to come
    again; the city comes back by itself each time.
    """
    folder, port = tmp_path / "data", free_port(9750, 9759)
    address = f"http://127.0.0.1:{port}"
    with postgres(settings=SETTINGS, ports=PORTS) as server:
        make_city(server)
        server.kill()
        with (
            city(folder, address_of([server], PASSWORD, wait_s=1), port) as supervisor,
            httpx.Client(base_url=address) as http,
        ):
            start_late(server, http)
            token = (folder / "admin.token").read_text("utf-8").strip()
            callers = Callers(address, token)
            for _ in range(times(4, 1)):
                callers.wait_for_more(201)
                server.kill()
                callers.wait_for_more(503, 2)
                assert "away" in ready(http, 503)
                assert 200 == http.get("/healthz").status_code
                server.start()
                callers.wait_for_more(201)
                kill_broker(supervisor)
                callers.wait_for_more(201)
                ready(http)
            callers.stop()
            assert callers.told_when and all(callers.told_when)
            wrong = {}
            for id, status in callers.answers.items():
                got = http.get(f"/ngsi-ld/v1/entities/{id}", headers=bearer(token)).status_code
                if (status == 201 and got != 200) or (status == 503 and got != 404):
                    wrong[id] = (status, got)
            assert {} == wrong
            assert {201, 503} <= set(callers.answers.values()) <= {0, 201, 503}
