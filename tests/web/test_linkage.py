"""The review desk, objections and /api/v1/linkage, as people of two departments meet them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from pintu.kernel.exchange.landing import open_landing
from pintu.kernel.intake.mapping.words import Row
from pintu.kernel.linkage.linkage import Linkage
from pintu.kernel.linkage.schema import PAIR
from pintu.kernel.linkage.words import Ref
from tests.web.identity_city import Town, csrf, open_town, send

API = "/api/v1/linkage"
WHY = {"pintu-purpose": "treatment", "pintu-reason": quote("补种前核对")}
COLUMNS = [
    {"name": "no", "person": "account", "key": True},
    {"name": "xm", "person": "name", "title": {"zh": "姓名", "en": "Name"}},
    {"name": "sfzh", "person": "id_number"},
    {
        "name": "csrq",
        "person": "birth",
        "kind": "date",
        "title": {"zh": "出生日期", "en": "Born on"},
    },
    {"name": "dh", "person": "phone"},
    {"name": "zz", "person": "address"},
]
ROLES = {"name": "xm", "id_number": "sfzh", "birth": "csrq", "phone": "dh", "address": "zz"}
PLAN: dict[str, Any] = {
    "name": "children",
    "title": {"zh": "儿童（演示）", "en": "Children (demo)"},
    "sources": [
        {"data_set": "patients", "columns": ROLES},
        {"data_set": "pupils", "columns": ROLES},
    ],
    "authority": {"birth": ["patients"]},
}
ID = "330105201604050118"
NEAR = "330105201604050119"
LEFT = {"xm": "<b>赵</b>浩子", "sfzh": ID, "csrq": "2016-04-05", "dh": "13957102345",
        "zz": "听澜路12号3幢2单元501室"}  # fmt: skip
RIGHT = {"xm": "赵人子", "sfzh": NEAR, "csrq": "2016-05-04", "dh": "13957102345",
         "zz": "听澜路12号3-2-501"}  # fmt: skip


class Place:
    """A town with two tables, a plan and two uncertain pairs."""

    def __init__(self, town: Town) -> None:
        self.town = town
        found = town.city.rooms.linkage
        assert found is not None
        self.room: Linkage = found

    async def api(self, login: str) -> httpx.AsyncClient:
        client = await self.town.signed_in(login)
        client.headers.update({"x-csrf-token": await csrf(client), **WHY})
        return client

    async def fill(self) -> None:
        rooms = self.town.city.rooms
        for name, owner, row in (("patients", "health", LEFT), ("pupils", "school", RIGHT)):
            told = {"provider": "table", "owner": owner, "columns": COLUMNS}
            rooms.configuration.save("datasets", name, told, by="test")
            found = rooms.exchange.get(name)
            assert rooms.tables is not None
            landing = open_landing(rooms.tables, rooms.clock, found, source="x/1")
            rows = [Row(str(n), {"no": str(n), **row}) for n in (1, 2)]
            await landing.land("", "", rows, [])
        async with aclosing(await self.api("stew")) as client:
            answer = await client.put(f"{API}/plans/children", json=PLAN)
            assert 204 == answer.status_code, answer.text
        await self.pairs(2)

    async def pairs(self, count: int) -> None:
        rows = [
            {"plan": "children", "left_set": "patients", "left_key": str(n), "right_set": "pupils",
             "right_key": str(n), "score": 0.9 - n / 100, "why": "twins", "state": "open",
             "by": "", "at_us": 0, "reason": "", "event": 0, "mark": ""}
            for n in range(1, count + 1)
        ]  # fmt: skip
        await self.room._opened.run(lambda c: c.execute(PAIR.insert(), rows))


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with open_town(tmp_path / "town") as town:
        opened = Place(town)
        await opened.fill()
        yield opened


async def begin(client: httpx.AsyncClient, reason: str = "补种前核对名单") -> httpx.Response:
    return await send(client, "/linkage/children/begin", purpose="treatment", reason=reason)


async def test_a_desk_asks_why_once_and_shows_both_records(place: Place) -> None:
    """Purpose and reason are asked before anybody is shown; a placeholder is refused; then both
    records stand side by side, ids masked, script in a name as text, the other department's values
    withheld, and what they have in common in words."""
    async with aclosing(await place.town.signed_in("stew")) as client:
        asked = await client.get("/linkage/children")
        assert "Why you look" in asked.text and "13957" not in asked.text
        refused = await begin(client, "测试")
        assert refused.status_code in (400, 403) and "That is not enough" in refused.text
        assert 303 == (await begin(client)).status_code
        shown = (await client.get("/linkage/children")).text
        assert "&lt;b&gt;赵&lt;/b&gt;浩子" in shown and "<b>赵" not in shown
        assert ID not in shown and "330***********0118" in shown
        assert "13957102345" not in shown and "139****2345" in shown
        assert "赵人子" not in shown and "not shown to you" in shown
        assert "day and month are swapped" in shown and "the same telephone" in shown
        assert "补种前核对名单" in shown
        for key in "sdujz":
            assert (f'data-key="{key}"' in shown) == (key != "z")


async def test_decisions_by_keys_and_back(place: Place) -> None:
    """A verdict goes to the next pair, z takes it back, and the progress says how far it is; in the
    end the desk is empty."""
    async with aclosing(await place.town.signed_in("stew")) as client:
        await begin(client)
        first = await send(client, "/linkage/children/pairs/1", verdict="same", note="户口簿")
        assert "/linkage/children?at=2&done=same" == first.headers["location"]
        cluster = await place.room.find_cluster("children", Ref("patients", "1"))
        assert cluster is not None and Ref("pupils", "1") in cluster.members
        again = await send(client, "/linkage/children/pairs/1", verdict="different")
        assert 409 == again.status_code and "That was not done" in again.text
        back = await send(client, "/linkage/children/take-back")
        assert "/linkage/children?at=1&done=open" == back.headers["location"]
        assert None is await place.room.find_cluster("children", Ref("patients", "1"))
        await send(client, "/linkage/children/pairs/1", verdict="different")
        await send(client, "/linkage/children/pairs/2", verdict="unsure")
        over = (await client.get("/linkage/children")).text
        assert "Every pair is decided" in over and "1 pairs are laid aside" in over
        overview = (await client.get("/linkage")).text
        assert "2 of 2 pairs decided" in overview


async def test_who_may_not(place: Place) -> None:
    """A stranger, an auditor and an administrator see no pair; without a CSRF token nothing is
    decided; who belongs to neither department gets no further than the question."""
    async with place.town.browser() as stranger:
        assert 401 == (await stranger.get("/linkage/children")).status_code
    for login in ("root", "watch"):
        async with aclosing(await place.town.signed_in(login)) as client:
            assert (await begin(client)).status_code in (401, 403)
    async with aclosing(await place.town.signed_in("stew")) as client:
        await begin(client)
        bare = await client.post("/linkage/children/pairs/1", data={"verdict": "same"})
        assert 403 == bare.status_code
    assert 2 == (await place.room.desk.progress("children"))["open"]


async def test_an_objection_is_answered_on_its_page(place: Place) -> None:
    """The school's clerk objects to its copy; health's steward sees it with its term and corrects
    it; both places change."""
    await place.room.merge(
        "children", [Ref("patients", "1"), Ref("pupils", "1")], await hand(place)
    )
    async with aclosing(await place.api("clara")) as school:
        told = {"data_set": "pupils", "key": "1", "column": "csrq", "wish": "2016-05-04",
                "why": "户口本上是五月四日"}  # fmt: skip
        made = await school.post(f"{API}/objections", json=told)
        assert 200 == made.status_code, made.text
        assert ("patients", "health") == (made.json()["data_set"], made.json()["owner"])
    async with aclosing(await place.town.signed_in("stew")) as client:
        await begin(client)
        shown = (await client.get("/linkage-objections")).text
        assert "2016-05-04" in shown and "2016-04-05" in shown and "户口本上是五月四日" in shown
        number = made.json()["number"]
        done = await send(
            client, f"/linkage-objections/{number}", verdict="accept", value="2016-05-04",
            answer="核对出生医学证明", purpose="treatment",
        )  # fmt: skip
        assert 303 == done.status_code, done.text[:2_000]
        assert "corrected in 2 places" in (await client.get("/linkage-objections")).text


async def hand(place: Place) -> Any:
    """Health's steward, as the kernel knows her."""
    from pintu.kernel.access import Actor
    from pintu.kernel.linkage.acting import Hand

    person = place.town.people["stew"]
    actor = Actor(id=f"person:{person.id}", kind="person", person=person.id,
                  organisation="health", roles=frozenset({"steward"}))  # fmt: skip
    return Hand(actor=actor, purpose="treatment", reason="补种前核对名单")


