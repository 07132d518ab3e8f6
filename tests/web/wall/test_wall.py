"""The wall: what stands on it, what it is told, and who finds what by which name."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import orjson
import pytest

from pintu.kernel.clock import iso
from pintu.kernel.context.record import Record, Remove
from pintu.kernel.intake.words import Batch, Update
from pintu.kernel.store.port import Op
from pintu.web.api.names import best, called, texts_of
from pintu.web.house import House
from pintu.web.pages import labels
from pintu.web.readers import Client
from pintu.web.wall.keeping import AT_ONCE, Told
from pintu.web.wall.shown import OVER, PAGES_OF, TYPES, is_over, on_wall, page_of, seen
from tests.web.small_city import LAMP, SOURCE, SmallCity, alert, put

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOW_US = 1_795_000_000_000_000
Entity = dict[str, Any]


def said(value: Any) -> Entity:
    return {"type": "Property", "value": value}


def incident(status: str = "open") -> Entity:
    return {
        "id": "urn:ngsi-ld:Incident:operations:I1",
        "type": "Incident",
        "name": {"type": "LanguageProperty", "languageMap": {"zh": "重庆路停电", "en": "Dark"}},
        "severity": said("high"),
        "status": said(status),
        "evidence": said({"much": "of it"}),
    }


def house(page: httpx.AsyncClient) -> House:
    found: House = page._transport.app.state["house"]  # type: ignore[attr-defined]
    return found


async def write(city: SmallCity, *entities: Entity) -> None:
    tenant = await city.rooms.store.open_tenant("demo")
    await city.rooms.store.submit([Op(tenant, e["id"], upsert(e)) for e in entities], SOURCE)


def upsert(entity: Entity) -> Any:
    return lambda record, now_us: put(entity, "created" if record is None else "replaced")


@pytest.mark.parametrize("kind", sorted(OVER))
async def test_what_is_over_leaves_by_its_state(kind: str) -> None:
    """Every type's last states take it off the wall, and no other state does."""
    for word in OVER[kind]:
        assert is_over({"id": "urn:x", "type": kind, "status": said(word)}, NOW_US)
    assert not is_over({"id": "urn:x", "type": [kind], "status": said("open")}, NOW_US)


async def test_states_are_words_of_the_vocabulary() -> None:
    """What takes a thing off the wall is in the code list of its state, where its type has one."""
    book = labels.vocabulary().vocabulary()
    lists = {one.name: {code.value for code in one.codes} for one in book.code_lists()}
    for kind, words in OVER.items():
        word = book.find_type(kind)
        names = () if word is None else ("status", "warningState", "planState")
        told = [word.attributes[n].codes for n in names if word and n in word.attributes]
        for name in filter(None, told):
            assert words & lists[name], (kind, name)


async def test_a_warning_ends_by_itself_and_a_street_never() -> None:
    """A time that is up takes a warning and an alert away; an order that is late stays."""
    past = said({"@type": "DateTime", "@value": iso(NOW_US - 1)})
    for kind, ended in (("PublicWarning", True), ("Alert", True), ("WorkOrder", False)):
        assert ended == is_over({"id": "urn:x", "type": kind, "validTo": past}, NOW_US)
    assert not is_over({"id": "urn:x", "type": "RoadSegment", "status": said("closed")}, NOW_US)


async def test_the_wall_has_its_types_and_their_pages() -> None:
    """A lamp is no row of the wall; an incident's page is in the operations room."""
    assert on_wall(["Thing", "Alert"])
    assert not on_wall(["Streetlight"])
    assert set(PAGES_OF) < TYPES
    assert "/incidents/I1" == page_of("urn:ngsi-ld:Incident:operations:I1", ["Incident"])
    assert "/entities/urn:x%2F1" == page_of("urn:x/1", ["Streetlight"])


async def test_evidence_is_not_carried_to_walls() -> None:
    """What no wall shows is left out, and a document without it is not copied."""
    slim = {name: value for name, value in incident().items() if name != "evidence"}
    assert slim == seen(incident())
    assert seen(slim) is slim


