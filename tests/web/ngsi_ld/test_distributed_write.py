"""Writing one entity where sources are registered for parts of it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from pintu.kernel.access import Projection
from pintu.kernel.context.parse import parse_q
from pintu.kernel.context.selection import Q
from pintu.kernel.jsonld import CORE
from tests.web.ngsi_ld.foreign import Abroad, Said

pytestmark = pytest.mark.asyncio
ID = "urn:ngsi-ld:Lamp:1"
LEVEL = [{"entities": [{"id": ID, "type": "Lamp"}], "propertyNames": ["level"]}]


def lamp(**attributes: Any) -> dict[str, Any]:
    """A lamp with Property attributes."""
    made = {name: {"type": "Property", "value": value} for name, value in attributes.items()}
    return {"id": ID, "type": "Lamp", **made}


async def here(abroad: Abroad) -> Any:
    """The names of what the local broker has of the lamp; None when it has none."""
    found = await abroad.door("GET", f"/entities/{ID}?local=true")
    return sorted(orjson.loads(found.body).keys() - {"id", "type"}) if found.status == 200 else None


async def test_an_inclusive_source_gets_a_copy(abroad: Abroad) -> None:
    """201 when both made it, and both have it."""
    await abroad.registers("one")
    abroad.world.says("one", 201)
    answer = await abroad.door("POST", "/entities", lamp(level=1))
    assert 201 == answer.status
    assert (b"location", b"/ngsi-ld/v1/entities/" + ID.encode()) in answer.headers
    assert ["POST entities"] == abroad.lines("one")
    assert lamp(level=1) == abroad.last("one").document
    assert ["level"] == await here(abroad)


async def test_an_exclusive_source_takes_its_attribute(abroad: Abroad) -> None:
    """The local broker keeps the rest, the source gets its attribute and no more."""
    await abroad.registers("one", "exclusive", information=LEVEL)
    abroad.world.says("one", 201)
    answer = await abroad.door("POST", "/entities", lamp(level=1, colour="red"))
    assert 201 == answer.status
    assert lamp(level=1) == abroad.last("one").document
    assert ["colour"] == await here(abroad)


async def test_two_redirects_take_all_of_it(abroad: Abroad) -> None:
    """The local broker has nothing of what it redirects."""
    await abroad.registers("one", "redirect")
    await abroad.registers("two", "redirect")
    abroad.world.says("one", 201)
    abroad.world.says("two", 201)
    assert 201 == (await abroad.door("POST", "/entities", lamp(level=1))).status
    assert lamp(level=1) == abroad.last("one").document == abroad.last("two").document
    assert None is await here(abroad)


async def test_local_true_asks_nobody(abroad: Abroad) -> None:
    """The request stays here."""
    await abroad.registers("one", "redirect")
    assert 201 == (await abroad.door("POST", "/entities?local=true", lamp(level=1))).status
    assert [] == abroad.lines("one")
    assert ["level"] == await here(abroad)


async def test_what_is_malformed_reaches_nobody(abroad: Abroad) -> None:
    """400 before anything is forwarded."""
    await abroad.registers("one", "redirect")
    answer = await abroad.door("POST", "/entities", {**lamp(level=1), "id": "no uri"})
    assert 400 == answer.status
    assert [] == abroad.lines("one")


async def test_a_part_that_failed_is_told_beside_what_was_done(abroad: Abroad) -> None:
    """207 names the entity, the registration and its problem; the entity is no success."""
    registration = await abroad.registers("one")
    abroad.world.says("one", 409)
    answer = await abroad.door("POST", "/entities", lamp(level=1))
    assert 207 == answer.status
    told = orjson.loads(answer.body)
    assert [] == told["success"]
    assert [(ID, registration, 409)] == [
        (one["entityId"], one["registrationId"], one["error"]["status"]) for one in told["errors"]
    ]
    assert ["level"] == await here(abroad)


async def test_a_taker_without_the_operation_is_a_conflict(abroad: Abroad) -> None:
    """409 alone, 207 beside a part that was done; the source is never asked."""
    await abroad.registers("one", "exclusive", information=LEVEL, operations=["retrieveOps"])
    assert 409 == (await abroad.door("POST", "/entities", lamp(level=1))).status
    assert 207 == (await abroad.door("POST", "/entities", lamp(level=1, colour="red"))).status
    assert [] == abroad.lines("one")
    assert ["colour"] == await here(abroad)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b"", 504),
        (b"what?\r\n\r\n", 502),
        (b"HTTP/1.1 204 No Content\r\nContent-Le", 504),
        (500, 502),
        (508, 508),
        (404, 404),
        (403, 403),
    ],
)
async def test_the_only_part_fails_with_its_own_status(
    abroad: Abroad, source: Any, expected: int
) -> None:
    """Nothing is acknowledged that was not done."""
    await abroad.registers("one", "redirect")
    if isinstance(source, int):
        abroad.world.says("one", source)
    else:
        abroad.world.behaviours["one"] = lambda _: source
    answer = await abroad.door("PATCH", f"/entities/{ID}", lamp(level=2))
    assert expected == answer.status
    assert expected == orjson.loads(answer.body)["status"]


async def test_a_request_that_was_here_before_is_a_loop(abroad: Abroad) -> None:
    """508: it was done when it was here first, and what is elsewhere would never be reached."""
    await abroad.registers("one")
    abroad.world.says("one", 201)
    await abroad.door("POST", "/entities", lamp(level=1))
    via = abroad.last("one").headers["via"]
    assert 508 == (await abroad.door("PATCH", f"/entities/{ID}", lamp(level=2), via=via)).status
    assert ["POST entities"] == abroad.lines("one")
    await abroad.registers("two", "redirect")
    assert 508 == (await abroad.door("DELETE", "/entities/urn:ngsi-ld:Lamp:2", via=via)).status
    assert [] == abroad.lines("two")


async def test_deleting_what_only_a_taker_has_is_done(abroad: Abroad) -> None:
    """204: the local broker never had it."""
    await abroad.registers("one", "redirect")
    abroad.world.says("one", 204)
    assert 204 == (await abroad.door("DELETE", f"/entities/{ID}")).status
    assert [f"DELETE entities/{ID}"] == abroad.lines("one")


async def test_one_missing_leg_of_a_delete_is_told(abroad: Abroad) -> None:
    """A copy that was not there is no silent success."""
    await abroad.registers("one")
    abroad.world.says("one", 204)
    answer = await abroad.door("DELETE", f"/entities/{ID}")
    assert 207 == answer.status
    assert [404] == [one["error"]["status"] for one in orjson.loads(answer.body)["errors"]]


async def test_appending_tells_attributes_by_name(abroad: Abroad) -> None:
    """UpdateResult: what each part wrote, and what a source says it did not."""
    await abroad.door("POST", "/entities", lamp(colour="red"))
    await abroad.registers("one", "exclusive", information=LEVEL)
    left = {"updated": [], "notUpdated": [{"attributeName": "level", "reason": "locked"}]}
    abroad.world.says("one", 207, left)
    answer = await abroad.door(
        "POST", f"/entities/{ID}/attrs?options=noOverwrite", lamp(level=1, name="x")
    )
    assert 207 == answer.status
    told = orjson.loads(answer.body)
    assert ["https://uri.etsi.org/ngsi-ld/default-context/name"] == told["updated"]
    assert ["locked"] == [one["reason"] for one in told["notUpdated"]]
    assert [f"POST entities/{ID}/attrs/?options=noOverwrite"] == abroad.lines("one")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", f"/entities/{ID}/attrs/level", {"value": 3}),
        ("PUT", f"/entities/{ID}/attrs/level", {"type": "Property", "value": 3}),
        ("DELETE", f"/entities/{ID}/attrs/level?deleteAll=true", None),
    ],
)
async def test_one_attribute_goes_to_the_source_that_has_it(
    abroad: Abroad, method: str, path: str, body: Any
) -> None:
    """The local broker's own copy from before stays as it was."""
    await abroad.door("POST", "/entities", lamp(level=1))
    await abroad.registers("one", "exclusive", information=LEVEL)
    abroad.world.says("one", 204)
    assert 204 == (await abroad.door(method, path, body)).status
    assert [f"{method} {path[1:]}"] == abroad.lines("one")
    assert 1 == (await abroad.door.json("GET", f"/entities/{ID}?local=true"))["level"]["value"]


