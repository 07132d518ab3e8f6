"""Batches and purges where sources are registered for parts of their entities."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.web.ngsi_ld.foreign import Abroad, Heard, Said

pytestmark = pytest.mark.asyncio
ALL = ["createBatch", "upsertBatch", "updateBatch", "mergeBatch", "deleteBatch", "redirectionOps"]
CORE_URL = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld"


def id_of(number: int) -> str:
    """The id of a lamp."""
    return f"urn:ngsi-ld:Lamp:{number}"


def lamp(number: int, **attributes: Any) -> dict[str, Any]:
    """A lamp with Property attributes."""
    made = {name: {"type": "Property", "value": value} for name, value in attributes.items()}
    return {"id": id_of(number), "type": "Lamp", **made}


def level_of(*numbers: int) -> list[dict[str, Any]]:
    """What an exclusive source of lamps' levels registers."""
    entities = [{"id": id_of(number), "type": "Lamp"} for number in numbers]
    return [{"entities": entities, "propertyNames": ["level"]}]


async def ids_here(abroad: Abroad) -> list[str]:
    """What the local broker has."""
    found = await abroad.door.json("GET", "/entities?type=Lamp&local=true")
    return [one["id"] for one in found]


async def test_one_batch_goes_to_each_source(abroad: Abroad) -> None:
    """Each with its part of every member, in the order of the members."""
    await abroad.registers("one", "exclusive", information=level_of(1, 2), operations=ALL)
    abroad.world.says("one", 201, [id_of(1), id_of(2)])
    members = [lamp(2, level=2), lamp(1, level=1, colour="red"), lamp(3, level=3)]
    answer = await abroad.door("POST", "/entityOperations/create", members)
    assert 201 == answer.status
    assert [id_of(2), id_of(1), id_of(3)] == orjson.loads(answer.body)
    assert ["POST entityOperations/create"] == abroad.lines("one")
    assert [lamp(2, level=2), lamp(1, level=1)] == abroad.last("one").document
    assert [id_of(1), id_of(3)] == sorted(await ids_here(abroad))


async def test_a_source_without_batches_is_written_one_by_one(abroad: Abroad) -> None:
    """The same thing is done with the operation on one entity, two of one entity in order."""
    await abroad.registers("one", "redirect")
    abroad.world.says("one", 204)
    members = [lamp(1, level=1), lamp(1, level=2), lamp(2, level=3)]
    answer = await abroad.door("POST", "/entityOperations/merge", members)
    assert 204 == answer.status
    heard = [one for one in abroad.world.heard["one"] if one.below.endswith("Lamp:1")]
    assert [1, 2] == [one.document["level"]["value"] for one in heard]
    assert 3 == len(abroad.lines("one"))


async def test_no_more_than_a_few_requests_are_under_way(abroad: Abroad) -> None:
    """A batch of many entities does not open as many connections."""
    await abroad.registers("one", "redirect")
    abroad.world.says("one", 204)
    members = [lamp(number, level=1) for number in range(60)]
    assert 204 == (await abroad.door("POST", "/entityOperations/merge", members)).status
    assert 60 == len(abroad.lines("one"))
    assert 16 >= abroad.world.most_under_way


async def test_a_long_batch_goes_in_several(abroad: Abroad) -> None:
    """Other brokers take a thousand at once, and not all of them more."""
    await abroad.registers("one", "redirect", operations=ALL)
    abroad.world.says("one", 204)
    members = [lamp(number, level=1) for number in range(1500)]
    assert 204 == (await abroad.door("POST", "/entityOperations/update", members)).status
    assert [1000, 500] == [len(one.document) for one in abroad.world.heard["one"]]


async def test_each_member_is_told_by_itself(abroad: Abroad) -> None:
    """207: a member is a success when every part of it was done."""
    registration = await abroad.registers("one", operations=ALL)

    def some(heard: Heard) -> Said:
        error = {"entityId": id_of(1), "error": {"type": "x", "status": 409, "title": "no"}}
        return Said(207, orjson.dumps({"success": [id_of(2)], "errors": [error]}))

    abroad.world.behaviours["one"] = some
    members = [lamp(1, level=1), lamp(2, level=1), {"id": "bad", "type": "Lamp"}]
    answer = await abroad.door("POST", "/entityOperations/create", members)
    told = orjson.loads(answer.body)
    assert 207 == answer.status
    assert [id_of(2)] == told["success"]
    assert [(id_of(1), registration, 409), ("bad", None, 400)] == [
        (one["entityId"], one.get("registrationId"), one["error"]["status"])
        for one in told["errors"]
    ]


async def test_a_source_that_is_away_fails_its_members_only(abroad: Abroad) -> None:
    """The others are written."""
    await abroad.registers("one", "redirect", operations=ALL, information=[
        {"entities": [{"id": id_of(1), "type": "Lamp"}]}
    ])  # fmt: skip
    members = [lamp(1, level=1), lamp(2, level=2)]
    answer = await abroad.door("POST", "/entityOperations/create", members)
    told = orjson.loads(answer.body)
    assert 207 == answer.status
    assert [id_of(2)] == told["success"]
    assert [504] == [one["error"]["status"] for one in told["errors"]]
    assert [id_of(2)] == await ids_here(abroad)


