"""Signing in, my account, people, the glass: as a browser sees them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.web.identity_city import PASSWORD, Town, csrf, open_town, send


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with open_town(tmp_path_factory.mktemp("town") / "data") as opened:
        yield opened


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_somebody_signs_in_and_acts_for_one_of_their_organisations(town: Town) -> None:
    """The first one until they choose; another one comes with another cookie."""
    client = await town.signed_in("olga")
    shown = (await client.get("/account")).text
    assert "欧演示" in shown
    assert "Health" in shown
    before = client.cookies["pintu_session"]
    answer = await send(client, "/account/act-for", organisation="school")
    assert 303 == answer.status_code
    assert before != client.cookies["pintu_session"]
    identity = town.city.rooms.identity
    cookie = b"pintu_session=" + client.cookies["pintu_session"].encode()
    actor = identity.actor({b"cookie": cookie}, "10.0.0.1")
    assert ("school", frozenset({"clerk"})) == (actor.organisation, actor.roles)
    gone = identity.actor({b"cookie": b"pintu_session=" + before.encode()}, "10.0.0.1")
    assert "anonymous" == gone.kind
    answer = await send(client, "/account/act-for", organisation="city")
    assert 400 == answer.status_code


async def test_a_cookie_planted_beforehand_opens_nothing(town: Town) -> None:
    """Session fixation: signing in never goes on with the cookie a browser came with."""
    async with town.browser() as client:
        client.cookies.set("pintu_session", "planted", domain="localhost")
        data = {"login": "clara", "password": PASSWORD}
        answer = await client.post("/sign-in", data=data)
        fresh = answer.cookies["pintu_session"]
        assert "planted" != fresh
        identity = town.city.rooms.identity
        planted = identity.actor({b"cookie": b"pintu_session=planted"}, "10.0.0.1")
        assert "anonymous" == planted.kind


@pytest.mark.parametrize(
    "wish",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)",
     "/a\r\nSet-Cookie: x=y", "\\\\evil.example", ""],
)  # fmt: skip
async def test_after_signing_in_nobody_is_sent_elsewhere(town: Town, wish: str) -> None:
    """Open redirects: `next` is a path of this city or the first page."""
    async with town.browser(peer="10.9.9.9") as client:
        data = {"login": "clara", "password": PASSWORD, "next": wish}
        answer = await client.post("/sign-in", data=data)
        assert (303, "/") == (answer.status_code, answer.headers["location"])


async def test_a_wrong_login_and_a_wrong_password_are_told_alike(town: Town) -> None:
    """Nothing on the page says which accounts there are."""
    said = []
    for login in ("clara", "nobody-has-this"):
        async with town.browser(peer=f"10.1.1.{len(login)}") as client:
            answer = await client.post("/sign-in", data={"login": login, "password": "wrong" * 4})
            assert 401 == answer.status_code
            said.append(re.sub(login, "", answer.text))
    assert said[0] == said[1]


async def test_a_script_in_a_name_is_a_name(town: Town) -> None:
    """Stored script: shown as it was typed, on every page that shows a name."""
    root = await town.signed_in("root")
    rosa = town.people["rosa"].id
    for path in ("/people", f"/people/{rosa}"):
        shown = (await root.get(path)).text
        assert "<script>alert(1)" not in shown
        assert "&lt;script&gt;alert(1)&lt;/script&gt;陈" in shown
    own = await town.signed_in("rosa")
    assert "<script>alert(1)" not in (await own.get("/account")).text


async def test_every_unsafe_route_wants_our_own_page(town: Town) -> None:
    """CSRF: without the token, with a wrong one, or from elsewhere nothing is done."""
    client = await town.signed_in("root")
    stew = town.people["stew"].id
    paths = [
        "/account/act-for", "/account/password", "/account/sessions/others",
        "/account/passkeys/00", "/account/delegations/00", "/people", "/people/organisations",
        *(f"/people/{stew}/{deed}" for deed in ("roles", "link", "disable", "unlock", "rename")),
        "/people/delegations", "/people/delegations/00/end", "/people/programs",
        "/people/programs/00/end", "/account/join/x", "/account/part", "/sign-in/with/x",
        "/oidc/authorize", "/glass", "/glass/close", "/glass/1/judge", "/sign-out", "/sign-in/link",
        "/api/v1/identity/passkeys/offer", "/api/v1/identity/passkeys",
        "/api/v1/identity/passkeys/challenge", "/api/v1/identity/passkeys/sign-in",
    ]  # fmt: skip
    for path in paths:
        for headers, token in (
            ({}, ""),
            ({}, "wrong"),
            ({"origin": "https://evil.example"}, await csrf(client)),
            ({"sec-fetch-site": "cross-site"}, await csrf(client)),
        ):
            answer = await client.post(path, data={"csrf": token}, headers=headers)
            assert 403 == answer.status_code, (path, headers, answer.text[:300])


async def test_an_owner_manages_members_and_nobody_else(town: Town) -> None:
    """An owner gives roles in their own organisation, never the administrator's, never a link to
    an account that is something elsewhere."""
    client = await town.signed_in("olga")
    stew, clara, root = (town.people[one].id for one in ("stew", "clara", "root"))
    listed = (await client.get("/people")).text
    assert "司徒·演示" in listed
    assert "柯演示" not in listed
    answer = await send(client, f"/people/{stew}/roles", **{"role.health.officer": "yes"})
    assert 303 == answer.status_code
    known = town.city.rooms.identity.people
    assert ["officer"] == [one.role for one in known.get_person(stew).memberships]
    await send(client, f"/people/{stew}/roles", **{"role.health.steward": "yes"})
    for field in ("role.city.admin", "role.health.admin", "role.school.owner", "role.city.auditor"):
        assert 403 == (await send(client, f"/people/{stew}/roles", **{field: "yes"})).status_code
    for person in (clara, root):
        for deed in ("link", "roles", "disable", "unlock", "rename", "sign-out"):
            assert 403 == (await send(client, f"/people/{person}/{deed}", name="x")).status_code
    assert 403 == (await (await town.signed_in("clara")).get("/people")).status_code


async def test_a_link_sets_a_password_once(town: Town) -> None:
    """Whoever gets it is signed in, other browsers are signed out, and the owner hears of it."""
    root = await town.signed_in("root")
    old = await town.signed_in("stew")
    shown = await send(root, f"/people/{town.people['stew'].id}/link")
    found = re.search(r"http://localhost:9310(/sign-in/link\?code=[\w-]+)", shown.text)
    assert found
    code = found[1].partition("code=")[2]
    async with town.browser() as client:
        assert "司徒·演示" in (await client.get(found[1])).text
        short = {"code": code, "password": "short", "again": "short"}
        assert 400 == (await client.post("/sign-in/link", data=short)).status_code
        new = {"code": code, "password": PASSWORD + "!", "again": PASSWORD + "!"}
        assert 303 == (await client.post("/sign-in/link", data=new)).status_code
        assert 200 == (await client.get("/account")).status_code
        again = await town.browser(peer="10.2.2.2").post("/sign-in/link", data=new)
        assert 401 == again.status_code
        back = {"old": PASSWORD + "!", "password": PASSWORD, "again": PASSWORD}
        assert 303 == (await send(client, "/account/password", **back)).status_code
        told = town.city.rooms.notices
        assert told is not None
        person = town.city.rooms.identity.people.get_person(town.people["stew"].id)
        assert "account" == told.mine(person)[0].kind
    assert 401 == (await old.get("/account")).status_code


async def test_the_glass_is_broken_in_the_open(town: Town) -> None:
    """Not for a reason that is none; the auditor hears, judges once; it says so on every page."""
    olga = await town.signed_in("olga")
    assert (
        400
        == (await send(olga, "/glass", purpose="rescue", reason="测试", minutes="5")).status_code
    )
    assert (
        400
        == (
            await send(olga, "/glass", purpose="rescue", reason="车祸抢救", minutes="61")
        ).status_code
    )
    done = await send(olga, "/glass", purpose="rescue", reason="车祸抢救", minutes="5")
    assert 303 == done.status_code
    assert "glass is broken" in (await olga.get("/account")).text
    watch = await town.signed_in("watch")
    told = town.city.rooms.notices
    assert told is not None
    people = town.city.rooms.identity.people
    notice = told.mine(people.get_person(town.people["watch"].id), unseen=True)[0]
    assert "车祸抢救" in notice.text["zh"]
    early = await send(watch, f"{notice.link}/judge", judgement="justified", note="病历相符")
    assert 409 == early.status_code
    assert 303 == (await send(olga, "/glass/close")).status_code
    for status in (303, 409):
        said = await send(watch, f"{notice.link}/judge", judgement="justified", note="病历相符")
        assert status == said.status_code
    own = await send(olga, f"{notice.link}/judge", judgement="justified", note="病历相符")
    assert 403 == own.status_code


async def test_an_owner_lets_somebody_act_for_a_child(town: Town) -> None:
    """The number is nowhere in the tables; whoever acts sees it on their own page and ends it."""
    number = "11010519491231002X"
    client = await town.signed_in("olga", peer="10.4.4.4")
    good = {
        "login": "rosa", "number": number, "kind": "parent", "scope.look": "yes", "days": "30",
        "reason": "出生证明已核对",
    }  # fmt: skip
    for wrong in ({"number": "110105194912310021"}, {"login": "nobody"}, {"reason": "测试"},
                  {"days": "x"}, {"kind": "king"}, {"login": "olga"}):  # fmt: skip
        answer = await send(client, "/people/delegations", **{**good, **wrong})
        assert answer.status_code in (400, 403), wrong
    assert 303 == (await send(client, "/people/delegations", **good)).status_code
    rosa = await town.signed_in("rosa", peer="10.4.4.5")
    assert "as a parent" in (await rosa.get("/account")).text
    held = town.city.rooms.identity.people.delegations(person=town.people["rosa"].id)
    assert number not in str(held)
    ended = await send(rosa, f"/account/delegations/{held[0].id}", reason="已经成年了")
    assert 303 == ended.status_code
    assert 403 == (await rosa.get("/people/delegations")).status_code
