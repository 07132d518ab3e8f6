"""NGSI-LD under an agreement: what headers say, what is there, what may be written, receipts."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import orjson
import pytest

from claims.exchange_leaks_city import PURPOSE, Scene, open_scene
from pintu.kernel.access import Mask
from pintu.kernel.exchange.agreements.words import Agreement, Limits, Terms
from pintu.kernel.exchange.words import Condition
from pintu.web.ngsi_ld.entering import Entered
from pintu.web.ngsi_ld.message import Request, Response, as_response
from tests.web.ngsi_ld.test_repeated import connect

ROOT = "/ngsi-ld/v1"
FIELDS = {
    "district": Mask(),
    "level": Mask(),
    "note": Mask(kind="truncate", keep=3),
    "many": Mask(kind="yes_no"),
}
TERMS = Terms(
    data_set="sensors", provider="works", consumer="school", purpose=PURPOSE, basis="law",
    fields=FIELDS, where=(Condition("district", "in", ["D1", "D2"]),),
    limits=Limits(calls_a_minute=0),
)  # fmt: skip


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    opened = await open_scene(tmp_path, random.Random(5))
    agree(opened)
    yield opened
    await opened.web.aclose()
    await opened.city.close()


def agree(scene: Scene, **more: Any) -> None:
    """Put terms like the usual ones in force."""
    terms = msgspec.structs.replace(TERMS, **more)
    scene.shelf.put(Agreement(id="ag-1", version=1, terms=terms, state="active"))


async def call(scene: Scene, method: str, path: str, body: Any = None, **headers: str) -> Response:
    """One call under the agreement."""
    said = {"pintu-agreement": "ag-1", "pintu-purpose": PURPOSE,
            "pintu-reason": quote("入学登记需要核对"), **headers}  # fmt: skip
    given = {k.replace("_", "-").encode(): v.encode() for k, v in {**scene.headers, **said}.items()}
    data = b""
    if body is not None:
        data = orjson.dumps(body)
        given |= {b"content-type": b"application/json", b"content-length": b"%d" % len(data)}
    target, _, query = path.partition("?")
    request = Request(method, (ROOT + target).encode(), query.encode(), given, data, "10.0.0.9")
    answer = scene.broker.handle(request)
    return answer if isinstance(answer, Response) else await answer


def visible(scene: Scene) -> list[dict[str, Any]]:
    """Sensors of the agreed districts."""
    return [
        one
        for one in scene.entities
        if "Sensor" in one["type"] and one["district"]["value"] in ("D1", "D2")
    ]


async def rows_of(scene: Scene, what: str) -> list[Any]:
    """Rows of the log of one kind."""
    audit = scene.city.rooms.audit
    assert audit is not None
    return [one.row for one in await audit.rows(0, 500) if one.row.what == what]


async def test_the_receipt_is_the_rows_number(scene: Scene) -> None:
    """The answer names its row; the row says who, why, under what, and what was sent."""
    answer = await call(scene, "GET", f"/entities/{visible(scene)[0]['id']}")
    assert 200 == answer.status
    told = dict(answer.headers)[b"pintu-receipt"].decode()
    audit = scene.city.rooms.audit
    assert audit is not None
    row = await audit.row(int(told.partition(";")[0]))
    assert ("school", PURPOSE, "入学登记需要核对", "ag-1/1", 1) == (
        row.organisation, row.purpose, row.reason, row.agreement, row.rows
    )  # fmt: skip
    assert audit.digest(answer.body) == row.answer
    assert set(FIELDS) == set(row.fields)


async def test_an_entity_is_what_was_agreed_of_it(scene: Scene) -> None:
    """Types, fields in the agreement's order, masks without anything beside them."""
    entity = next(one for one in visible(scene) if isinstance(one["type"], list) or "note" in one)
    told = orjson.loads((await call(scene, "GET", f"/entities/{entity['id']}")).body)
    assert "Sensor" == told["type"]
    assert ["id", "type", *(name for name in FIELDS if name in told)] == list(told)
    assert {"type": "Property", "value": "many" in entity} == told["many"]
    if "note" in entity:
        expected = {"type": "Property", "value": entity["note"]["value"][:3]}
        assert expected == told["note"]


