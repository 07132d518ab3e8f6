"""Sources that fail in every way, and brokers that lead to each other: bounded, told, nothing
acknowledged that was not done.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from tests.web.ngsi_ld.foreign import Abroad, Heard, Said, World, open_abroad

pytestmark = pytest.mark.asyncio
ID = "urn:ngsi-ld:Lamp:1"
LAMP = {"id": ID, "type": "Lamp", "level": {"type": "Property", "value": 1}}
WRITES = ["redirectionOps", "createBatch", "deleteBatch"]


@pytest_asyncio.fixture
async def ring(tmp_path: Path) -> AsyncIterator[list[Abroad]]:
    """Three brokers, each registered at the one before it, the first at the last."""
    world = World()
    await world.open()
    async with AsyncExitStack() as opened:
        brokers = []
        for name in ("a", "b", "c"):
            make = asynccontextmanager(open_abroad)
            brokers.append(await opened.enter_async_context(make(tmp_path, world, name)))
            brokers[-1].stands_in(name)
        for number, name in enumerate(("b", "c", "a")):
            await brokers[number].registers(name, operations=WRITES)
        yield brokers
    await world.close()


async def here(abroad: Abroad) -> int:
    """The status of retrieving the lamp from one broker alone."""
    return (await abroad.door("GET", f"/entities/{ID}?local=true")).status


async def test_a_ring_of_brokers_writes_each_once(ring: list[Abroad]) -> None:
    """The request goes round once; where it began it is not done again."""
    assert 201 == (await ring[0].door("POST", "/entities", LAMP)).status
    assert [200, 200, 200] == [await here(one) for one in ring]
    assert [1, 1, 1] == [len(ring[0].lines(name)) for name in ("b", "c", "a")]
    assert 204 == (await ring[1].door("DELETE", f"/entities/{ID}")).status
    assert [404, 404, 404] == [await here(one) for one in ring]


async def test_a_ring_of_batches_ends_too(ring: list[Abroad]) -> None:
    """The same for many entities."""
    assert 201 == (await ring[2].door("POST", "/entityOperations/create", [LAMP])).status
    assert [200, 200, 200] == [await here(one) for one in ring]
    assert 204 == (await ring[2].door("POST", "/entityOperations/delete", [ID])).status
    assert [404, 404, 404] == [await here(one) for one in ring]


async def test_two_brokers_that_redirect_to_each_other_say_so(tmp_path: Path) -> None:
    """508 at once, and nobody has it."""
    world = World()
    await world.open()
    make = asynccontextmanager(open_abroad)
    async with make(tmp_path, world, "a") as one, make(tmp_path, world, "b") as two:
        one.stands_in("a")
        two.stands_in("b")
        await one.registers("b", "redirect")
        await two.registers("a", "redirect")
        answer = await one.door("POST", "/entities", LAMP)
        assert 508 == answer.status
        assert [404, 404] == [await here(broker) for broker in (one, two)]
        assert 2 >= len(one.lines("a")) + len(one.lines("b"))
    await world.close()


async def test_a_source_that_hangs_is_waited_for_as_long_as_it_may(abroad: Abroad) -> None:
    """504 after the registration's time, while others are answered."""

    async def hangs(_: Heard) -> Said:
        await asyncio.sleep(30)
        return Said(201)

    abroad.world.behaviours["one"] = hangs
    await abroad.registers("one", "redirect", management={"timeout": 100})
    began = time.perf_counter()
    slow, quick = await asyncio.gather(
        abroad.door("POST", "/entities", LAMP),
        abroad.door("POST", "/entities?local=true", {**LAMP, "id": "urn:ngsi-ld:Lamp:2"}),
    )
    assert (504, 201) == (slow.status, quick.status)
    assert 2 > time.perf_counter() - began


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 999 ?\r\n\r\n",
        b"HTTP/1.1 201 Created\r\n" + b"X: " + b"y" * 200_000,
        b"\x00\xff" * 1000,
        b"HTTP/1.1 302 Found\r\nLocation: http://169.254.0.1/\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_garbage_is_no_success(abroad: Abroad, said: bytes) -> None:
    """An answer that is cut off, too long, no HTTP, or leads elsewhere acknowledges nothing."""
    await abroad.registers("one")
    abroad.world.behaviours["one"] = lambda _: said
    answer = await abroad.door("POST", "/entities", LAMP)
    told = orjson.loads(answer.body)
    assert (207, []) == (answer.status, told["success"])
    assert [True] == [one["error"]["status"] in (502, 504) for one in told["errors"]]


async def test_an_answer_without_end_is_cut_off(abroad: Abroad) -> None:
    """Its size is bounded before it is read."""
    await abroad.registers("one", "redirect")
    endless = b"HTTP/1.1 201 Created\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 100_000
    abroad.world.behaviours["one"] = lambda _: endless
    assert 502 == (await abroad.door("POST", "/entities", LAMP)).status


async def test_a_source_cannot_blame_entities_it_was_not_asked_about(abroad: Abroad) -> None:
    """Of its 207 only what is about its own part is told."""
    await abroad.registers("one", operations=[*WRITES])
    lie = {"success": [], "errors": [{"entityId": "urn:x:other", "error": {"status": 409}}]}
    abroad.world.says("one", 207, lie)
    answer = await abroad.door("POST", "/entityOperations/create", [LAMP])
    assert b"urn:x:other" not in answer.body


async def test_a_source_that_fails_for_ever_fails_its_part_alone(abroad: Abroad) -> None:
    """Each write is done here and told; none waits for it longer each time."""
    await abroad.registers("one")
    abroad.world.says("one", 500)
    for number in range(20):
        entity: dict[str, Any] = {**LAMP, "id": f"urn:ngsi-ld:Lamp:{number}"}
        assert 207 == (await abroad.door("POST", "/entities", entity)).status
    found = await abroad.door.json("GET", "/entities?type=Lamp&local=true&limit=100")
    assert 20 == len(found)


async def test_a_source_that_ends_midway_leaves_the_rest_of_a_batch_told(abroad: Abroad) -> None:
    """Of a long batch the part it took is done, the part it did not is an error of each member."""
    await abroad.registers("one", "redirect", operations=["createBatch"])
    calls: list[Heard] = []

    def ends(heard: Heard) -> Said | bytes:
        calls.append(heard)
        return Said(201) if len(calls) == 1 else b""

    abroad.world.behaviours["one"] = ends
    members = [{**LAMP, "id": f"urn:ngsi-ld:Lamp:{number}"} for number in range(1200)]
    answer = await abroad.door("POST", "/entityOperations/create", members)
    told = orjson.loads(answer.body)
    assert (207, 1000, 200) == (answer.status, len(told["success"]), len(told["errors"]))
