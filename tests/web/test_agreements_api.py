"""/api/v1/agreements: two sides agree over HTTP; others find nothing; a session needs its token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pintu.kernel.identity.words import Membership
from tests.web.identity_city import PASSWORD, Town, csrf, open_town

API = "/api/v1/agreements"
COLUMNS = [
    {"name": "id_number", "person": "id_number", "key": True},
    {"name": "child", "person": "name"},
    {"name": "vaccinated", "kind": "yes_no", "person": "health"},
    {"name": "school", "kind": "code"},
]
TERMS = {
    "data_set": "shots",
    "purpose": "enrolment",
    "basis": "statutory_duty",
    "fields": {"vaccinated": {"kind": "yes_no"}},
    "where": [{"column": "school", "comparison": "=", "value": "S1"}],
    "subject": "id_number",
    "limits": {"subjects_a_day": 300},
    "retention_days": 30,
    "until": "2099-01-01T00:00:00+08:00",
}
ASKED = {"terms": TERMS, "reason": "入学核验疫苗接种（演示）"}


class Side:
    """A browser of one person, with what its pages send along."""

    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self.client, self.token = client, token

    async def get(self, path: str = "", base: str = API) -> httpx.Response:
        return await self.client.get(base + path)

    async def post(self, path: str = "", base: str = API, **body: Any) -> httpx.Response:
        headers = {"x-csrf-token": self.token}
        return await self.client.post(base + path, json=body, headers=headers)


class Desk:
    """A town with a data set of health's, an officer of the school, and everybody's browsers."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.rooms = town.city.rooms
        self.owner: Side
        self.officer: Side

    async def side(self, login: str) -> Side:
        client = await self.town.signed_in(login)
        return Side(client, await csrf(client))

    async def in_force(self) -> str:
        made = (await self.officer.post(**ASKED)).json()
        assert 200 == (await self.owner.post(f"/{made['id']}/approve", version=1)).status_code
        assert 200 == (await self.officer.post(f"/{made['id']}/sign", version=1)).status_code
        return str(made["id"])


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_town(tmp_path / "town") as town:
        opened = Desk(town)
        people = opened.rooms.people
        assert people is not None
        told = [("offi", "school", "officer"), ("tram", "traffic", "owner")]
        if people.find_organisation("traffic") is None:
            from pintu.kernel.identity.words import Organisation

            await people.create_organisation(
                Organisation(id="traffic", name={"zh": "交通（演示）"})
            )
        for login, organisation, role in told:
            mine = Membership(organisation=organisation, role=role)  # type: ignore[arg-type]
            await people.create_person(login, "演示", PASSWORD, [mine])
        content = {"provider": "table", "owner": "health", "columns": COLUMNS}
        opened.rooms.configuration.save("datasets", "shots", content, by="test")
        opened.owner, opened.officer = await opened.side("olga"), await opened.side("offi")
        yield opened


async def test_two_sides_agree_and_one_ends_it(desk: Desk) -> None:
    """Checked, asked for, approved, signed, revoked; every step with its row of the log."""
    checked = await desk.officer.post("/check", **ASKED)
    assert (200, True) == (checked.status_code, checked.json()["ok"])
    assert {"shots": ["vaccinated"]} == checked.json()["union"]
    made = await desk.officer.post(**ASKED)
    assert 201 == made.status_code
    found = made.json()
    assert ("requested", "health", "school") == (
        found["state"],
        found["terms"]["provider"],
        found["terms"]["consumer"],
    )
    assert "2098-12-31T16:00:00Z" == found["terms"]["until"]
    path = f"/{found['id']}"
    assert 403 == (await desk.officer.post(path + "/approve", version=1)).status_code
    assert "approved" == (await desk.owner.post(path + "/approve", version=1)).json()["state"]
    assert 409 == (await desk.owner.post(path + "/approve", version=1)).status_code
    assert "active" == (await desk.officer.post(path + "/sign", version=1)).json()["state"]
    room = desk.rooms.agreements
    assert room is not None
    assert room.active(found["id"]) is not None
    room.held(found["id"], 3)
    weak = await desk.owner.post(path + "/revoke", version=1, reason="test")
    assert 400 == weak.status_code
    ended = await desk.owner.post(path + "/revoke", version=1, reason="目的已经达到")
    assert "revoked" == ended.json()["state"]
    assert room.active(found["id"]) is None
    whole = (await desk.officer.get(path)).json()
    assert ["request", "approve", "sign", "revoke"] == [one["deed"] for one in whole["steps"]]
    receipts = [one["receipt"] for one in whole["steps"]]
    assert sorted(set(receipts)) == receipts
    assert [{"version": 1, "state": "revoked"}] == whole["versions"]
    [recall] = whole["recalls"]
    answered = await desk.officer.post(
        f"/{recall['id']}/answer", "/api/v1/recalls", what="表与备份均已删除（演示）", rows=3
    )
    assert 200 == answered.status_code
    assert 3 == answered.json()["answer"]["rows"]
    assert [] == (await desk.owner.get()).json()
    assert [found["id"]] == [one["id"] for one in (await desk.owner.get("?closed=true")).json()]
    standing = (await desk.owner.get("/school", "/api/v1/standing")).json()
    assert (1, 1, 1.0) == (standing["answered"], standing["in_time"], standing["share_in_time"])


