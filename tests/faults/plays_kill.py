"""Kill -9 in the middle of plans: each ends once, no command is asked for twice.

`python -m tests.faults.plays_kill [KILLS]`: a city runs plan after plan (light to a half, a crew,
light to the full, and all of it back) and is killed at random moments. In the end every plan is
taken back, every lamp is what it was, and each lamp was told exactly four things a plan, in order:
half, full, half, and what it was.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.faults.plays_child import LAMPS, LEVELS

ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 120.0


def life(folder: Path, plays: int, kill_after_s: float | None) -> list[str]:
    """One life of the city, killed so long after it went on; what it said."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-m", "tests.faults.plays_child", str(folder), str(plays)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ, cwd=ROOT)
    assert child.stdout is not None
    first = child.stdout.readline()
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        child.send_signal(signal.SIGKILL)
    try:
        said = child.communicate(timeout=WITHIN_S)[0]
    except subprocess.TimeoutExpired:
        child.kill()
        said = child.communicate()[0]
    if kill_after_s is None and child.returncode:
        raise AssertionError(f"the last life failed: {said[-1000:]}")
    return [first.strip(), *said.splitlines()]


def wrong(told: list[str], log: Path, plays: int) -> list[str]:
    """What is not as promised, after the last life."""
    found: list[str] = []
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    mine = [json.loads(line[5:]) for line in told if line.startswith("told ")]
    if len(mine) != plays:
        found.append(f"{len(mine)} of {plays} plans were told of")
    first: dict[str, int] = {}
    for number, line in enumerate(lines):
        if line[0] == "did":
            first.setdefault(line[2], number)  # a command sent again is the same command
    for said, commands in mine:
        found += _plan(said, commands, lines, first)
    (levels,) = [json.loads(line[7:]) for line in told if line.startswith("levels ")]
    if levels != list(range(1, LAMPS + 1)):
        found.append(f"lamps are {levels}")
    return found


def _plan(
    said: list[Any], commands: list[Any], lines: list[Any], first: dict[str, int]
) -> list[str]:
    if len(said) != 1:
        return [f"{len(said)} plans for one cause"]
    id, state, steps = said[0]
    found = []
    if (state, steps) != ("undone", ["undone"] * 3):
        found.append(f"plan {id} is {state}, its steps {steps}")
    by_lamp: dict[str, list[tuple[int, int, str]]] = {}
    for target, command, level, end in commands:
        if command not in first:
            found.append(f"command {command} never reached its lamp: {end}")
            continue
        by_lamp.setdefault(target, []).append((first[command], level, end))
    for target, told in sorted(by_lamp.items()):
        was = int(target[-5:])
        levels = [level for _, level, _ in sorted(told)]
        if levels != [*LEVELS, LEVELS[0], was]:
            found.append(f"plan {id} told {target[-6:]} {levels}")
        found += [f"{target[-6:]}: {end}" for _, _, end in told if end != "confirmed"]
    if len(by_lamp) != LAMPS:
        found.append(f"plan {id} told {len(by_lamp)} lamps")
    opened = {line[1] for line in lines if line[0] == "order" and line[1].startswith(id)}
    called_off = {line[1] for line in lines if line[0] == "off" and id in line[1]}
    if (len(opened), len(called_off)) != (1, 1):
        found.append(f"plan {id} opened {len(opened)} orders and called off {len(called_off)}")
    return found


def run(kills: int, seed: int = 7) -> tuple[list[str], int]:
    """(what is wrong, how many plans there were) after so many kills."""
    chance = random.Random(seed)
    plays = max(3, kills // 2)
    with tempfile.TemporaryDirectory(prefix="plays-kill-") as name:
        folder = Path(name)
        for _ in range(kills):
            life(folder, plays, chance.uniform(0.0, 3.0))
        told = life(folder, plays, None)
        return wrong(told, folder / "world.jsonl", plays), plays


def main() -> int:
    """Kill, look, and say."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    began = time.monotonic()
    found, plays = run(kills)
    for one in found[:20]:
        print("wrong:", one)
    took = time.monotonic() - began
    print(f"{kills} kills in {plays} plans, {len(found)} things wrong, {took:.0f} s")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
