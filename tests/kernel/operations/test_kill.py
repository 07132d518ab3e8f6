"""The ledger is killed between its steps: every command it took still comes to an end, once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

CHILD = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from pintu.kernel.access import Actor
    from pintu.kernel.clock import CityClock
    from pintu.kernel.identity import ThinGate
    from pintu.kernel.operations import Commands, Patience
    from pintu.kernel.tables import open_tables
    from pintu.kernel.timers import Timers

    async def main():
        tables = open_tables(Path(sys.argv[1]), sys.argv[3])
        clock = CityClock()
        timers = Timers(tables, clock)
        quick = {"lights": Patience(attempts=2, send_s=0.5, answer_s=0.1, effect_s=0.1)}
        commands = Commands(tables, timers, clock, ThinGate(), patience=quick)
        await timers.start()
        actor = Actor(id="token:t", grants=frozenset({"admin"}))
        for number in range(int(sys.argv[2])):
            command = await commands.request(actor, "lights", "Dim", "urn:l:1", {},
            key=f"k{number}")
            print(command.id, flush=True)
        while commands.waiting():
            await asyncio.sleep(0.02)
        for entry in await commands.recent():
            steps = await commands.history(entry.command.id)
            print(entry.command.id, entry.state, [step.event for step in steps], flush=True)
        await timers.stop()
        tables.close()

    asyncio.run(main())
    """
)


def test_kill_9_leaves_no_command_without_an_end(tmp_path: Path, stores: str) -> None:
    """Written down before it was answered, given up in its time after the start, with every
    step.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path), "1000", stores],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert child.stdout is not None
    asked = {child.stdout.readline().strip() for _ in range(20)}
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), "0", stores],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=True,
    )
    ends = {line.split()[0]: line.split(maxsplit=2)[1:] for line in done.stdout.splitlines()}
    assert asked <= ends.keys()
    assert {("timed_out", "['request', 'give_up']")} == {tuple(end) for end in ends.values()}
