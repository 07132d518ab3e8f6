"""`pintu move` beside a running city: what was acknowledged is there, whatever happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from pintu.cli import run
from pintu.kit.testing import free_port
from pintu.processes import moving
from pintu.processes import moving_places as places
from tests.postgres import city_address, city_server

__all__ = ["city_address", "city_server"]

PORTS = (9820, 9839)
ENTITIES = "/ngsi-ld/v1/entities"
PATIENCE_S = 240  # for what takes seconds where nothing else runs


def _environ() -> dict[str, str]:
    return {name: one for name, one in os.environ.items() if not name.startswith("PINTU_")}


@contextmanager
def running(data: Path, **more: str) -> Iterator[str]:
    """A city that runs, with `more` in its environment; its address."""
    port = free_port(*PORTS)
    words = [sys.executable, "-m", "pintu", "up", "--data", str(data), "--port", str(port)]
    with (data.parent / "city.log").open("ab") as log:
        city = subprocess.Popen(words, stdout=log, stderr=log, env=_environ() | more)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{address}/readyz", timeout=2).status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        yield address
    finally:
        city.terminate()
        city.wait(30)


class Load:
    """Writes and reads without a pause, and remembers what was acknowledged."""

    def __init__(self, address: str, data: Path) -> None:
        token = (data / "admin.token").read_text("utf-8").strip()
        self._http = httpx.Client(
            base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=30
        )
        self.acknowledged: dict[str, int] = {}
        self.refused: list[str] = []  # Retry-After of every 503
        self.failed_reads: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        self._http.close()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            id = f"urn:ngsi-ld:Probe:demo:{number % 50}"
            doc = {
                "id": id,
                "type": "Probe",
                "reading": {"type": "Property", "value": number},
            }
            try:
                answer = self._http.post(
                    "/ngsi-ld/v1/entityOperations/upsert",
                    content=json.dumps([doc]),
                    headers={"Content-Type": "application/json"},
                )
                if answer.status_code in (201, 204):
                    self.acknowledged[id] = number
                elif answer.status_code == 503:
                    self.refused.append(answer.headers.get("Retry-After", ""))
                if number % 5 == 0:
                    read = self._http.get(ENTITIES, params={"type": "Probe", "limit": 5})
                    if read.status_code != 200:
                        self.failed_reads.append(read.status_code)
            except httpx.HTTPError:
                time.sleep(0.05)  # the broker starts anew: whoever was connected asks again

    def told(self) -> dict[str, int]:
        """What the city says now."""
        with self._http as http:
            page = http.get(ENTITIES, params={"type": "Probe", "limit": 100}).json()
        return {one["id"]: one["reading"]["value"] for one in page}


def move(data: Path, *words: str) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "pintu", "move", *words, "--data", str(data), "--plain"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=_environ(),
    )


@pytest.mark.slow
def test_a_city_moves_while_it_is_written(tmp_path: Path, city_address: str) -> None:
    """Writers are refused for a moment with Retry-After, and what was acknowledged is there."""
    data = tmp_path / "data"
    with running(data) as address:
        with Load(address, data) as load:
            time.sleep(1.5)
            done = move(data, "--to", city_address)
            out, _ = done.communicate(timeout=PATIENCE_S)
            assert 0 == done.returncode, out
            time.sleep(1)
        told = Load(address, data).told()
        wrong = {
            id: (n, told.get(id)) for id, n in load.acknowledged.items() if told.get(id, 0) < n
        }
        store = json.loads((data / "moved.json").read_text("utf-8"))
        assert ({}, city_address, []) == (wrong, store["to"], load.failed_reads)
        assert {"2"} == set(load.refused)
        assert "all " in out and "tables are equal" in out


@pytest.mark.slow
def test_a_mover_that_is_killed_leaves_a_city_that_writes(
    tmp_path: Path, city_address: str
) -> None:
    """kill -9 at any moment: the old store goes on, and the same command arrives later."""
    data = tmp_path / "data"
    with running(data) as address:
        with Load(address, data) as load:
            time.sleep(1)
            for wait_s in (1.5, 2.5, 3.0):
                mover = move(data, "--to", city_address)
                time.sleep(wait_s)
                mover.kill()
                out, _ = mover.communicate()
                if "is at" in out:
                    break
            done = move(data, "--to", city_address)
            out, _ = done.communicate(timeout=PATIENCE_S)
            assert done.returncode == 0 or "is at" in out, out
        told = Load(address, data).told()
    assert {} == {id: n for id, n in load.acknowledged.items() if told.get(id, 0) < n}


@pytest.mark.slow
def test_a_city_follows_a_mover_that_died_after_naming_the_store(
    tmp_path: Path, city_address: str
) -> None:
    """kill -9 between naming the new store and saying so: the whole city starts on it by itself,
    and until it has, what it left is not deleted."""
    data = tmp_path / "data"
    killed = (
        "import os, sys; from pintu.cli import run, move\n"
        "move._CityDoor.start_anew = lambda _: os.kill(os.getpid(), 9)\n"
        "run(sys.argv[1:])"
    )
    with running(data) as address:
        with Load(address, data) as load:
            time.sleep(1)
            words = ["move", "--to", city_address, "--data", str(data), "--plain"]
            mover = subprocess.run([sys.executable, "-c", killed, *words], env=_environ())
            assert -9 == mover.returncode
            began, before = time.monotonic(), dict(load.acknowledged)
            while load.acknowledged == before and time.monotonic() - began < 30:
                time.sleep(0.1)
            time.sleep(1)
        token = (data / "admin.token").read_text("utf-8").strip()
        headers = {"Authorization": f"Bearer {token}"}
        store = httpx.get(f"{address}/api/v1/store", headers=headers, timeout=10).json()
        told = Load(address, data).told()
    assert places.shown(city_address) == store["address"]
    assert {} == {id: n for id, n in load.acknowledged.items() if told.get(id, 0) < n}


@pytest.mark.slow
def test_what_a_running_city_still_uses_is_not_deleted(tmp_path: Path) -> None:
    """The environment keeps the city at its store, whatever a note says."""
    data = tmp_path / "data"
    away = "postgresql://demo@127.0.0.1:1/city"
    with running(data, PINTU_STORE="sqlite:"):
        places.keep_note(data, {"from": "sqlite:", "to": away})
        places.name_store(data, away)
        done = move(data, "--forget-old", "--yes")
        out, _ = done.communicate(timeout=PATIENCE_S)
    assert (1, True, True) == (done.returncode, "still" in out, (data / "city.db").exists()), out


@pytest.mark.slow
def test_a_city_that_does_not_start_there_goes_on_here(
    tmp_path: Path, city_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the city stays away from its new store, the settings name the old one again."""
    data = tmp_path / "data"
    monkeypatch.setattr(moving, "START_S", 4.0)
    monkeypatch.delenv("PINTU_STORE", raising=False)
    with running(data, PINTU_STORE="sqlite:") as address:  # so that pintu.toml says nothing
        with Load(address, data) as load:
            time.sleep(1)
            assert 1 == run(["move", "--to", city_address, "--data", str(data), "--plain"])
            time.sleep(6)
        told = Load(address, data).told()
    assert {} == {id: n for id, n in load.acknowledged.items() if told.get(id, 0) < n}
    assert 'store = "sqlite:"' in (data / "pintu.toml").read_text("utf-8")
