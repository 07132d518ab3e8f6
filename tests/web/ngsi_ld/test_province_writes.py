"""Writes through a province: each goes to the city that owns the entity, and to no other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from tests.web.ngsi_ld.foreign import Abroad, World, open_abroad

pytestmark = pytest.mark.asyncio
WRITES = ["redirectionOps", "createBatch", "upsertBatch", "updateBatch", "deleteBatch"]
CITIES = ("east", "west")


@pytest_asyncio.fixture
async def province(tmp_path: Path) -> AsyncIterator[dict[str, Abroad]]:
    """A province that owns nothing, and two cities that own what is named after them."""
    world = World()
    await world.open()
    async with AsyncExitStack() as opened:
        make = asynccontextmanager(open_abroad)
        found = {
            name: await opened.enter_async_context(make(tmp_path, world, name))
            for name in ("province", *CITIES)
        }
        for name in CITIES:
            found[name].stands_in(name)
            owned = [{"type": "Lamp", "idPattern": f"urn:ngsi-ld:Lamp:{name}:.*"}]
            info = [{"entities": owned}]
            await found["province"].registers(name, "redirect", operations=WRITES, information=info)
        yield found
    await world.close()


def lamp(city: str, number: int, level: int) -> dict[str, Any]:
    """A lamp of a city."""
    id = f"urn:ngsi-ld:Lamp:{city}:{number}"
    return {"id": id, "type": "Lamp", "level": {"type": "Property", "value": level}}


async def levels(broker: Abroad) -> dict[str, int]:
    """What one broker has by itself: number of the lamp → its level."""
    found = await broker.door.json("GET", "/entities?type=Lamp&local=true")
    return {one["id"].rpartition(":")[2]: one["level"]["value"] for one in found}


async def test_each_write_reaches_its_owner_alone(province: dict[str, Abroad]) -> None:
    """Made, changed, taken away: the other city and the province have none of it."""
    door = province["province"].door
    for city in CITIES:
        assert 201 == (await door("POST", "/entities", lamp(city, 1, 10))).status
    assert (
        204
        == (await door("PATCH", "/entities/urn:ngsi-ld:Lamp:east:1", lamp("east", 1, 20))).status
    )
    assert [{}, {"1": 20}, {"1": 10}] == [await levels(one) for one in province.values()]
    assert 204 == (await door("DELETE", "/entities/urn:ngsi-ld:Lamp:west:1")).status
    assert [{}, {"1": 20}, {}] == [await levels(one) for one in province.values()]


async def test_a_batch_is_divided_among_its_owners(province: dict[str, Abroad]) -> None:
    """One request to each city, whatever the order of its members."""
    door = province["province"].door
    members = [lamp(CITIES[number % 2], number, number) for number in range(6)]
    answer = await door("POST", "/entityOperations/upsert", members)
    assert (201, 6) == (answer.status, len(orjson.loads(answer.body)))
    assert [{}, {"0": 0, "2": 2, "4": 4}, {"1": 1, "3": 3, "5": 5}] == [
        await levels(one) for one in province.values()
    ]
    assert [1, 1] == [len(province["province"].lines(city)) for city in CITIES]


async def test_a_city_that_is_away_fails_its_own_entities_alone(
    province: dict[str, Abroad],
) -> None:
    """504 for one of its entities; the other city is written as ever."""
    whole = province["province"]
    whole.world.behaviours["west"] = lambda _: b""
    assert 504 == (await whole.door("POST", "/entities", lamp("west", 1, 1))).status
    assert 201 == (await whole.door("POST", "/entities", lamp("east", 1, 1))).status
    answer = await whole.door(
        "POST", "/entityOperations/upsert", [lamp("east", 1, 7), lamp("west", 1, 7)]
    )
    told = orjson.loads(answer.body)
    assert (207, ["urn:ngsi-ld:Lamp:east:1"]) == (answer.status, told["success"])
    assert [{}, {"1": 7}, {}] == [await levels(one) for one in province.values()]
