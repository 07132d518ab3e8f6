"""A selection asked again as the same object is answered as if it were asked for the first time."""

from __future__ import annotations

import random
from dataclasses import replace

from pintu.kernel.context.selection import Compare, Path, Selection, TypeSelection
from pintu.kernel.store.port import Op, Store, settled
from tests.kernel.store.conftest import create, delete, lamp, put, update
from tests.kernel.store.test_asking import learned

POWER = Path("power")


def of_type(name: str) -> TypeSelection:
    """Entities of one type."""
    return TypeSelection((frozenset({name}),))


def repeated() -> list[Selection]:
    """Selections that different indexes serve, stored documents only."""
    lamps, sign = of_type("Lamp"), of_type("Sign")
    asked = [
        Selection(tenant=1, types=lamps),
        Selection(tenant=1, types=sign),
        Selection(tenant=1, types=TypeSelection((*lamps.any_of, *sign.any_of)), limit=7, offset=3),
        Selection(tenant=1, types=lamps, attributes=("colour",)),
        Selection(tenant=1, types=lamps, q=Compare(POWER, ">=", 40), limit=15, offset=5),
        Selection(tenant=1, q=Compare(POWER, "==", 12)),
        Selection(tenant=1, types=lamps, q=Compare(Path("colour"), "==", "red")),
        Selection(tenant=1, ids=("urn:ngsi-ld:Lamp:3", "urn:ngsi-ld:Lamp:999")),
        Selection(tenant=1, types=lamps, limit=2, count=True),
    ]
    return [replace(one, bodies=True) for one in asked]


async def bodies(store: Store, selection: Selection) -> tuple[list[bytes], int | None]:
    """What a selection finds, whichever way it is told."""
    page = await settled(store.select(selection))
    found = page.bodies
    return [one.body for one in page.records] if found is None else found, page.count


async def alike(store: Store, selection: Selection) -> bool:
    """Does it find what one that is asked for the first time finds? An index that is ready from
    between the two on changes the order of pages: then both are asked again."""
    for _ in range(3):
        if await bodies(store, replace(selection, bodies=False)) == await bodies(store, selection):
            return True
    return False


def strokes(chance: random.Random, number: int) -> list[Op]:
    """A few writes: new kinds, shapes that come and go, values that an index holds."""
    one = chance.randrange(60)
    return [
        chance.choice(
            [
                put(lamp(one)),
                put(lamp(one, colour=chance.choice(["red", "blue"]))),
                put(lamp(one, type="Sign")),
                put(lamp(one, power=chance.choice([12, "twelve", [12, 13], 80]))),
                update(f"urn:ngsi-ld:Lamp:{one}", colour=chance.choice(["red", None])),
                update(f"urn:ngsi-ld:Lamp:{one}", power=number),
                delete(f"urn:ngsi-ld:Lamp:{one}"),
            ]
        )
        for _ in range(chance.randrange(1, 4))
    ]


async def test_a_kept_plan_finds_what_a_new_one_finds(store: Store) -> None:
    """After every write, of whatever sort, while indexes are learned."""
    chance = random.Random(5)
    kept = repeated()
    for number in range(250):
        await store.submit(strokes(chance, number % 90))
        for selection in kept:
            assert await alike(store, selection), selection
        if number == 120:
            await store.submit([create(lamp(1000 + more)) for more in range(700)])
            await learned(store)
    assert store.statistics()["learned"]


async def test_a_kind_that_comes_and_goes_is_seen_by_the_next_ask(store: Store) -> None:
    """The first entity of a type, and the last."""
    asked = Selection(tenant=1, types=of_type("Sign"), bodies=True)
    assert ([], None) == await bodies(store, asked)
    await store.submit([create(lamp(1, type="Sign"))])
    assert 1 == len((await bodies(store, asked))[0])
    await store.submit([delete("urn:ngsi-ld:Lamp:1")])
    assert ([], None) == await bodies(store, asked)
    await store.submit([create(lamp(2, type=["Sign", "Thing"]))])
    assert 1 == len((await bodies(store, asked))[0])
