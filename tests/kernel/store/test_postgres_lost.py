"""Sessions that end while something is written: each call is answered once, logged once."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.store.port import Change
from pintu.kernel.store.postgres import open_postgres
from tests.kernel.store.conftest import create, delete, ids, lamp, update

ID = "urn:ngsi-ld:Lamp:1"
SESSION = "FROM pg_stat_activity WHERE application_name = $1"


async def test_a_session_that_is_ended_again_and_again_loses_and_doubles_nothing(
    city_address: str,
) -> None:
    """Every call is answered once and is in the log once, in order."""
    store = await open_postgres(city_address, clock=CityClock())
    heard: list[int] = []
    store.on_commit(lambda changes: heard.extend(change.position for change in changes))
    going, ended = True, asyncio.Event()

    async def end() -> None:
        line = await store.connections.apart("test")
        while going:
            await store.connections.writer()
            ours = f"{store.connections.me} writes"
            await line.connection.execute(f"SELECT pg_terminate_backend(pid) {SESSION}", ours)
            ended.set()
            await asyncio.sleep(0.1)
        await line.close()

    async def write(lane: int) -> list[int]:
        positions = []
        for step in range(40):
            if step == 20:  # however fast the machine is, it was ended once by then
                await ended.wait()
            doc = lamp(lane * 100 + step)
            [made] = await store.submit([create(doc)])
            [moved] = await store.submit([update(doc["id"], power=-step)])
            positions += [made.position, moved.position]
        return positions

    ending = asyncio.ensure_future(end())
    answered = await asyncio.gather(*(write(lane) for lane in range(8)))
    going = False
    await ending
    assert list(range(1, 641)) == sorted(one for each in answered for one in each)
    rows = await store.changes(0, 1_000)
    assert list(range(1, 641)) == [row.position for row in rows] == heard
    assert 320 == store.statistics()["entities"] == len(await ids(store))
    assert store.statistics()["reconnects"] > 0
    await store.close()


@pytest.mark.parametrize(
    ("alone", "size", "after"),
    [
        (True, 1, "SELECT"),
        (True, 700, "SELECT"),
        (False, 3, "SELECT"),
        (True, 3, "UPDATE head SET writer = 'other'"),
    ],
)
async def test_a_commit_whose_answer_was_lost_is_found(
    city_address: str, alone: bool, size: int, after: str
) -> None:
    """The session ends after its commit, before its answer: it is answered, once, as it was, also
    when another has written since.
    """
    store = await open_postgres(city_address, clock=CityClock(), alone=alone)
    heard: list[Change] = []
    store.on_commit(heard.extend)
    await store.submit([create(lamp(1)), create(lamp(2, type="Other"))])
    await store.submit([delete(ID)])
    line = await store.connections.apart("test", writes=True)
    run = line.connection.execute
    ours = f"{store.connections.me} writes"
    try:
        # a commit waits for a standby that there is not: durable here, and not answered
        await run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        await run("SELECT pg_reload_conf()")
        with contextlib.suppress(TimeoutError):
            while True:  # the checkpointer hears of it in its own time
                async with asyncio.timeout(0.1):
                    await run("SELECT pg_logical_emit_message(true, 'test', '')")
        writing = store.submit([create(lamp(i)) for i in range(1, size + 2) if i != 2])
        waits = f"SELECT wait_event {SESSION}"
        async with asyncio.timeout(20):
            while await line.connection.fetchval(waits, ours) != "SyncRep":
                await asyncio.sleep(0.01)
        await run("SET synchronous_commit = local")
        await run(f"SELECT pg_terminate_backend(pid) {SESSION}", ours)
        await run(after)
    finally:
        await run("SET synchronous_commit = local")
        await run("ALTER SYSTEM RESET synchronous_standby_names")
        await run("SELECT pg_reload_conf()")
        await line.close()
    outcomes = await writing
    positions = list(range(1, size + 4))
    assert positions[3:] == [one.position for one in outcomes]
    assert positions == [row.position for row in await store.changes(0, 1_000)]
    async with asyncio.timeout(10):
        while len(heard) < len(positions):
            await asyncio.sleep(0.01)
    assert positions == [row.position for row in heard] and 3 == heard[3].previous
    assert size + 1 == sum(kind.count for kind in store.kinds(1)) == store.state.entities
    await store.close()
