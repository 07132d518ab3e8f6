"""Hosted counties: each with its own key and limits, and none sees anything of another."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from pintu.city import City
from pintu.kernel.subscriptions.streaming import Told
from pintu.settings import Settings
from pintu.web.api.streams import _frames
from pintu.web.app import build_app
from pintu.web.metrics.exposition import exposition
from pintu.web.metrics.families import Families
from pintu.web.ngsi_ld import Broker
from pintu.web.ngsi_ld.message import Request, Response
from pintu.web.ngsi_ld.routes import TABLE
from tests.web.test_every_route import PUBLIC, STRANGER, routes

SECRET = "GEHEIM7731"
WORDS = ("read", "write", "command", "register", "operate")


class Counties:
    """A city with two hosted counties, each with a key of its own and something to hide."""

    def __init__(self, city: City) -> None:
        self.city, self.broker, self.keys = city, Broker(city.rooms), dict[str, str]()

    async def found(self, name: str, **content: Any) -> None:
        rooms = self.city.rooms
        rooms.configuration.save("tenants", name, content, by="test")
        assert rooms.limits is not None
        rooms.limits.look()
        grants = [f"{word}:{name}" for word in WORDS]
        self.keys[name], _ = await rooms.identity.create_token(name, grants)

    async def ask(
        self, county: str, method: str, path: str, body: Any = None, *, tenant: str = ""
    ) -> tuple[int, bytes, dict[bytes, bytes]]:
        """As one county, of its own tenant or of another."""
        encoded = b"" if body is None else json.dumps(body).encode()
        headers = {
            b"authorization": f"Bearer {self.keys[county]}".encode(),
            b"ngsild-tenant": (tenant or county).encode(),
        }
        if body is not None:
            headers |= {b"content-type": b"application/json"}
            headers |= {b"content-length": b"%d" % len(encoded)}
        where, _, query = path.partition("?")
        asked = Request(method, where.encode(), query.encode(), headers, encoded, "203.0.113.9")
        answer = self.broker.handle(asked)
        told = answer if isinstance(answer, Response) else await answer
        return told.status, told.body, dict(told.headers)


@pytest_asyncio.fixture
async def counties(tmp_path: Path) -> Any:
    city = await City.open(Settings(data=tmp_path, pieces=False, egress_allow=("203.0.113.5:80",)))
    made = Counties(city)
    await made.found("county_a")
    await made.found("county_b", limits={"requests_per_s": 1000.0})
    yield made
    await city.close()


def thing(name: str) -> dict[str, Any]:
    value = {"type": "Property", "value": SECRET}
    return {"id": f"urn:ngsi-ld:Thing:{name}", "type": f"Thing{SECRET}", SECRET: value}


async def test_no_county_sees_another(counties: Counties) -> None:
    """Every NGSI-LD operation, every page and every API route is asked with another county's key:
    each refuses or knows nothing, and no answer holds a word of what the first has."""
    status, _, _ = await counties.ask("county_a", "POST", "/ngsi-ld/v1/entities", thing("1"))
    assert 201 == status
    subscription = {
        "id": "urn:s:1", "type": "Subscription", "entities": [{"type": f"Thing{SECRET}"}],
        "notification": {"endpoint": {"uri": f"http://203.0.113.5/{SECRET}"}},
    }  # fmt: skip
    status, _, _ = await counties.ask("county_a", "POST", "/ngsi-ld/v1/subscriptions", subscription)
    assert 201 == status
    registration = {
        "id": "urn:r:1", "type": "ContextSourceRegistration",
        "information": [{"entities": [{"type": f"Other{SECRET}"}]}],
        "endpoint": f"http://203.0.113.5/{SECRET}",
    }  # fmt: skip
    where = "/ngsi-ld/v1/csourceRegistrations"
    status, body, _ = await counties.ask("county_a", "POST", where, registration)
    assert 201 == status, body
    leaks, answered = [], 0
    for path, methods in TABLE.items():
        named = IDS.get(path.partition("/")[0], ID)
        made = path.replace("{id}", named).replace("{attribute}", SECRET)
        made = made.replace("{type}", f"Thing{SECRET}")
        for method in methods:
            sent = None if method in ("GET", "DELETE") else {"id": ID, "type": "Harmless"}
            query = "?limit=10" if method == "GET" and made in ("entities", "types") else ""
            found = await counties.ask(
                "county_b", method, f"/ngsi-ld/v1/{made}{query}", sent, tenant="county_a"
            )
            if found[0] not in (400, 401, 403, 404):
                leaks.append(f"{method} {path}: {found[0]}")
            leaks += _leak(f"{method} {path}", found, made)
            own = await counties.ask("county_b", "GET", f"/ngsi-ld/v1/{made}{query}")
            leaks += _leak(f"own GET {path}", own, made)
            answered += 1
    assert [] == leaks
    assert answered > 60
    status, body, _ = await counties.ask("county_a", "GET", "/ngsi-ld/v1/entities/" + ID)
    assert (200, True) == (status, SECRET.encode() in body), "it is still there, for its own"


ID = "urn:ngsi-ld:Thing:1"
IDS = {"subscriptions": "urn:s:1", "csourceRegistrations": "urn:r:1"}


def _leak(what: str, told: tuple[int, bytes, dict[bytes, bytes]], path: str) -> list[str]:
    """A word of the other county anywhere in an answer, but for what was asked for: a refusal
    names it again."""
    _, body, headers = told
    whole = b"\n".join((body, *(b": ".join(one) for one in headers.items())))
    for part in path.split("/"):
        whole = whole.replace(part.encode(), b"")
    return [f"{what}: told {whole[:300]!r}"] if SECRET.encode() in whole else []


async def test_no_screen_shows_a_county_to_another(counties: Counties) -> None:
    """Pages, API, figures and the audit are the city's own: a county's key opens none of them."""
    assert 201 == (await counties.ask("county_a", "POST", "/ngsi-ld/v1/entities", thing("1")))[0]
    app = build_app(counties.city.rooms)
    transport = httpx.ASGITransport(app=app, client=STRANGER)  # type: ignore[arg-type]
    headers = {"authorization": f"Bearer {counties.keys['county_b']}"}
    wrong, asked = [], 0
    async with httpx.AsyncClient(
        transport=transport, base_url="http://city.example", headers=headers
    ) as client:
        for method, declared, path in routes(app):
            if method != "GET" or declared in PUBLIC or declared.endswith("events"):
                continue
            answer = await client.get(path)
            asked += 1
            told = answer.text + str(answer.headers)
            if SECRET in told or "county_a" in told:
                wrong.append(f"{declared}: {answer.status_code}")
    assert [] == wrong
    assert asked > 50
    figures = exposition(Families(_house(app)), "")[1].decode()
    assert SECRET not in figures
    assert "county_a" not in figures


def _house(app: Any) -> Any:
    return app.state["house"]


async def test_the_page_of_the_system_names_no_type_of_a_county(
    counties: Counties, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads the city's own tenant sees the indexes of that one; who operates the city all."""
    rooms = counties.city.rooms
    assert 201 == (await counties.ask("county_a", "POST", "/ngsi-ld/v1/entities", thing("1")))[0]
    told = {
        "types": (f"Thing{SECRET}",), "tenant": rooms.store.tenant("county_a"), "state": "ready",
        "path": "n", "trail": "", "entries": 1, "bytes": 100, "built": 1,
    }  # fmt: skip
    figures = {**rooms.store.statistics(), "learned": [told]}
    monkeypatch.setattr(rooms.store, "statistics", lambda: figures)
    transport = httpx.ASGITransport(app=build_app(rooms), client=STRANGER)  # type: ignore[arg-type]
    seen = []
    async with httpx.AsyncClient(transport=transport, base_url="http://city.example") as client:
        for grants in (["read:default"], ["read:default", "operate:default"]):
            secret, _ = await rooms.identity.create_token("own", grants)
            answer = await client.get("/system", headers={"authorization": f"Bearer {secret}"})
            assert 200 == answer.status_code
            seen.append(SECRET in answer.text)
    assert [False, True] == seen


