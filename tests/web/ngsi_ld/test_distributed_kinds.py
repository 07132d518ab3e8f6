"""Types and attributes over context sources (5.7.5 to 5.7.10)."""

from __future__ import annotations

import orjson

from tests.web.ngsi_ld.foreign import Abroad, Said
from tests.web.ngsi_ld.test_distributed_read import lamp, warnings

KINDS = {
    "types": {"type": "EntityTypeList", "typeList": ["Lamp", "Pump"]},
    "attributes": {"type": "AttributeList", "attributeList": ["level", "glow"]},
    "types/Lamp": {
        "typeName": "Lamp", "entityCount": 3,
        "attributeDetails": [{"attributeName": "glow", "attributeTypes": ["Property"]}],
    },
    "attributes/glow": {
        "attributeName": "glow", "attributeCount": 3, "attributeTypes": ["Property"],
        "typeNames": ["Lamp"],
    },
}  # fmt: skip


async def test_types_and_attributes_are_those_of_all(abroad: Abroad) -> None:
    """What a source has is told as far as it is registered for it (5.7.5 to 5.7.10)."""
    await abroad.registers("b", operations=["federationOps"])
    await abroad.door("POST", "/entities?local=true", lamp(1, level=1))
    abroad.world.behaviours["b"] = lambda heard: Said(200, orjson.dumps(KINDS[heard.below]))
    assert ["Lamp"] == (await abroad.door.json("GET", "/types"))["typeList"]
    names = (await abroad.door.json("GET", "/attributes"))["attributeList"]
    assert ["glow", "level"] == names
    one = await abroad.door.json("GET", "/types/Lamp")
    told = [detail["attributeName"] for detail in one["attributeDetails"]]
    assert (4, ["glow", "level"]) == (one["entityCount"], told)
    assert ["Lamp"] == (await abroad.door.json("GET", "/attributes/glow"))["typeNames"]
    abroad.world.says("b", 200, {"typeList": 7})
    response = await abroad.door("GET", "/types")
    assert (["Lamp"], ["111"]) == (orjson.loads(response.body)["typeList"], warnings(response))