async def test_outside_is_nowhere(scene: Scene) -> None:
    """An entity of another district, one of another type and none at all are one answer."""
    outside = next(one for one in scene.entities if one not in visible(scene))
    answers = []
    for id in (outside["id"], "urn:ngsi-ld:Sensor:none"):
        answer = await call(scene, "GET", f"/entities/{id}")
        answers.append((answer.status, answer.body.replace(id.encode(), b"ID")))
        assert b"pintu-receipt" in dict(answer.headers)
    assert answers[0] == answers[1]
    assert 404 == answers[0][0]


NOT_SEEN = [
    "q=note",
    "q=secret",
    "orderBy=many",
    "orderBy=modifiedAt",
    "q=type==Vault",
    "scopeQ=/a",
    "options=sysAttrs",
    "attrs=link",
    "pick=link",
    "geometryProperty=location",
    "georel=near;maxDistance==9&geometry=Point&coordinates=[1,1]&geoproperty=location",
    "q=link{district}",
    "q=createdAt>2000-01-01T00:00:00Z",
]


async def test_what_is_not_seen_is_not_asked_by(scene: Scene) -> None:
    """Hidden, masked, of the system, or not there at all: the same words."""
    for asked in NOT_SEEN:
        answer = await call(scene, "GET", f"/entities?type=Sensor&{asked.replace('>', '%3E')}")
        assert (403, asked) == (answer.status, asked)
        assert "You may not ask for attribute" in orjson.loads(answer.body)["detail"]


async def test_headers_that_say_nothing(scene: Scene) -> None:
    """No purpose, another purpose, a placeholder for a reason, what is no UTF-8."""
    path = f"/entities/{visible(scene)[0]['id']}"
    for wrong in ({"pintu_purpose": "audit"}, {"pintu_reason": "test"}, {"pintu_reason": ""}):
        assert 403 == (await call(scene, "GET", path, **wrong)).status
    assert 400 == (await call(scene, "GET", path, pintu_reason="%ff%fe")).status
    assert 200 == (await call(scene, "GET", path, pintu_reason="UTF-8''%E5%85%A5%E5%AD%A6")).status
    scene.city.rooms.gate.recorder.audit = None  # type: ignore[attr-defined]
    assert 503 == (await call(scene, "GET", path)).status


async def test_reading_writes_nothing(scene: Scene) -> None:
    """Neither an entity nor an attribute, nor a @context."""
    id = visible(scene)[0]["id"]
    told = {"district": {"type": "Property", "value": "D9"}}
    for method, path, body in (
        ("PATCH", f"/entities/{id}/attrs", told),
        ("DELETE", f"/entities/{id}", None),
        ("POST", "/entities", {"id": "urn:ngsi-ld:Sensor:new", "type": "Sensor"}),
        ("POST", "/jsonldContexts", {"@context": {"a": "https://a.example/a"}}),
        ("GET", "/jsonldContexts", None),
    ):
        assert 403 == (await call(scene, method, path, body)).status


async def test_writing_stays_inside(scene: Scene) -> None:
    """An agreement to write changes agreed fields of agreed rows; it makes and removes nothing,
    and what is outside answers like what is not there."""
    agree(scene, deed="write")
    inside = next(one for one in visible(scene) if "level" in one)
    outside = next(one for one in scene.entities if one not in visible(scene))
    level = {"level": {"type": "Property", "value": 7}}
    answer = await call(scene, "PATCH", f"/entities/{inside['id']}/attrs", level)
    assert 204 == answer.status
    assert b"pintu-receipt" in dict(answer.headers)
    assert ["write"] == [row.deed for row in await rows_of(scene, "write")]
    answers = []
    for id in (outside["id"], "urn:ngsi-ld:Sensor:none"):
        refused = await call(scene, "PATCH", f"/entities/{id}/attrs", level)
        answers.append((refused.status, refused.body.replace(id.encode(), b"ID")))
    assert answers[0] == answers[1]
    assert 404 == answers[0][0]
    hidden = {"link": {"type": "Relationship", "object": "urn:a:1"}}
    away = {"district": {"type": "Property", "value": "D3"}}
    typed = {"type": "Vault", **level}
    for body in (hidden, away, typed, {"note": {"type": "Property", "value": "x"}}):
        assert 403 == (await call(scene, "PATCH", f"/entities/{inside['id']}", body)).status
    entity = {"id": "urn:ngsi-ld:Sensor:new", "type": "Sensor", **level,
              "district": {"type": "Property", "value": "D1"}}  # fmt: skip
    assert 403 == (await call(scene, "POST", "/entities", entity)).status
    assert 403 == (await call(scene, "DELETE", f"/entities/{inside['id']}")).status
    assert 403 == (await call(scene, "GET", f"/entities/{inside['id']}")).status


