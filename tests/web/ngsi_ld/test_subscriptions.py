"""Subscriptions over HTTP: from first to last, whose they are, their @contexts (5.8)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from claims.exchange_leaks_city import PURPOSE, Scene, open_scene
from pintu.kernel.access import Actor, Mask, Projection
from pintu.kernel.context.write import append
from pintu.kernel.exchange.agreements.words import Agreement, Limits, Terms
from pintu.kernel.store.port import Op
from pintu.kernel.subscriptions.opening import open_subscriptions
from pintu.kernel.subscriptions.states import TAKEN, Outcome
from pintu.kernel.subscriptions.words import Endpoint, Message
from pintu.kernel.tables import open_tables
from pintu.web.ngsi_ld.message import Request, Response
from tests.web.ngsi_ld.doors import Door, header, open_door

HERE = "/subscriptions"
ID = "urn:ngsi-ld:Subscription:1"
CONTEXT = {"Lamp": "https://example.org/Lamp", "level": "https://example.org/level"}
LD = "application/ld+json"


def wish(**more: Any) -> dict[str, Any]:
    """What somebody sends."""
    return {
        "id": ID,
        "type": "Subscription",
        "entities": [{"type": "Lamp"}],
        "notification": {"endpoint": {"uri": "http://192.0.2.7/n"}},
        **more,
    }


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Door]:
    """A broker that keeps subscriptions, for an administrator; `me` may be set."""
    async for door in open_door(tmp_path):
        rooms: Any = door.broker.rooms
        tables = open_tables(tmp_path / "rooms")
        be(door, "tester", "admin")
        rooms.subscriptions = open_subscriptions(tables, rooms.store, rooms.clock)
        yield door
        tables.close()


def be(door: Door, id: str, basis: str) -> None:
    """Ask as somebody, with what the gate says of them."""
    door.desk.actor = lambda headers, peer: Actor(id=id)  # type: ignore[method-assign]
    door.desk.projection = Projection(basis=basis)


async def test_a_subscription_from_first_to_last(broker: Door) -> None:
    """Made with a Location, shown, changed by members and nulls, deleted, gone."""
    made = await broker("POST", HERE, wish(throttling=5))
    assert (201, [f"/ngsi-ld/v1/subscriptions/{ID}".encode()]) == (
        made.status, header(made, b"Location"),
    )  # fmt: skip
    found = await broker.json("GET", f"{HERE}/{ID}")
    assert wish(throttling=5) == {name: found[name] for name in wish(throttling=5)}
    assert ("active", ["attributeCreated", "attributeUpdated"]) == (
        found["status"], found["notificationTrigger"],
    )  # fmt: skip
    change = {"throttling": None, "isActive": False, "q": "level>5"}
    merge = await broker(
        "PATCH", f"{HERE}/{ID}", change, content_type="application/merge-patch+json"
    )
    assert (204, b"") == (merge.status, merge.body)
    found = await broker.json("GET", f"{HERE}/{ID}?options=sysAttrs")
    assert ("paused", False, "level>5") == (
        found["status"], "throttling" in found, found["q"],
    )  # fmt: skip
    assert found["createdAt"] < found["modifiedAt"]
    assert [204, 404, 404, 404] == [
        (await broker(method, f"{HERE}/{ID}", body)).status
        for method, body in (("DELETE", None), ("GET", None), ("DELETE", None), ("PATCH", {}))
    ]


async def test_one_without_an_id_gets_one(broker: Door) -> None:
    """A URI of the city's own, in the Location."""
    made = await broker("POST", HERE, {key: one for key, one in wish().items() if key != "id"})
    [place] = header(made, b"Location")
    assert place.startswith(b"/ngsi-ld/v1/subscriptions/urn:ngsi-ld:Subscription:")
    assert 200 == (await broker("GET", place.decode().removeprefix("/ngsi-ld/v1"))).status


async def test_what_goes_wrong_has_its_status(broker: Door) -> None:
    """400 for what cannot be read or be, 404 for what is not, 409 for what is there."""
    await broker("POST", HERE, wish())
    asked = [
        ("POST", HERE, b"{"), ("POST", HERE, {}), ("POST", HERE, wish(id="x")),
        ("POST", HERE, wish()), ("GET", f"{HERE}/x", None),
        ("PATCH", f"{HERE}/{ID}", {"id": "urn:x:2"}), ("PATCH", f"{HERE}/{ID}", {"type": "A"}),
        ("PATCH", f"{HERE}/{ID}", {"notification": {"format": "concise"}}),
        ("GET", f"{HERE}?limit=0", None), ("GET", f"{HERE}?page=1", None),
        ("PUT", f"{HERE}/{ID}", {}),
    ]  # fmt: skip
    found = [(await broker(*one)).status for one in asked]
    assert [400, 400, 400, 409, 400, 400, 400, 400, 400, 400, 405] == found


