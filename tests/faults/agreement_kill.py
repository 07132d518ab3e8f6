"""kill -9 in the middle of deeds of agreements: no double approval, no answered deed lost, no deed
without its row of the log, every silence escalated exactly once."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import sqlalchemy as sa

from pintu.kernel.exchange.agreements.schema import STEP, VERSION
from pintu.kernel.exchange.agreements.states import TABLE, What
from pintu.kernel.exchange.agreements.words import Step
from tests.faults.agreement_town import SILENCE_S, FaultTown, fault_town
from tests.faults.power_cut import Claim

ROOT = Path(__file__).resolve().parents[2]
Answer = tuple[str, str, str]


def one_kill(folder: Path, seed: int) -> list[Answer]:
    """Start a child, kill it after some of its answers; all of them."""
    environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.agreement_child", str(folder), str(seed)],
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
        cwd=ROOT,
    )
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(random.Random(seed).randrange(1, 25))]
    alive = child.poll() is None
    os.kill(child.pid, signal.SIGKILL)
    lines += child.stdout.readlines()
    child.wait()
    child.stdout.close()
    assert alive, "the child ended before it was killed"
    found = [line.split() for line in lines if line.endswith("\n")]
    return [(deed, id, person) for deed, id, person in found if deed not in ("ready", "lost")]


async def broken(folder: Path, answers: list[Answer]) -> list[str]:
    """What is not as it was answered, or as it may be, one sentence each."""
    async with fault_town(folder) as town:
        await silence_is_over(town)
        ids = {id for _, id, _ in answers} | await everything(town)
        steps = {id: await town.room.steps(id) for id in sorted(ids)}
        found = [one for id in steps for one in _wrong_steps(id, steps[id])]
        told = {(one.deed, id, one.person) for id in steps for one in steps[id]}
        found += [f"{one} was answered and is not there" for one in answers if one not in told]
        found += await _wrong_log(town, [one for its in steps.values() for one in its])
        found += _wrong_states(town, steps)
        return found


async def silence_is_over(town: FaultTown) -> None:
    """Wait until both deadlines of everything have passed and were acted upon."""
    for _ in range(100):
        await asyncio.sleep(SILENCE_S / 2)
        waiting = [
            one for one in town.room._memory.every() if one.state != "approved" and one.due_us
        ]
        if not waiting and all(one.overdue for one in town.room._memory.recalls.values()):
            return


async def everything(town: FaultTown) -> set[str]:
    """Ids of all agreements that the tables know of."""
    return await town.room._file.read(_ids)


def _ids(connection: sa.Connection) -> set[str]:
    half = connection.execute(sa.select(STEP.c.number).where(STEP.c.receipt == 0)).all()
    assert not half, f"{len(half)} steps stay half-way"
    return set(connection.execute(sa.select(VERSION.c.id)).scalars())


def _wrong_steps(id: str, steps: list[Step]) -> list[str]:
    state, found = "", []
    for one in steps:
        if one.deed in ("recall_overdue", "answer_recall"):
            continue
        move = TABLE.get((state, _what(one.deed)))
        if move is None or move.after != one.state:
            found.append(f"{id}: {one.deed} from {state or 'nothing'} to {one.state}")
        state = one.state
    counted = Counter(one.deed for one in steps)
    found += [
        f"{id}: {deed} {counted[deed]} times"
        for deed in ("request", "approve", "sign", "escalate", "overdue", "revoke")
        if counted[deed] > 1
    ]
    if len(steps) == 1:
        found.append(f"{id}: its silence was never told")
    return found


def _what(deed: str) -> What:
    return deed  # type: ignore[return-value]


async def _wrong_log(town: FaultTown, steps: list[Step]) -> list[str]:
    """Every step has its row, with the number its receipt says; no row tells of another deed."""
    rows = {}
    after = 0
    while page := await town.audit.rows(after, 1000):
        rows |= {one.number: one.row for one in page}
        after = page[-1].number
    found = []
    known = {str(one.number): one for one in steps}
    for one in steps:
        row = rows.get(one.receipt)
        if row is None or row.detail.get("step") != str(one.number):
            found.append(f"Step {one.number} {one.deed} has no row of the log")
    for number, row in rows.items():
        if row.what in ("agreement", "recall") and row.detail.get("step", "") not in known:
            found.append(f"Row {number} tells of {row.deed}, which is not there")
    return found


def _wrong_states(town: FaultTown, steps: dict[str, list[Step]]) -> list[str]:
    found = []
    for id in steps:
        one = town.room.find(id)
        if one is None:
            found.append(f"{id} is not there")
        elif (one.state == "active") != (town.room.active(id) is not None):
            found.append(f"{id} is {one.state}, and in memory it is not")
        elif one.state == "active" and town.room._room.unsigned(one):
            found.append(f"{id} is active without its signatures")
    return found


def kills(count: int) -> tuple[int, list[str]]:
    """Kill a town that many times on one folder, then look at everything: (answers, what broke)."""
    answers: list[Answer] = []
    with tempfile.TemporaryDirectory(prefix="pintu-agreement-kill-") as name:
        folder = Path(name)
        for seed in range(count):
            answers += one_kill(folder, seed)
        return len(answers), asyncio.run(broken(folder, answers))


def run(fast: bool) -> list[Claim]:
    """100 kills, or 10."""
    count = 10 if fast else 100
    answers, wrong = kills(count)
    return [(f"kill -9 {count} times, {answers} deeds answered: broken", len(wrong), 0, not wrong)]
