"""What the gate hides cannot be asked for either: no answer depends on what nobody may see."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from pintu.kernel.access import Mask, Projection
from pintu.kernel.context.selection import Compare, Path
from pintu.kernel.errors import Forbidden
from pintu.web.visit import Visit
from tests.web.ngsi_ld.doors import CABINET, Door

SECRET = "secret"
HIDING = [
    Projection(hidden=frozenset({SECRET, "location", "partOf"})),
    Projection(attributes=frozenset({"level", "name"})),
    Projection(masks={name: Mask(kind="drop") for name in (SECRET, "location", "partOf")}),
]
QUESTIONS = [
    "q=secret",
    "q=!secret",
    'q=level>1;(level<0|secret=="x")',
    "q=secret[a.b]==1",
    'join=inline&q=partOf{name}=="C1"',
    "attrs=secret",
    "attrs=level,secret",
    "pick=secret",
    "orderBy=secret",
    "orderBy=secret;desc",
    "georel=near;maxDistance==100&geometry=Point&coordinates=[120,30]",
    "geoproperty=secret&georel=near;maxDistance==100&geometry=Point&coordinates=[120,30]",
    "orderBy=location;dist-asc&orderFrom=[120,30]",
]


async def _fill(door: Door, lamp: dict[str, Any]) -> None:
    for entity in (lamp, CABINET):
        assert 201 == (await door("POST", "/entities", entity)).status


@pytest.mark.parametrize("projection", HIDING)
@pytest.mark.parametrize("question", QUESTIONS)
async def test_the_hidden_is_not_asked_for(
    door: Door, lamp: dict[str, Any], projection: Projection, question: str
) -> None:
    """Every selector that reads a hidden attribute is forbidden; with nothing hidden it is not."""
    await _fill(door, lamp)
    path = "/entities?type=Lamp&" + quote(question, safe="=&")
    open_status = (await door("GET", path)).status
    door.desk.projection = projection
    answer = await door("GET", path)
    assert (200, 403) == (open_status, answer.status)
    assert "You may not ask for attribute" in orjson.loads(answer.body)["detail"]


@pytest.mark.parametrize("projection", HIDING)
async def test_what_is_not_there_is_refused_alike(
    door: Door, lamp: dict[str, Any], projection: Projection
) -> None:
    """A hidden attribute that an entity has, and one that it has not, cannot be told apart."""
    await _fill(door, lamp)
    door.desk.projection = projection
    answers = []
    for id in (lamp["id"], CABINET["id"]):
        answer = await door("GET", f"/entities/{id}?attrs={SECRET}")
        answers.append((answer.status, answer.body))
    assert answers[0] == answers[1]
    assert 403 == answers[0][0]


@pytest.mark.parametrize("projection", HIDING)
async def test_what_is_shown_can_be_asked_for(
    door: Door, lamp: dict[str, Any], projection: Projection
) -> None:
    """Attributes that are shown, ids and system times are still good to ask for; a mask hides."""
    await _fill(door, lamp)
    door.desk.projection = projection
    asked = quote("type=Lamp&q=level==40&orderBy=level,id,createdAt&attrs=level", safe="=&")
    assert [{"id", "type", "level"}] == [
        set(found) for found in await door.json("GET", f"/entities?{asked}")
    ]
    whole = await door.json("GET", f"/entities/{lamp['id']}")
    assert {"id", "type", "level"} == set(whole)
    assert {"level", "name"} == set((await door.json("GET", "/attributes"))["attributeList"])
    written = {"secret": {"type": "Property", "value": "y"}}
    assert 403 == (await door("PATCH", f"/entities/{lamp['id']}/attrs", written)).status


async def test_the_refusal_uses_the_callers_word(door: Door, lamp: dict[str, Any]) -> None:
    """With a @context of the caller's own the attribute is named as the caller names it."""
    context = {"geheim": "https://uri.example/secret"}
    await door("POST", "/entities", lamp)
    door.desk.projection = Projection(hidden=frozenset({"https://uri.example/secret"}))
    hosted = await door("POST", "/jsonldContexts", {"@context": context})
    where = dict(hosted.headers)[b"location"].decode()
    link = f'<http://localhost{where}>; rel="http://www.w3.org/ns/json-ld#context"'
    answer = await door("GET", "/entities?type=Lamp&q=geheim", link=link)
    assert 403 == answer.status
    assert "You may not ask for attribute geheim" == orjson.loads(answer.body)["detail"]


async def test_relationships_lead_only_to_what_may_be_seen(
    door: Door, lamp: dict[str, Any]
) -> None:
    """A query that follows a relationship finds nothing behind it that the caller may not see."""
    await _fill(door, lamp)
    path = "/entities?type=Lamp&join=inline&q=" + quote('partOf{name}=="C1"')
    assert 1 == len(await door.json("GET", path))
    door.desk.projection = Projection(rows=Compare(Path("level"), ">", 0))
    assert [] == await door.json("GET", path)
    door.desk.projection = Projection(rows=Compare(Path("level"), ">", 100))
    assert [] == await door.json("GET", "/entities?type=Lamp")


