"""Following a log that several write: each change is told once, in the order of positions."""

from __future__ import annotations

import asyncio
import random

import pytest

from pintu.kernel.errors import Unavailable
from pintu.kernel.store.port import Change
from pintu.kernel.store.postgres import follow as following
from pintu.kernel.store.postgres.follow import Follow


def change(position: int, *, body: bytes | None = None) -> Change:
    """A row of the log; with a body it is our own copy."""
    return Change(position, 1, f"urn:x:{position}", ("T",), "created", 0, "", None, b"", 0, body)


class Log:
    """The rows that are durable, read with a delay; sometimes the server is away."""

    def __init__(self, chance: random.Random) -> None:
        self.rows: list[Change] = []
        self._chance = chance
        self.away = 0

    async def read(self, after: int, limit: int) -> list[Change]:
        """Rows as they are at some moment of waiting."""
        await asyncio.sleep(self._chance.random() * 0.002)
        if self.away:
            self.away -= 1
            raise Unavailable("away")
        found = [one for one in self.rows if one.position > after][:limit]
        await asyncio.sleep(self._chance.random() * 0.002)
        return found


@pytest.mark.parametrize("seed", range(8))
async def test_ours_and_others_are_told_once_in_order(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever way the answers to our own commits, hints, readings and absences fall. What we
    wrote is told from our own copy unless the log was quicker.
    """
    monkeypatch.setattr(following, "READ", 7)
    monkeypatch.setattr(following, "LOOK_S", (0.001, 0.002))
    chance = random.Random(seed)
    log = Log(chance)
    told: list[Change] = []
    follow = Follow(0, read=log.read, deliver=told.extend)
    follow.arrived(0)
    position = 0

    async def ours(changes: list[Change]) -> None:
        await asyncio.sleep(chance.random() * 0.003)  # the commit's answer is on its way
        follow.own(changes)

    answers = []
    for _ in range(150):
        size = chance.randrange(1, 4)
        positions = range(position + 1, position + size + 1)
        position += size
        log.rows += [change(one) for one in positions]
        if chance.random() < 0.5:
            mine = [change(one, body=b"{}") for one in positions]
            answers.append(asyncio.ensure_future(ours(mine)))
        elif chance.random() < 0.5:
            follow.hint(position)
        if chance.random() < 0.05:
            log.away = 1
        await asyncio.sleep(chance.random() * 0.002)
    await asyncio.gather(*answers)
    follow.hint(position)
    for _ in range(2000):
        if len(told) >= position:
            break
        await asyncio.sleep(0.005)
    await follow.close()
    assert list(range(1, position + 1)) == [one.position for one in told]
    assert follow.position == position
    assert any(one.body for one in told)


async def test_a_commit_of_ours_is_told_at_once_when_it_is_next() -> None:
    """No reading and no waiting: the caller of `own` is followed by the listeners."""
    told: list[int] = []
    log = Log(random.Random(0))
    follow = Follow(0, read=log.read, deliver=lambda all: told.extend(x.position for x in all))
    follow.arrived(41)
    follow.own([change(42), change(43)])
    assert [42, 43] == told
    follow.own([change(42), change(43)])  # found again after the connection broke
    assert [42, 43] == told


async def test_what_a_broken_connection_left_is_told_by_the_log() -> None:
    """The server is back and its log goes further than we told: nobody else may say so."""
    told: list[int] = []
    log = Log(random.Random(0))
    follow = Follow(0, read=log.read, deliver=lambda all: told.extend(x.position for x in all))
    follow.arrived(2)
    log.rows = [change(one) for one in range(1, 6)]
    follow.arrived(5)
    for _ in range(200):
        if told:
            break
        await asyncio.sleep(0.005)
    assert [3, 4, 5] == told


async def test_positions_that_were_never_used_are_passed_over() -> None:
    """After a failover positions go on behind those that were answered and lost."""
    told: list[int] = []
    log = Log(random.Random(0))
    follow = Follow(0, read=log.read, deliver=lambda all: told.extend(x.position for x in all))
    follow.arrived(3)
    log.rows = [change(9), change(10)]
    follow.own([change(9), change(10)])
    for _ in range(200):
        if told:
            break
        await asyncio.sleep(0.005)
    assert ([9, 10], 10) == (told, follow.position)
