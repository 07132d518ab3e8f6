"""Rows of the log made whole again are the changes that listeners heard when they happened."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from math import inf
from pathlib import Path
from typing import Any

import orjson
import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.context import write
from pintu.kernel.store.opening import open_store
from pintu.kernel.store.port import Change, Op, Store, settled
from pintu.kernel.subscriptions.rebuilding import FIRST, STEP, Rebuilder
from tests.kernel.subscriptions.made import Doc, lamp

pytestmark = pytest.mark.asyncio


@pytest.fixture
async def store(stores: str, tmp_path: Path) -> AsyncIterator[Store]:
    """Each sort of store."""
    opened = await open_store(stores, tmp_path, clock=CityClock())
    yield opened
    await opened.close()


def step(chance: random.Random) -> tuple[str, Any]:
    """An id and what is done to it."""
    number = chance.randrange(3)
    made: Doc = lamp(number, level=chance.randrange(5))
    other = {"type": "Property", "value": chance.randrange(5), "datasetId": "urn:d:1"}
    if chance.random() < 0.5:
        made["name"] = [{"type": "Property", "value": 1}, other]
    some: list[Any] = [
        write.upsert_replace(made), write.upsert_append(made), write.upsert_append(made),
        write.merge({"id": made["id"], "level": {"value": chance.randrange(9)}}),
        write.delete_attribute("name"), write.delete_attribute("name", delete_all=True),
        write.delete(), write.append({"id": made["id"], "scope": ["/a"], "name": other}),
    ]  # fmt: skip
    return made["id"], chance.choice(some)


def facts(change: Change) -> tuple[Any, ...]:
    """What must be the same, documents parsed."""
    parts = (change.before, change.body)
    documents = [None if part is None else orjson.loads(part) for part in parts]
    return (change.position, change.verb, change.id, change.created_us, *documents)


def far(heard: Change, made: Change) -> float:
    """How far apart they say attributes were created, µs: a row may be a moment later than what it
    says of itself, and does not say that an instance got the value again that it had."""
    one = orjson.loads(heard.times or b"{}")
    other = orjson.loads(made.times or b"{}")
    if not other.keys() <= one.keys():
        return inf
    return max((abs(one[key][0] - other[key][0]) for key in other), default=0)


async def test_every_row_is_made_as_it_was_heard(store: Store) -> None:
    """Whatever happens, in the order of the log, and one row alone."""
    heard: list[Change] = []
    store.on_commit(heard.extend)
    chance = random.Random(7)
    for _ in range(25):
        ops = [step(chance) for _ in range(8)]
        await store.submit([Op(1, id, change) for id, change in ops], "token:a")
    rows = await settled(store.changes(0, 1000))
    assert len(heard) == len(rows) > 60
    in_order = Rebuilder(store)
    made = [await in_order.rebuild(row) for row in rows]
    assert [facts(one) for one in heard] == [facts(one) for one in made]
    assert max(map(far, heard, made)) < 1000
    assert 0 == in_order.walked
    some = chance.sample(range(len(rows)), 12)
    alone = [await Rebuilder(store).rebuild(rows[index]) for index in some]
    assert [facts(heard[index]) for index in some] == [facts(one) for one in alone]
    passing = Rebuilder(store)  # of several brokers: what this one wrote itself came whole
    others = sorted(chance.sample(range(len(rows)), len(rows) // 2))
    told = [await passing.rebuild(rows[index]) for index in others]
    assert [facts(heard[index]) for index in others] == [facts(one) for one in told]
    assert max(far(heard[index], one) for index, one in zip(others, told, strict=True)) < 1000


async def test_a_long_chain_is_not_walked_to_its_end(store: Store) -> None:
    """Past the bound the present stands in for what older rows said."""
    await store.submit([Op(1, "urn:ngsi-ld:Lamp:1", fresh=write.create(lamp(1, a=1, b=1)))])
    for level in range(30):
        fragment = {"id": "urn:ngsi-ld:Lamp:1", "b": {"type": "Property", "value": level}}
        await store.submit([Op(1, "urn:ngsi-ld:Lamp:1", write.append(fragment))])
    rows = await settled(store.changes(0, 100))
    rebuilder = Rebuilder(store, most_rows=10)
    made = await rebuilder.rebuild(rows[20])
    assert made.body is not None
    assert lamp(1, a=1, b=19) == orjson.loads(made.body)
    assert rebuilder.walked <= 200
    before = rebuilder.walked
    assert orjson.loads((await rebuilder.rebuild(rows[25])).body or b"") == lamp(1, a=1, b=24)
    assert rebuilder.walked - before <= FIRST  # not from the beginning again


async def test_who_reads_at_different_places_walks_no_chain_again(store: Store) -> None:
    """One follows what is written now, one is behind: each goes on from its own place."""
    id = lamp(1)["id"]
    first = Op(1, id, write.upsert_replace(lamp(1, level=0)))
    rest = [Op(1, id, write.merge({"id": id, "level": {"value": n}})) for n in range(1, 400)]
    await store.submit([first, *rest], "token:a")
    rows = await settled(store.changes(0, 1000))
    assert 400 == len(rows)
    both = Rebuilder(store)
    for far, near in zip(rows[100:150], rows[350:], strict=True):
        for row in (far, near):
            made = await both.rebuild(row)
            assert row.position - 1 == orjson.loads(made.body or b"")["level"]["value"]
    assert both.walked <= 100 + 350 + 2 * STEP
