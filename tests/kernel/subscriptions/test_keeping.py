"""Subscriptions are kept over restarts, found by tenant, bounded, and told to those who listen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from pintu.kernel.clock import CityClock
from pintu.kernel.errors import AlreadyExists, ResourceNotFound, TooLarge
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Store
from pintu.kernel.subscriptions.keeping import Subscriptions
from pintu.kernel.subscriptions.schema import SUBSCRIPTION
from pintu.kernel.tables import CityTables, open_tables
from tests.kernel.subscriptions.made import NOW_US, subscribed

pytestmark = pytest.mark.asyncio


class House:
    """A room that can be opened again on the same tables."""

    def __init__(self, tables: CityTables, store: Store) -> None:
        self.tables, self.store = tables, store
        self.room = self.again()

    def again(self, most: int = 100) -> Subscriptions:
        """The room as it is after a restart."""
        self.room = Subscriptions(self.tables, self.store, CityClock(), most=most)
        return self.room


@pytest.fixture
async def house(stores: str, tmp_path: Path) -> AsyncIterator[House]:
    """A room on each sort of store."""
    tables = open_tables(tmp_path, stores)
    store = await open_store(stores, tmp_path, clock=CityClock())
    yield House(tables, store)
    await store.close()
    tables.close()


async def test_what_was_kept_is_there_after_a_restart(house: House) -> None:
    """Every member, the state, and the index; in the order in which they came."""
    first = subscribed("z", q='level>5;on{Pole:name}=="x"', scopeQ="/a/#", throttling=5)
    await house.room.add(first)
    second = replace(subscribed("a", watchedAttributes=["level"]), created_us=NOW_US + 1)
    await house.room.add(second)
    house.room.state(first).times_sent = 7
    await house.room.save_states([first])
    room = house.again()
    assert [first, second] == room.of(1)
    assert (7, 2, 2) == (room.state(first).times_sent, room.count(), len(room.matcher))
    assert ["a"] == [one.id[-1] for one in room.page(1, limit=5, offset=1)]


async def test_changed_and_removed_ones_stay_so(house: House) -> None:
    """A restart brings nothing back, of the state neither."""
    one = subscribed(1)
    await house.room.add(one)
    changed = subscribed(1, isActive=False)
    await house.room.replace(changed)
    assert (changed, 0) == (house.room.get(1, one.id), len(house.room.matcher))
    house.room.state(one).times_sent = 3
    await house.room.save_states([one])
    await house.room.remove(1, one.id)
    await house.room.save_states([one])
    room = house.again()
    assert (0, {}, False) == (room.count(), room.states, room.any(1))
    with pytest.raises(ResourceNotFound):
        room.get(1, one.id)


async def test_an_id_is_taken_once_a_tenant(house: House) -> None:
    """The same id in another tenant is another subscription."""
    await house.room.add(subscribed(1))
    with pytest.raises(AlreadyExists):
        await house.room.add(subscribed(1))
    await house.room.add(subscribed(1, tenant=2))
    assert (1, 1, 2) == (house.room.count(1), house.room.count(2), house.room.count())
    with pytest.raises(ResourceNotFound):
        await house.room.remove(3, "urn:ngsi-ld:Subscription:1")


async def test_there_are_as_many_as_the_city_was_told(house: House) -> None:
    """One more is refused; one that goes makes room."""
    room = house.again(most=2)
    for number in (1, 2):
        await room.add(subscribed(number))
    with pytest.raises(TooLarge):
        await room.add(subscribed(3))
    await room.remove(1, "urn:ngsi-ld:Subscription:1")
    await room.add(subscribed(3))
    assert 2 == room.count()


async def test_listeners_hear_of_each_deed(house: House) -> None:
    """In order, after it is on the disk."""
    heard: list[tuple[str, str]] = []
    house.room.listen(lambda deed, one: heard.append((deed, one.id[-1])))
    await house.room.add(subscribed(1))
    await house.room.replace(subscribed(1, throttling=3))
    await house.room.remove(1, "urn:ngsi-ld:Subscription:1")
    assert [("added", "1"), ("replaced", "1"), ("removed", "1")] == heard


async def test_a_row_that_cannot_be_read_keeps_nobody_out(house: House) -> None:
    """It is left out and logged; the others are there."""
    for number in (1, 2):
        await house.room.add(subscribed(number))
    broken = (
        sa.update(SUBSCRIPTION)
        .where(SUBSCRIPTION.c.id == "urn:ngsi-ld:Subscription:1")
        .values(document=b'{"entities":[{"type":";"}],"notification":{}}')
    )
    await house.room.tables.run(lambda connection: connection.execute(broken))
    assert ["2"] == [one.id[-1] for one in house.again().of(1)]