async def test_what_is_told_is_the_newest_from_the_oldest_change() -> None:
    """Two changes of a thing are told once: its newest state, its oldest age; a flood is told in
    parts."""
    told = Told()
    told.put("a", {"n": 1}, NOW_US - 3_000)
    told.put("a", {"n": 2}, NOW_US - 1_000)
    told.put("b", None, NOW_US - 2_000)
    event = told.take(NOW_US, 1.0)
    assert event is not None
    assert ([{"n": 2}], ["b"], [3]) == (event["entities"], event["gone"], event["ages"])
    assert None is told.take(NOW_US, 1.0)
    for number in range(AT_ONCE + 5):
        told.put(f"urn:{number}", {}, NOW_US)
    sizes = [len((told.take(NOW_US, 1.0) or {"entities": []})["entities"]) for _ in range(2)]
    assert [AT_ONCE, 5] == sizes


async def test_the_wall_is_told_of_what_comes_changes_and_goes(
    wall_page: httpx.AsyncClient, shared_city: SmallCity
) -> None:
    """An alert through intake is in the next event and in what stands there; closed, it is told of
    once more and stands there no longer; deleted, its id is gone."""
    hub = house(wall_page).hub
    tenant = shared_city.rooms.store.tenant("demo") or 0
    before = (await wall_page.get("/api/v1/wall")).json()
    assert before["figures"]["sources"] >= 1
    new = alert(40, iso(shared_city.rooms.clock.now_us()))
    batch = Batch("demo/hand", "demo", "wall-40", [Update(new, "upsert")])
    await shared_city.rooms.intake.accept(batch)
    event = hub.walls.events({tenant})[tenant]
    assert [new["id"]] == [one["id"] for one in event["entities"]]
    standing = (await wall_page.get("/api/v1/wall")).json()["entities"]
    assert len(before["entities"]) + 1 == len(standing)
    await write(shared_city, {**new, "status": said("closed")})
    assert ["closed"] == [
        one["status"]["value"] for one in hub.walls.events({tenant})[tenant]["entities"]
    ]
    standing = (await wall_page.get("/api/v1/wall")).json()["entities"]
    assert new["id"] not in [one["id"] for one in standing]
    await write(shared_city, incident())
    hub.walls.events({tenant})
    await shared_city.rooms.store.submit([Op(tenant, incident()["id"], remove)], SOURCE)
    assert [incident()["id"]] == hub.walls.events({tenant})[tenant]["gone"]


def remove(record: Record | None, now_us: int) -> Remove:
    return Remove()


async def test_streams_carry_the_wall(wall_page: httpx.AsyncClient, shared_city: SmallCity) -> None:
    """A client of the topic hears a written-out event a tick, and figures every second."""
    hub = house(wall_page).hub
    tenant = shared_city.rooms.store.tenant("demo") or 0
    reader = Client(tenant=tenant, tenant_name="demo", topics=frozenset({"wall"}))
    await hub.walls.of(tenant)
    hub.clients.add(reader)
    try:
        await write(shared_city, incident())
        hub.tick()
        told = [orjson.loads(one.split(b"data: ", 1)[1]) for one in reader.first]
        assert [[incident()["id"]]] == [[one["id"] for one in e["entities"]] for e in told]
        for _ in range(4):
            hub.tick()
        assert any(b'"figures"' in one for one in reader.first)
    finally:
        hub.clients.discard(reader)
        await write(shared_city, incident("closed"))


async def test_a_wall_loading_misses_nothing(
    wall_page: httpx.AsyncClient, shared_city: SmallCity
) -> None:
    """What is written while a wall is being loaded stands on it."""
    hub, tenant = house(wall_page).hub, shared_city.rooms.store.tenant("demo") or 0
    hub.walls.by_tenant.pop(tenant, None)
    _, wall = await asyncio.gather(write(shared_city, incident()), hub.walls.of(tenant))
    assert incident()["id"] in wall.entities
    await write(shared_city, incident("merged"))
    assert incident()["id"] not in wall.entities