async def test_rows_of_a_call_and_of_a_day(scene: Scene) -> None:
    """A page is cut to the rows of a call, more is refused; a day's are counted over all calls."""
    agree(scene, limits=Limits(calls_a_minute=0, rows_a_call=3, rows_a_day=5))
    page = await call(scene, "GET", "/entities?type=Sensor")
    assert (200, 3) == (page.status, len(orjson.loads(page.body)))
    assert 403 == (await call(scene, "GET", "/entities?type=Sensor&limit=4")).status
    refused = await call(scene, "GET", "/entities?type=Sensor")
    assert 429 == refused.status
    assert "5 rows a day" in orjson.loads(refused.body)["detail"]
    assert b"retry-after" in dict(refused.headers)


async def test_the_short_way_tells_the_same(scene: Scene) -> None:
    """Repeated calls of one connection: as the ordinary way answers, recorded like it, also after
    a document changed and after the agreement ended."""
    said = {"pintu-agreement": "ag-1", "pintu-purpose": PURPOSE, "pintu-reason": "Enrolment",
            "accept": "application/json"}  # fmt: skip
    headers = {k.encode(): v.encode() for k, v in {**scene.headers, **said}.items()}
    first = Request("GET", f"{ROOT}/entities/urn:a:1".encode(), b"", headers, b"", "10.0.0.9")
    answer = scene.broker.handle(first)
    assert 404 == (answer if isinstance(answer, Response) else await answer).status
    data = f"GET {ROOT}/entities/urn:a:1 HTTP/1.1\r\na: b\r\n\r\n".encode()
    repeat = scene.broker.repeats.learn(data, first)
    assert repeat is not None

    async def again(path: str) -> Any:
        found = scene.broker.repeats.answer(repeat.standing, (ROOT + path).encode())
        assert found is not None
        short = isinstance(found, Entered)
        told: Any = found if isinstance(found, Response) else await found  # type: ignore[misc]
        response = as_response(told)
        return short, response.status, response.body, b"pintu-receipt" in dict(response.headers)

    for path in (f"/entities/{visible(scene)[0]['id']}", "/entities?type=Sensor&limit=5"):
        for _ in range(3):
            ordinary = await call(scene, "GET", path)
            assert (True, 200, ordinary.body, True) == await again(path)
        id = visible(scene)[0]["id"]
        agree(scene, deed="write")
        body = {"level": {"type": "Property", "value": random.randrange(10**6)}}
        await call(scene, "PATCH", f"/entities/{id}", body)
        agree(scene)
        ordinary = await call(scene, "GET", path)
        assert (200, ordinary.body, True) == (await again(path))[1:]
        told = [
            msgspec.structs.replace(row, at_us=0, salt="") for row in await rows_of(scene, "read")
        ]
        assert told[-2:] == [msgspec.structs.replace(told[-1], reason=told[-2].reason), told[-1]]
    scene.shelf.known.clear()
    assert 403 == (await again(path))[1]


async def test_a_connection_gets_its_receipts_in_order(scene: Scene) -> None:
    """Over the fast lane: each answer once its row is durable, also of requests sent together and
    of one that nobody waits for any more."""
    said = (b"Authorization: " + scene.headers["authorization"].encode(), b"Pintu-Agreement: ag-1",
            b"Pintu-Purpose: " + PURPOSE.encode(), b"Pintu-Reason: Enrolment")  # fmt: skip
    target = f"/entities/{visible(scene)[0]['id']}".encode()
    async for line in connect(scene.broker):
        answers = [await line.ask(target, *said) for _ in range(5)]
        numbers = [int(re.search(rb"pintu-receipt: (\d+)", one)[1]) for one in answers]  # type: ignore[index]
        assert [numbers[0] + more for more in range(5)] == numbers
        assert 1 == len({re.sub(rb"pintu-receipt: [^\r]*", b"", one) for one in answers})
        audit = scene.city.rooms.audit
        assert audit is not None
        leaf = re.search(rb"leaf=([0-9a-f]{64})", answers[-1])
        assert leaf is not None
        assert leaf[1].decode() == audit.leaf(await audit.body(numbers[-1]))
        line.send(target, *said)
        line.send(target, *said)
        assert [200, 200] == [int((await line.answer())[9:12]) for _ in range(2)]
        line.send(target, *said)
    assert len(await rows_of(scene, "read")) >= 7
