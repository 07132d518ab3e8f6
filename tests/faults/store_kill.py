"""kill -9 of a writing process, again and again on one folder: every answered write is there."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.faults.power_cut import Claim
from tests.faults.promises import Promises, broken_promises
from tests.faults.seen import Seen

ROOT = Path(__file__).resolve().parents[2]


def one_kill(path: Path, seed: int, promises: Promises) -> int:
    """Start a writer, kill it after some answers, note what it had answered; how many that were."""
    environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.store_child", str(path), str(seed)],
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
        cwd=ROOT,
    )
    assert child.stdout is not None
    lines = []
    for _ in range(random.Random(seed).randrange(1, 1500)):
        lines.append(child.stdout.readline())
    alive = child.poll() is None
    os.kill(child.pid, signal.SIGKILL)
    lines += child.stdout.readlines()
    child.wait()
    child.stdout.close()
    assert alive, "the writer died before it was killed"
    for line in lines:
        if line.endswith("\n"):
            id, value, position = line.split()
            promises.promise(id, None if value == "None" else int(value), int(position))
    return len(lines)


async def after_kills(path: Path, promises: Promises) -> list[str]:
    """What is not as promised. One operation a task may have been stored without its answer being
    heard, so an id may also hold a newer value of the same task.
    """
    return [
        one
        for one in await broken_promises(path, promises)
        if not (" was promised as " in one and _newer(one))
    ]


def _newer(line: str) -> bool:
    """`ID was promised as A and is B`: B was asked later (values only grow)."""
    words = line.split()
    before, after = words[4], words[-1]
    if after == "None" or before == "None":
        return True
    return int(after) > int(before)


def measure(_way: str, kills: int) -> Seen:
    """So many kills on one folder at moments nobody chose."""
    first = random.SystemRandom().randrange(10**6)
    seen = Seen(tries=kills, acknowledged=0, told=f"seeds from {first}")
    with tempfile.TemporaryDirectory(prefix="pintu-kill-") as folder:
        path = Path(folder) / "city.db"
        promises = Promises()
        for seed in range(first, first + kills):
            seen.acknowledged += one_kill(path, seed, promises)
            seen.lost += asyncio.run(after_kills(path, promises))
    return seen


def run(fast: bool) -> list[Claim]:
    """50 kills on one folder, or 5."""
    kills = 5 if fast else 50
    broken: list[str] = []
    answers = 0
    with tempfile.TemporaryDirectory(prefix="pintu-kill-") as folder:
        path = Path(folder) / "city.db"
        promises = Promises()
        for seed in range(kills):
            answers += one_kill(path, seed, promises)
            broken += asyncio.run(after_kills(path, promises))
    return [(f"kill -9 {kills} times, {answers} answers: lost", len(broken), 0, not broken)]
