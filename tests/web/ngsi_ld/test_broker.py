"""The door as a caller meets it: requests through `Broker.handle`, over a real store."""

from __future__ import annotations

from typing import Any

import orjson

from pintu.kernel.access import Deed, Projection
from pintu.kernel.context.parse import parse_q
from pintu.kernel.jsonld import CORE
from tests.web.ngsi_ld.doors import CABINET, ROOT, Door, header


async def test_what_is_created_comes_back_as_it_came(door: Door, lamp: dict[str, Any]) -> None:
    """Create answers 201 with a Location; retrieve gives the entity and the Link to its
    @context.
    """
    made = await door("POST", "/entities", lamp)
    assert (201, [b"/ngsi-ld/v1/entities/urn:ngsi-ld:Lamp:1"]) == (
        made.status,
        header(made, b"location"),
    )
    found = await door("GET", "/entities/urn:ngsi-ld:Lamp:1")
    assert lamp == orjson.loads(found.body)
    assert b'rel="http://www.w3.org/ns/json-ld#context"' in header(found, b"link")[0]
    assert 409 == (await door("POST", "/entities", lamp)).status


async def test_every_spelling_of_a_path_leads_to_one_resource(
    door: Door, lamp: dict[str, Any]
) -> None:
    """Ids raw or encoded, slashes doubled or trailing."""
    lamp["id"] = "https://example.org/lamps/1"
    await door("POST", "/entities/", lamp)
    for path in (
        "/entities/https://example.org/lamps/1",
        "/entities/https%3A%2F%2Fexample.org%2Flamps%2F1",
        "//entities//https%3A%2F%2Fexample.org%2Flamps%2F1/",
    ):
        assert lamp == await door.json("GET", path)
    changed = await door(
        "PATCH", "/entities/https://example.org/lamps/1/attrs/level", {"value": 50}
    )
    assert 204 == changed.status


async def test_media_types_are_negotiated(door: Door, lamp: dict[str, Any]) -> None:
    """Ties go to JSON, weights decide, 406 names the rest, 415 refuses what cannot be read."""
    await door("POST", "/entities", lamp)
    path = "/entities/urn:ngsi-ld:Lamp:1"
    for accept, expected in (
        ("application/ld+json, application/json", b"application/json"),
        ("application/json;q=0.1, application/ld+json", b"application/ld+json"),
        ("application/geo+json", b"application/geo+json"),
        ("*/*", b"application/json"),
        ("application/json;q=0, application/*", b"application/ld+json"),
    ):
        assert [expected] == header(await door("GET", path, accept=accept), b"content-type")
    refused = await door("GET", path, accept="text/html")
    assert 406 == refused.status
    assert "application/geo+json" in orjson.loads(refused.body)["alternatives"]
    assert 415 == (await door("POST", "/entities", lamp, content_type="text/plain")).status
    patched = await door(
        "PATCH", path, {"level": {"value": 3}}, content_type="application/merge-patch+json"
    )
    assert 204 == patched.status


async def test_the_context_is_where_the_media_type_puts_it(
    door: Door, lamp: dict[str, Any]
) -> None:
    """ld+json needs it in the body and forbids the Link; what the caller's terms mean comes
    back.
    """
    kind = "application/ld+json"
    assert 400 == (await door("POST", "/entities", lamp, content_type=kind)).status
    lamp["@context"] = {"level": "https://example.org/level"}
    link = '<https://example.org/c>; rel="http://www.w3.org/ns/json-ld#context"'
    refused = await door("POST", "/entities", lamp, content_type=kind, link=link)
    assert 400 == refused.status
    assert 201 == (await door("POST", "/entities", lamp, content_type=kind)).status
    shown = await door.json("GET", "/entities/urn:ngsi-ld:Lamp:1", accept=kind)
    assert {"type": "Property", "value": 40} == shown["https://example.org/level"]
    assert "@context" in shown


async def test_a_tenant_begins_with_its_first_write(door: Door, lamp: dict[str, Any]) -> None:
    """404 before, its own entities after, the header echoed always, nothing seen from outside."""
    before = await door("GET", "/entities?type=Lamp", ngsild_tenant="west")
    assert "NonexistentTenant" in before.body.decode()
    assert 404 == before.status
    for answer in (before, await door("POST", "/entities", lamp, ngsild_tenant="west")):
        assert [b"west"] == header(answer, b"ngsild-tenant")
    assert 200 == (await door("GET", "/entities/urn:ngsi-ld:Lamp:1", ngsild_tenant="west")).status
    assert 404 == (await door("GET", "/entities/urn:ngsi-ld:Lamp:1")).status
    assert 400 == (await door("GET", "/types", ngsild_tenant="a b")).status
    assert 403 == (await door("POST", "/entities", lamp, ngsild_tenant="locked")).status
    assert 404 == (await door("GET", "/types", ngsild_tenant="locked")).status


