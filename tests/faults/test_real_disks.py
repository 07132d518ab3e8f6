"""Real disks under a running city: one that is full, one that may only be read."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.http_ops import City
from bench.processes import tree
from claims import life
from pintu.kit.testing import free_port
from tests.faults.run import fast

SIZE = 48_000_000
LEFT = 4_000_000  # what the city may still write before the disk is full
ENTITIES = "/ngsi-ld/v1/entities"
UPSERT = "/ngsi-ld/v1/entityOperations/upsert"


def mount(*words: str) -> str:
    """Run mount; what it says when it does not work."""
    program = shutil.which("mount")
    if program is None:
        return "there is no mount"
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    return done.stderr.strip() or f"exit code {done.returncode}" if done.returncode else ""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MB of its own; skips where nobody lets us mount one."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    where = tmp_path / "disk"
    where.mkdir()
    wrong = mount("-t", "tmpfs", "-o", f"size={SIZE}", "pintu-test", str(where))
    if wrong:
        pytest.skip(f"a small disk cannot be mounted here: {wrong}")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


def thing(number: int) -> dict[str, object]:
    """An entity of some five thousand bytes."""
    value = {"type": "Property", "value": "x" * 5000}
    return {"id": f"urn:ngsi-ld:Thing:{number}", "type": "Thing", "text": value}


def is_there(city: City, number: int) -> int:
    """The status of reading an entity."""
    return life.ask(city, "GET", f"{ENTITIES}/urn:ngsi-ld:Thing:{number}")[0]


def fill(city: City) -> int:
    """Write until the city says no; how many were acknowledged."""
    for number in range(5_000):
        if life.ask(city, "POST", ENTITIES, thing(number))[0] != 201:
            return number
    raise AssertionError("the disk never became full")


def count(city: City) -> int:
    """How many things there are."""
    status, found = life.ask(city, "GET", f"{ENTITIES}?type=Thing&limit=1&count=true")
    assert 200 == status
    return int(found)


def until_written(city: City, number: int, within_s: float = 20.0) -> float:
    """Send one entity until it is taken; how long that took."""
    began = time.monotonic()
    status = 0
    while status != 201:
        status, _ = life.ask(city, "POST", ENTITIES, thing(number))
        assert time.monotonic() - began < within_s, f"still {status} with space again"
        time.sleep(0.1)
    return time.monotonic() - began


def test_a_full_disk_is_507_and_over_by_itself(small_disk: Path) -> None:
    """Writes are refused with 507 and leave nothing behind, reads go on; with space again the same
    city writes on, and after a restart exactly what was acknowledged is there."""
    ballast = small_disk / "ballast"
    city = City(small_disk / "data", "--no-pieces")
    try:
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        ballast.write_bytes(bytes(max(0, free - LEFT)))
        kept = fill(city)
        assert kept > 0
        refused = [life.ask(city, "POST", ENTITIES, thing(kept + n))[0] for n in range(10)]
        assert [507] * 10 == refused
        batch = [thing(kept + 100 + number) for number in range(200)]
        assert life.ask(city, "POST", UPSERT, batch)[0] in (207, 507)
        everything = [*range(0, kept, max(1, kept // 20)), kept, kept + 9, kept + 100, kept + 299]
        expected = [200 if number < kept else 404 for number in everything]
        assert expected == [is_there(city, number) for number in everything]
        assert kept == count(city)
        ballast.unlink()
        until_written(city, 10_000)
        assert kept + 1 == count(city)
        city.stop()
        city.start()
        assert kept + 1 == count(city)
        assert expected == [is_there(city, number) for number in everything]
    finally:
        city.stop()


@pytest.mark.parametrize("there", [False, True], ids=["new folder", "used folder"])
def test_a_disk_that_may_only_be_read_is_said_plainly(small_disk: Path, there: bool) -> None:
    """Starting on it is one clear sentence and exit code 2, also where a city was before."""
    data = small_disk / "data"
    if there:
        City(data, "--no-pieces").stop()
    assert "" == mount("-o", "remount,ro", str(small_disk))
    port = str(free_port(9740, 9749))
    words = [sys.executable, "-m", "pintu", "up", "--data", str(data), "--port", port]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    lines = (done.stdout + done.stderr).strip().splitlines()
    assert (2, 1) == (done.returncode, len(lines)), lines
    assert "cannot be written" in lines[0] and str(data) in lines[0]


def newest(city: City) -> str:
    """When a lamp of the demo was last written."""
    path = f"{ENTITIES}?type=Streetlight&limit=1&orderBy=modifiedAt;desc&options=sysAttrs"
    status, found = life.ask(city, "GET", path, NGSILD_Tenant="demo")
    assert 200 == status
    return str(found[0]["modifiedAt"])


@pytest.mark.skipif(
    fast(), reason="a demo city is started, filled up and freed: not the quick form"
)
def test_readings_wait_while_the_disk_is_full(small_disk: Path) -> None:
    """A city with devices: no process dies, reading goes on, the log is not filled with one
    mistake, and with space again the lamps are written on."""
    assert "" == mount("-o", "remount,size=120000000", str(small_disk))
    city = City(small_disk / "data", "--demo")
    try:
        end = time.monotonic() + 60
        while life.lamps_there(city) < life.LAMPS and time.monotonic() < end:
            time.sleep(0.5)
        before = tree(city.process.pid)
        ballast = small_disk / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(65_536))
        time.sleep(6)
        stopped = newest(city)
        time.sleep(2)
        assert stopped == newest(city)
        assert life.LAMPS == life.lamps_there(city)
        ballast.unlink()
        end = time.monotonic() + 20
        while newest(city) == stopped:
            assert time.monotonic() < end, "the lamps are not written with space again"
            time.sleep(0.5)
        assert before == tree(city.process.pid)
        assert (small_disk / "city.log").stat().st_size < 20_000
    finally:
        city.stop()
