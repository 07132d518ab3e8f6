"""Registrations and subscriptions to them over HTTP (5.9, 5.10, 5.11)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from pintu.kernel.access import Actor, Projection
from pintu.kernel.context.selection import Exists
from pintu.kernel.context.selection import Path as Way
from pintu.kernel.egress import Egress
from pintu.kernel.federation.opening import open_federation
from pintu.kernel.identity.gate import ThinGate
from pintu.kernel.tables import open_tables
from tests.web.ngsi_ld.doors import LAMP, Door, header, open_door

CSR = "/csourceRegistrations"
ID = "urn:ngsi-ld:ContextSourceRegistration:1"


def source(**more: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "type": "ContextSourceRegistration",
        "information": [{"entities": [{"type": "Lamp"}], "propertyNames": ["level"]}],
        "endpoint": "http://192.0.2.7/ngsi",
        **more,
    }


@pytest_asyncio.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Door]:
    """A broker that keeps registrations, and may reach one network besides the world."""
    async for door in open_door(tmp_path):
        rooms: Any = door.broker.rooms
        tables = open_tables(tmp_path / "rooms")
        rooms.egress = Egress(allow=("192.0.2.0/24",))
        door.desk.actor = lambda headers, peer: Actor(id="tester")  # type: ignore[method-assign]
        rooms.federation = open_federation(tables, rooms.clock, library=rooms.library)
        yield door
        tables.close()


async def test_a_registration_from_first_to_last(broker: Door) -> None:
    """Registered, shown with what it stands for, changed by members and nulls, deleted."""
    made = await broker("POST", CSR, source(expiresAt="2055-01-01T00:00:00Z", region="north"))
    assert (201, [f"/ngsi-ld/v1{CSR}/{ID}".encode()]) == (made.status, header(made, b"Location"))
    shown = await broker.json("GET", f"{CSR}/{ID}")
    assert ("inclusive", ["federationOps"]) == (shown["mode"], shown["operations"])
    assert "north" == shown["region"]
    assert 409 == (await broker("POST", CSR, source())).status
    change = {"expiresAt": None, "endpoint": "http://192.0.2.8"}
    assert 204 == (await broker("PATCH", f"{CSR}/{ID}", change)).status
    shown = await broker.json("GET", f"{CSR}/{ID}?options=sysAttrs")
    assert "expiresAt" not in shown
    assert "http://192.0.2.8" == shown["endpoint"]
    assert shown["createdAt"] <= shown["modifiedAt"]
    assert 400 == (await broker("PATCH", f"{CSR}/{ID}", {"information": None})).status
    assert 204 == (await broker("DELETE", f"{CSR}/{ID}")).status
    assert 404 == (await broker("GET", f"{CSR}/{ID}")).status
    assert 400 == (await broker("GET", f"{CSR}/nothing")).status


async def test_a_registration_without_an_id_gets_one(broker: Door) -> None:
    """And is found where its Location says."""
    told = source()
    del told["id"]
    made = await broker("POST", CSR, told)
    place = header(made, b"Location")[0].decode().removeprefix("/ngsi-ld/v1")
    assert 200 == (await broker("GET", place)).status


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("type=Lamp", 1),
        ("type=Pole", 0),
        ("attrs=level", 1),
        ("attrs=colour", 0),
        ("id=urn:ngsi-ld:Lamp:7&type=Lamp", 1),
        ("idPattern=.*7&type=Lamp", 1),
        ('csf=region=="north"', 1),
        ('q=region=="north"', 1),
        ('q=region=="south"&type=Lamp', 0),
        ("q=level>5&type=Lamp", 1),
        ("q=level>5", 0),
        ("type=Lamp&scopeQ=/a/%23", 1),
        ("type=Lamp&scopeQ=/b", 0),
        ("type=Lamp&georel=near;maxDistance==9&geometry=Point&coordinates=[8,40]", 0),
        ("type=Lamp&timerel=before&timeAt=2030-01-01T00:00:00Z", 0),
        ("type=Lamp&limit=0&count=true", 0),
        ("type=Lamp&attrs=&timeproperty=", 1),
    ],
)
async def test_discovery(broker: Door, query: str, found: int) -> None:
    """Whole registrations by what they have and by what they say of themselves (5.10.2)."""
    await broker("POST", CSR, source(region="north", scope="/a/b"))
    answer = await broker("GET", f"{CSR}?{query}")
    assert found == len(orjson.loads(answer.body)), answer.body
    if "count" in query:
        assert [b"1"] == header(answer, b"ngsild-results-count")


@pytest.mark.parametrize(
    "query", ["", "limit=3", "id=nothing", "q=(a", "georel=within&type=A", "timerel=before&type=A"]
)
async def test_discovery_that_cannot_be_read(broker: Door, query: str) -> None:
    """Nothing to look for, or a parameter that is wrong: 400."""
    assert 400 == (await broker("GET", f"{CSR}?{query}")).status


async def test_pages_of_registrations(broker: Door) -> None:
    """Oldest first, with links to the page before and after, as the caller wrote them."""
    for number in range(3):
        assert 201 == (await broker("POST", CSR, source(id=f"{ID}{number}"))).status
    answer = await broker("GET", f"{CSR}?type=Lamp&limit=1&offset=1")
    assert [f"{ID}1"] == [one["id"] for one in orjson.loads(answer.body)]
    links = b" ".join(header(answer, b"link"))
    assert b"?type=Lamp&limit=1&offset=0>" in links
    assert b"?type=Lamp&limit=1&offset=2>" in links


@pytest.mark.parametrize(
    ("endpoint", "status"),
    [
        ("http://127.0.0.1:9/x", 403),
        ("http://10.1.2.3", 403),
        ("http://169.254.169.254/latest", 403),
        ("http://[::1]:80", 403),
        ("http://0x7f.1", 403),
        ("http://192.0.2.9", 201),
        ("http://no-such-host.invalid", 201),
    ],
)
async def test_where_a_source_may_not_be(broker: Door, endpoint: str, status: int) -> None:
    """Addresses inside our own network are refused when they are registered; a name that nobody
    knows today is looked up again with every call.
    """
    assert status == (await broker("POST", CSR, source(endpoint=endpoint))).status


async def test_a_broker_that_is_registered_at_itself_finds_the_loop(broker: Door) -> None:
    """Its own address is no mistake of a registration: what would go in a circle is found when it
    is asked (6.3.17).
    """
    rooms: Any = broker.broker.rooms
    rooms.egress = Egress(allow_loopback=True)
    own = f"http://localhost:{rooms.settings.port}"
    assert 201 == (await broker("POST", CSR, source(endpoint=own))).status


async def test_what_is_here_already_is_not_elsewhere_alone(broker: Door) -> None:
    """An entity here stands in the way of a redirect of it, one of its attributes in that of an
    exclusive registration (5.9.2.4).
    """
    await broker("POST", "/entities", LAMP)
    held = {"entities": [{"type": "Lamp", "id": LAMP["id"]}], "propertyNames": ["level"]}
    free = {"entities": [{"type": "Lamp", "id": LAMP["id"]}], "propertyNames": ["colour"]}
    for mode, information, status in (
        ("redirect", held, 409),
        ("redirect", {"entities": [{"type": "Lamp"}]}, 409),
        ("redirect", {"entities": [{"type": "Pole"}]}, 201),
        ("exclusive", held, 409),
        ("exclusive", free, 201),
        ("inclusive", held, 201),
    ):
        told = source(id=f"urn:r:{mode}{status}", mode=mode, information=[information])
        answer = await broker("POST", CSR, told)
        assert status == answer.status, (mode, information, answer.body)
        if status == 409:
            assert orjson.loads(answer.body)["type"].endswith("/Conflict")


async def test_registrations_are_for_who_sees_the_whole_tenant(broker: Door) -> None:
    """Who sees a part is told of none, and registers none."""
    await broker("POST", CSR, source())
    broker.desk.projection = Projection(rows=Exists(Way("level")))
    assert 403 == (await broker("GET", f"{CSR}?type=Lamp")).status
    assert 403 == (await broker("GET", f"{CSR}/{ID}")).status
    assert 403 == (await broker("POST", CSR, source(id="urn:r:2"))).status
    assert 403 == (await broker("GET", "/csourceSubscriptions")).status


async def test_tenants_have_their_own(broker: Door) -> None:
    """A registration of one tenant is not there for another; registering makes the tenant."""
    assert 201 == (await broker("POST", CSR, source(), ngsild_tenant="town")).status
    assert 404 == (await broker("GET", f"{CSR}/{ID}")).status
    assert 200 == (await broker("GET", f"{CSR}/{ID}", ngsild_tenant="town")).status


SUB = {
    "id": "urn:ngsi-ld:Subscription:1",
    "type": "Subscription",
    "entities": [{"type": "Lamp"}],
    "notification": {"endpoint": {"uri": "http://192.0.2.9/n", "accept": "application/json"}},
}


async def test_a_subscription_from_first_to_last(broker: Door) -> None:
    """Created, shown with its status, changed, listed, deleted."""
    path = "/csourceSubscriptions"
    made = await broker("POST", path, SUB)
    assert (201, 1) == (made.status, len(header(made, b"Location")))
    assert 409 == (await broker("POST", path, SUB)).status
    one = f"{path}/{SUB['id']}"
    assert SUB | {"status": "active"} == await broker.json("GET", one)
    assert 204 == (await broker("PATCH", one, {"isActive": False})).status
    assert "paused" == (await broker.json("GET", one))["status"]
    assert 204 == (await broker("PATCH", one, {"expiresAt": "2020-01-01T00:00:00Z"})).status
    assert "expired" == (await broker.json("GET", one))["status"]
    assert 1 == len(await broker.json("GET", f"{path}?limit=5"))
    assert 400 == (await broker("PATCH", one, {"notification": {}})).status
    assert 204 == (await broker("DELETE", one)).status
    assert 404 == (await broker("GET", one)).status
    assert 404 == (await broker("PATCH", one, {"isActive": True})).status


async def test_who_reads_a_tenant_neither_registers_nor_sees_how_sources_are_called(
    broker: Door,
) -> None:
    """A source gets everybody's questions and writes: that is a right of its own."""
    info = [
        {"key": "Authorization", "value": "Bearer of-the-source"},
        {"key": "jsonldContext", "value": "https://words.example/c.jsonld"},
        {"key": "user", "value": "urn:ngsi-ld:request"},
    ]  # fmt: skip
    rooms: Any = broker.broker.rooms
    assert 201 == (await broker("POST", CSR, source(contextSourceInfo=info))).status
    rooms.gate = ThinGate()
    reader = Actor(id="token:reader", grants=frozenset({"read:*", "write:*"}))
    broker.desk.actor = lambda headers, peer: reader  # type: ignore[method-assign]
    assert 403 == (await broker("POST", CSR, source(id=f"{ID}:other"))).status
    assert 403 == (await broker("PATCH", f"{CSR}/{ID}", {"endpoint": "http://192.0.2.9"})).status
    assert 403 == (await broker("DELETE", f"{CSR}/{ID}")).status
    shown = (await broker.json("GET", f"{CSR}/{ID}"))["contextSourceInfo"]
    assert [{**info[0], "value": "***"}, *info[1:]] == shown
    keeper = Actor(id="token:keeper", grants=frozenset({"read:*", "register:*"}))
    broker.desk.actor = lambda headers, peer: keeper  # type: ignore[method-assign]
    assert info == (await broker.json("GET", f"{CSR}/{ID}"))["contextSourceInfo"]
    assert 204 == (await broker("DELETE", f"{CSR}/{ID}")).status