async def test_others_find_nothing(desk: Desk) -> None:
    """Another department: 404 for what is there and what is not; nobody: 401; the administrator,
    who reads no persons, is of neither side; a city's auditor sees all and may do nothing."""
    id = await desk.in_force()
    tram, root, watch = [await desk.side(one) for one in ("tram", "root", "watch")]
    for side in (tram, root):
        assert [] == (await side.get("?closed=true")).json()
        for path in (f"/{id}", "/ag-nothing", f"/{id}?version=1"):
            assert 404 == (await side.get(path)).status_code
        for deed in ("approve", "revoke"):
            done = await side.post(f"/{id}/{deed}", version=1, reason="我想停用它")
            assert 404 == done.status_code
    there = (await tram.get(f"/{id}")).json()["detail"].replace(id, "X")
    assert there == (await tram.get("/ag-nothing")).json()["detail"].replace("ag-nothing", "X")
    assert [id] == [one["id"] for one in (await watch.get()).json()]
    refused = await watch.post(f"/{id}/revoke", version=1, reason="我想停用它")
    assert 403 == refused.status_code
    nobody = desk.town.browser()
    for path in (API, f"{API}/{id}", "/api/v1/recalls", "/api/v1/standing/school"):
        assert 401 == (await nobody.get(path)).status_code


async def test_a_session_needs_its_token_and_our_own_page(desk: Desk) -> None:
    """Without the CSRF token, or from another site, nothing is done."""
    client = desk.officer.client
    assert 403 == (await client.post(API, json=ASKED)).status_code
    headers = {"x-csrf-token": desk.officer.token, "origin": "http://elsewhere.example"}
    assert 403 == (await client.post(API, json=ASKED, headers=headers)).status_code
    assert [] == (await desk.officer.get("?closed=true")).json()


async def test_the_same_key_is_the_same_request(desk: Desk) -> None:
    """In the body or in the header."""
    made = (await desk.officer.post(**ASKED, key="one")).json()
    headers = {"x-csrf-token": desk.officer.token, "idempotency-key": "one"}
    again = await desk.officer.client.post(API, json=ASKED, headers=headers)
    assert made == again.json()
    other = {**ASKED, "reason": "另一个理由说明"}
    assert 409 == (await desk.officer.post(**other, key="one")).status_code


WRONG: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({}, 400, "terms"),
    ({"terms": TERMS}, 400, "reason"),
    ({**ASKED, "reason": "测试"}, 400, "reason"),
    ({**ASKED, "more": 1}, 400, "more"),
    ({**ASKED, "terms": {**TERMS, "field": {}}}, 400, "field"),
    ({**ASKED, "terms": {**TERMS, "until": "soon"}}, 400, "until"),
    ({**ASKED, "terms": {**TERMS, "fields": {"child": {"kind": "face"}}}}, 400, "kind"),
    ({**ASKED, "terms": {**TERMS, "data_set": "nothing"}}, 404, "nothing"),
    ({**ASKED, "terms": {**TERMS, "data_set": 7}}, 400, "data_set"),
    ({**ASKED, "terms": {**TERMS, "consumer": "moon"}}, 400, "moon"),
    ({**ASKED, "terms": {**TERMS, "consumer": "traffic"}}, 403, "traffic"),
    ({**ASKED, "terms": {**TERMS, "subject": ""}}, 400, "one person a call"),
    ({**ASKED, "terms": []}, 400, "terms"),
)


async def test_what_cannot_be_used_is_named(desk: Desk) -> None:
    """Problem details that say which member, and nothing is kept."""
    for body, status, says in WRONG:
        answer = await desk.officer.post(**body)
        assert status == answer.status_code, answer.text
        assert says in answer.json()["detail"]
        assert "application/problem+json" == answer.headers["content-type"]
    assert [] == (await desk.officer.get("?closed=true")).json()


async def test_text_that_is_no_json_and_too_much_of_it(desk: Desk) -> None:
    """Half a body, another encoding, a body of a megabyte."""
    headers = {"x-csrf-token": desk.officer.token}
    for content in (b"{", b"\xff\xfe", b'{"terms": {}, "reason": "' + b"x" * 300_000 + b'"}'):
        answer = await desk.officer.client.post(API, content=content, headers=headers)
        assert 400 == answer.status_code
    assert 404 == (await desk.officer.post("/ag-x/explode")).status_code
