"""Any query as of any moment is what a dictionary of the past says."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest

from pintu.kernel.analytics.moments import Moment
from pintu.kernel.context.match import matches
from pintu.kernel.context.parse import parse_q
from pintu.kernel.context.record import Put, Record
from pintu.kernel.context.selection import OrderKey, Path, Selection, TypeSelection
from pintu.kernel.errors import DeadlineExceeded
from pintu.kernel.jsonld import CORE
from pintu.kernel.store.port import Op, settled
from tests.kernel.analytics.conftest import DAY_US, Town, reading, sensor

SENSORS = TypeSelection((frozenset({"Sensor"}),))
Doc = dict[str, Any]
Model = list[tuple[int, str, Record | None]]


async def lived(town: Town, model: Model, writes: int, seed: int) -> None:
    """Random writes; after each the model notes what the entity is."""
    chance = random.Random(seed)
    for n in range(writes):
        town.clock.now += chance.randrange(DAY_US // 20)
        id = sensor(chance.randrange(5))
        kind = chance.random()
        if kind < 0.08:
            await town.delete(id)
        elif kind < 0.16:
            doc = {"id": id, "type": chance.choice(["Sensor", "Lamp"]), "a": reading(n)}
            op = Op(
                1, id, lambda record, now, doc=doc: Put(doc, "replaced" if record else "created")
            )
            await town.store.submit([op], "token:x")
        else:
            name = chance.choice(["a", "b", "c"])
            value = None if chance.random() < 0.1 else reading(chance.randrange(9) / 2)
            if value is not None or await settled(town.store.retrieve(1, id)):
                await town.write(id, **{name: value})
        model.append((town.clock.now, id, await settled(town.store.retrieve(1, id))))


def as_of(model: Model, at_us: int) -> dict[str, Record]:
    """The dictionary of a moment."""
    found: dict[str, Record | None] = {}
    for at, id, record in model:
        if at <= at_us:
            found[id] = record
    return {id: record for id, record in found.items() if record is not None}


def told(record: Record) -> tuple[Any, ...]:
    """What is to be equal."""
    return orjson.loads(record.body), record.types, record.created_us, record.modified_us


async def agree(town: Town, model: Model, seed: int, *, types: bool = True) -> None:
    """Compare some questions at some moments."""
    chance = random.Random(seed)
    first, last = model[0][0], model[-1][0]
    for _ in range(25):
        at_us = chance.randrange(first - 1000, last + 1000)
        known = as_of(model, at_us)
        moment = Moment(town.history, at_us)
        q = chance.choice(
            [None, parse_q("a>2", CORE), parse_q("b;!c", CORE), parse_q("a==1|c<3", CORE)]
        )
        wanted = SENSORS if types else None
        asked = Selection(tenant=1, types=wanted, q=q, limit=100, count=True)
        page = await moment.select(asked)
        right = sorted(
            id for id, one in known.items() if matches(orjson.loads(one.body), asked, one)
        )
        assert right == [record.id for record in page.records]
        assert len(right) == page.count
        assert [told(known[id]) for id in right] == [told(record) for record in page.records]
        id = sensor(chance.randrange(5))
        one = await moment.retrieve(1, id)
        assert (told(known[id]) if id in known else None) == (one and told(one))


async def test_the_past_is_what_a_dictionary_says(town: Town) -> None:
    """Under random writes, in the log, in packs, in files, after trimming."""
    model: Model = []
    await lived(town, model, 60, 1)
    await agree(town, model, 1, types=False)
    await town.history.pack()
    await agree(town, model, 2)
    await lived(town, model, 40, 2)
    await agree(town, model, 3, types=False)
    await town.history.night()
    await town.history.night()
    await town.history.packing.trim(town.clock.now)
    await agree(town, model, 4)
    await lived(town, model, 30, 3)
    await town.history.pack()
    town.clock.now += 3 * DAY_US
    await town.history.night()
    await agree(town, model, 5)


async def test_order_page_and_links_are_of_that_moment(town: Town) -> None:
    """Sorting, paging and relationships look at the same moment as everything else."""
    for n in range(6):
        link = {"type": "Relationship", "object": sensor((n + 1) % 6)}
        await town.write(sensor(n), a=reading(n), next=link)
    then = town.clock.now
    for n in range(6):
        await town.write(sensor(n), a=reading(10 - n))
    order = (OrderKey(Path("a"), descending=True),)
    asked = Selection(tenant=1, types=SENSORS, order=order, limit=2, offset=1)
    page = await Moment(town.history, then).select(asked)
    assert [sensor(4), sensor(3)] == [record.id for record in page.records]
    linked = Selection(tenant=1, types=SENSORS, q=parse_q("next{a}==3", CORE), limit=9)
    assert [sensor(2)] == [
        one.id for one in (await Moment(town.history, then).select(linked)).records
    ]


async def test_a_moment_has_a_deadline(town: Town) -> None:
    """What would take too long is told, not waited for."""
    await town.write(sensor(1), a=reading(1))
    with pytest.raises(DeadlineExceeded):
        await Moment(town.history, town.clock.now, deadline_s=-1).retrieve(1, sensor(1))
