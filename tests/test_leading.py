"""What a city does by itself ends as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from pintu.city import City
from pintu.settings import Settings


async def test_a_part_that_breaks_when_it_ends_leaves_no_other_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another broker leads next: whatever went on here would be done twice."""
    city = await City.open(Settings(data=tmp_path, pieces=False))
    delivery, timers = city.rooms.delivery, city.rooms.timers
    assert delivery is not None and timers._task is not None
    end = delivery.stop

    async def broken() -> None:
        await end()
        raise OSError("the line is away")

    monkeypatch.setattr(delivery, "stop", broken)
    await city.leading.stop()
    assert timers._task is None
    assert city.leading._expiry._task is None
    await city.close()
