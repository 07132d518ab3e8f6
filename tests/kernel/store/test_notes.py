"""Notes: rows that are only ever added, numbered without a gap, durable with what they tell of."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.context.record import Record
from pintu.kernel.errors import PintuError
from pintu.kernel.store.port import Op, Store, settled
from pintu.kernel.store.postgres import open_postgres

from .conftest import Opening, create, lamp, stored, update


def note(body: bytes) -> Op:
    """Write it down."""
    return Op(0, "", note=body)


async def all_notes(store: Store) -> list[tuple[int, bytes]]:
    """Everything that was written down."""
    return await settled(store.notes(0, 1_000_000))


def broken(record: Record | None, now: int) -> Any:
    """A transform with a mistake."""
    raise ZeroDivisionError("poison")


async def test_numbers_begin_at_one_and_have_no_gap(store: Store) -> None:
    """However many calls share a commit."""
    assert 0 == store.notes_head()
    assert [] == await all_notes(store)
    calls = [store.submit([note(b"%d" % n)]) for n in range(700)]
    outcomes = await asyncio.gather(*calls)
    assert list(range(1, 701)) == [one[0].position for one in outcomes]
    assert [(n + 1, b"%d" % n) for n in range(700)] == await all_notes(store)
    assert 700 == store.notes_head()
    assert [(501, b"500"), (502, b"501")] == await settled(store.notes(500, 2))
    assert [] == await settled(store.notes(700, 10))
    assert 700 == store.statistics()["notes"]


async def test_a_note_lies_beside_the_changes_of_its_call(store: Store) -> None:
    """It moves no position, and no entity has its name."""
    [made, noted, put] = await store.submit(
        [create(lamp(1)), note(b"looked"), update("urn:ngsi-ld:Lamp:1", power=7)]
    )
    assert (1, 1, 2) == (made.position, noted.position, put.position)
    assert (None, None) == (noted.error, noted.verb)
    assert 2 == (await stored(store, "urn:ngsi-ld:Lamp:1")).last_change
    assert 2 == len(await settled(store.changes(0, 10)))
    assert [(1, b"looked")] == await all_notes(store)


async def test_a_poison_operation_beside_a_note_fails_alone(store: Store) -> None:
    """The note of its call and those of others are kept, once and without a gap."""
    first, second, third = await asyncio.gather(
        store.submit([note(b"a")]),
        store.submit([note(b"b"), Op(1, "urn:x:1", broken), create(lamp(1)), note(b"c")]),
        store.submit([note(b"d")]),
    )
    assert isinstance(second[1].error, PintuError)
    assert [None, None, None] == [second[n].error for n in (0, 2, 3)]
    positions = [one.position for one in (first[0], second[0], second[3], third[0])]
    assert [1, 2, 3, 4] == positions
    assert [(1, b"a"), (2, b"b"), (3, b"c"), (4, b"d")] == await all_notes(store)


async def test_a_call_that_is_given_up_leaves_no_note(store: Store) -> None:
    """Nothing of it is stored, and its numbers are the next ones'."""
    bad = [Op(1, f"urn:x:{n}", broken) for n in range(40)]
    given_up = store.submit([note(b"lost"), *bad])
    kept = store.submit([note(b"kept")])
    with pytest.raises(PintuError):
        await given_up
    assert 1 == (await kept)[0].position
    assert [(1, b"kept")] == await all_notes(store)


async def test_what_is_no_bytes_fails_alone(store: Store) -> None:
    """A mistake of one caller is nobody else's."""
    wrong: Any = "text"
    bad, good = await asyncio.gather(store.submit([note(wrong)]), store.submit([note(b"good")]))
    assert isinstance(bad[0].error, PintuError)
    assert 1 == good[0].position
    assert [(1, b"good")] == await all_notes(store)


async def test_notes_go_on_after_a_restart(opening: Opening) -> None:
    """With the next number, bytes as they were."""
    store = await opening()
    await store.submit([note(b"\x00\xff"), note(b"")])
    await store.close()
    again = await opening()
    assert 2 == again.notes_head()
    assert 3 == (await again.submit([note("拼".encode())]))[0].position
    assert [(1, b"\x00\xff"), (2, b""), (3, "拼".encode())] == await all_notes(again)
    await again.close()


async def test_a_call_of_many_notes_is_one_transaction(store: Store) -> None:
    """Also when it is larger than a group and than a statement's part."""
    ops = [note(b"%d" % n) for n in range(1_500)]
    outcomes = await store.submit([*ops, create(lamp(1))])
    assert 1_500 == outcomes[-2].position
    assert 1_500 == len(await all_notes(store))
    assert 1 == store.statistics()["groups"]


async def test_what_head_says_is_there_to_be_read(store: Store) -> None:
    """Also while the loop holds a moment of its own for point reads."""
    await store.submit([create(lamp(1))])
    waiting = [store.submit([note(b"%d" % n)]) for n in range(50)]
    for _ in range(200):
        await settled(store.retrieve(1, "urn:ngsi-ld:Lamp:1"))
        head = store.notes_head()
        assert head <= len(await all_notes(store))
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert 50 == store.notes_head() == len(await all_notes(store))


SESSION = "FROM pg_stat_activity WHERE application_name = $1"


@pytest.mark.parametrize(
    ("alone", "size", "after"),
    [
        (True, 1, "SELECT"),
        (True, 700, "SELECT"),
        (False, 3, "SELECT"),
        (True, 3, "UPDATE head SET writer = 'other'"),
    ],
)
async def test_notes_whose_commit_was_not_answered_are_found(
    city_address: str, alone: bool, size: int, after: str
) -> None:
    """The session ends after its commit, before its answer: each note is answered with its number
    and is there once, also when another has written since.
    """
    store = await open_postgres(city_address, clock=CityClock(), alone=alone)
    await store.submit([create(lamp(1)), note(b"first")])
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
        writing = store.submit([note(b"%d" % n) for n in range(size)])
        async with asyncio.timeout(20):
            waits = f"SELECT wait_event {SESSION}"
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
    assert list(range(2, size + 2)) == [one.position for one in outcomes]
    expected = [(1, b"first"), *((n + 2, b"%d" % n) for n in range(size))]
    assert expected == await all_notes(store)
    assert size + 2 == (await store.submit([note(b"next")]))[0].position
    await store.close()


async def test_sessions_that_are_ended_lose_and_double_no_note(city_address: str) -> None:
    """Every note that was answered is there once, under the number it was answered with."""
    store = await open_postgres(city_address, clock=CityClock())
    going = True

    async def end() -> None:
        line = await store.connections.apart("test")
        while going:
            await store.connections.writer()
            await asyncio.sleep(0.1)
            ours = f"{store.connections.me} writes"
            await line.connection.execute(f"SELECT pg_terminate_backend(pid) {SESSION}", ours)
        await line.close()

    async def write(lane: int) -> list[tuple[int, bytes]]:
        told = []
        for step in range(40):
            body = b"%d/%d" % (lane, step)
            told.append(((await store.submit([note(body)]))[0].position, body))
            await asyncio.sleep(0.01)
        return told

    ending = asyncio.ensure_future(end())
    answered = await asyncio.gather(*(write(lane) for lane in range(8)))
    going = False
    await ending
    assert sorted(one for each in answered for one in each) == await all_notes(store)
    assert 320 == store.notes_head() and store.statistics()["reconnects"] > 0
    await store.close()
