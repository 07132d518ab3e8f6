"""Reads over context sources: what each is asked, what is made of what they say, what is told of
those who fail (4.3.6, 5.7.1, 5.7.2, 6.3.17).
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import orjson
import pytest

from pintu.kernel.access import Projection
from pintu.kernel.context.parse import parse_q
from pintu.kernel.jsonld import CORE
from tests.web.ngsi_ld.doors import header
from tests.web.ngsi_ld.foreign import Abroad, Heard, Said

LAMPS = "/entities?type=Lamp"
ONE = "/entities/urn:ngsi-ld:Lamp:1"


def lamp(number: int, **attributes: Any) -> dict[str, Any]:
    """A lamp; bare values stand for Properties."""
    return {"id": f"urn:ngsi-ld:Lamp:{number}", "type": "Lamp"} | {
        name: value if isinstance(value, dict) else {"type": "Property", "value": value}
        for name, value in attributes.items()
    }


def ids(found: Any) -> list[str]:
    """The numbers of the lamps."""
    return [one["id"].rpartition(":")[2] for one in found]


def warnings(response: Any) -> list[str]:
    """The codes of its warnings."""
    return [value.decode()[:3] for value in header(response, b"ngsild-warning")]


async def test_an_entity_that_is_elsewhere_is_retrieved(abroad: Abroad) -> None:
    """One question with system times, as registered; the answer as if it were here."""
    await abroad.registers("b", operations=["retrieveEntity"])
    abroad.world.says("b", 200, lamp(1, level=4))
    assert lamp(1, level=4) == await abroad.door.json("GET", ONE)
    assert ["GET entities/urn:ngsi-ld:Lamp:1?options=sysAttrs"] == abroad.lines("b")
    heard = abroad.last("b").headers
    assert heard["via"].startswith("1.1 pintu-")
    assert "application/json" == heard["accept"]


async def test_local_is_here_alone(abroad: Abroad) -> None:
    """local=true asks nobody."""
    await abroad.registers("b", operations=["retrieveEntity", "queryEntity"])
    assert 404 == (await abroad.door("GET", f"{ONE}?local=true")).status
    assert [] == await abroad.door.json("GET", f"{LAMPS}&local=true")
    assert [] == abroad.lines("b")


async def test_halves_are_put_together(abroad: Abroad) -> None:
    """The newer of two values wins, in every form somebody asks for."""
    await abroad.registers("b", operations=["retrieveEntity"])
    await abroad.door("POST", "/entities?local=true", lamp(1, level=1, name="L"))
    newer = {"type": "Property", "value": 2, "modifiedAt": "2999-01-01T00:00:00Z"}
    abroad.world.says("b", 200, lamp(1, level=newer, glow=3))
    simple = await abroad.door.json("GET", f"{ONE}?options=keyValues")
    assert {"id": simple["id"], "type": "Lamp", "level": 2, "name": "L", "glow": 3} == simple
    shown = await abroad.door.json("GET", f"{ONE}?options=sysAttrs&attrs=level")
    assert "2999-01-01T00:00:00Z" == shown["level"]["modifiedAt"]
    assert "createdAt" in shown


async def test_a_source_is_asked_for_what_it_is_registered_for(abroad: Abroad) -> None:
    """attrs as registered and asked for; what else it tells is not taken."""
    information = [{"entities": [{"type": "Lamp"}], "propertyNames": ["level", "glow"]}]
    await abroad.registers("b", information=information, operations=["retrieveEntity"])
    abroad.world.says("b", 200, lamp(1, level=4, glow=2, secret="x"))
    assert lamp(1, level=4, glow=2) == await abroad.door.json("GET", ONE)
    assert "attrs=glow,level" in abroad.last("b").below
    assert lamp(1, level=4) == await abroad.door.json("GET", f"{ONE}?attrs=level")
    assert "attrs=level&" in abroad.last("b").below
    assert 404 == (await abroad.door("GET", f"{ONE}?attrs=name")).status
    assert 2 == len(abroad.lines("b"))


@pytest.mark.parametrize(
    ("operation", "line"),
    [
        ("retrieveEntity", "GET entities/urn:ngsi-ld:Lamp:1?options=sysAttrs"),
        ("queryEntity", "GET entities?type=Lamp&id=urn:ngsi-ld:Lamp:1&options=sysAttrs&limit=1"),
        ("queryBatch", "POST entityOperations/query?options=sysAttrs&limit=1"),
    ],
)
async def test_the_operation_is_one_that_is_registered(
    abroad: Abroad, operation: str, line: str
) -> None:
    """A retrieve is asked as a query where that is all a source does (5.7.1.4)."""
    await abroad.registers("b", operations=[operation])
    abroad.world.says("b", 200, [lamp(1, level=4)])
    assert lamp(1, level=4) == await abroad.door.json("GET", ONE)
    assert [line] == abroad.lines("b")


async def test_the_union_is_counted_and_paged_as_one(abroad: Abroad) -> None:
    """What several have is one entity; this broker's come first, then each source's."""
    await abroad.registers("b", operations=["queryEntity"])
    await abroad.registers("c", operations=["queryBatch"])
    for number in (1, 2):
        await abroad.door("POST", "/entities?local=true", lamp(number, level=number))
    abroad.world.says("b", 200, [lamp(2, glow=1), lamp(3, level=3)])
    abroad.world.says("c", 200, [lamp(3, glow=1), lamp(4, level=4)])
    response = await abroad.door("GET", f"{LAMPS}&limit=3&count=true")
    assert ["1", "2", "3"] == ids(orjson.loads(response.body))
    assert [b"4"] == header(response, b"ngsild-results-count")
    links = [one for one in header(response, b"link") if b'rel="next"' in one]
    assert 1 == len(links)
    rest = await abroad.door("GET", f"{LAMPS}&limit=3&offset=3")
    assert ["4"] == ids(orjson.loads(rest.body))
    found = orjson.loads(response.body)
    assert {"level", "glow"} <= found[1].keys() & found[2].keys()


async def test_filters_go_along_unless_entities_are_split(abroad: Abroad) -> None:
    """With splitEntities a source is asked for all, and the whole is filtered (5.7.2.4)."""
    await abroad.registers("b", operations=["queryEntity"])
    await abroad.door("POST", "/entities?local=true", lamp(1, name="L"))
    abroad.world.says("b", 200, [lamp(1, level=60), lamp(2, level=70)])
    query = f'{LAMPS}&q=level>50;name=="L"'
    assert ["1", "2"] == ids(await abroad.door.json("GET", query.replace('name=="L"', "level<99")))
    assert "q=level%3E50%3Blevel%3C99" in abroad.last("b").below
    assert ["1"] == ids(await abroad.door.json("GET", f"{query}&splitEntities=true"))
    assert "q=" not in abroad.last("b").below


async def test_a_source_whose_context_has_no_address_is_asked_in_full_names(
    abroad: Abroad,
) -> None:
    """What it cannot be asked for is filtered here: nothing that does not fit comes through."""
    await abroad.registers("b", operations=["queryEntity"])
    abroad.world.says("b", 200, [lamp(1, level=60), lamp(2, level=7)])
    document = {
        "type": "Query", "entities": [{"type": "Lamp"}], "q": "hell>50",
        "@context": {"hell": "https://uri.etsi.org/ngsi-ld/default-context/level"},
    }  # fmt: skip
    found = await abroad.door.json(
        "POST", "/entityOperations/query", document, content_type="application/ld+json"
    )
    assert ["1"] == ids(found)
    assert "q=" not in abroad.last("b").below


async def test_order_is_for_what_is_here_alone(abroad: Abroad) -> None:
    """Over several sources it is refused (4.23)."""
    await abroad.registers("b", operations=["queryEntity"])
    assert 400 == (await abroad.door("GET", f"{LAMPS}&orderBy=level")).status
    assert 200 == (await abroad.door("GET", f"{LAMPS}&orderBy=level&local=true")).status


async def test_only_sources_in_reach_of_a_place_are_asked(abroad: Abroad) -> None:
    """A registration that says where its things are is left out when that is somewhere else."""
    square = [[[13.0, 52.0], [14.0, 52.0], [14.0, 53.0], [13.0, 53.0], [13.0, 52.0]]]
    place = {"type": "Polygon", "coordinates": square}
    await abroad.registers("b", operations=["queryEntity"], location=place)
    abroad.world.says("b", 200, [])
    near = f"{LAMPS}&georel=near;maxDistance==5000&geometry=Point&coordinates="
    await abroad.door("GET", near + "[2.3,48.8]")
    assert [] == abroad.lines("b")
    await abroad.door("GET", near + "[13.4,52.5]")
    assert 1 == len(abroad.lines("b"))


# --- who fails ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "code"),
    [
        (Said(403), "299"),
        (Said(500, b"{}"), "299"),
        (Said(200, b"not a json document"), "111"),
        (Said(200), "111"),
        (Said(200, orjson.dumps([{"id": "urn:ngsi-ld:Pump:9", "type": "Pump"}])), "111"),
        (b"", "199"),
        (b"HTTP/9.9 hello\r\n\r\n", "111"),
        (b"HTTP/1.1 200 OK\r\nNGSILD-Tenant: other\r\nContent-Length: 2\r\n\r\n[]", "111"),
    ],
)
async def test_whoever_fails_is_told_and_spoils_nothing(
    abroad: Abroad, said: Said | bytes, code: str
) -> None:
    """The rest answers; the warning says what happened (6.3.17)."""
    await abroad.registers("bad", operations=["queryEntity"])
    await abroad.registers("good", operations=["queryEntity"])
    abroad.world.behaviours["bad"] = lambda _: said
    abroad.world.says("good", 200, [lamp(2, level=2)])
    await abroad.door("POST", "/entities?local=true", lamp(1, level=1))
    response = await abroad.door("GET", LAMPS)
    assert (200, ["1", "2"]) == (response.status, ids(orjson.loads(response.body)))
    assert [code] == warnings(response)


async def test_a_404_is_no_failure_and_keeps_the_warnings_of_others(abroad: Abroad) -> None:
    """What nobody has is not found, whatever else went wrong is told with it."""
    await abroad.registers("none", operations=["retrieveEntity"])
    abroad.world.says("none", 404, {})
    response = await abroad.door("GET", ONE)
    assert (404, []) == (response.status, warnings(response))
    await abroad.registers("dead", operations=["retrieveEntity"])
    response = await abroad.door("GET", ONE)
    assert (404, ["199"]) == (response.status, warnings(response))


async def test_an_answer_over_its_limit_is_not_taken(abroad: Abroad) -> None:
    """Fifty megabytes are not read to their end."""
    await abroad.registers("b", operations=["queryEntity"])
    abroad.world.behaviours["b"] = lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n["
    response = await abroad.door("GET", LAMPS)
    assert (200, ["111"]) == (response.status, warnings(response))


async def test_a_source_without_end_is_left_when_the_page_is_full(abroad: Abroad) -> None:
    """Always another page: it is asked for as many as the request reaches, not for more."""
    await abroad.registers("b", operations=["queryEntity"])

    def endless(heard: Heard) -> Said:
        pairs = dict(one.split("=") for one in heard.below.partition("?")[2].split("&"))
        start, size = int(pairs.get("offset", 0)), int(pairs["limit"])
        return Said(200, orjson.dumps([lamp(n, level=n) for n in range(start, start + size)]))

    abroad.world.behaviours["b"] = endless
    found = await abroad.door.json("GET", f"{LAMPS}&limit=5&offset=10")
    assert ["10", "11", "12", "13", "14"] == ids(found)
    assert 1 == len(abroad.lines("b"))
    await abroad.door("GET", f"{LAMPS}&limit=1000&offset=1500")
    assert 1 + 3 == len(abroad.lines("b"))


async def test_one_page_again_and_again_ends(abroad: Abroad) -> None:
    """A source that answers every page with the same entities has told all it has."""
    await abroad.registers("b", operations=["queryEntity"])
    abroad.world.says("b", 200, [lamp(n, level=n) for n in range(1000)])
    await abroad.door("GET", f"{LAMPS}&limit=1000&offset=5000")
    assert 2 == len(abroad.lines("b"))


# --- round and round ----------------------------------------------------------------------------
async def test_a_request_that_returns_is_answered_from_here(abroad: Abroad) -> None:
    """It has our name in its Via: nobody is asked again, and a warning says so (6.3.18)."""
    await abroad.registers("b", operations=["queryEntity"])
    await abroad.door("POST", "/entities?local=true", lamp(1, level=1))
    abroad.world.says("b", 200, [])
    await abroad.door("GET", LAMPS)
    response = await abroad.door("GET", LAMPS, via=abroad.last("b").headers["via"])
    assert (["1"], ["199"]) == (ids(orjson.loads(response.body)), warnings(response))
    assert 1 == len(abroad.lines("b"))


async def test_a_source_the_request_has_passed_is_not_asked(abroad: Abroad) -> None:
    """Its alias is in the Via."""
    await abroad.registers("b", operations=["queryEntity"], contextSourceAlias="them")
    response = await abroad.door("GET", LAMPS, via="1.1 them, 1.1 others")
    assert ([], ["199"]) == (abroad.lines("b"), warnings(response))


async def test_warnings_behind_a_source_are_passed_on(abroad: Abroad) -> None:
    """What failed two hops away is told here, too."""
    await abroad.registers("b", operations=["queryEntity"])
    said = b'HTTP/1.1 200 OK\r\nNGSILD-Warning: 199 far "away"\r\nContent-Length: 2\r\n\r\n[]'
    abroad.world.behaviours["b"] = lambda _: said
    assert [b'199 far "away"'] == header(await abroad.door("GET", LAMPS), b"ngsild-warning")


# --- how a source is called ---------------------------------------------------------------------
async def test_management_says_how_a_source_is_called(abroad: Abroad) -> None:
    """localOnly goes along; after a failure it rests for its cooldown (5.2.34)."""
    await abroad.registers(
        "b", operations=["queryEntity"], management={"localOnly": True, "cooldown": 60_000}
    )
    abroad.world.says("b", 500, {})
    assert ["299"] == warnings(await abroad.door("GET", LAMPS))
    assert abroad.last("b").below.endswith("local=true")
    assert ["199"] == warnings(await abroad.door("GET", LAMPS))
    assert 1 == len(abroad.lines("b"))


async def test_a_callers_mistake_starts_no_rest_for_others(abroad: Abroad) -> None:
    """A source that is well and refuses one request is asked the next one (5.2.34)."""
    await abroad.registers("b", operations=["queryEntity"], management={"cooldown": 60_000})
    abroad.world.says("b", 400, {})
    for _ in range(2):
        assert ["299"] == warnings(await abroad.door("GET", LAMPS))
    assert 2 == len(abroad.lines("b"))


async def test_a_way_that_is_too_long_to_be_read_leads_nowhere(abroad: Abroad) -> None:
    """Nobody can say where it has not been: it is not gone on (6.3.18)."""
    await abroad.registers("b", operations=["queryEntity"])
    via = ", ".join(f"1.1 pintu-{number:06}" for number in range(300))
    await abroad.door("GET", LAMPS, via=via)
    assert [] == abroad.lines("b")


async def test_a_source_that_lets_us_wait_in_vain_rests(abroad: Abroad) -> None:
    """Its own time-out ends each question; after the third in a row nobody waits for a second."""
    id = await abroad.registers("b", operations=["queryEntity"], management={"timeout": 20})
    federation = abroad.door.broker.rooms.federation
    assert federation is not None
    sources = federation.sources
    assert sources is not None

    async def silent(_: Heard) -> Said:
        await asyncio.sleep(0.2)
        return Said(200, b"[]")

    abroad.world.behaviours["b"] = silent
    rests = []
    for _ in range(3):
        assert ["199"] == warnings(await abroad.door("GET", LAMPS))
        health = sources.health("", id)
        assert health is not None
        rests.append((health.rests_until_us - health.last_failed_us) // 1_000_000)
    assert [0, 0, 1] == rests


async def test_a_long_answer_is_read_beside_the_loop(abroad: Abroad) -> None:
    """Nobody else waits for it; it says the same."""
    await abroad.registers("b", operations=["queryEntity"])
    abroad.world.says("b", 200, [lamp(n, text="x" * 1000) for n in range(300)])
    assert 300 == len(await abroad.door.json("GET", f"{LAMPS}&limit=1000"))


async def test_an_answer_is_kept_for_its_cache_duration(abroad: Abroad) -> None:
    """The same question is asked once; another one is another."""
    await abroad.registers("b", operations=["queryEntity"], management={"cacheDuration": "PT1H"})
    abroad.world.says("b", 200, [lamp(1, level=1)])
    for _ in range(3):
        assert ["1"] == ids(await abroad.door.json("GET", LAMPS))
    assert 1 == len(abroad.lines("b"))
    await abroad.door("GET", f"{LAMPS}&attrs=level")
    assert 2 == len(abroad.lines("b"))


async def test_what_a_source_refuses_now_is_not_told_from_before(abroad: Abroad) -> None:
    """Who fails is stood in for by what it said before; who says no is not."""
    management = {"cacheDuration": "PT0.001S"}
    await abroad.registers("b", operations=["queryEntity"], management=management)
    abroad.world.says("b", 200, [lamp(1, level=1)])
    await abroad.door("GET", LAMPS)
    for status, told in ((500, ["1"]), (403, [])):
        abroad.world.says("b", status, {})
        await asyncio.sleep(0.002)
        assert told == ids(await abroad.door.json("GET", LAMPS))


async def test_its_tenant_is_the_registrations(abroad: Abroad) -> None:
    """The caller's tenant is ours; the source has its own names (4.14)."""
    await abroad.registers("b", operations=["queryEntity"], tenant="north")
    abroad.world.says("b", 200, [])
    await abroad.door("GET", LAMPS)
    assert "north" == abroad.last("b").headers["ngsild-tenant"]


