"""Every door: what connecting without code promises, measured (`make show NAME=doors`)."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from claims.city import borrowed
from claims.words import Claim, Finding, NotRun, judged

ROOT = Path(__file__).resolve().parents[1]
AIR = "src/pintu/pieces/environment/tests/test_index.py"
PEERS = (
    ("OPC UA server of others, by mapping alone", "tests/kernel/intake/doors/test_device_opcua.py"),
    ("Modbus simulator, by mapping alone", "tests/kernel/intake/doors/test_device_modbus.py"),
)


def of(module: str, function: str) -> Callable[[], list[Finding]]:
    """The findings of another file, imported when they are asked for."""

    def measure() -> list[Finding]:
        found: list[Finding] = getattr(importlib.import_module(module), function)()
        return found

    return measure


def tested(claim: str, *arguments: str, needs: str = "") -> list[Finding]:
    """A claim that is a test file: all pass, none is skipped that names what it needs."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    counts = dict(
        (word, int(number))
        for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", done.stdout)
    )
    if not counts.get("passed"):
        raise NotRun((done.stdout + done.stderr).strip()[-200:] or "no test ran")
    figure = ", ".join(f"{number} {word}" for word, number in counts.items())
    if needs and counts.get("skipped"):
        reasons = re.findall(r"SKIPPED .*?: (.*)", done.stdout)
        raise NotRun(f"{figure}: {'; '.join(reasons)[:150]}")
    return [judged(claim, figure, "all pass", done.returncode == 0)]


def index_vectors() -> list[Finding]:
    """The air quality index against vectors worked by hand and an independent package."""
    return tested("air quality index by the standard's tables", AIR)


def peers() -> list[Finding]:
    """Devices' protocols spoken with servers that nobody here wrote."""
    return [one for claim, path in PEERS for one in tested(claim, path, needs="peer")]


def configuration_moves() -> list[Finding]:
    """What one city is told, exported and imported into another: equal; each difference named."""
    with tempfile.TemporaryDirectory(prefix="pintu-config-") as name:
        folder = Path(name)
        for kind, content in CONFIGURATION.items():
            path = folder / "one" / "config" / kind
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, "utf-8")
        told = [
            _config(folder / "one", "export", str(folder / "carried")),
            _config(folder / "two", "import", str(folder / "carried")),
        ]
        same = _config(folder / "two", "diff", str(folder / "carried"))
        changed = folder / "two" / "config" / "pages" / "air.toml"
        changed.write_text(changed.read_text("utf-8").replace("PM2.5", "PM10"), "utf-8")
        (folder / "two" / "config" / "sources" / "yard.toml").unlink()
        differs = _config(folder / "two", "diff", str(folder / "carried"))
    done = all(one.returncode == 0 for one in told)
    named = "pages/air" in differs.stdout and "sources/yard" in differs.stdout
    return [
        judged(
            "configuration carried to another city",
            "equal" if same.returncode == 0 else same.stdout.strip()[:60],
            "equal",
            done and same.returncode == 0,
        ),
        judged(
            "differences named",
            f"{len(differs.stdout.strip().splitlines())} lines",
            "each",
            differs.returncode == 1 and named,
        ),
    ]


CONFIGURATION = {
    "sources/yard.toml": 'name = "yard"\ndoor = "mqtt"\nmappings = ["yard"]\n'
    '[settings]\nbroker = "mqtt://127.0.0.1:1"\ntopics = ["yard/#"]\n',
    "mappings/yard.toml": 'name = "yard"\ntype = "Device"\nid = "{id}"\n'
    '[[fields]]\nto = "batteryLevel"\nfrom = "b"\nkind = "number"\n',
    "pages/air.toml": '[title]\nzh = "空气"\nen = "Air"\n'
    '[[blocks]]\nkind = "text"\ntext = {en = "PM2.5"}\nat = [0, 0, 12, 2]\n',
}


def _config(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pintu", "config", *arguments, "--data", str(data)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


CLAIMS = [
    Claim(name="configuration moves", measure=configuration_moves),
    Claim(name="HJ 212 frames", measure=of("claims.hj212", "frames_lose_nothing")),
    Claim(name="air quality index", measure=index_vectors, also="make test"),
    # these need what a machine may not have (Node and its registry, the real hours)
    Claim(name="independent peers", measure=peers, full=True),
    Claim(
        name="forecast beside persistence",
        measure=borrowed("claims.air_forecast", True),
        full=True,
    ),
    Claim(name="walk by pages", measure=of("claims.doors_walk", "walk_through"), full=True),
    Claim(name="kill -9 during each load", measure=of("claims.doors_kill", "measure"), full=True),
]
"""The benchmarks of this capability have a program each: bench/files.py, database.py, doors.py,
hj212.py."""
