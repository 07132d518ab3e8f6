"""Pages of a query over several sources: a partition of what they all have."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import unquote

import orjson
import pytest

from tests.web.ngsi_ld.doors import header
from tests.web.ngsi_ld.foreign import Abroad, Heard
from tests.web.ngsi_ld.test_distributed_read import LAMPS, ids, lamp


def paged(numbers: list[int], name: str) -> Any:
    """A source that keeps to ids, limit, offset and count; each lamp of it has an attribute of its
    name."""

    def answer(heard: Heard) -> bytes:
        asked = dict(one.split("=", 1) for one in heard.below.partition("?")[2].split("&"))
        named = unquote(asked.get("id", ""))
        mine = [n for n in numbers if not named or f"urn:ngsi-ld:Lamp:{n}" in named.split(",")]
        start, size = int(asked.get("offset", 0)), int(asked["limit"])
        body = orjson.dumps([lamp(n, **{name: n}) for n in mine[start : start + size]])
        head = f"HTTP/1.1 200 OK\r\nNGSILD-Results-Count: {len(mine)}\r\nContent-Length: "
        return f"{head}{len(body)}\r\n\r\n".encode() + body

    return answer


@pytest.mark.parametrize("seed", range(3))
async def test_pages_are_a_partition_of_what_all_have(abroad: Abroad, seed: int) -> None:
    """Whoever has what in whatever order: each entity is on one page, whole, and counted once."""
    dice = random.Random(seed)
    held = {name: dice.sample(range(30), dice.randrange(1, 30)) for name in ("here", "b", "c", "d")}
    mine = [lamp(number, here=number) for number in held["here"]]
    await abroad.door("POST", "/entityOperations/create?local=true", mine)
    for name in ("b", "c", "d"):
        await abroad.registers(name, operations=["queryEntity"])
        abroad.world.behaviours[name] = paged(held[name], name)
    expected = set().union(*held.values())
    size = dice.randrange(4, 9)
    found: list[dict[str, Any]] = []
    for offset in range(0, 36, size):
        page = await abroad.door.json("GET", f"{LAMPS}&limit={size}&offset={offset}")
        found += page
    assert sorted(expected) == sorted(int(number) for number in ids(found))
    for one in found:
        number = int(one["id"].rpartition(":")[2])
        having = {name for name, numbers in held.items() if number in numbers}
        assert having == one.keys() - {"id", "type"}
    counted = await abroad.door("GET", f"{LAMPS}&limit=1&count=true")
    assert [b"%d" % len(expected)] == header(counted, b"ngsild-results-count")