# --- whoever asks -------------------------------------------------------------------------------
async def test_what_comes_back_is_narrowed_to_what_the_caller_may_see(abroad: Abroad) -> None:
    """Rows and attributes of the gate hold for what others have, too; no more is asked for."""
    await abroad.registers("b", operations=["queryEntity", "retrieveEntity"])
    abroad.world.says("b", 200, [lamp(1, level=4, secret="x"), lamp(2, level=90, secret="y")])
    abroad.door.desk.projection = dataclasses.replace(
        Projection(basis="test"), attributes=frozenset(("level",)), rows=parse_q("level<50", CORE)
    )
    assert [lamp(1, level=4)] == await abroad.door.json("GET", LAMPS)
    assert "attrs=level" in abroad.last("b").below
    assert 403 == (await abroad.door("GET", f"{LAMPS}&q=secret")).status
    assert 1 == len(abroad.lines("b"))
    abroad.world.says("b", 200, lamp(2, level=90))
    assert 404 == (await abroad.door("GET", "/entities/urn:ngsi-ld:Lamp:2")).status


async def test_links_are_followed_to_other_sources(abroad: Abroad) -> None:
    """join shows what a relationship leads to, wherever it is."""
    await abroad.registers("b", operations=["retrieveEntity"])
    abroad.world.says("b", 200, lamp(2, level=2))
    leads = {"type": "Relationship", "object": "urn:ngsi-ld:Lamp:2", "objectType": "Lamp"}
    await abroad.door("POST", "/entities?local=true", lamp(1, beside=leads))
    found = await abroad.door.json("GET", f"{ONE}?join=inline")
    assert lamp(2, level=2) == found["beside"]["entity"]