async def test_an_upsert_without_the_operation_is_a_conflict(abroad: Abroad) -> None:
    """Where the source has no operation on one entity that does the same either."""
    await abroad.registers("one", "redirect", operations=["retrieveOps", "mergeEntity"])
    answer = await abroad.door("POST", "/entityOperations/upsert", [lamp(1, level=1)])
    assert 207 == answer.status
    assert [409] == [one["error"]["status"] for one in orjson.loads(answer.body)["errors"]]
    assert [] == abroad.lines("one")


async def test_an_upsert_tells_what_is_new_wherever_it_is(abroad: Abroad) -> None:
    """201 with the ids a source or the local broker made; 204 when there are none."""
    await abroad.registers("one", "redirect", operations=ALL, information=[
        {"entities": [{"id": id_of(1), "type": "Lamp"}]}
    ])  # fmt: skip
    abroad.world.says("one", 201, [id_of(1), "urn:of:nobody"])
    answer = await abroad.door("POST", "/entityOperations/upsert", [lamp(1, a=1), lamp(2, a=1)])
    assert (201, [id_of(1), id_of(2)]) == (answer.status, orjson.loads(answer.body))
    abroad.world.says("one", 204)
    answer = await abroad.door("POST", "/entityOperations/upsert", [lamp(1, a=1), lamp(2, a=1)])
    assert 204 == answer.status


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", [f"PUT entities/{id_of(1)}", "POST entities"]),
        ("?options=update", [f"POST entities/{id_of(1)}/attrs/", "POST entities"]),
    ],
)
async def test_an_upsert_one_by_one_makes_what_is_not_there(
    abroad: Abroad, options: str, expected: list[str]
) -> None:
    """It is replaced or added to first; 201 names what was new."""
    await abroad.registers("one", "redirect")
    makes = "POST entities"
    abroad.world.behaviours["one"] = lambda heard: Said(201 if heard.line == makes else 404)
    answer = await abroad.door("POST", f"/entityOperations/upsert{options}", [lamp(1, a=1)])
    assert (201, [id_of(1)]) == (answer.status, orjson.loads(answer.body))
    assert expected == abroad.lines("one")


async def test_deleting_many_asks_the_sources_that_may_have_them(abroad: Abroad) -> None:
    """What only a taker has is gone without an error."""
    await abroad.door("POST", "/entities", lamp(2, a=1))
    await abroad.registers("one", "redirect", operations=ALL)
    abroad.world.says("one", 204)
    answer = await abroad.door("POST", "/entityOperations/delete", [id_of(1), id_of(2)])
    assert 204 == answer.status
    assert [id_of(1), id_of(2)] == abroad.last("one").document
    assert [] == await ids_here(abroad)


async def test_members_of_two_contexts_go_each_with_its_own(abroad: Abroad) -> None:
    """A list in which names mean different things is sent as ld+json."""
    await abroad.registers("one", "redirect", operations=ALL)
    abroad.world.says("one", 201)
    members = [
        lamp(1, a=1) | {"@context": CORE_URL},
        lamp(2, a=1) | {"@context": {"a": "https://example.org/a"}},
    ]
    answer = await abroad.door(
        "POST", "/entityOperations/create", members, content_type="application/ld+json"
    )
    assert 201 == answer.status
    heard = abroad.last("one")
    assert "application/ld+json" == heard.headers["content-type"]
    assert [CORE_URL, {"a": "https://example.org/a"}] == [one["@context"] for one in heard.document]


async def test_a_purge_is_each_sources_own(abroad: Abroad) -> None:
    """204 when all did it, and nothing is left here."""
    await abroad.door("POST", "/entities", lamp(1, a=1))
    await abroad.registers("one")
    abroad.world.says("one", 204)
    assert 204 == (await abroad.door("DELETE", "/entities?type=Lamp")).status
    assert ["DELETE entities?type=Lamp"] == abroad.lines("one")
    assert [] == await ids_here(abroad)


async def test_a_wrong_purge_purges_nowhere(abroad: Abroad) -> None:
    """It is refused before any source hears of it."""
    await abroad.registers("one")
    assert 400 == (await abroad.door("DELETE", "/entities?type=Lamp&keep=a&drop=b")).status
    assert [] == abroad.lines("one")


async def test_a_purge_names_the_source_that_did_not(abroad: Abroad) -> None:
    """207 with its registration; what is here is gone all the same."""
    registration = await abroad.registers("one", "redirect", operations=["retrieveOps"])
    answer = await abroad.door("DELETE", "/entities?type=Lamp")
    assert 207 == answer.status
    assert [registration] == [one["registrationId"] for one in orjson.loads(answer.body)["errors"]]