async def test_pages_lead_on_and_back(broker: Door) -> None:
    """limit, offset and count with the literal links of 6.3.10, oldest first."""
    for number in range(5):
        await broker("POST", HERE, wish(id=f"urn:x:{number}"))
    page = await broker("GET", f"{HERE}?limit=2&offset=2&count=true")
    assert ["urn:x:2", "urn:x:3"] == [one["id"] for one in orjson.loads(page.body)]
    tail = ';type="application/ld+json"'
    assert [
        f'</ngsi-ld/v1/subscriptions?count=true&limit=2&offset=0>;rel="prev"{tail}',
        f'</ngsi-ld/v1/subscriptions?count=true&limit=2&offset=4>;rel="next"{tail}',
    ] == [one.decode() for one in header(page, b"link") if b"offset" in one]
    assert [b"5"] == header(page, b"ngsild-results-count")


async def test_tenants_have_their_own(broker: Door) -> None:
    """A subscription opens its tenant, and is not there in another (5.5.10)."""
    assert 404 == (await broker("GET", HERE, ngsild_tenant="north")).status
    assert 201 == (await broker("POST", HERE, wish(), ngsild_tenant="north")).status
    assert (1, 0) == (
        len(await broker.json("GET", HERE, ngsild_tenant="north")),
        len(await broker.json("GET", HERE)),
    )


async def test_others_subscriptions_are_not_there(broker: Door) -> None:
    """Whoever runs the city sees all; anybody else their own alone: endpoints carry secrets."""
    be(broker, "token:a", "grant read")
    await broker("POST", HERE, wish())
    be(broker, "token:b", "grant read")
    await broker("POST", HERE, wish(id="urn:x:b"))
    assert ["urn:x:b"] == [one["id"] for one in await broker.json("GET", HERE)]
    assert [404, 404, 404] == [
        (await broker(method, f"{HERE}/{ID}", body)).status
        for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None))
    ]
    be(broker, "token:c", "admin")
    assert 2 == len(await broker.json("GET", HERE))
    be(broker, "anonymous", "demo")
    assert 401 == (await broker("POST", HERE, wish(id="urn:x:c"))).status


async def test_names_are_the_readers(broker: Door) -> None:
    """What was sent in one @context is shown in another, and in whole IRIs without any."""
    sent = wish(watchedAttributes=["level"], q="level>5") | {"@context": CONTEXT}
    assert 201 == (await broker("POST", HERE, sent, content_type=LD)).status
    found = await broker.json("GET", f"{HERE}/{ID}")
    assert [{"type": "https://example.org/Lamp"}] == found["entities"]
    assert ("https://example.org/level>5", ["https://example.org/level"]) == (
        found["q"], found["watchedAttributes"],
    )  # fmt: skip


async def test_a_context_without_an_address_gets_one_as_long_as_it_is_used(broker: Door) -> None:
    """It is kept as ImplicitlyCreated, named as jsonldContext, and goes with its subscription."""
    sent = wish() | {"@context": CONTEXT}
    await broker("POST", HERE, sent, content_type=LD)
    found = await broker.json("GET", f"{HERE}/{ID}")
    listed = "/jsonldContexts?kind=ImplicitlyCreated&details=true"
    [kept] = await broker.json("GET", listed)
    assert kept["URL"] == found["jsonldContext"]
    served = await broker.json("GET", f"/jsonldContexts/{kept['localId']}")
    assert {"@context": CONTEXT} == served
    await broker("DELETE", f"{HERE}/{ID}")
    assert [] == await broker.json("GET", listed)


async def test_a_refused_one_leaves_no_context(broker: Door) -> None:
    """Nothing of a subscription that was not made stays."""
    sent = wish() | {"@context": CONTEXT}
    await broker("POST", HERE, sent, content_type=LD)
    await broker("POST", HERE, sent, content_type=LD)
    assert 1 == len(await broker.json("GET", "/jsonldContexts?kind=ImplicitlyCreated"))


async def test_a_context_that_is_named_must_be_there(broker: Door) -> None:
    """jsonldContext: 504 when it cannot be had, 400 when it is no address."""
    core = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
    found = [
        (await broker("POST", HERE, wish(id=f"urn:x:{n}", jsonldContext=one))).status
        for n, one in enumerate((core, "unknown", core.replace("v1.9", "non-existing")))
    ]
    assert [201, 400, 504] == found


async def test_an_earlier_version_is_heeded_and_changes_nothing(broker: Door) -> None:
    """A subscription is alike in all versions (4.3.6.8)."""
    await broker("POST", HERE, wish())
    plain = await broker("GET", f"{HERE}/{ID}")
    told = await broker("GET", f"{HERE}/{ID}", prefer='NGSI-LD="1.0"')
    assert (200, plain.body, [b"ngsi-ld=1.0"], []) == (
        told.status, told.body, header(told, b"preference-applied"),
        header(plain, b"preference-applied"),
    )  # fmt: skip