async def test_the_api(place: Place) -> None:
    """Plans, pairs, verdicts, merges, golden records and undoing over HTTP; a duplicate key, NaN
    and an unknown member are refused; without purpose and reason nobody is told anything."""
    async with aclosing(await place.api("stew")) as client:
        (plan,) = (await client.get(f"{API}/plans")).json()
        assert {"open": 2, "same": 0, "different": 0, "unsure": 0} == plan["pairs"]
        pairs = (await client.get(f"{API}/plans/children/pairs")).json()
        assert [["patients", "1"], ["patients", "2"]] == [one["left"] for one in pairs]
        said = await client.post(f"{API}/pairs/1/verdict", json={"verdict": "unsure"})
        assert "unsure" == said.json()["state"]
        records = [["patients", "2"], ["pupils", "2"]]
        event = (await client.post(f"{API}/plans/children/merge", json={"records": records})).json()
        (cluster,) = event["after"]
        golden = (await client.get(f"{API}/clusters/{cluster['id']}")).json()
        birth = next(one for one in golden["attributes"] if one["name"] == "birth")
        assert ("2016-04-05", "authority") == (birth["holds"]["value"], birth["settled"])
        undone = await client.post(f"{API}/unmerge", json={"event": event["number"]})
        assert [] == undone.json()["after"]
        twice = b'{"verdict": "same", "verdict": "different"}'
        more = b'{"verdict": "same", "more": 1}'
        for body in (twice, more, b'{"verdict": NaN}', b'{"verdict": "maybe"}', b"[", b""):
            answer = await client.post(f"{API}/pairs/2/verdict", content=body)
            assert 400 == answer.status_code, body
        bare = await client.get(f"{API}/plans/children/pairs", headers={"pintu-reason": ""})
        assert 403 == bare.status_code
        assert 404 == (await client.get(f"{API}/clusters/none")).status_code


async def test_empty_and_crowded(tmp_path: Path, place: Place) -> None:
    """A city that links nothing says what will be here; a crowded desk shows one pair at a time."""
    async with (
        open_town(tmp_path / "empty") as town,
        aclosing(await town.signed_in("stew")) as client,
    ):
        empty = (await client.get("/linkage")).text
        assert "Nothing is linked yet" in empty
        assert "Nobody objects" in (await client.get("/linkage-objections")).text
    rows = [
        {"plan": "children", "left_set": "patients", "left_key": f"x{n}", "right_set": "pupils",
         "right_key": f"x{n}", "score": 0.5, "why": "score", "state": "open", "by": "",
         "at_us": 0, "reason": "", "event": 0, "mark": ""}
        for n in range(5_000)
    ]  # fmt: skip
    await place.room._opened.run(lambda c: c.execute(PAIR.insert(), rows))
    async with aclosing(await place.town.signed_in("stew")) as client:
        await begin(client)
        shown = (await client.get("/linkage/children?at=100")).text
        assert "0 of 5,002 decided" in shown
        assert len(shown) < 40_000