async def test_pages_lead_on_and_back(door: Door) -> None:
    """Literal Link headers, a count when asked, and a last page that knows it is."""
    entities = [{"id": f"urn:x:{n}", "type": "T"} for n in range(5)]
    assert 201 == (await door("POST", "/entityOperations/create", entities)).status
    middle = await door("GET", "/entities?type=T&limit=2&offset=2&count=true")
    links = header(middle, b"link")
    assert (
        b'</ngsi-ld/v1/entities?count=true&limit=2&offset=0&type=T>;rel="prev";'
        b'type="application/json"'
    ) in links
    assert any(b'offset=4&type=T>;rel="next"' in link for link in links)
    assert [b"5"] == header(middle, b"ngsild-results-count")
    last = await door("GET", "/entities?type=T&limit=2&offset=4")
    assert not any(b"next" in link for link in header(last, b"link"))
    none = await door("GET", "/entities?type=T&limit=0&count=true")
    assert (b"[]", [b"5"]) == (none.body, header(none, b"ngsild-results-count"))
    assert [b"kind"] == header(await door("GET", "/entities?type=T&explain=true"), b"pintu-plan")


async def test_batches_fail_member_by_member(door: Door, lamp: dict[str, Any]) -> None:
    """207 names each that failed; of two of one id in an upsert the later wins."""
    members = [lamp, {"id": "nonsense", "type": "T"}, 7, {**CABINET}, {**CABINET}]
    answer = await door("POST", "/entityOperations/create", members)
    result = orjson.loads(answer.body)
    assert 207 == answer.status
    assert {lamp["id"], CABINET["id"]} == set(result["success"])
    assert ["nonsense", "", CABINET["id"]] == [error["entityId"] for error in result["errors"]]
    twice = [
        {**CABINET, "name": {"type": "Property", "value": "first"}},
        {**CABINET, "name": {"type": "Property", "value": "second"}},
    ]
    assert 204 == (await door("POST", "/entityOperations/upsert", twice)).status
    shown = await door.json("GET", f"/entities/{CABINET['id']}?format=simplified")
    assert "second" == shown["name"]
    gone = await door("POST", "/entityOperations/delete", [CABINET["id"], "urn:nobody"])
    assert (207, [CABINET["id"]]) == (gone.status, orjson.loads(gone.body)["success"])
    assert 400 == (await door("POST", "/entityOperations/create", [])).status


async def test_linked_entities_come_flat_or_inline(door: Door, lamp: dict[str, Any]) -> None:
    """join puts what a relationship leads to inside of it or beside it."""
    await door("POST", "/entityOperations/create", [lamp, CABINET])
    path = f"/entities/{lamp['id']}"
    inline = await door.json("GET", f"{path}?join=inline")
    assert CABINET == inline["partOf"]["entity"]
    flat = await door.json("GET", f"{path}?join=flat")
    assert [lamp["id"], CABINET["id"]] == [entity["id"] for entity in flat]
    simple = await door.json("GET", f"{path}?join=inline&options=keyValues&pick=partOf%7Bname%7D")
    assert {"partOf": {"name": "C1"}} == simple
    listed = await door.json("GET", "/entities?type=Lamp&join=flat")
    assert [lamp["id"], CABINET["id"]] == [entity["id"] for entity in listed]
    assert 400 == (await door("GET", f"{path}?join=sideways")).status


async def test_purge_takes_what_matches(door: Door, lamp: dict[str, Any]) -> None:
    """Whole entities, or with drop and keep only their attributes."""
    await door("POST", "/entityOperations/create", [lamp, CABINET])
    assert 204 == (await door("DELETE", "/entities?type=Lamp&drop=secret")).status
    assert "secret" not in await door.json("GET", f"/entities/{lamp['id']}")
    assert 204 == (await door("DELETE", "/entities?type=Lamp&keep=level")).status
    assert {"id", "type", "level"} == (await door.json("GET", f"/entities/{lamp['id']}")).keys()
    assert 400 == (await door("DELETE", "/entities?type=Lamp&keep=a&drop=b")).status
    assert 204 == (await door("DELETE", "/entities?q=level>1")).status
    assert 404 == (await door("GET", f"/entities/{lamp['id']}")).status
    assert 200 == (await door("GET", f"/entities/{CABINET['id']}")).status


async def test_types_and_attributes_are_told(door: Door, lamp: dict[str, Any]) -> None:
    """What there is, with counts; nothing of what may not be seen."""
    await door("POST", "/entityOperations/create", [lamp, CABINET])
    assert ["Cabinet", "Lamp"] == (await door.json("GET", "/types"))["typeList"]
    info = await door.json("GET", "/types/Lamp")
    assert 1 == info["entityCount"]
    attribute = await door.json("GET", "/attributes/partOf")
    assert (["Relationship"], ["Lamp"]) == (attribute["attributeTypes"], attribute["typeNames"])
    door.desk.projection = Projection(hidden=frozenset({"secret"}))
    assert "secret" not in (await door.json("GET", "/attributes"))["attributeList"]
    assert 404 == (await door("GET", "/types/Moon")).status