# --- under an agreement ---------------------------------------------------------------------------
TERMS = Terms(
    data_set="sensors", provider="works", consumer="school", purpose=PURPOSE, basis="law",
    fields={"district": Mask(), "level": Mask(), "note": Mask(kind="truncate", keep=3)},
    limits=Limits(calls_a_minute=0),
)  # fmt: skip


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A city with an agreement about sensors."""
    opened = await open_scene(tmp_path, random.Random(5))
    opened.shelf.put(Agreement(id="ag-1", version=1, terms=TERMS, state="active"))
    yield opened
    await opened.web.aclose()
    await opened.city.close()


async def ask(scene: Scene, method: str, path: str, body: Any = None) -> Response:
    """One call under the agreement."""
    said = {"pintu-agreement": "ag-1", "pintu-purpose": PURPOSE,
            "pintu-reason": quote("入学登记需要核对")}  # fmt: skip
    given = {k.encode(): v.encode() for k, v in {**scene.headers, **said}.items()}
    data = b"" if body is None else orjson.dumps(body)
    if body is not None:
        given |= {b"content-type": b"application/json", b"content-length": b"%d" % len(data)}
    request = Request(method, f"/ngsi-ld/v1{path}".encode(), b"", given, data, "10.0.0.9")
    answer = scene.broker.handle(request)
    return answer if isinstance(answer, Response) else await answer


async def test_whoever_has_an_agreement_may_ask_to_be_told(scene: Scene) -> None:
    """Within its attributes; conditions on others, and on masked ones, are refused by name."""
    sensors = {"entities": [{"type": "Sensor"}]}
    made = await ask(scene, "POST", HERE, wish(**sensors, q="level>5"))
    assert 201 == made.status, made.body
    assert header(made, b"pintu-receipt")
    found = orjson.loads((await ask(scene, "GET", f"{HERE}/{ID}")).body)
    assert "level>5" == found["q"]
    refused = [
        await ask(scene, "POST", HERE, wish(id="urn:x:2", **sensors, **more))
        for more in ({"q": "hidden==1"}, {"watchedAttributes": ["note"]}, {"q": "level{x}==1"})
    ]
    assert [403, 403, 403] == [one.status for one in refused]
    assert 403 == (await ask(scene, "PATCH", f"{HERE}/{ID}", {"q": "many>1"})).status
    room = scene.city.rooms.subscriptions
    assert room is not None
    [kept] = room.every()
    assert ("ag-1", PURPOSE) == (kept.asker.agreement, kept.asker.purpose)
    assert 204 == (await ask(scene, "DELETE", f"{HERE}/{ID}")).status


class Ear:
    """Every endpoint of the city."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    async def send(self, endpoint: Endpoint, message: Message) -> Outcome:
        """It arrives."""
        self.heard.append(orjson.loads(message.body))
        return TAKEN


async def test_a_notification_is_a_read_of_the_moment_it_is_sent(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the agreement lets be seen is told, with a row of the log; when it ended, nothing is."""
    rooms, ear = scene.city.rooms, Ear()
    assert rooms.delivery is not None
    assert rooms.subscriptions is not None
    assert rooms.audit is not None
    monkeypatch.setattr(rooms.delivery.teller.ways, "sender", lambda endpoint: ear)
    told = {"endpoint": {"uri": "http://192.0.2.7/n"}, "showChanges": True}
    await ask(scene, "POST", HERE, wish(entities=[{"type": "Sensor"}], notification=told))
    one = next(one for one in scene.entities if one["type"] == "Sensor" and "level" in one)

    async def write(level: int) -> None:
        value = {"type": "Property", "value": level}
        fragment = {
            "id": one["id"],
            "level": value,
            "code": {"type": "VocabProperty", "vocab": "x"},
        }
        await rooms.store.submit([Op(1, one["id"], append(fragment))])

    await write(7)
    await until(lambda: bool(ear.heard))
    [entity] = ear.heard[0]["data"]
    assert {"id", "type", "district", "level", "note"} >= {*entity}
    assert (7, one["level"]["value"]) == (
        entity["level"]["value"], entity["level"]["previousValue"],
    )  # fmt: skip
    rows = [one.row for one in await rooms.audit.rows(0, 500) if one.row.what == "read"]
    assert ("ag-1/1", PURPOSE) == (rows[-1].agreement, rows[-1].purpose)
    scene.shelf.known = {}
    for callback in scene.shelf.heard:
        callback(Agreement(id="ag-1", version=1, terms=TERMS, state="revoked"))
    await write(8)
    [kept] = rooms.subscriptions.every()
    await until(lambda: bool(rooms.subscriptions and rooms.subscriptions.state(kept).paused))
    assert 1 == len(ear.heard)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, five seconds at most."""
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)
