"""Either side of the socket is killed in the middle of batches: nothing lost, nothing double."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.intake import FieldLink
from pintu.kernel.intake.words import Batch, Update
from pintu.kernel.store.sqlite import open_sqlite

HERE = Path(__file__).parent


class Child:
    """A process that may be killed and started again."""

    def __init__(self, script: str, *arguments: str) -> None:
        self._command = [sys.executable, str(HERE / script), *arguments]
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ready(self) -> None:
        assert self.process is not None and self.process.stdout is not None
        assert "ready\n" == self.process.stdout.readline()

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Child]:
    """A broker's process on a data folder."""
    child = Child("broker_child.py", str(tmp_path))
    child.start()
    child.ready()
    yield child
    child.kill()


async def written(data: Path) -> Counter[tuple[str, int]]:
    """How often each reading is in the log."""
    store = open_sqlite(data / "city.db", clock=CityClock())
    found: Counter[tuple[str, int]] = Counter()
    after = 0
    while changes := store.changes(after, 1000):
        for change in changes:
            found[change.id, orjson.loads(change.payload)["n"]["value"]] += 1
        after = changes[-1].position
    await store.close()
    return found


@pytest.mark.slow
async def test_the_broker_is_killed(tmp_path: Path, broker: Child) -> None:
    """Three times, at moments nobody chose: every batch gets its receipt, every reading is there
    once.
    """
    link = FieldLink(tmp_path / "broker.sock", name="field")
    await link.start()
    count = 0
    stop = False

    async def device(lamp: int) -> None:
        nonlocal count
        number = 0
        while not stop:
            number += 1
            value = {"type": "Property", "value": number}
            if lamp % 2:
                value["observedAt"] = f"2026-01-01T00:00:00.{number:06d}Z"
            update = Update({"id": f"urn:ngsi-ld:Lamp:x:{lamp}", "type": "Lamp", "n": value})
            receipt = await link.accept(
                Batch(f"street_lights/{lamp}", "demo", f"m{number}", [update])
            )
            assert 1 == receipt.accepted
            count += 1

    devices = [asyncio.create_task(device(lamp)) for lamp in range(6)]
    random_moment = random.Random(7)
    for _ in range(3):
        await asyncio.sleep(0.3 + random_moment.random())
        broker.kill()
        broker.start()
        await asyncio.to_thread(broker.ready)
        await link.wait_connected()
    await asyncio.sleep(0.3)
    stop = True
    await asyncio.wait_for(asyncio.gather(*devices), 20)
    await link.stop()
    broker.kill()
    found = await written(tmp_path)
    assert count == len(found)
    assert {} == {reading: times for reading, times in found.items() if times != 1}
    assert 4 == link.connects


@pytest.mark.slow
async def test_the_field_process_is_killed(tmp_path: Path, broker: Child) -> None:
    """And starts again, handing in all it does not know to be acknowledged; the broker with it
    once.
    """
    field = Child("field_child.py", str(tmp_path), "400")
    random_moment = random.Random(11)
    for round_number in range(4):
        field.start()
        time.sleep(0.6 + 0.3 * random_moment.random())
        if round_number == 2:
            broker.kill()
        field.kill()
        if round_number == 2:
            broker.start()
            broker.ready()
    field.start()
    assert field.process is not None
    assert 0 == field.process.wait(timeout=30)
    field.kill()
    broker.kill()
    found = await written(tmp_path)
    assert 400 == len(found)
    assert {} == {reading: times for reading, times in found.items() if times != 1}
