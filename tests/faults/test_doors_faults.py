"""kill -9 of the broker and of the field process while devices send: nothing lost, nothing
doubled."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt
import orjson
import pytest
import tomli_w

from bench.processes import command_line, tree
from pintu.kit.testing import find_mosquitto, mosquitto

MQTT_PORT, CITY_PORT = 9942, 9943
THINGS, ROUNDS = 10, 60
MAPPING = {
    "type": "AirQualityObserved",
    "id": "{id}",
    "records": "readings",
    "observed_at": "$.ts",
    "fields": [{"from": "v", "to": "temperature", "kind": "number"}],
}
SOURCE = {
    "door": "mqtt",
    "mappings": ["air"],
    "settings": {"broker": f"mqtt://127.0.0.1:{MQTT_PORT}", "topics": ["yard/+"]},
}


class Running:
    """A city in processes of its own."""

    def __init__(self, process: subprocess.Popen[bytes], data: Path) -> None:
        self.process, self.data = process, data

    def asked(self, path: str) -> Any:
        token = (self.data / "admin.token").read_text().strip()
        request = urllib.request.Request(f"http://127.0.0.1:{CITY_PORT}{path}")
        request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read())

    def health(self) -> str:
        with contextlib.suppress(OSError):
            for one in self.asked("/api/v1/sources"):
                if one["name"] == "doors/yard":
                    return str(one["health"])
        return ""

    def kill(self, word: str) -> None:
        """kill -9 the child whose command has the word."""
        for pid in tree(self.process.pid)[1:]:
            if word in command_line(pid):
                os.kill(pid, signal.SIGKILL)
                return
        raise AssertionError(f"there is no process {word}")

    def values(self, thing: int) -> list[float]:
        path = f"/api/v1/history?id=urn:ngsi-ld:AirQualityObserved:yard:S{thing}"
        told = self.asked(f"{path}&attribute=temperature&hours=1")
        return [one for one in told["values"] if one is not None]


@contextlib.asynccontextmanager
async def city(data: Path) -> AsyncIterator[Running]:
    for kind, name, content in (("mappings", "air", MAPPING), ("sources", "yard", SOURCE)):
        path = data / "config" / kind / f"{name}.toml"
        path.parent.mkdir(parents=True)
        path.write_text(tomli_w.dumps(content), "utf-8")
    command = [sys.executable, "-m", "pintu", "up", "--data", str(data), "--port", str(CITY_PORT)]
    told = {**os.environ, "PINTU_EGRESS_ALLOW": f"127.0.0.1:{MQTT_PORT}"}
    with (data.parent / "log").open("w") as log:
        process = subprocess.Popen(command, env=told, stdout=log, stderr=log)
        running = Running(process, data)
        try:
            await until(lambda: running.health() == "up", 60)
            yield running
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


async def until(holds: Any, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < deadline, "it did not come so far in time"
        await asyncio.sleep(0.2)


async def send(rounds: int) -> None:
    """Every thing says 1, 2, 3 … in messages of all things, a tenth of a second apart."""
    async with aiomqtt.Client("127.0.0.1", MQTT_PORT) as client:
        for number in range(1, rounds + 1):
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            readings = [{"id": f"S{one}", "v": number} for one in range(THINGS)]
            await client.publish("yard/gw", orjson.dumps({"ts": now, "readings": readings}), qos=1)
            await asyncio.sleep(0.1)


@pytest.mark.slow
@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
async def test_killed_while_devices_send(tmp_path: Path) -> None:
    """Broker and field are killed twice each while 60 messages come; in the end each of ten things
    has every value once in its past, in order."""
    with mosquitto(port=MQTT_PORT):
        async with city(tmp_path / "data") as running:
            sending = asyncio.create_task(send(ROUNDS))
            for word in (".field", ".broker", ".field", ".broker"):
                await asyncio.sleep(1.2)
                running.kill(word)
            await sending
            wanted = [float(one) for one in range(1, ROUNDS + 1)]

            def whole() -> bool:
                try:
                    return all(running.values(one)[-1:] == wanted[-1:] for one in range(THINGS))
                except OSError:
                    return False

            await until(whole, 60)
            found = {one: running.values(one) for one in range(THINGS)}
    assert dict.fromkeys(range(THINGS), wanted) == found
