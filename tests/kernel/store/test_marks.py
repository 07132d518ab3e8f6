"""Marks: how far somebody has read elsewhere, kept with what was written of it, holding nothing."""

from __future__ import annotations

from pintu.kernel.context.record import Record
from pintu.kernel.errors import BadRequestData
from pintu.kernel.store.port import Op, Store, settled
from tests.kernel.store.conftest import create, lamp


def _refused(record: Record | None, now_us: int) -> None:
    raise BadRequestData("not this one")


async def test_a_mark_is_kept_with_the_call_it_came_with(store: Store) -> None:
    """What the call wrote and how far it had read are durable together, refusals or not."""
    assert None is await settled(store.kept("relay there"))
    await store.submit([create(lamp(1)), create(lamp(2))], "relay/there", mark=("relay there", 7))
    assert 7 == await settled(store.kept("relay there"))
    bad = Op(1, "urn:ngsi-ld:Lamp:3", _refused)  # type: ignore[arg-type]
    outcomes = await store.submit([bad], "relay/there", mark=("relay there", 8))
    assert [BadRequestData] == [type(one.error) for one in outcomes]
    await store.submit((), mark=("relay there", 9))
    assert 9 == await settled(store.kept("relay there"))


async def test_a_mark_is_no_cursor(store: Store) -> None:
    """It is in another log's numbers: it is not told as a cursor and holds no row of ours back."""
    await store.submit([create(lamp(number)) for number in range(5)], mark=("elsewhere", 1))
    await store.save_cursor("reader", 4)
    assert {"reader": 4} == store.cursors()
    assert 4 == await settled(store.kept("reader"))
    assert 4 == await store.trim(2**62, 5)
