"""Writing attributes and merging, and batches whose members bring their own @context."""

from __future__ import annotations

from typing import Any

import orjson

from tests.web.ngsi_ld.doors import CABINET, Door

PATH = "/entities/urn:ngsi-ld:Lamp:1"


async def test_attributes_are_appended_updated_replaced_and_deleted(
    door: Door, lamp: dict[str, Any]
) -> None:
    """Each verb does its own, and says 204, 207 or 404."""
    await door("POST", "/entities", lamp)
    more = {
        "voltage": {"type": "Property", "value": 231},
        "level": {"type": "Property", "value": 1},
    }
    partly = await door("POST", f"{PATH}/attrs?options=noOverwrite", more)
    left = orjson.loads(partly.body)
    assert 207 == partly.status
    assert ["https://uri.etsi.org/ngsi-ld/default-context/voltage"] == left["updated"]
    assert 1 == len(left["notUpdated"])
    assert 204 == (await door("POST", f"{PATH}/attrs", more)).status
    assert 204 == (await door("PATCH", f"{PATH}/attrs/voltage", {"value": 229})).status
    replaced = {"type": "Property", "value": 230, "unitCode": "VLT"}
    assert 204 == (await door("PUT", f"{PATH}/attrs/voltage", replaced)).status
    shown = await door.json("GET", PATH)
    assert (replaced, 1) == (shown["voltage"], shown["level"]["value"])
    assert 204 == (await door("DELETE", f"{PATH}/attrs/voltage")).status
    assert 404 == (await door("DELETE", f"{PATH}/attrs/voltage")).status
    assert 400 == (await door("DELETE", f"{PATH}/attrs/a%20b")).status
    both = f"{PATH}/attrs/level?deleteAll=true&datasetId=urn:d:1"
    assert 400 == (await door("DELETE", both)).status


async def test_entities_are_merged_and_replaced(door: Door, lamp: dict[str, Any]) -> None:
    """A merge keeps what it does not name and deletes by the Null; a replace keeps nothing."""
    await door("POST", "/entities", lamp)
    assert 204 == (await door("PATCH", PATH, {"secret": "urn:ngsi-ld:null"})).status
    assert 204 == (await door("PATCH", f"{PATH}?options=keyValues", {"level": 7})).status
    shown = await door.json("GET", f"{PATH}?options=keyValues")
    assert ("secret" in shown, shown["level"]) == (False, 7)
    assert 400 == (await door("PATCH", PATH, {"id": "urn:another"})).status
    assert 204 == (await door("PUT", PATH, {"id": lamp["id"], "type": "Lamp"})).status
    assert {"id": lamp["id"], "type": "Lamp"} == await door.json("GET", PATH)
    assert 404 == (await door("DELETE", f"{PATH}?type=Moon")).status
    assert 204 == (await door("DELETE", f"{PATH}?type=Lamp")).status


async def test_members_of_a_batch_bring_their_own_context(door: Door, lamp: dict[str, Any]) -> None:
    """In ld+json each member is read by its own @context, and one without it fails alone."""
    kind = "application/ld+json"
    mine = {**lamp, "@context": {"level": "https://example.org/level"}}
    cabinet = {**CABINET, "@context": []}
    answer = await door(
        "POST", "/entityOperations/upsert", [mine, cabinet, {**lamp, "id": "urn:x"}],
        content_type=kind,
    )  # fmt: skip
    result = orjson.loads(answer.body)
    assert (207, 2) == (answer.status, len(result["success"]))
    assert ["urn:x"] == [error["entityId"] for error in result["errors"]]
    assert "https://example.org/level" in await door.json("GET", PATH)
    level = {"id": lamp["id"], "level": {"type": "Property", "value": 3}}
    for name in ("update", "merge"):
        assert 204 == (await door("POST", f"/entityOperations/{name}", [level])).status
    new = [{"id": "urn:new", "type": "T"}, level | {"type": "Lamp"}]
    made = await door("POST", "/entityOperations/upsert?options=update", new)
    assert (201, ["urn:new"]) == (made.status, orjson.loads(made.body))


async def test_what_is_over_is_not_there(door: Door) -> None:
    """An entity whose end has passed is neither retrieved nor queried, at once."""
    over = {"id": "urn:ngsi-ld:Lamp:9", "type": "Lamp", "expiresAt": "2020-01-01T00:00:00Z"}
    assert 201 == (await door("POST", "/entities", over)).status
    assert 404 == (await door("GET", "/entities/urn:ngsi-ld:Lamp:9")).status
    assert [] == await door.json("GET", "/entities?type=Lamp")
    assert [] == await door.json("GET", "/entities?type=Lamp&join=flat")