async def test_the_gate_narrows_reads_and_writes(door: Door, lamp: dict[str, Any]) -> None:
    """Hidden attributes and rows beyond the projection neither come out nor can be written."""
    await door(
        "POST",
        "/entityOperations/create",
        [lamp, {**lamp, "id": "urn:ngsi-ld:Lamp:2", "level": {"type": "Property", "value": 90}}],
    )
    door.desk.projection = Projection(
        hidden=frozenset({"secret"}), rows=parse_q("level<50", CORE), basis="agreement 7"
    )
    one = await door.json("GET", "/entities/urn:ngsi-ld:Lamp:1")
    assert "secret" not in one
    assert 404 == (await door("GET", "/entities/urn:ngsi-ld:Lamp:2")).status
    assert ["urn:ngsi-ld:Lamp:1"] == [
        e["id"] for e in await door.json("GET", "/entities?type=Lamp")
    ]
    level = {"level": {"type": "Property", "value": 45}}
    assert 204 == (await door("PATCH", "/entities/urn:ngsi-ld:Lamp:1/attrs", level)).status
    assert 404 == (await door("PATCH", "/entities/urn:ngsi-ld:Lamp:2/attrs", level)).status
    assert 404 == (await door("DELETE", "/entities/urn:ngsi-ld:Lamp:2")).status
    out = {"level": {"type": "Property", "value": 99}}
    assert 403 == (await door("PATCH", "/entities/urn:ngsi-ld:Lamp:1/attrs", out)).status
    hidden = {"secret": {"type": "Property", "value": "y"}}
    assert 403 == (await door("PATCH", "/entities/urn:ngsi-ld:Lamp:1/attrs", hidden)).status


async def test_one_decision_a_call(door: Door, lamp: dict[str, Any]) -> None:
    """The gate is asked once, with the deed and the tenant."""
    await door("POST", "/entityOperations/create", [lamp, CABINET])
    assert [Deed.WRITE] == [act.deed for act in door.desk.acts]


async def test_a_strict_tenant_refuses_invented_words(door: Door, lamp: dict[str, Any]) -> None:
    """The vocabulary is asked on write, and names the field."""
    refused = await door("POST", "/entities", lamp, ngsild_tenant="strict")
    assert 400 == refused.status
    assert "Lamp" in orjson.loads(refused.body)["detail"]


async def test_contexts_are_kept_and_served(door: Door) -> None:
    """Add, list, serve, details, delete."""
    made = await door("POST", "/jsonldContexts", {"@context": {"a": "https://x.org/a"}})
    path = header(made, b"location")[0].decode().removeprefix(ROOT)
    assert {"@context": {"a": "https://x.org/a"}} == await door.json("GET", path)
    assert "Hosted" == (await door.json("GET", f"{path}?details=true"))["kind"]
    assert 1 == len(await door.json("GET", "/jsonldContexts?kind=Hosted"))
    assert 204 == (await door("DELETE", path)).status
    assert 404 == (await door("GET", path)).status
    assert 400 == (await door("POST", "/jsonldContexts", {"a": 1})).status


async def test_a_query_document_asks_the_same(door: Door, lamp: dict[str, Any]) -> None:
    """POST query: one selector, several, a geoquery, and what it does not know."""
    await door("POST", "/entityOperations/create", [lamp, CABINET])

    async def ids(**query: Any) -> list[str]:
        found = await door.json("POST", "/entityOperations/query", {"type": "Query", **query})
        return sorted(entity["id"] for entity in found)

    both = sorted([lamp["id"], CABINET["id"]])
    assert [lamp["id"]] == await ids(entities=[{"type": "Lamp"}])
    assert both == await ids(entities=[{"type": "Lamp"}, {"type": "Cabinet"}])
    assert both == await ids(
        entities=[{"type": "Lamp", "idPattern": ".*1"}, {"type": "Cabinet", "id": CABINET["id"]}]
    )
    geo = {"georel": "near;maxDistance==10", "geometry": "Point", "coordinates": [120.1, 30.2]}
    assert [lamp["id"]] == await ids(geoQ=geo)
    assert 400 == (await door("POST", "/entityOperations/query", {"type": "Query", "x": 1})).status


async def test_who_we_are(door: Door) -> None:
    """The identity has a URI, an alias and an uptime."""
    identity = await door.json("GET", "/info/sourceIdentity", ngsild_tenant="new")
    assert identity["contextSourceAlias"].endswith("-new")
    assert identity["contextSourceUptime"].startswith("P")