async def test_limits_are_named(counties: Counties) -> None:
    """Over a rate: 429 with Retry-After and the limit's name. Over a quota: 403 with it. Suspended:
    403. The others go on."""
    await counties.found(
        "county_c", limits={"requests_per_s": 1.0, "burst": 4, "entities": 1, "subscriptions": 1}
    )
    first, _, _ = await counties.ask("county_c", "POST", "/ngsi-ld/v1/entities", thing("1"))
    second, body, _ = await counties.ask("county_c", "POST", "/ngsi-ld/v1/entities", thing("2"))
    assert (201, 403) == (first, second)
    told = json.loads(body)
    assert ("entities", 1) == (told["limit"], told["most"])
    assert told["type"].endswith("QuotaExceeded")
    _, body, _ = await counties.ask(
        "county_c", "POST", "/ngsi-ld/v1/entityOperations/upsert", [thing("1"), thing("3")]
    )
    assert "may have 1 entities" in body.decode()
    assert 200 == (await counties.ask("county_c", "GET", "/ngsi-ld/v1/entities/" + ID))[0]
    status, body, headers = await counties.ask("county_c", "GET", "/ngsi-ld/v1/entities/" + ID)
    assert 429 == status
    assert "requests_per_s" == json.loads(body)["limit"]
    assert 1 <= int({k.lower(): v for k, v in headers.items()}[b"retry-after"])
    assert 404 == (await counties.ask("county_b", "GET", "/ngsi-ld/v1/entities/" + ID))[0]
    rooms = counties.city.rooms
    rooms.configuration.save("tenants", "county_a", {"suspended": True}, by="test")
    assert rooms.limits is not None
    rooms.limits.look()
    status, body, _ = await counties.ask("county_a", "GET", "/ngsi-ld/v1/types")
    assert (403, "suspended") == (status, json.loads(body)["limit"])
    transport = httpx.ASGITransport(app=build_app(rooms), client=STRANGER)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://city.example") as client:
        mine = {"authorization": f"Bearer {counties.keys['county_a']}"}
        answer = await client.get("/events/entities?tenant=county_a&type=T", headers=mine)
        assert 403 == answer.status_code, answer.text


async def test_a_stream_ends_when_its_county_is_suspended() -> None:
    """Whatever it was to be told then is not told."""
    closed = False

    async def messages() -> AsyncGenerator[Told | None, None]:
        nonlocal closed
        try:
            yield None
            yield Told(position=7)
        finally:
            closed = True

    answers = iter((False, True))
    told = [one async for one in _frames(messages(), lambda: next(answers))]
    assert closed
    assert b"suspended" in told[-1]
    assert not any(b"7" in one for one in told)
