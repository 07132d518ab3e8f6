"""Who shares a transaction: calls wait on the loop for others, and never for nobody."""

from __future__ import annotations

import asyncio
from queue import Empty

from pintu.kernel.store.port import Op
from pintu.kernel.store.sqlite.calls import GATHER_S, Call, Gathering

SEVERAL = 8


def some(count: int) -> list[Call]:
    """Calls of one operation each."""
    return [Call([Op(1, f"urn:ngsi-ld:Lamp:{n}")], "", None, None) for n in range(count)]


async def handed(gathering: Gathering) -> list[Call | None]:
    """What is handed over next."""
    while True:
        try:
            return gathering.queue.get(block=False)
        except Empty:
            await asyncio.sleep(GATHER_S)


async def given(gathering: Gathering, calls: list[Call]) -> list[Call]:
    """They come in one turn."""
    for call in calls:
        gathering.add(call, asyncio.get_running_loop())
    return calls


async def test_who_comes_alone_is_handed_over_at_the_end_of_the_turn() -> None:
    """One call, one group; so is the next when the first is answered."""
    gathering = Gathering()
    for _ in range(3):
        calls = await given(gathering, some(1))
        assert calls == await handed(gathering)
        gathering.answered(1)


async def test_nobody_waits_for_a_group_that_is_written() -> None:
    """What comes meanwhile stands behind it in the queue."""
    gathering = Gathering()
    first = await given(gathering, some(2))
    assert first == await handed(gathering)
    second = await given(gathering, some(2))
    assert second == await handed(gathering)


async def test_those_who_waited_go_on_when_nobody_comes_back() -> None:
    """Callers that went away are waited for a moment, not for ever; nor is a group that is
    answered one by one."""
    gathering = Gathering()
    first = await given(gathering, some(SEVERAL))
    assert first == await handed(gathering)
    left = await given(gathering, some(2))
    for _ in range(SEVERAL):
        await asyncio.sleep(0)
        gathering.answered(1)
    assert left == await handed(gathering)
    gathering.answered(2)
    last = await given(gathering, some(1))
    assert last == await handed(gathering)


async def test_the_end_takes_whoever_waits_along() -> None:
    """What is held when the store closes is handed over before the end."""
    gathering = Gathering()
    await given(gathering, some(SEVERAL))
    await handed(gathering)
    left = await given(gathering, some(2))
    await asyncio.sleep(0)
    gathering.end()
    assert [*left, None] == await handed(gathering)
