"""No way in or out without the gate: every route of the built application is walked.

A route added later fails here until it asks the gate, or stands below with the reason why not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from litestar.routes import ASGIRoute, HTTPRoute

from pintu.city import City
from pintu.kernel.access import Act, Actor, Projection
from pintu.settings import Settings
from pintu.web.app import build_app
from pintu.web.ngsi_ld import Broker
from pintu.web.ngsi_ld.message import Request, Response
from pintu.web.ngsi_ld.routes import TABLE

pytestmark = pytest.mark.asyncio(loop_scope="module")

PUBLIC = {
    "/.well-known/openid-configuration": "how other houses find this one's sign-in",
    "/oidc/jwks": "public keys of sign-ins",
    "/.well-known/pintu-node": "public keys of this node",
    "/api/v1/exchange/node": "public keys of this node",
    "/api/v1/audit/key": "the public key of the log",
    "/api/v1/audit/heads": "signed heads: digests of digests, made to be shown to strangers",
    "/api/v1": "what the API can be asked",
    "/static/{}": "what every page needs to be drawn; the same for everybody",
    "/duty-worker.js": "what a browser runs to show a push; the same for everybody",
    "/healthz": "whether the process lives; no figures",
    "/readyz": "whether it can answer; no figures",
    "/vocabulary/context.jsonld": "words are no secret, and other brokers fetch them",
    "/api/v1/openapi.json": "what the API can be asked",
    "/sign-in": "where nobody becomes somebody",
    "/sign-out": "ends the caller's own session; without one it does nothing",
}
"""Routes that tell nothing of the city and do nothing in it."""

BY_ROLE = {
    "/api/v1/agreements": "told to their two sides and to auditors",
    "/api/v1/recalls": "told to their two sides and to auditors",
    "/api/v1/audit/checkpoint": "the signed head again, for who may ask for proofs",
    "/people": "accounts, told by role: identity's own room, refused to strangers above",
    "/people/programs": "the same of tokens",
}
"""Routes that tell no row of a data set: their rooms decide by organisation and role."""

STRANGER = ("203.0.113.9", 40_000)
REFUSED = frozenset((401, 403))
NOT_READ = frozenset((400, 404, 405, 411, 413, 415, 422, 429))
"""The request was not understood: no answer yet. Whoever is signed in asks again below."""


class Asked:
    """The real gate, and how often it was asked."""

    def __init__(self, gate: Any) -> None:
        self._decide, self.times = gate.decide, 0
        gate.decide = self

    def __call__(self, actor: Actor, act: Act) -> Projection:
        self.times += 1
        found: Projection = self._decide(actor, act)
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def city(tmp_path_factory: pytest.TempPathFactory) -> Any:
    opened = await City.open(Settings(data=tmp_path_factory.mktemp("routes")))
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
def asked(city: City) -> Asked:
    return Asked(city.rooms.gate)


def routes(app: Any) -> Iterator[tuple[str, str, str]]:
    """(method, path as declared, path to be asked for) of everything the application answers."""
    for route in app.routes:
        assert isinstance(route, HTTPRoute | ASGIRoute)
        made = "/".join(
            part if isinstance(part, str) else value_of(part.name)
            for part in ("", *route.path_components)
        )
        declared = "/".join(
            part if isinstance(part, str) else "{}" for part in ("", *route.path_components)
        )
        methods = route.methods if isinstance(route, HTTPRoute) else {"GET"}
        for method in sorted(methods - {"OPTIONS", "HEAD"}):
            yield method, declared or "/", made or "/"


def value_of(name: str) -> str:
    """Something a path can hold where it has a name for it."""
    return {"name": "context.Streetlight", "file": "a.csv"}.get(name, "a1")


async def test_a_stranger_gets_nothing(city: City, asked: Asked) -> None:
    """From elsewhere and with no rights: every route refuses, sends to the sign-in page, does not
    understand the request, or is public for a reason."""
    app = build_app(city.rooms)
    transport = httpx.ASGITransport(app=app, client=STRANGER)  # type: ignore[arg-type]
    wrong, seen = [], set()
    async with httpx.AsyncClient(transport=transport, base_url="http://city.example") as client:
        for method, declared, path in routes(app):
            seen.add(declared)
            if declared in PUBLIC:
                continue
            answer = await client.request(method, path, headers={"accept": "text/html"})
            place = answer.headers.get("location", "")
            to_sign_in = answer.status_code in (302, 303) and place.startswith("/sign-in")
            if answer.status_code not in REFUSED | NOT_READ and not to_sign_in:
                wrong.append(f"{method} {declared}: {answer.status_code} {place}")
    assert "" == "\n".join(wrong)
    assert set() == PUBLIC.keys() - seen, "a public route that is no more"


async def test_no_answer_without_the_gate(city: City, asked: Asked) -> None:
    """Whoever may do everything: what is answered was decided by the gate first."""
    app = build_app(city.rooms)
    transport = httpx.ASGITransport(app=app, client=STRANGER)  # type: ignore[arg-type]
    headers = {"authorization": f"Bearer {city.first_token}"}
    wrong, answered = [], []
    async with httpx.AsyncClient(
        transport=transport, base_url="http://city.example", headers=headers
    ) as client:
        for method, declared, path in routes(app):
            if declared in PUBLIC or declared == "/events" or declared.endswith("/events"):
                continue
            before = asked.times
            answer = await client.request(method, path)
            if answer.status_code < 400:
                answered.append(declared)
                if asked.times == before and declared not in BY_ROLE:
                    wrong.append(f"{method} {declared}: {answer.status_code}")
    assert "" == "\n".join(wrong)
    assert 20 < len(answered)


@pytest.mark.parametrize("path", sorted(TABLE))
async def test_ngsi_ld_asks_first(city: City, asked: Asked, path: str) -> None:
    """Every operation of the standard, also those that are not there yet."""
    broker = Broker(city.rooms)
    made = path.replace("{id}", "urn:ngsi-ld:Streetlight:1").replace("{attribute}", "powerState")
    made = made.replace("{type}", "Streetlight").replace("{instance}", "urn:i:1")
    for method in TABLE[path]:
        body = orjson.dumps({"id": "urn:ngsi-ld:A:1", "type": "A"})
        headers = {b"content-type": b"application/json", b"content-length": b"%d" % len(body)}
        request = Request(method, f"/ngsi-ld/v1/{made}".encode(), b"", headers, body, STRANGER[0])
        before = asked.times
        answer = broker.handle(request)
        response = answer if isinstance(answer, Response) else await answer
        assert (401, True) == (response.status, asked.times > before), f"{method} {path}"


async def test_the_walk_walks() -> None:
    """A route that answers anybody is found."""
    from litestar import Litestar, get

    @get("/leak/{name:str}")
    async def leak(name: str) -> str:
        return name

    assert ("GET", "/leak/{}", "/leak/context.Streetlight") in list(routes(Litestar([leak])))
