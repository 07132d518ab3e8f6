"""What a store promises of values at the edge of what an index holds, of queries that follow
relationships, and of pages that are read while others write.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pintu.kernel.context.match import matches
from pintu.kernel.context.selection import (
    And,
    Compare,
    Linked,
    OneOf,
    Or,
    OrderKey,
    Path,
    Range,
    Selection,
)
from pintu.kernel.errors import TooComplex
from pintu.kernel.store.port import Store
from tests.kernel.store.conftest import Doc, create, ids, lamp, page, put
from tests.kernel.store.test_asking import learned, near, types

POWER, NEXT = Path("power"), Path("next")
BIG = 2**53
EDGES: list[Any] = [
    BIG - 1,
    BIG,
    BIG + 1,
    float(BIG),
    -BIG - 1,
    2**63 - 1,
    2**63,
    2**64 - 1,
    1e300,
    -0.0,
    0,
    5e-324,
    "",
    "a",
    "a\u0000b",
    "é",
    "\uffff",
    "😀",
    "x" * 255,
    "x" * 256,
    "x" * 300,
    "y" * 255 + "é",
    "2026-01-01T00:00:00.5Z",
    "2026-01-01T08:00:00.50+08:00",
    True,
    {"type": "Property", "value": [BIG, BIG + 1, "a"]},
]


async def test_values_at_the_edge_are_compared_as_the_matcher_does(store: Store) -> None:
    """Integers no float holds, texts longer than an index, NUL, code points of every plane."""
    docs = {number: lamp(number, power=value) for number, value in enumerate(EDGES)}
    for number in range(len(EDGES), 560):
        docs[number] = lamp(number, power="filler")
    done = await store.submit([create(doc) for doc in docs.values()])
    assert not [one.error for one in done if one.error]
    for _ in range(4):
        await page(store, types=types("Lamp"), q=Compare(POWER, ">", 1e9))
    await learned(store)
    scalars = [value for value in EDGES if not isinstance(value, dict)] + [10**30]
    ops: list[Any] = ["==", "<", "<=", ">", ">="]
    asked: list[Any] = [Compare(POWER, op, value) for op in ops for value in scalars]
    asked += [Compare(POWER, "==", Range(low, low)) for low in scalars if low is not True]
    asked += [Compare(POWER, "==", OneOf((BIG + 1, "a", 0))), Compare(POWER, "~=", "^x{3}.*")]
    asked += [Compare(POWER, "~=", "^fill"), And((Compare(POWER, ">", 0), Compare(POWER, "<", 9)))]
    for q in asked:
        selection = Selection(tenant=1, types=types("Lamp"), q=q)
        expected = [number for number, doc in docs.items() if matches(doc, selection, None)]
        assert expected == await ids(store, types=types("Lamp"), q=q), q
        found = await page(store, types=types("Lamp"), q=q, limit=3, count=True)
        assert len(expected) == found.count, q


def chain(number: int, *targets: int) -> Doc:
    """A lamp that leads to others."""
    objects = [f"urn:ngsi-ld:Lamp:{one}" for one in targets]
    return lamp(number, next={"type": "Relationship", "object": objects or "urn:ngsi-ld:None:1"})


async def test_queries_follow_relationships(store: Store) -> None:
    """One step, two steps, to several, to what does not exist, in large sets and small ones."""
    await store.submit([create(chain(i, i + 1, i + 2)) for i in range(900)])
    strong = Compare(POWER, "==", 500)
    one = Linked(NEXT, ("Lamp",), strong)
    assert [498, 499] == await ids(store, types=types("Lamp"), q=one)
    two = Linked(NEXT, (), Linked(NEXT, (), strong))
    assert [496, 497, 498] == await ids(store, types=types("Lamp"), q=two)
    assert [] == await ids(store, q=Linked(NEXT, ("Bin",), strong))
    either = Or((one, Compare(POWER, "<", 2)))
    found = await page(store, q=either, limit=3, count=True)
    assert (4, 3) == (found.count, len(found.records))
    assert [498] == await ids(store, ids=("urn:ngsi-ld:Lamp:498", "urn:ngsi-ld:Lamp:1"), q=one)


async def test_a_query_follows_no_more_than_it_may(store: Store) -> None:
    """An entity that leads to hundreds is too complex, unless one of the first is a match."""
    await store.submit([create(chain(0, *range(1, 300)))])
    await store.submit([create(lamp(number, power=number % 2)) for number in range(1, 300)])
    assert [0] == await ids(store, q=Linked(NEXT, (), Compare(POWER, "==", 1)))
    with pytest.raises(TooComplex, match="256"):
        await ids(store, q=Linked(NEXT, (), Compare(POWER, "==", 7)))


async def test_an_order_that_is_cut_into_pages_is_one_order(store: Store) -> None:
    """Ties keep the order of their making; texts of any script by code point; absent ones last."""
    words = ["b", "a", "é", "😀", "\uffff", "Z", "", "拼图", None, 3, 10, 2.5, True]
    docs = []
    for number in range(500):
        doc = lamp(number, power=words[number % len(words)])
        if words[number % len(words)] is None:
            del doc["power"]
        docs.append(doc)
    await store.submit([create(doc) for doc in docs])
    for descending in (False, True):
        order = (OrderKey(POWER, descending=descending),)
        whole = [one.id for one in (await page(store, order=order, limit=1000)).records]
        assert 500 == len(set(whole))
        pages: list[str] = []
        for offset in range(0, 500, 90):
            found = await page(store, order=order, limit=90, offset=offset, count=True)
            assert 500 == found.count
            pages += [one.id for one in found.records]
        assert whole == pages


async def test_an_entity_that_changes_its_kind_is_on_every_page(store: Store) -> None:
    """It is a lamp all the time, of one type or of two: no page may miss it."""
    await store.submit([create(lamp(1)), create(lamp(2))])
    stop = False

    async def change() -> None:
        number = 0
        while not stop:
            number += 1
            more: list[str] = ["Lamp", f"Extra{number % 40}"] if number % 3 else ["Lamp"]
            await store.submit([put(lamp(1, type=sorted(more) if len(more) > 1 else "Lamp"))])

    changing = asyncio.create_task(change())
    try:
        for _ in range(150):
            assert [1, 2] == await ids(store, types=types("Lamp"))
            assert [1, 2] == await ids(store, types=types("Lamp"), attributes=("power",))
    finally:
        stop = True
        await changing


async def test_a_page_shows_what_was_answered_before(store: Store) -> None:
    """Many write and ask at once: each sees its own write on the next page, by value and place."""

    async def one(number: int) -> None:
        for turn in range(6):
            power = number * 100 + turn
            lon, lat = 10 + number / 10, turn / 10
            place = {"type": "Point", "coordinates": [lon, lat]}
            doc = lamp(number, power=power, location={"type": "GeoProperty", "value": place})
            await store.submit([put(doc)])
            assert [number] == await ids(store, q=Compare(POWER, "==", power))
            assert number in await ids(store, geo=near(lon, lat, 10))

    await asyncio.gather(*(one(number) for number in range(20)))
