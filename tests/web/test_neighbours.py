"""Neighbours as sources of context: offered, registered, asked with a signature, undone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from pintu.kernel.errors import Forbidden, PintuError
from pintu.kernel.federation import Registration
from pintu.web.neighbours import Neighbourhood, Offered
from tests.kernel.exchange.nodes.town import ADMIN, NodeCity, free_port, joined

pytestmark = pytest.mark.asyncio(loop_scope="module")

LAMP = {
    "id": "urn:ngsi-ld:Lamp:1",
    "type": "Lamp",
    "level": {"type": "Property", "value": 40},
    "secret": {"type": "Property", "value": "x"},
}
POLE = {"id": "urn:ngsi-ld:Pole:1", "type": "Pole", "height": {"type": "Property", "value": 8}}


@dataclass(slots=True)
class Two:
    """`east` has the lamps, `west` wants to see them."""

    east: NodeCity
    west: NodeCity

    def of(self, city: NodeCity) -> Neighbourhood:
        found = city.city.rooms.neighbours
        assert found is not None
        return found

    def registered(self) -> list[Registration]:
        federation = self.west.city.rooms.federation
        assert federation is not None
        return list(federation.registry)

    async def ask(self, city: NodeCity, method: str, path: str, **more: Any) -> httpx.Response:
        token = (city.folder / "admin.token").read_text("utf-8").strip()
        headers = {"authorization": f"Bearer {token}", **more.pop("headers", {})}
        async with httpx.AsyncClient(base_url=city.url, trust_env=False) as client:
            return await client.request(method, path, headers=headers, **more)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cities(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Two]:
    folder = tmp_path_factory.mktemp("two")
    ports = free_port(), free_port()
    allow = tuple(f"127.0.0.1:{one}" for one in ports)
    east = await NodeCity("east", folder / "east", ports[0], allow, plain=True).open()
    west = await NodeCity("west", folder / "west", ports[1], allow, plain=True).open()
    found = Two(east, west)
    for entity in (LAMP, POLE):
        made = await found.ask(east, "POST", "/ngsi-ld/v1/entities", json=entity)
        assert 201 == made.status_code
    await joined(west, east)
    yield found
    await east.close()
    await west.close()


@pytest_asyncio.fixture(loop_scope="module")
async def two(cities: Two) -> Two:
    """Two neighbours that offer each other nothing."""
    await cities.of(cities.east).offer(ADMIN, "west", Offered())
    for one in cities.registered():
        federation = cities.west.city.rooms.federation
        assert federation is not None
        await federation.registry.remove("", one.id)
    return cities


async def until(holds: Callable[[], object]) -> None:
    for _ in range(300):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")


async def test_what_is_offered_is_seen_and_nothing_else(two: Two) -> None:
    """Lamps with one attribute are offered: the neighbour sees them as its own, no pole, no other
    attribute, and can change nothing; the offer ends, and so does the registration.
    """
    offered = Offered(types=("Lamp",), names=("level",))
    await two.of(two.east).offer(ADMIN, "west", offered)
    [registration] = await two.of(two.west).look(two.west.nodes.joined()[0])
    assert ("east", "inclusive", two.east.url) == (
        registration.node, registration.mode, registration.endpoint,
    )  # fmt: skip
    seen = await two.ask(two.west, "GET", "/ngsi-ld/v1/entities?type=Lamp,Pole")
    [lamp] = seen.json()
    assert ("urn:ngsi-ld:Lamp:1", {"id", "type", "level"}) == (lamp["id"], lamp.keys())
    one = await two.ask(two.west, "GET", f"/ngsi-ld/v1/entities/{LAMP['id']}")
    assert 40 == one.json()["level"]["value"]
    change = {"level": {"type": "Property", "value": 1}}
    path = f"/ngsi-ld/v1/entities/{LAMP['id']}/attrs"
    assert 404 == (await two.ask(two.west, "PATCH", path, json=change)).status_code
    await two.of(two.east).offer(ADMIN, "west", Offered())
    await two.of(two.west).look(two.west.nodes.joined()[0])
    assert [] == two.registered()


async def signed(two: Two, method: str, path: str, **more: Any) -> httpx.Response:
    """What west's node itself may ask of east."""
    url = f"{two.east.url}{path}"
    [registration] = two.registered()
    body = more.pop("content", b"")
    marks = await two.of(two.west).sign(registration, method, url, (), body)
    headers = {name.decode(): value.decode() for name, value in marks} | more.pop("headers", {})
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.request(method, url, headers=headers, content=body)


async def test_a_node_reads_its_offer_and_nothing_else(two: Two) -> None:
    """Signed: the offered types in every way of asking; no other type, no count of one, no write,
    no registration, no other tenant. Unsigned, replayed or signed for another request: nothing.
    """
    await two.of(two.east).offer(ADMIN, "west", Offered(types=("Lamp",)))
    await two.of(two.west).look(two.west.nodes.joined()[0])
    root = "/ngsi-ld/v1"
    lamps = await signed(two, "GET", f"{root}/entities?type=Lamp,Pole&count=true")
    assert (200, 1, "1") == (
        lamps.status_code, len(lamps.json()), lamps.headers["ngsild-results-count"],
    )  # fmt: skip
    assert ["Lamp"] == (await signed(two, "GET", f"{root}/types")).json()["typeList"]
    assert 404 == (await signed(two, "GET", f"{root}/entities/{POLE['id']}")).status_code
    assert 403 == (await signed(two, "DELETE", f"{root}/entities/{LAMP['id']}")).status_code
    assert 403 == (await signed(two, "GET", f"{root}/csourceRegistrations?type=Lamp")).status_code
    town = {"NGSILD-Tenant": "town"}
    assert 403 == (await signed(two, "GET", f"{root}/types", headers=town)).status_code
    [registration] = two.registered()
    other = f"{two.east.url}{root}/types"
    marks = await two.of(two.west).sign(registration, "GET", other, (), b"")
    headers = {name.decode(): value.decode() for name, value in marks}
    async with httpx.AsyncClient(base_url=two.east.url, trust_env=False) as client:
        asked = f"{root}/entities?type=Lamp"
        assert 401 == (await client.get(asked, headers=headers)).status_code
        assert 200 == (await client.get(f"{root}/types", headers=headers)).status_code
        assert 401 == (await client.get(f"{root}/types", headers=headers)).status_code
        assert 401 == (await client.get(asked)).status_code


