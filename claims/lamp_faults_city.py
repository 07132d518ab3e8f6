"""The same score on a running city: gateways on MQTT, the city's own processes, a clock that runs
fast.

The city is told where a broker is and nothing else; the demo writes what is really broken to a file
that only this program reads, after the city has answered.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LAMPS, GATEWAYS, FAULTS = 1_200, 12, 100
HOURS, RATE, PORT = 40.0, 300, 9380
KIND = {"dead_gateway": "silent"}
READY_WITHIN_S = 60.0


def measure(seed: int) -> tuple[int, list[str], list[str]]:
    """(found, false, missed) of one seed; takes eight minutes."""
    with tempfile.TemporaryDirectory(prefix="lamps-city-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        data, truth = folder / "data", folder / "truth"
        data.mkdir()
        broker = f'[pieces.street_lights]\nbroker = "mqtt://127.0.0.1:{PORT + 1}"\n'
        (data / "pintu.toml").write_text(broker, "utf-8")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        clock = f"2026-03-0{seed % 9 + 1}T04:00Z x{RATE} @{now}"
        with running(folder, clock, seed):
            _wait_until_ready()
            time.sleep(HOURS * 3600 / RATE)
            alerts = list(_alerts((data / "admin.token").read_text().strip()))
        return _judged(alerts, [json.loads(one) for one in truth.read_text().split("\n") if one])


@contextmanager
def running(folder: Path, clock: str, seed: int) -> Iterator[None]:
    """The city and, beside it, the world it listens to; both ended whatever happens."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PINTU_CLOCK": clock}
    python = [sys.executable, "-m"]
    city = ["pintu", "up", "--data", str(folder / "data"), "--port", str(PORT)]
    world = [
        *("pintu.demo", "--port", str(PORT + 1), "--seed", str(seed), "--clock", clock),
        *("--lamps", str(LAMPS), "--gateways", str(GATEWAYS), "--interval", "1"),
        *("--faults", str(FAULTS), "--truth", str(folder / "truth")),
    ]
    with (folder / "log").open("w") as log:
        programs = [
            subprocess.Popen([*python, *words], env=environ, stdout=log, stderr=log, cwd=folder)
            for words in (world, city)
        ]
        try:
            yield
        finally:
            for one in programs:
                one.terminate()
            for one in programs:
                one.wait(20)


def _wait_until_ready() -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=2):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _alerts(token: str) -> Iterator[dict[str, Any]]:
    offset = 0
    while True:
        request = urllib.request.Request(
            f"http://127.0.0.1:{PORT}/ngsi-ld/v1/entities?type=Alert&limit=100&offset={offset}",
            headers={"Authorization": f"Bearer {token}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            page = json.load(answer)
        yield from page
        offset += len(page)
        if len(page) < 100:
            return


def _judged(
    alerts: list[dict[str, Any]], faults: list[dict[str, Any]]
) -> tuple[int, list[str], list[str]]:
    truth = {(KIND.get(one["kind"], one["kind"]), one["target"]) for one in faults}
    raised = {
        (one["subCategory"]["value"], one["target"]["value"])
        for one in alerts
        if one["category"]["value"] == "streetlight"
    }
    false = [" ".join(one) for one in sorted(raised - truth)]
    missed = [" ".join(one) for one in sorted(truth - raised)]
    return len(truth & raised), false, missed