async def test_replacing_sends_each_part_to_its_place(abroad: Abroad) -> None:
    """The source replaces its attribute, the local broker the others."""
    await abroad.door("POST", "/entities", lamp(colour="red"))
    await abroad.registers("one", "exclusive", information=LEVEL)
    abroad.world.says("one", 204)
    assert 204 == (await abroad.door("PUT", f"/entities/{ID}", lamp(level=1, name="x"))).status
    assert lamp(level=1) == abroad.last("one").document
    assert ["name"] == await here(abroad)


async def test_a_caller_of_some_rows_writes_at_no_source(abroad: Abroad) -> None:
    """Which entities those are cannot be known of another broker's: its part is refused."""
    await abroad.registers("one", "redirect")
    q: Q | None = parse_q("level>10", CORE)
    abroad.door.desk.projection = Projection(basis="test", rows=q)
    answer = await abroad.door("PATCH", f"/entities/{ID}", lamp(level=20))
    assert 403 == answer.status
    assert [] == abroad.lines("one")


async def test_a_source_is_spoken_to_as_it_is_registered(abroad: Abroad) -> None:
    """ld+json with the @context in the body where contextSourceInfo says so."""
    info = [{"key": "contentType", "value": "application/ld+json"}]
    await abroad.registers("one", "redirect", contextSourceInfo=info)
    abroad.world.says("one", 201)
    await abroad.door("POST", "/entities", lamp(level=1))
    heard = abroad.last("one")
    assert "application/ld+json" == heard.headers["content-type"]
    assert "@context" in heard.document
    assert "contenttype" not in heard.headers


async def test_what_a_source_says_is_cut_short(abroad: Abroad) -> None:
    """Its words are shown as its own, and no more than a few hundred characters of them."""
    await abroad.registers("one", "redirect")
    long = {"type": "x" * 9000, "title": "t" * 9000, "detail": "d" * 9000, "status": 200}
    abroad.world.says("one", 409, long)
    answer = await abroad.door("POST", "/entities", lamp(level=1))
    told = orjson.loads(answer.body)
    assert 409 == answer.status == told["status"]
    assert "https://uri.etsi.org/ngsi-ld/errors/AlreadyExists" == told["type"]
    assert 1000 > len(answer.body)


async def test_a_207_of_garbage_is_no_success(abroad: Abroad) -> None:
    """A source that did only some of it and cannot say what has failed."""
    await abroad.registers("one", "redirect")
    abroad.world.behaviours["one"] = lambda _: Said(207, b"<html>")
    answer = await abroad.door("POST", "/entities", lamp(level=1))
    assert 207 == answer.status
    assert [] == orjson.loads(answer.body)["success"]