async def test_a_query_follows_no_further_than_its_join(door: Door, lamp: dict[str, Any]) -> None:
    """q with two relationships needs joinLevel 2, and one that follows any needs join."""
    await _fill(door, lamp)
    path = "/entities?type=Lamp&q=" + quote('partOf{partOf{name}}=="C1"')
    assert 400 == (await door("GET", path)).status
    assert 400 == (await door("GET", f"{path}&join=inline")).status
    assert 200 == (await door("GET", f"{path}&join=inline&joinLevel=2")).status


async def test_words_of_q_are_expanded_where_asked(door: Door) -> None:
    """With expandValues a short word is the vocabulary's; without it is only a text (4.9)."""
    shop = {
        "id": "urn:ngsi-ld:Shop:1",
        "type": "Shop",
        "category": {"type": "VocabProperty", "vocab": "commercial"},
    }
    await door("POST", "/entities", shop)
    path = "/entities?type=Shop&q=category==commercial"
    assert [] == await door.json("GET", path)
    assert 1 == len(await door.json("GET", f"{path}&expandValues=category"))
    query = {"type": "Query", "entities": [{"type": "Shop"}], "q": "category==commercial"}
    assert [] == await door.json("POST", "/entityOperations/query", query)
    query["expandValues"] = ["category"]
    assert 1 == len(await door.json("POST", "/entityOperations/query", query))


@pytest.mark.parametrize("projection", HIDING)
async def test_a_replacement_leaves_the_hidden_alone(
    door: Door, lamp: dict[str, Any], projection: Projection
) -> None:
    """Who replaces what they see, or purges all but some, takes nothing away that they do not."""
    await _fill(door, lamp)
    door.desk.projection = projection
    bare = {"id": lamp["id"], "type": "Lamp", "level": {"type": "Property", "value": 1}}
    assert 204 == (await door("PUT", f"/entities/{lamp['id']}", bare)).status
    assert 204 == (await door("DELETE", "/entities?type=Lamp&keep=name")).status
    door.desk.projection = Projection()
    left = await door.json("GET", f"/entities/{lamp['id']}")
    hidden = {name for name in ("secret", "location", "partOf") if not projection.lets(name)}
    assert hidden <= left.keys()
    assert "level" not in left
    timed = await door.json("GET", f"/entities/{lamp['id']}?options=sysAttrs")
    assert {timed["createdAt"]} == {timed[name]["modifiedAt"] for name in hidden}


@pytest.mark.parametrize("projection", HIDING)
def test_views_of_the_whole_are_for_who_sees_it_whole(projection: Projection) -> None:
    """Map, lists and searches add up all attributes, so they refuse who may see some only."""
    visit: Any = SimpleNamespace(projection=projection)
    with pytest.raises(Forbidden, match="your grant covers some of them"):
        Visit.whole_rows(visit)


async def test_a_hidden_instance_selects_nothing(door: Door, lamp: dict[str, Any]) -> None:
    """Whether an entity is found by a datasetId does not depend on its hidden attributes."""
    lamp["secret"]["datasetId"] = "urn:d:1"
    await _fill(door, lamp)
    other = {"id": "urn:ngsi-ld:Lamp:2", "type": "Lamp"}
    await door("POST", "/entities", other)
    door.desk.projection = HIDING[0]
    for name in ("urn:d:1", "urn:d:2"):
        found = await door.json("GET", f"/entities?type=Lamp&datasetId={name}")
        assert [lamp["id"], other["id"]] == [one["id"] for one in found]


async def test_keys_inside_values_are_never_names(door: Door) -> None:
    """A path into a value is read as it is written, with a @context or without, so `jsonKeys`
    changes nothing (4.9): what stands in a value is neither expanded nor compacted."""
    home = {
        "id": "urn:ngsi-ld:Home:1",
        "type": "Home",
        "address": {"type": "Property", "value": {"city": "杭州"}},
        "sheet": {"type": "JsonProperty", "json": {"city": {"code": 7}}},
    }
    await door("POST", "/entities", home)
    context = {"city": "https://uri.example/city"}
    hosted = await door("POST", "/jsonldContexts", {"@context": context})
    where = dict(hosted.headers)[b"location"].decode()
    link = f'<http://localhost{where}>; rel="http://www.w3.org/ns/json-ld#context"'
    for asked in ("address[city]", "sheet[city.code]==7"):
        for keys in ("", "&jsonKeys=address,sheet"):
            path = f"/entities?type=Home&q={quote(asked)}{keys}"
            found = await door.json("GET", path, link=link)
            assert [home["sheet"]] == [one["sheet"] for one in found]
