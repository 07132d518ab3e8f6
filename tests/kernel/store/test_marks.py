"""Marks: how far somebody has read elsewhere, kept with what was written of it, holding nothing."""

from __future__ import annotations

import asyncio

import pytest

from pintu.kernel.context.record import Record
from pintu.kernel.errors import BadRequestData, StateConflict
from pintu.kernel.store.port import Mark, Op, Store, settled
from tests.kernel.store.conftest import create, lamp


def _refused(record: Record | None, now_us: int) -> None:
    raise BadRequestData("not this one")


async def test_a_mark_is_kept_with_the_call_it_came_with(store: Store) -> None:
    """What the call wrote and how far it had read are durable together, refusals or not."""
    assert None is await settled(store.kept("relay there"))
    await store.submit(
        [create(lamp(1)), create(lamp(2))], "relay/there", mark=Mark("relay there", 7)
    )
    assert 7 == await settled(store.kept("relay there"))
    bad = Op(1, "urn:ngsi-ld:Lamp:3", _refused)  # type: ignore[arg-type]
    outcomes = await store.submit([bad], "relay/there", mark=Mark("relay there", 8))
    assert [BadRequestData] == [type(one.error) for one in outcomes]
    await store.submit((), mark=Mark("relay there", 9))
    assert 9 == await settled(store.kept("relay there"))


async def test_a_mark_is_no_cursor(store: Store) -> None:
    """It is in another log's numbers: it is not told as a cursor and holds no row of ours back."""
    await store.submit([create(lamp(number)) for number in range(5)], mark=Mark("elsewhere", 1))
    await store.save_cursor("reader", 4)
    assert {"reader": 4} == store.cursors()
    assert 4 == await settled(store.kept("reader"))
    assert 4 == await store.trim(2**62, 5)


async def test_a_mark_that_went_on_refuses_the_call_whole(store: Store) -> None:
    """Who believes that it stands where it stood before writes nothing; its neighbours in the
    group do, and one that follows its own in the same group does."""
    await store.submit([create(lamp(1))], mark=Mark("there", 7, before=0))
    old, other, on, further = await asyncio.gather(
        store.submit([create(lamp(2))], mark=Mark("there", 5, before=3)),
        store.submit([create(lamp(3))]),
        store.submit([create(lamp(4))], mark=Mark("there", 8, before=7)),
        store.submit([create(lamp(5))], mark=Mark("there", 9, before=8)),
        return_exceptions=True,
    )
    assert isinstance(old, StateConflict) and "at 7" in old.detail
    assert not [one for one in (other, on, further) if isinstance(one, BaseException)]
    assert 9 == await settled(store.kept("there"))
    assert ["1", "3", "4", "5"] == [one.id[-1] for one in await settled(store.changes(0, 10))]
    with pytest.raises(StateConflict):
        await store.submit((), mark=Mark("there", 10, before=7))
    await store.submit((), mark=Mark("there", 0))  # whoever says nothing of before may go back
    assert 0 == await settled(store.kept("there"))
