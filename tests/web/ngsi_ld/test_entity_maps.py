"""Entity maps over HTTP: pages that fit together while entities come and go (5.5.9.3, 5.14)."""

from __future__ import annotations

from typing import Any

import orjson

from tests.web.ngsi_ld.doors import header
from tests.web.ngsi_ld.foreign import Abroad

QUERY = "/entities?type=Lamp"


def lamp(number: int) -> dict[str, Any]:
    """A lamp whose level is its number."""
    return {
        "id": f"urn:ngsi-ld:Lamp:{number}",
        "type": "Lamp",
        "level": {"type": "Property", "value": number},
    }


def place(response: Any) -> str:
    """Where the map of an answer is."""
    (value,) = header(response, b"ngsild-entitymap")
    return value.decode()


def ids(response: Any) -> list[str]:
    """The numbers of the lamps in an answer."""
    return [one["id"].rpartition(":")[2] for one in orjson.loads(response.body)]


async def filled(abroad: Abroad) -> None:
    """Two lamps here, two at a source."""
    await abroad.registers("b", operations=["queryEntity"])
    for number in (1, 2):
        await abroad.door("POST", "/entities?local=true", lamp(number))
    abroad.world.says("b", 200, [lamp(3), lamp(4)])


async def test_a_map_tells_where_each_entity_is(abroad: Abroad) -> None:
    """201, the page, and the map's place; `@none` is this broker (5.2.39)."""
    await filled(abroad)
    response = await abroad.door("GET", f"{QUERY}&entityMap=true&limit=1")
    assert (201, ["1"]) == (response.status, ids(response))
    document = await abroad.door.json("GET", place(response).removeprefix("/ngsi-ld/v1"))
    source = "urn:ngsi-ld:ContextSourceRegistration:b"
    where = [document["entityMap"][f"urn:ngsi-ld:Lamp:{n}"] for n in range(1, 5)]
    assert [["@none"], ["@none"], [source], [source]] == where
    assert "EntityMap" == document["type"]


async def test_pages_hold_on_to_the_map(abroad: Abroad) -> None:
    """What came later is not in it; what is gone is skipped, and the page is filled all the
    same."""
    await filled(abroad)
    found = place(await abroad.door("GET", f"{QUERY}&entityMap=true"))
    await abroad.door("POST", "/entities?local=true", lamp(9))
    await abroad.door("DELETE", "/entities/urn:ngsi-ld:Lamp:1?local=true")
    page = await abroad.door("GET", f"{QUERY}&limit=2", ngsild_entitymap=found)
    assert (200, ["2", "3"], found) == (page.status, ids(page), place(page))
    page = await abroad.door("GET", f"{QUERY}&limit=2&offset=2", ngsild_entitymap=found)
    assert ["4"] == ids(page)
    counted = await abroad.door("GET", f"{QUERY}&limit=1&count=true", ngsild_entitymap=found)
    assert [b"3"] == header(counted, b"ngsild-results-count")


async def test_a_source_that_fails_takes_nothing_out(abroad: Abroad) -> None:
    """Its entities are not on the page, but they are in the map when it is back."""
    await filled(abroad)
    found = place(await abroad.door("GET", f"{QUERY}&entityMap=true"))
    abroad.world.says("b", 500, {})
    assert ["1", "2"] == ids(await abroad.door("GET", QUERY, ngsild_entitymap=found))
    abroad.world.says("b", 200, [lamp(3), lamp(4)])
    page = await abroad.door("GET", QUERY, ngsild_entitymap=found)
    assert ["1", "2", "3", "4"] == ids(page)


async def test_a_map_that_is_gone_is_made_anew(abroad: Abroad) -> None:
    """Deleted, expired, or never there: the query answers, under a new map (5.7.2.4)."""
    await filled(abroad)
    found = place(await abroad.door("GET", f"{QUERY}&entityMap=true"))
    below = found.removeprefix("/ngsi-ld/v1")
    assert 204 == (await abroad.door("PATCH", below, {"expiresAt": "2020-01-01T00:00:00Z"})).status
    assert 404 == (await abroad.door("GET", below)).status
    anew = await abroad.door("GET", QUERY, ngsild_entitymap=found)
    assert (201, True) == (anew.status, place(anew) != found)
    assert 404 == (await abroad.door("DELETE", below)).status


async def test_a_map_by_itself(abroad: Abroad) -> None:
    """5.14.4: made with filters, here where nobody is registered, too; too wide a query is none."""
    for number in (1, 2):
        await abroad.door("POST", "/entities", lamp(number))
    made = await abroad.door("GET", "/entityMaps?type=Lamp&q=level>1&entityMapLifetime=PT5M")
    assert 201 == made.status
    assert ["urn:ngsi-ld:Lamp:2"] == list(orjson.loads(made.body)["entityMap"])
    assert 400 == (await abroad.door("GET", "/entityMaps?id=urn:ngsi-ld:Lamp:1")).status
    assert 400 == (await abroad.door("GET", "/entityMaps?type=Lamp&entityMapLifetime=1h")).status
    assert 400 == (await abroad.door("GET", "/entityMaps/no%20uri")).status


async def test_another_tenant_has_other_maps(abroad: Abroad) -> None:
    """Its maps are its own (4.14)."""
    await abroad.door("POST", "/entities", lamp(1))
    await abroad.door("POST", "/entities", lamp(1), ngsild_tenant="other")
    made = await abroad.door("GET", "/entityMaps?type=Lamp")
    below = place(made).removeprefix("/ngsi-ld/v1")
    assert 404 == (await abroad.door("GET", below, ngsild_tenant="other")).status
    assert 200 == (await abroad.door("GET", below)).status


async def test_a_source_that_keeps_maps_is_linked(abroad: Abroad) -> None:
    """It is asked to hold on to what it tells, and the map says where (4.3.6.7)."""
    await abroad.registers("b", operations=["queryEntity", "createEntityMap"])
    body = orjson.dumps([lamp(3)])
    said = b"HTTP/1.1 201 OK\r\nNGSILD-EntityMap: /maps/7\r\nContent-Length: %d\r\n\r\n" % len(body)
    abroad.world.behaviours["b"] = lambda _: said + body
    made = await abroad.door.json("GET", "/entityMaps?type=Lamp")
    source = "urn:ngsi-ld:ContextSourceRegistration:b"
    assert {source: "/maps/7"} == made["linkedMaps"]
    assert "entityMap=true" in abroad.last("b").below


async def test_one_entity_has_its_map(abroad: Abroad) -> None:
    """Asked for with the entity it is made; named it is used; named and gone it is made anew."""
    await filled(abroad)
    path = "/entities/urn:ngsi-ld:Lamp:1"
    first = await abroad.door("GET", f"{path}?entityMap=true")
    document = await abroad.door.json("GET", place(first).removeprefix("/ngsi-ld/v1"))
    assert ["urn:ngsi-ld:Lamp:1"] == list(document["entityMap"])
    assert "@none" == document["entityMap"]["urn:ngsi-ld:Lamp:1"][0]
    again = await abroad.door("GET", path, ngsild_entitymap=place(first))
    assert (200, place(first)) == (again.status, place(again))
    dead = await abroad.door("GET", path, ngsild_entitymap=f"{place(first)}gone")
    assert place(dead) not in (place(first), f"{place(first)}gone")
    assert [] == header(await abroad.door("GET", path), b"ngsild-entitymap")
