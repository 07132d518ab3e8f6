"""Faults of a whole city: processes killed, a second start, garbage at the door, a full disk."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.http_ops import City
from claims import kill9, life
from claims.words import Finding


def short(found: list[Finding]) -> list[str]:
    """The lines of what did not hold."""
    return [one.line() for one in found if one.verdict != "ok"]


def test_every_process_comes_back() -> None:
    """kill -9 of broker, field and demo: each is back by itself; the supervisor takes all along."""
    assert [] == short(life.children_return())


def test_a_second_start_is_refused() -> None:
    """A second start on one data folder is refused in a sentence, and the first goes on."""
    assert [] == short(life.second_start())


def test_a_stopped_city_goes_on() -> None:
    """Ctrl-C stops within ten seconds and nothing acknowledged is gone."""
    assert [] == short(life.stop_and_continue())


def test_a_full_disk_half_writes_nothing(tmp_path: Path) -> None:
    """When the disk takes no more, writes answer 507 or 503 and reads go on; with room again the
    same city writes on, and everything acknowledged is there."""
    limit = 3_000_000
    code = (
        "import resource, runpy, sys\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))\n"
        "sys.argv[0] = 'pintu'\n"
        "runpy.run_module('pintu', run_name='__main__')\n"
    )
    port = kill9_port()
    words = [sys.executable, "-c", code, "up", "--no-pieces", "--data", str(tmp_path / "data")]
    log = (tmp_path / "log").open("w+")
    process = subprocess.Popen([*words, "--port", str(port)], stdout=log, stderr=log)
    city = City.__new__(City)
    city.port, city.process, city.folder = port, process, tmp_path / "data"
    try:
        wait_until_ready(city)
        kept, refused = fill(city)
        assert refused in (503, 507), refused
        sample = kept[:: max(1, len(kept) // 20)]
        assert [200] * len(sample) == [life.ask(city, "GET", path(one))[0] for one in sample]
        for pid in kill9.tree(process.pid):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (-1, -1))
        end = time.monotonic() + 20
        status = 0
        while status != 201 and time.monotonic() < end:
            status, _ = life.ask(city, "POST", "/ngsi-ld/v1/entities", thing(1_000_000))
            time.sleep(0.2)
        assert 201 == status
        assert [] == [one for one in kept if life.ask(city, "GET", path(one))[0] != 200]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        log.close()


def kill9_port() -> int:
    """A port nobody listens on."""
    from bench.http_ops import free_port

    return free_port()


def wait_until_ready(city: City) -> None:
    """Wait for /readyz and read the token."""
    from bench.http_ops import wait_ready

    wait_ready(f"http://127.0.0.1:{city.port}/readyz", 60)
    city.token = (city.folder / "admin.token").read_text().strip()


def thing(number: int) -> dict[str, object]:
    """An entity of some five thousand bytes."""
    value = {"type": "Property", "value": "x" * 5000}
    return {"id": f"urn:ngsi-ld:Thing:{number}", "type": "Thing", "text": value}


def path(number: int) -> str:
    """Where it is."""
    return f"/ngsi-ld/v1/entities/urn:ngsi-ld:Thing:{number}"


def fill(city: City) -> tuple[list[int], int]:
    """Write until somebody says no: what was acknowledged, and the status of the no."""
    kept: list[int] = []
    for number in range(4000):
        status, _ = life.ask(city, "POST", "/ngsi-ld/v1/entities", thing(number))
        if status != 201:
            return kept, status
        kept.append(number)
    return kept, 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_said_plainly(tmp_path: Path) -> None:
    """A data folder that cannot be written is one sentence and exit code 2."""
    tmp_path.chmod(0o500)
    words = [sys.executable, "-m", "pintu", "up", "--data", str(tmp_path / "data")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    tmp_path.chmod(0o700)
    assert (2, 1) == (done.returncode, len(done.stderr.strip().splitlines())), done.stderr


def test_a_broken_pintu_toml_starts_nothing(tmp_path: Path) -> None:
    """Half a pintu.toml is said with its place, and no process is left behind."""
    (tmp_path / "pintu.toml").write_text("port = [\n")
    words = [sys.executable, "-m", "pintu", "up", "--data", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (2, True) == (done.returncode, "pintu.toml cannot be read" in done.stderr)
    assert json.dumps(sorted(one.name for one in tmp_path.iterdir())) == '["pintu.toml"]'
