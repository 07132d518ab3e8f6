"""Notes: rows that are only ever added, numbered without a gap, durable with what they tell of."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pintu.kernel.context.record import Record
from pintu.kernel.errors import PintuError
from pintu.kernel.store.port import Op, Store, settled

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
