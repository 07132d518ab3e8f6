"""Days that are over lie in Parquet files; nobody who asks can tell."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.analytics.filing import Filing
from pintu.kernel.errors import Unavailable
from tests.kernel.analytics.conftest import DAY_US, Town, reading, sensor
from tests.kernel.analytics.test_packing import lived


def files(town: Town) -> list[Path]:
    """What lies in the folder of history."""
    return sorted(town.history.filing.folder.glob("*/*"))


async def test_rows_of_files_are_the_rows_of_the_log(town: Town) -> None:
    """Night after night days move on, from the log to packs to files, and stay what they were."""
    ids = await lived(town)
    before = {id: await town.log(id) for id in ids}
    filed = await town.history.night()
    assert 0 < filed
    assert before == {id: await town.rows(id) for id in ids}
    town.clock.now += 2 * DAY_US
    await lived(town, writes=20, seed=5)
    after = {id: await town.log(id) for id in ids}
    await town.history.night()
    await town.history.packing.round()
    await town.history.packing.trim(town.clock.now)
    assert after == {id: await town.rows(id) for id in ids}
    whole = {id: rows[::-1] for id, rows in after.items()}
    history = town.history.past.history
    assert whole == {id: await history(1, id) for id in ids}
    assert whole[ids[0]][3:9] == await history(1, ids[0], before=whole[ids[0]][2].position, limit=6)
    begin = after[ids[0]][5].at_us
    asked: dict[str, Any] = {"since_us": begin, "until_us": begin + DAY_US}
    rows = await town.rows(ids[0], **asked)
    inside = [one for one in after[ids[0]] if begin <= one.at_us <= begin + DAY_US]
    assert inside == [one for one in rows if one in inside]


async def test_a_night_that_ended_at_any_step_is_done_again(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever step a night ended after, nothing is lost, nothing is there twice."""
    ids = await lived(town)
    before = {id: await town.log(id) for id in ids}
    town.clock.now += 3 * DAY_US
    run, steps = town.history.filing.opened.run, 0

    async def ended(work: Any) -> Any:
        nonlocal steps
        if steps == 0:
            raise KeyboardInterrupt
        steps -= 1
        return await run(work)

    await town.history.pack()
    for allowed in (0, 1, 2, 4, 7):
        steps = allowed
        with monkeypatch.context() as patched:
            patched.setattr(town.history.filing.opened, "run", ended)
            with contextlib.suppress(KeyboardInterrupt):
                await town.history.filing.night(town.clock.now)
        assert before == {id: await town.rows(id) for id in ids}
    await town.history.night()
    assert before == {id: await town.rows(id) for id in ids}


async def test_a_day_that_gets_rows_again_is_opened_again(town: Town) -> None:
    """The clock was set back: rows of a filed day are read at once, and filed the next night."""
    begin = town.clock.now
    await town.write(sensor(1), temperature=reading(1, begin))
    town.clock.now = begin + 4 * DAY_US
    await town.history.night()
    assert 1 == len(files(town))
    town.clock.now = begin + DAY_US // 2
    await town.write(sensor(1), temperature=reading(2, begin))
    rows = await town.log(sensor(1))
    assert rows == await town.rows(sensor(1))
    town.clock.now = begin + 5 * DAY_US
    await town.history.night()
    assert rows == await town.rows(sensor(1))
    assert 2 == len(files(town))


async def test_what_nobody_knows_is_swept(town: Town, tmp_path: Path) -> None:
    """Files that an ended job left are deleted; a job that cannot work says why."""
    left = town.history.filing.folder / "2026-01-01" / "1-7-1.parquet.partial"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    await town.history.night()
    assert [] == files(town)
    broken = Filing(town.history.opened, tmp_path / "nowhere", "sqlite:")
    with pytest.raises(Unavailable, match="A day could not be moved"):
        await broken.job(folder=str(tmp_path), stamp="1", day=1, up_to=5)


async def test_a_process_of_its_own_moves_the_day(town: Town) -> None:
    """What the city has its job do is what is done here."""
    await lived(town, writes=20)
    before = await town.log(sensor(1))
    town.clock.now += DAY_US * 3
    await town.history.pack()
    filing = town.history.filing
    alone = Filing(filing.opened, filing._data, filing._store)
    assert 20 >= await alone.night(town.clock.now) > 0
    assert before == await town.rows(sensor(1))