async def test_persons_are_never_offered(two: Two) -> None:
    """A type whose data set tells of persons is refused; one that begins to tell of persons is not
    answered any more.
    """
    rooms = two.east.city.rooms
    of = two.of(two.east)
    await of.offer(ADMIN, "west", Offered(types=("Lamp", "Pole")))
    entry = {
        "provider": "table", "type": "Pole",
        "columns": [{"name": "id", "key": True}, {"name": "height", "person": "name"}],
    }  # fmt: skip
    rooms.configuration.save("datasets", "poles", entry, by="test")
    await until(lambda: of.tells_of_persons("", "Pole"))
    with pytest.raises(Forbidden, match="shared by an agreement"):
        await of.offer(ADMIN, "west", Offered(types=("Pole",)))
    [registration] = await two.of(two.west).look(two.west.nodes.joined()[0])
    assert [["Lamp"]] == [sorted(one.types) for one in registration.information[0].selectors]
    seen = await signed(two, "GET", "/ngsi-ld/v1/entities?type=Pole")
    assert (200, []) == (seen.status_code, seen.json())


async def test_offers_over_the_api_are_the_operators(two: Two) -> None:
    """Who operates the city offers; anybody else is refused, and the neighbour hears of it."""
    path = "/api/v1/nodes/west/offer"
    async with httpx.AsyncClient(base_url=two.east.url, trust_env=False) as client:
        assert (await client.post(path, json={"types": ["Lamp"]})).status_code in (401, 403)
    done = await two.ask(two.east, "POST", path, json={"types": ["Lamp"]})
    assert {"node": "west", "tenant": "", "types": ["Lamp"]} == done.json()
    await two.east.nodes.tell_all()
    await until(two.registered)


async def test_the_page_shows_whom_the_city_asks(two: Two) -> None:
    """What each is asked, how it answers, failing ones first; a person pauses one and resumes."""
    dead = {
        "id": "urn:ngsi-ld:ContextSourceRegistration:dead",
        "type": "ContextSourceRegistration",
        "registrationName": "Dead (demo)",
        "information": [{"entities": [{"type": "Lamp"}]}],
        "endpoint": f"http://127.0.0.1:{two.west.port}",
        "tenant": "nobody",
    }
    assert "Nobody is asked yet" in (await two.ask(two.west, "GET", "/neighbours?lang=en")).text
    await two.of(two.east).offer(ADMIN, "west", Offered(types=("Lamp",)))
    await two.of(two.west).look(two.west.nodes.joined()[0])
    made = await two.ask(two.west, "POST", "/ngsi-ld/v1/csourceRegistrations", json=dead)
    assert 201 == made.status_code, made.text
    await two.ask(two.west, "GET", "/ngsi-ld/v1/entities?type=Lamp")
    shown = (await two.ask(two.west, "GET", "/neighbours?lang=en")).text
    assert "joined node, signed calls" in shown
    assert "read only" in shown
    assert shown.index("Dead (demo)") < shown.index(">east<")
    assert "无应答" in (await two.ask(two.west, "GET", "/neighbours?lang=zh-CN")).text
    told = {"id": dead["id"], "tenant": "", "deed": "pause"}
    assert 303 == (await two.ask(two.west, "POST", "/neighbours/tap", data=told)).status_code
    assert "paused by a person" in (await two.ask(two.west, "GET", "/neighbours?lang=en")).text
    assert 1 == len(two.registered()) - sum(one.paused for one in two.registered())
    again = {**told, "deed": "resume"}
    assert 303 == (await two.ask(two.west, "POST", "/neighbours/tap", data=again)).status_code
    missing = {**told, "id": "urn:x:1"}
    assert 400 == (await two.ask(two.west, "POST", "/neighbours/tap", data=missing)).status_code
    async with httpx.AsyncClient(base_url=two.west.url, trust_env=False) as client:
        answer = await client.post("/neighbours/tap", data=told)
        assert answer.status_code in (401, 403)


async def test_who_leaves_is_asked_no_more(two: Two) -> None:
    """Parting undoes both sides at once; a suspended neighbour is refused. The last test here: the
    two are strangers afterwards.
    """
    await two.of(two.east).offer(ADMIN, "west", Offered(types=("Lamp",)))
    await two.of(two.west).look(two.west.nodes.joined()[0])
    await two.east.nodes.joining.change(ADMIN, "west", "suspended")
    assert 403 == (await signed(two, "GET", "/ngsi-ld/v1/types")).status_code
    await two.east.nodes.joining.change(ADMIN, "west", "joined")
    await two.west.nodes.joining.change(ADMIN, "east", "left")
    await until(lambda: not two.registered())
    await two.west.nodes.tell_all()
    offers = two.east.city.rooms.federation
    assert offers is not None
    assert offers.offers is not None
    await until(lambda: offers.offers is not None and not offers.offers.of("west"))
    with pytest.raises(PintuError):
        await two.of(two.east).offer(ADMIN, "west", Offered(types=("Lamp",)))
