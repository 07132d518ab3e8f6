"""Two brokers of one city on one PostgreSQL, in one process: what one writes the other answers,
and what only one may do is done by one.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from pintu.kernel.store.postgres import leading
from pintu.kit.testing import free_port
from pintu.processes.broker import _config
from pintu.processes.several import Several, SeveralServer
from pintu.settings import Settings
from tests.faults.brokers_town import Told, wait_until
from tests.postgres import CityServer

T = TypeVar("T")
ENTITIES = "/ngsi-ld/v1/entities"
SUBSCRIPTIONS = "/ngsi-ld/v1/subscriptions"
LAMP = "urn:ngsi-ld:Lamp:{}"


class Two:
    """`a` led first; both serve on ports of their own, on a loop in a thread."""

    def __init__(self, folder: Path, address: str, allow: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.severals: list[Several] = []
        self.ports: list[int] = []
        self._servers: list[SeveralServer] = []
        self._serving: list[asyncio.Task[None]] = []
        for name in ("a", "b"):
            data = folder / name
            (data / "keys").mkdir(mode=0o700, parents=True)
            if self.severals:
                shutil.copy2(folder / "a" / "keys" / "log.pem", data / "keys")
            port = free_port()
            self.ports.append(port)
            settings = Settings(
                data=data, store=address, port=port, node=name, pieces=False, egress_allow=(allow,)
            )
            self.run(self._open(settings))
        made = folder / "a" / "admin.token"
        assert wait_until(made.exists, 20) < 20
        self.token = made.read_text().strip()
        self.a, self.b = (self.client(at) for at in (0, 1))

    async def _open(self, settings: Settings) -> None:
        several = Several(settings)
        await several.open()
        server = SeveralServer(_config(settings, several.standing, several.broker), several)
        self.severals.append(several)
        self._servers.append(server)
        serving = asyncio.create_task(server.serve())
        self._serving.append(serving)
        while not server.started:
            assert not serving.done()
            await asyncio.sleep(0.01)

    def run(self, work: Awaitable[T]) -> T:
        """Something on the brokers' loop."""

        async def done() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(done(), self.loop).result(60)

    def client(self, at: int, token: str = "") -> httpx.Client:
        """Of one of the brokers."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        address = f"http://127.0.0.1:{self.ports[at]}"
        return httpx.Client(base_url=address, headers=headers, timeout=20)

    def close(self) -> None:
        """End both."""
        self.a.close()
        self.b.close()

        async def end() -> None:
            for server in self._servers:
                server.should_exit = True
            await asyncio.gather(*self._serving)
            for several in self.severals:
                await several.close()

        self.run(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


@pytest.fixture(scope="module", autouse=True)
def patient() -> Iterator[None]:
    """The brokers of this file share one loop: on a busy machine the opening of one keeps the other
    from its beats, which no broker with a process of its own does."""
    with pytest.MonkeyPatch.context() as patch:
        for name, times in (("ASK_S", 5), ("SURE_S", 20), ("LAPSE_S", 20), ("GONE_S", 20)):
            patch.setattr(leading, name, times * getattr(leading, name))
        yield


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    """An endpoint."""
    made = Told()
    yield made
    made.close()


@pytest.fixture(scope="module")
def two(
    tmp_path_factory: pytest.TempPathFactory, city_server: CityServer, told: Told
) -> Iterator[Two]:
    """Two brokers that know each other."""
    address = city_server.address()
    made = Two(tmp_path_factory.mktemp("several"), address, f"127.0.0.1:{told.port}")
    yield made
    made.close()
    city_server.leave(address)


def lamp(number: int, **values: Any) -> dict[str, Any]:
    """An entity."""
    found = {name: {"type": "Property", "value": one} for name, one in values.items()}
    return {"id": LAMP.format(number), "type": "Lamp", **found}


def answered(answer: httpx.Response, status: int) -> Any:
    """The document of an answer with that status."""
    assert status == answer.status_code, answer.text
    return answer.json() if answer.content else None


def test_what_one_writes_the_other_answers(two: Two) -> None:
    """At once, whichever is asked; also of a type, an attribute and a tenant it never met."""
    a, b = two.a, two.b
    answered(a.post(ENTITIES, json=lamp(1, n=1)), 201)
    assert 1 == answered(b.get(f"{ENTITIES}/{LAMP.format(1)}"), 200)["n"]["value"]
    answered(b.patch(f"{ENTITIES}/{LAMP.format(1)}/attrs", json={"n": {"value": 2}}), 204)
    assert 2 == answered(a.get(f"{ENTITIES}/{LAMP.format(1)}"), 200)["n"]["value"]
    for round_, (writer, reader) in enumerate([(a, b), (b, a)] * 3):
        kind = f"Kind{round_}"
        entity = {"id": f"urn:ngsi-ld:{kind}:1", "type": kind, f"p{round_}": {"value": 1}}
        answered(writer.post(ENTITIES, json=entity), 201)
        found = reader.get(ENTITIES, params={"type": kind, "count": "true"})
        assert [entity["id"]] == [one["id"] for one in answered(found, 200)]
        assert "1" == found.headers["ngsild-results-count"]
        assert kind in answered(reader.get("/ngsi-ld/v1/types"), 200)["typeList"]
        names = answered(reader.get("/ngsi-ld/v1/attributes"), 200)["attributeList"]
        assert f"p{round_}" in names
        answered(writer.delete(f"{ENTITIES}/{entity['id']}"), 204)
        answered(reader.get(f"{ENTITIES}/{entity['id']}"), 404)
        assert kind not in answered(reader.get("/ngsi-ld/v1/types"), 200)["typeList"]
        there = {"NGSILD-Tenant": f"t{round_}"}
        answered(writer.post(ENTITIES, json=entity, headers=there), 201)
        answered(reader.get(f"{ENTITIES}/{entity['id']}", headers=there), 200)


def test_places_written_by_the_other_are_found_and_gone(two: Two) -> None:
    """An index that one broker made is kept by the other, which moves what lies in it."""
    a, b = two.a, two.b

    def near(client: httpx.Client, lon: float) -> list[str]:
        where = {"georel": "near;maxDistance==100", "geometry": "Point",
                 "coordinates": f"[{lon},30]", "type": "Pole"}  # fmt: skip
        return [one["id"] for one in answered(client.get(ENTITIES, params=where), 200)]

    def pole(lon: float) -> dict[str, Any]:
        place = {"type": "Point", "coordinates": [lon, 30.0]}
        return {"location": {"type": "GeoProperty", "value": place}}

    answered(b.post(ENTITIES, json={"id": "urn:x:p1", "type": "Pole", "n": {"value": 1}}), 201)
    answered(a.post(f"{ENTITIES}/urn:x:p1/attrs", json=pole(120)), 204)
    assert ["urn:x:p1"] == near(b, 120) == near(a, 120)
    answered(b.patch(f"{ENTITIES}/urn:x:p1/attrs", json=pole(121)), 204)
    for client in (a, b):
        assert [] == near(client, 120)
        assert ["urn:x:p1"] == near(client, 121)


def test_an_index_that_one_learned_is_kept_by_all(two: Two) -> None:
    """The one that leads learns; what the other writes meanwhile and later is found by it."""
    a, b = two.a, two.b
    batch = [{**lamp(number, level=number), "type": "Meter"} for number in range(1000, 1600)]
    answered(b.post("/ngsi-ld/v1/entityOperations/create", json=batch), 201)

    def found(client: httpx.Client, value: int) -> list[str]:
        asked = {"type": "Meter", "q": f"level=={value}"}
        return [one["id"] for one in answered(client.get(ENTITIES, params=asked), 200)]

    def ready() -> bool:
        found(a, 1000)
        return [one["state"] for one in two.run(_learned(two.severals[0]))] == ["ready"]

    number = 0
    while not ready() and number < 100:
        number += 1
        change = {"level": {"type": "Property", "value": 5000 + number}}
        answered(b.patch(f"{ENTITIES}/{LAMP.format(1000 + number)}/attrs", json=change), 204)
    assert ready()
    answered(b.patch(f"{ENTITIES}/{LAMP.format(1500)}/attrs", json={"level": {"value": 9}}), 204)
    for client in (a, b):
        assert [LAMP.format(1500)] == found(client, 9)
        assert [] == found(client, 1500)
        for one in range(1, number + 1):
            assert [LAMP.format(1000 + one)] == found(client, 5000 + one)


async def _learned(several: Several) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = several.rooms.store.statistics()["learned"]
    return shown


def test_a_revoked_token_is_refused_by_both(two: Two) -> None:
    """Also on the broker that did not revoke it."""
    identity = two.severals[0].rooms.identity
    secret, token = two.run(identity.create_token("reader", ["read:*"]))
    reader = two.client(1, secret)
    assert wait_until(lambda: reader.get(ENTITIES, params={"type": "Lamp"}).is_success, 20) < 20
    two.run(identity.revoke_token(token.id))
    refused = lambda: reader.get(ENTITIES, params={"type": "Lamp"}).status_code == 401  # noqa: E731
    assert wait_until(refused, 20) < 20
    reader.close()


def test_who_subscribed_at_one_is_told_once_of_what_both_write(two: Two, told: Told) -> None:
    """Every value, in order, by the broker that leads."""
    asked = {
        "type": "Subscription",
        "entities": [{"type": "Bell"}],
        "notification": {"endpoint": {"uri": f"http://127.0.0.1:{told.port}/"}},
    }
    answered(two.b.post(SUBSCRIPTIONS, json=asked), 201)
    for client in (two.a, two.b):
        assert 1 == len(answered(client.get(SUBSCRIPTIONS), 200))
    bell = {"id": "urn:x:bell", "type": "Bell", "n": {"type": "Property", "value": 0}}
    answered(two.b.post(ENTITIES, json=bell), 201)
    for n in range(1, 40):
        client = (two.a, two.b, two.b)[n % 3]
        change = {"n": {"type": "Property", "value": n}}
        answered(client.patch(f"{ENTITIES}/urn:x:bell/attrs", json=change), 204)
    wait_until(lambda: len(told.values.get("urn:x:bell", ())) >= 40, 20)
    assert list(range(40)) == told.values["urn:x:bell"]


def test_a_registration_made_at_one_holds_at_the_other(two: Two, told: Told) -> None:
    """Its tenant's requests are the leader's from then on: both answer alike."""
    there = {"NGSILD-Tenant": "sourced"}
    answered(two.a.post(ENTITIES, json=lamp(7, n=1), headers=there), 201)
    asked = {
        "type": "ContextSourceRegistration",
        "information": [{"entities": [{"type": "Tram"}]}],
        "endpoint": f"http://127.0.0.1:{told.port}/",
    }
    answered(two.b.post("/ngsi-ld/v1/csourceRegistrations", json=asked, headers=there), 201)
    before = two.severals[1].broker.forwarder.forwarded

    def handed_on() -> bool:
        answered(two.b.get(f"{ENTITIES}/{LAMP.format(7)}", headers=there), 200)
        return two.severals[1].broker.forwarder.forwarded > before

    assert wait_until(handed_on, 20) < 20


def test_what_is_the_leaders_is_handed_on_and_nobody_else_is_believed(two: Two) -> None:
    """Pages, the past, @contexts; a header that only brokers may send is refused."""
    assert two.b.get("/").is_success and "html" in two.b.get("/").headers["content-type"]
    answered(two.b.post(ENTITIES, json=lamp(77, n=1)), 201)
    path = f"/ngsi-ld/v1/temporal/entities/{LAMP.format(77)}"
    assert answered(two.a.get(path), 200) == answered(two.b.get(path), 200)
    made = two.b.post("/ngsi-ld/v1/jsonldContexts", json={"@context": {"x": "https://x.example/x"}})
    assert 201 == made.status_code
    url = f"http://127.0.0.1:{two.ports[1]}{made.headers['location']}"
    link = f'<{url}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
    entity = {"id": "urn:x:ctx", "type": "Thing", "x": {"type": "Property", "value": 1}}
    for client in (two.a, two.b):
        headers = {"Link": link}
        sent = client.post(ENTITIES, json={**entity, "id": f"urn:x:{client.base_url.port}"},
                           headers=headers)  # fmt: skip
        assert 201 == sent.status_code, sent.text
        stored = answered(client.get(f"{ENTITIES}/urn:x:{client.base_url.port}"), 200)
        assert "https://x.example/x" in stored
    for client in (two.a, two.b):
        for path in (ENTITIES + "?type=Lamp", "/"):
            forged = client.get(path, headers={"Pintu-Forwarded": "guess 127.0.0.1 localhost"})
            assert 403 == forged.status_code


def test_what_is_the_leaders_is_known_however_it_is_written(two: Two) -> None:
    """Moments and entity maps in other spellings, and in the body of a query; a request without
    Host."""
    answered(two.a.post(ENTITIES, json=lamp(78, n=1)), 201)
    forwarder = two.severals[1].broker.forwarder
    asked = {"type": "Query", "entities": [{"type": "Lamp"}]}
    for method, path in (
        ("GET", f"{ENTITIES}?type=Lamp&entityM%61p=true"),
        ("GET", f"{ENTITIES}/{LAMP.format(78)}?%61t=2020-01-01T00:00:00Z"),
        ("POST", "/ngsi-ld/v1/entityOperations/query"),
    ):
        before, body = forwarder.forwarded, {**asked, "entityMap": True}
        answer = two.b.request(method, path, json=body if method == "POST" else None)
        assert answer.status_code in (200, 201, 404), answer.text
        assert forwarder.forwarded > before, path
    answered(two.b.get(f"{ENTITIES}?type=Lamp&format=keyValues"), 200)
    assert forwarder.forwarded == before + 1, "what has no such word is answered here"
    with socket.create_connection(("127.0.0.1", two.ports[1]), 10) as line:
        line.sendall(b"GET /api/v1/pieces HTTP/1.0\r\n\r\n")
        told = line.makefile("rb").readline()
        assert told.split()[1] in (b"200", b"401", b"403", b"404"), told


def test_who_ends_hands_the_lead_on(two: Two, told: Told) -> None:
    """The other leads, tells subscribers, and knows what was kept in the folder; the first one
    still answers."""
    first, second = two.severals
    configured = first.settings.data / "config" / "note.toml"
    configured.parent.mkdir(exist_ok=True)
    configured.write_text('said = "yes"\n')
    there = second.settings.data / "config" / "note.toml"
    assert wait_until(there.exists, 20) < 20
    assert configured.read_text() == there.read_text()
    two.run(first.drain())
    began = time.monotonic()
    assert 1 == len(answered(two.a.get(SUBSCRIPTIONS), 200))
    assert time.monotonic() - began < 18
    assert second.lead.leads and not first.lead.leads
    change = {"n": {"type": "Property", "value": 99}}
    answered(two.a.patch(f"{ENTITIES}/urn:x:bell/attrs", json=change), 204)
    wait_until(lambda: told.values["urn:x:bell"][-1] == 99, 20)
    assert 99 == told.values["urn:x:bell"][-1]


def test_who_was_away_takes_what_the_others_kept_before_it_leads(
    tmp_path: Path, city_server: CityServer
) -> None:
    """A broker that comes back after all others ended has old files: neither does it serve them,
    nor give them to the others. What is edited while nobody runs stays."""
    address = city_server.address()

    async def live(name: str, *, until: str = "", put: str = "", drop: str = "") -> None:
        """One broker's life alone: until a file says something; then it writes and drops some."""
        data = tmp_path / name
        several = Several(Settings(data=data, store=address, node=name, pieces=False))
        await several.open()
        try:
            while not several.city.leading.running:  # on a slow machine it has to ask again
                await asyncio.sleep(0.05)
            note = data / "config" / "note.toml"
            assert until == (note.read_text() if note.exists() else "")
            if put:
                note.parent.mkdir(exist_ok=True)
                note.write_text(put)
            if drop:
                (data / "config" / drop).unlink()
        finally:  # what it has when it ends is the next one's
            await several.close()

    async def lives() -> None:
        for name in ("a", "c"):
            (tmp_path / name / "keys").mkdir(mode=0o700, parents=True)
            (tmp_path / name / "config").mkdir()
        (tmp_path / "a" / "config" / "gone.toml").write_text("x = 1\n")
        await live("a", put='said = "old"\n')
        shutil.copytree(tmp_path / "a", tmp_path / "c", dirs_exist_ok=True)
        (tmp_path / "c" / "broker.sock").unlink(missing_ok=True)
        await live("a", until='said = "old"\n', put='said = "new"\n', drop="gone.toml")
        await live("c", until='said = "new"\n')
        assert not (tmp_path / "c" / "config" / "gone.toml").exists()
        (tmp_path / "c" / "config" / "note.toml").write_text('said = "by hand"\n')
        await live("c", until='said = "by hand"\n')

    asyncio.run(lives())
    city_server.leave(address)
