"""A store after any program of writes is what a dictionary would be, and finds what is in it."""

from __future__ import annotations

import os
import random

import orjson
import pytest

from pintu.kernel.context import write
from pintu.kernel.context.parse import parse_q, parse_types
from pintu.kernel.jsonld import CORE
from pintu.kernel.store.port import Op, Store, settled
from tests.kernel.store.conftest import Doc, Opening, page

SEEDS = range(max(3, int(os.environ.get("PINTU_EXAMPLES", "40")) // 20))
IDS = [f"urn:ngsi-ld:Thing:{number}" for number in range(7)]
NAMES = ["power", "level", "note"]
Model = dict[str, Doc]


def attribute(rng: random.Random) -> Doc:
    """A number, a word, or an object."""
    return {"type": "Property", "value": rng.choice([0, 1, 2.5, -3, "a", "b", {"x": 1}])}


def document(rng: random.Random, id: str) -> Doc:
    """An entity with some attributes."""
    some = rng.sample(NAMES, rng.randrange(4))
    return {"id": id, "type": rng.choice("AB")} | {name: attribute(rng) for name in some}


def step(rng: random.Random, model: Model) -> Op:
    """One write, done to the dictionary at once and told as an operation of the store."""
    id, kind = rng.choice(IDS), rng.randrange(6)
    held = model.get(id)
    if kind == 0:
        doc = document(rng, id)
        model.setdefault(id, doc)
        return Op(1, id, None, write.create(doc))
    if kind == 1:
        doc = document(rng, id)
        if held is not None:
            model[id] = doc
        return Op(1, id, write.replace(doc))
    if kind == 2:
        model.pop(id, None)
        return Op(1, id, write.delete())
    name = rng.choice(NAMES)
    if kind == 3:
        if held is not None and name in held:
            model[id] = {key: value for key, value in held.items() if key != name}
        return Op(1, id, write.delete_attribute(name))
    part = {name: attribute(rng)}
    if held is not None:  # both replace what is there and add what is not (5.6.2, 5.6.3)
        model[id] = {**held, **part}
    return Op(1, id, write.append(part) if kind == 4 else write.update(part))


async def agree(store: Store, model: Model) -> None:
    """Retrieved one by one, selected by type and by q, and counted."""
    for id in IDS:
        record = await settled(store.retrieve(1, id))
        assert model.get(id) == (None if record is None else orjson.loads(record.body))
    for name in "AB":
        found = await page(store, types=parse_types(name, CORE), limit=100, count=True)
        expected = sorted(id for id, doc in model.items() if doc["type"] == name)
        assert expected == sorted(record.id for record in found.records)
        assert len(expected) == found.count
        positive = parse_q("power>0", CORE)
        found = await page(store, types=parse_types(name, CORE), q=positive, limit=100)
        assert [id for id in expected if _positive(model[id])] == sorted(
            record.id for record in found.records
        )


def _positive(doc: Doc) -> bool:
    value = doc.get("power", {}).get("value")
    return isinstance(value, int | float) and value > 0


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_store_is_a_dictionary(opening: Opening, seed: int) -> None:
    """After every few writes, several at a time, and after the store was opened again."""
    rng, model = random.Random(seed), Model()
    store = await opening()
    for _ in range(12):
        await store.submit([step(rng, model) for _ in range(rng.randrange(1, 9))])
        await agree(store, model)
    await store.close()
    store = await opening()
    await agree(store, model)
    await store.close()
