"""Times of a log go on, whatever happens to the clock."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

from pintu.kernel.clock import SET_BACK_US, Onward
from pintu.kernel.context.record import Put
from pintu.kernel.store.port import Op
from pintu.kernel.store.sqlite import open_sqlite

HOUR_US = 3_600_000_000


class HandClock:
    """Stands where it is put."""

    rate = 1.0

    def __init__(self, now: int) -> None:
        self.now = now

    def now_us(self) -> int:
        return self.now


def test_times_follow_a_clock_that_goes_on() -> None:
    """They are the clock's own, jumps ahead included."""
    clock = HandClock(1_000)
    onward = Onward(clock)
    assert 1_000 == onward.now_us()
    clock.now += HOUR_US
    assert clock.now == onward.now_us()


def test_a_clock_set_back_is_caught_up_with() -> None:
    """Times go on at half the rate, and are the clock's again when that is as far."""
    clock = HandClock(10 * HOUR_US)
    onward = Onward(clock)
    onward.now_us()
    clock.now -= HOUR_US
    assert 10 * HOUR_US == onward.now_us()
    clock.now += 2_000
    assert 10 * HOUR_US + 1_000 == onward.now_us()
    clock.now += 2 * HOUR_US
    assert clock.now == onward.now_us()
    clock.now -= SET_BACK_US + 1
    assert clock.now == onward.now_us()


def test_no_jump_breaks_the_order() -> None:
    """Whatever a clock does within a day, no time is before the one before."""
    chance = random.Random(7)
    clock = HandClock(100 * HOUR_US)
    onward = Onward(clock)
    told = []
    for _ in range(5_000):
        clock.now += chance.choice((0, 1, 3, 1_000, HOUR_US, -HOUR_US, -1))
        clock.now = min(max(clock.now, 90 * HOUR_US), 110 * HOUR_US)
        told.append(onward.now_us())
    assert all(before <= after for before, after in pairwise(told))


async def test_the_log_of_a_store_stays_in_order(tmp_path: Path) -> None:
    """Also over a restart with a clock that is an hour behind."""
    clock = HandClock(1_700_000_000_000_000)
    for _ in range(3):
        store = open_sqlite(tmp_path / "city.db", clock=clock)
        for number in range(3):
            id = f"urn:ngsi-ld:Lamp:{clock.now}-{number}"
            put = Put({"id": id, "type": "Lamp"}, "created")
            await store.submit([Op(1, id, fresh=put)])
            clock.now += 10
        found = [one.at_us for one in store.changes(0, 100)]
        assert found == sorted(found)
        await store.close()
        clock.now -= HOUR_US
