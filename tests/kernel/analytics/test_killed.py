"""The night is ended with kill -9, again and again: no row is lost, none is there twice."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from pathlib import Path

from pintu.kernel.analytics.history import History
from pintu.kernel.store.sqlite import open_sqlite
from pintu.kernel.tables import open_tables
from tests.kernel.analytics.conftest import DAY_US, HandClock, Town, sensor
from tests.kernel.analytics.test_packing import lived

KILLS = 4


def history_of(folder: Path, days: int) -> tuple[Town, object]:
    """The city in a folder, some days after it was written."""
    clock = HandClock()
    store = open_sqlite(folder / "city.db", clock=clock)
    tables = open_tables(folder)
    clock.now += days * DAY_US
    return Town(store=store, history=History(store, tables, clock), clock=clock), tables


async def nights(folder: Path) -> None:
    """What is killed: packing, filing, dropping, trimming."""
    town, _ = history_of(folder, 20)
    print("begun", flush=True)
    await town.history.night()
    await town.history.packing.trim(town.clock.now)
    await town.history.night()
    print("done", flush=True)
    await town.store.close()


async def test_kill_nine_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Whenever the process dies, the next one tells the same rows and goes on."""
    town, tables = history_of(tmp_path, 0)
    ids = await lived(town, writes=100)
    right = {id: await town.log(id) for id in ids}
    tables.close()  # type: ignore[attr-defined]
    await town.store.close()
    chance, done = random.Random(3), 0
    for kill in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert "begun\n" == process.stdout.readline()
        try:
            process.wait(chance.random() * 1.2 if kill < KILLS - 1 else 60)
            done += 1
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        process.stdout.close()
        town, tables = history_of(tmp_path, 20)
        assert right == {id: await town.rows(id) for id in ids}
        tables.close()  # type: ignore[attr-defined]
        await town.store.close()
    assert done
    assert not (await asyncio.to_thread(lambda: [*tmp_path.glob("history/*/*.partial")]))
    assert sensor(0) in right


if __name__ == "__main__":
    asyncio.run(nights(Path(sys.argv[1])))