async def test_every_point_is_told_in_columns(wall_page: httpx.AsyncClient) -> None:
    """The wall gets all points at once, whatever the map's own limit is."""
    told = (await wall_page.get("/api/v1/wall/points")).json()
    assert ("points", told["size"]) == (told["mode"], len(told["rows"]))


async def test_a_name_is_found_in_chinese_pinyin_and_initials() -> None:
    """Part of a name, whole pinyin, first letters, in any case and width, and several words."""
    names = [
        ("river", called(["滨江大道 12 号灯", "Riverside lamp 12"])),
        ("long", called(["长河路", "Long River Road"])),
    ]
    for wanted in ("滨江", "江大道", "binjiang", "bjdd", "riverside", "12 灯", "bjdd12"):
        assert ["river"] == best(names, wanted), wanted
    assert ["long"] == best(names, "长河")
    assert ["long", "river"] == sorted(best(names, "river"))
    assert [] == best(names, "x")
    assert ["a", "b"] == texts_of({"name": {"languageMap": {"zh": "a", "en": "b"}}})


async def test_the_search_box_finds_streets_things_and_incidents(
    wall_page: httpx.AsyncClient, shared_city: SmallCity
) -> None:
    """Pinyin finds lamps of a road, an incident by its name stands before them, with its page; a
    renamed thing is found by its new name at once."""
    found = (await wall_page.get("/api/v1/search?q=changheroad")).json()
    assert [] == found
    found = (await wall_page.get("/api/v1/search?q=changhelu")).json()
    assert found
    assert all("长河路" in one["name"] and one["at"] for one in found)
    await write(shared_city, incident())
    text = (await wall_page.get("/search?q=停电&part=list")).text
    assert 'href="/incidents/I1"' in text
    lamp = {"id": LAMP.format(900), "type": "Streetlight", "name": said("鹊桥灯（演示）")}
    await write(shared_city, lamp)
    assert LAMP.format(900) in (await wall_page.get("/search?q=queqiao&part=list")).text
    await write(shared_city, {**lamp, "name": said("别名（演示）")})
    assert [] == (await wall_page.get("/api/v1/search?q=queqiao")).json()
    await write(shared_city, incident("closed"))


async def test_roads_of_the_base_map_are_found(
    wall_page: httpx.AsyncClient, shared_city: SmallCity
) -> None:
    """A road that is only drawn is found, too, and the answer flies there."""
    path = shared_city.rooms.settings.data / "basemap.geojson"
    line = {"type": "LineString", "coordinates": [[120.1, 30.1], [120.2, 30.2], [120.3, 30.3]]}
    road = {"type": "Feature", "properties": {"name_zh": "听澜路", "name_en": "Tinglan Road"}}
    path.write_bytes(
        orjson.dumps({"type": "FeatureCollection", "features": [{**road, "geometry": line}]})
    )
    shared_city.rooms.basemap = path
    for wanted in ("听澜", "tinglanlu", "tll"):
        text = (await wall_page.get(f"/search?q={wanted}&part=list")).text
        assert 'href="/wall#map=15.5/30.2/120.2"' in text, wanted
    shared_city.rooms.basemap = None


async def test_the_page_carries_what_its_programs_need(wall_page: httpx.AsyncClient) -> None:
    """Both languages, rules and codes as data, no word of a program's own in its lists."""
    text = (await wall_page.get("/wall")).text
    for part in ('id="wall-words"', 'id="wall-rules"', 'id="wall-codes"', 'id="wall-base"'):
        assert part in text
    rules = orjson.loads(text.partition('id="wall-rules">')[2].partition("</script>")[0])
    assert {kind: sorted(words) for kind, words in OVER.items()} == rules["over"]
    chinese = (await wall_page.get("/wall?lang=zh-CN")).text
    assert "生效预警" in chinese
