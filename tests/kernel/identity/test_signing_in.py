"""Passwords, waiting, links, notices, delegation, the glass."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from statistics import median

import msgspec
import pytest

from pintu.kernel.access import Actor
from pintu.kernel.errors import (
    BadRequestData,
    Forbidden,
    PintuError,
    StateConflict,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from pintu.kernel.identity.delegating import Delegations
from pintu.kernel.identity.glass import BreakGlass
from pintu.kernel.identity.notices import Notices
from pintu.kernel.identity.passkeys import site_of
from pintu.kernel.identity.signing_in import Caller, SignIn
from pintu.kernel.identity.waiting import network_of, wait_s
from pintu.kernel.identity.words import Delegation, Membership, Organisation, Person
from pintu.kernel.tables import CityTables

from .conftest import HOUR_US, Scene
from .test_people import Log

PASSWORD = "eleven small grey owls"
STRANGER = Caller(address="198.51.100.7")
SECOND_US = 1_000_000
DAY_US = 24 * HOUR_US


@dataclass
class Desk:
    """Everything about signing in, and who is who here."""

    scene: Scene
    notices: Notices
    sign_in: SignIn
    glass: BreakGlass
    delegations: Delegations
    log: Log
    who: dict[str, Person]

    def actor(self, login: str, wish: str = "") -> Actor:
        found = self.scene.identity.people.actor(self.who[login].id, wish, local=False)
        assert found is not None
        return found


MADE_UP = {
    "root": [("city", "admin")],
    "watch": [("city", "auditor")],
    "guard": [("school", "auditor")],
    "owner": [("health", "owner")],
    "clerk": [("health", "clerk")],
    "chief": [("school", "owner")],
    "both": [("health", "clerk"), ("school", "clerk")],
    "rosa": [],
}


@pytest.fixture
async def desk(scene: Scene, tables: CityTables) -> Desk:
    people = scene.identity.people
    for id in ("health", "school"):
        await people.create_organisation(Organisation(id=id, name={"en": id}))
    who = {}
    for login, roles in MADE_UP.items():
        told = [Membership(organisation=one, role=role) for one, role in roles]  # type: ignore[arg-type]
        password = PASSWORD if login in ("owner", "clerk") else None
        who[login] = await people.create_person(login, f"{login} 演示", password, told)
    log = Log()
    people.audit = log
    notices = Notices(tables, scene.clock, people)
    return Desk(
        scene=scene,
        notices=notices,
        sign_in=SignIn(tables, people, notices),
        glass=BreakGlass(people, notices),
        delegations=Delegations(people, notices),
        log=log,
        who=who,
    )


async def refused(work: object, kind: type[PintuError]) -> PintuError:
    """The refusal of that kind which something ends in."""
    with pytest.raises(kind) as caught:
        await work  # type: ignore[misc]
    return caught.value


# --- passwords ----------------------------------------------------------------------------------
async def test_a_password_recognises_its_owner(desk: Desk) -> None:
    """In any case of the login, with letters typed in full width; nobody else."""
    proof = await desk.sign_in.by_password(" OWNER ", PASSWORD, STRANGER)
    assert (desk.who["owner"].id, "password") == (proof.person, proof.method)
    wide = "".join(chr(ord(one) + 0xFEE0) if one != " " else one for one in PASSWORD)
    assert desk.who["owner"].id == (await desk.sign_in.by_password("owner", wide, STRANGER)).person
    told = set()
    for login, password in (("owner", "wrong"), ("nobody", PASSWORD), ("rosa", ""), ("", "")):
        told.add(
            (
                await refused(desk.sign_in.by_password(login, password, STRANGER), Unauthorized)
            ).detail
        )
    assert {"The login or the password is wrong"} == told


async def test_a_login_nobody_has_costs_the_same_time(desk: Desk) -> None:
    """Guesses at a login that is there and at one that is not cost alike; the loop goes on."""
    times: dict[str, list[float]] = {"owner": [], "nobody": []}
    for n in range(7):
        for login, spent in times.items():
            begun = time.process_time()  # whoever else is busy here does not count
            caller = Caller(address=f"198.51.{n}.{len(login)}")
            await refused(desk.sign_in.by_password(login, "wrong", caller), PintuError)
            if n < 4:  # then it waits and is refused at once
                spent.append(time.process_time() - begun)
    one, other = median(times["owner"]), median(times["nobody"])
    assert abs(one - other) < max(one, other) / 3, times
    ticks = 0
    work = asyncio.create_task(desk.sign_in.by_password("clerk", PASSWORD, STRANGER))
    while not work.done():
        await asyncio.sleep(0.001)
        ticks += 1
    assert ticks > 3


def test_waits_grow_and_end() -> None:
    """Fifteen seconds, doubled each time, up to a quarter of an hour for an account."""
    assert [0, 15, 30, 60, 900, 900] == [wait_s("account", n) for n in (5, 6, 7, 8, 14, 10_000)]
    assert [0, 15, 3600] == [wait_s("address", n) for n in (20, 21, 10_000)]


async def test_who_guesses_waits_longer_each_time(desk: Desk) -> None:
    """The right password is not taken while an account waits; afterwards it is."""
    desk.scene.clock.us += DAY_US
    for n in range(6):
        caller = Caller(address=f"203.0.113.{n}")
        await refused(desk.sign_in.by_password("owner", f"wrong {n}", caller), Unauthorized)
    error = await refused(desk.sign_in.by_password("owner", PASSWORD, STRANGER), TooManyRequests)
    assert 15 == error.retry_after_s
    desk.scene.clock.us += 15 * SECOND_US
    await desk.sign_in.by_password("owner", PASSWORD, STRANGER)
    for n in range(5):
        caller = Caller(address=f"203.0.113.{n}")
        await refused(desk.sign_in.by_password("owner", f"wrong {n}", caller), Unauthorized)


async def test_a_hundred_guesses_at_once_are_as_many_as_one_after_another(desk: Desk) -> None:
    """Guesses are counted before they are looked at."""
    guesses = [
        desk.sign_in.by_password("owner", f"wrong {n}", Caller(address=f"203.0.113.{n}"))
        for n in range(30)
    ]
    found = await asyncio.gather(*guesses, return_exceptions=True)
    assert 6 == sum(isinstance(one, Unauthorized) for one in found)


async def test_nobody_is_kept_out_for_ever(desk: Desk) -> None:
    """While strangers knock without end: the browser that signed in before comes in, so does
    whoever has a link, and an administrator unlocks; who waits is not counted again."""
    known = await desk.sign_in.remember(desk.who["owner"].id)
    waits = []
    for n in range(40):
        caller = Caller(address=f"203.0.113.{n}")
        try:
            await desk.sign_in.by_password("owner", "wrong", caller)
        except TooManyRequests as error:
            waits.append(error.retry_after_s)
        except Unauthorized:
            pass
    assert {15} == set(waits)
    mine = Caller(address="203.0.113.99", known=known)
    assert desk.who["owner"].id == (await desk.sign_in.by_password("owner", PASSWORD, mine)).person
    stolen = Caller(address="203.0.113.98", known=await desk.sign_in.remember(desk.who["rosa"].id))
    await refused(desk.sign_in.by_password("owner", PASSWORD, stolen), TooManyRequests)
    await desk.sign_in.unlock(desk.actor("root"), desk.who["owner"].id)
    await desk.sign_in.by_password("owner", PASSWORD, STRANGER)


async def test_one_address_tries_many_accounts_for_a_while_only(desk: Desk) -> None:
    """Twenty guesses, then it waits, whichever login it tries; IPv6 counts by network."""
    for n in range(21):
        caller = Caller(address=f"2001:db8::{n:x}")
        await refused(desk.sign_in.by_password(f"login{n}", "wrong", caller), Unauthorized)
    last = desk.sign_in.by_password("clerk", PASSWORD, Caller(address="2001:db8::ffff"))
    await refused(last, TooManyRequests)
    assert "2001:db8::/64" == network_of("2001:db8::1")
    assert "192.0.2.1" == network_of("::ffff:192.0.2.1")


async def test_a_restart_forgives_nothing(desk: Desk) -> None:
    """Failures are kept."""
    for n in range(6):
        caller = Caller(address=f"203.0.113.{n}")
        await refused(desk.sign_in.by_password("owner", "wrong", caller), Unauthorized)
    tables = desk.scene.open_again()
    again = SignIn(tables, desk.scene.identity.people, desk.notices)
    await refused(again.by_password("owner", PASSWORD, STRANGER), TooManyRequests)
    tables.close()


# --- links --------------------------------------------------------------------------------------
async def test_a_link_is_made_by_who_manages_the_account(desk: Desk) -> None:
    """The administrator, or the owner of the only organisation somebody belongs to; an owner must
    not come to own what an account may do elsewhere."""
    for who, whom in (("owner", "clerk"), ("root", "clerk"), ("root", "owner")):
        await desk.sign_in.make_link(desk.actor(who), desk.who[whom].id)
    for who, whom in (
        ("owner", "root"), ("owner", "both"), ("owner", "chief"), ("owner", "rosa"),
        ("clerk", "owner"), ("watch", "clerk"), ("rosa", "clerk"),
    ):  # fmt: skip
        await refused(desk.sign_in.make_link(desk.actor(who), desk.who[whom].id), Forbidden)


async def test_a_link_is_good_once_for_a_day_and_the_newest_only(desk: Desk) -> None:
    """A password that will not do leaves it good."""
    root, clerk = desk.actor("root"), desk.who["clerk"].id
    old = await desk.sign_in.make_link(root, clerk)
    code = await desk.sign_in.make_link(root, clerk)
    await refused(desk.sign_in.by_link(old, PASSWORD + "!", STRANGER), Unauthorized)
    await refused(desk.sign_in.by_link(code, "short", STRANGER), BadRequestData)
    proof = await desk.sign_in.by_link(code, PASSWORD + "!", STRANGER)
    assert (clerk, "link") == (proof.person, proof.method)
    await refused(desk.sign_in.by_link(code, PASSWORD + "?", STRANGER), Unauthorized)
    await refused(desk.sign_in.by_password("clerk", PASSWORD, STRANGER), Unauthorized)
    late = await desk.sign_in.make_link(root, clerk)
    desk.scene.clock.us += DAY_US + 1
    await refused(desk.sign_in.by_link(late, PASSWORD, STRANGER), Unauthorized)
    assert "root 演示" in desk.notices.mine(desk.who["clerk"])[0].text["en"]


async def test_a_password_is_changed_by_who_knows_it(desk: Desk) -> None:
    """Or by who has none and was recognised a moment ago."""
    owner, rosa = desk.who["owner"].id, desk.who["rosa"].id
    await refused(desk.sign_in.change_password(owner, "wrong", PASSWORD + "!"), Unauthorized)
    await desk.sign_in.change_password(owner, PASSWORD, PASSWORD + "!")
    await desk.sign_in.by_password("owner", PASSWORD + "!", STRANGER)
    await refused(desk.sign_in.change_password(rosa, "", PASSWORD), Forbidden)
    await desk.sign_in.change_password(rosa, "", PASSWORD, strong=True)
    await desk.sign_in.by_password("rosa", PASSWORD, STRANGER)


@pytest.mark.parametrize(
    ("public", "host", "secure", "found"),
    [
        ("", "localhost:8800", False, ("localhost", "http://localhost:8800")),
        ("", "127.0.0.1:8800", False, None),
        ("", "[::1]:8800", False, None),
        ("https://city.example", "10.0.0.5:8800", False, ("city.example", "https://city.example")),
        ("", "city.example", True, ("city.example", "https://city.example")),
    ],
)
def test_a_passkey_belongs_to_a_named_address(
    public: str, host: str, secure: bool, found: tuple[str, str] | None
) -> None:
    """The public one where there is one; a number has none."""
    assert found == site_of(public, host, secure)


# --- notices ------------------------------------------------------------------------------------
async def test_a_notice_reaches_a_person_and_a_role(desk: Desk) -> None:
    """Whoever has the role there, or anywhere; each sees it on their own; the same is told once."""
    text = {"zh": "某事", "en": "something"}
    await desk.notices.tell(f"person:{desk.who['rosa'].id}", "account", text)
    await desk.notices.tell("clerk@health", "deadline", text, link="/agreements/1", key="once")
    await desk.notices.tell("clerk@health", "deadline", text, link="/agreements/1", key="once")
    await desk.notices.tell("auditor@*", "glass", text)
    unread = {login: desk.notices.unread(desk.actor(login)) for login in MADE_UP}
    assert {"rosa": 1, "clerk": 1, "both": 1, "watch": 1, "guard": 1} == {
        login: count for login, count in unread.items() if count
    }
    await desk.notices.mark_read(desk.actor("clerk"))
    assert (0, 1) == (
        desk.notices.unread(desk.actor("clerk")),
        desk.notices.unread(desk.actor("both")),
    )
    listed = await desk.notices.list_for(desk.actor("clerk"))
    assert [("/agreements/1", True)] == [(one.link, bool(one.read_us)) for one in listed]
    for link in ("https://evil.example", "//evil.example", "/\\evil.example"):
        await refused(desk.notices.tell("owner@health", "x", text, link=link), BadRequestData)


# --- delegation ---------------------------------------------------------------------------------
def wish(desk: Desk, **more: object) -> Delegation:
    told = {
        "id": "", "from_subject": "0123456789abcdef", "to_person": desk.who["rosa"].id,
        "kind": "parent", "scopes": ("look",), "since_us": 0, "proved_by": "",
        "until_us": desk.scene.clock.us + 30 * DAY_US, "reason": "出生证明已核对",
    }  # fmt: skip
    return msgspec.convert({**told, **more}, Delegation)


async def test_somebody_acts_for_another_as_far_as_an_officer_grants(desk: Desk) -> None:
    """For those scopes, until that day or until it is ended; every step is in the log."""
    # whom it is about has an account, and hears of it, as auditors do
    await desk.scene.identity.people.prove(desk.who["both"].id, wish(desk).from_subject)
    made = await desk.delegations.grant(desk.actor("owner"), wish(desk))
    assert [1, 1, 1] == [desk.notices.unread(desk.actor(x)) for x in ("watch", "guard", "both")]
    rosa, subject = desk.who["rosa"].id, made.from_subject
    assert desk.delegations.may(rosa, subject, "look")
    assert not desk.delegations.may(rosa, subject, "consent")
    assert not desk.delegations.may(rosa, "another-subject", "look")
    row = desk.log.rows[-1]
    assert ("delegation granted", (subject,)) == (row.deed, row.subjects)
    await refused(desk.delegations.end(desk.actor("watch"), made.id, "不再需要了"), Forbidden)
    await desk.delegations.end(desk.actor("rosa"), made.id, "孩子已经成年")
    assert not desk.delegations.may(rosa, subject, "look")
    await refused(desk.delegations.end(desk.actor("rosa"), made.id, "孩子已经成年"), StateConflict)
    await desk.delegations.grant(desk.actor("owner"), wish(desk))
    desk.scene.clock.us += 31 * DAY_US
    assert not desk.delegations.may(rosa, subject, "look")


async def test_nobody_grants_to_themself_or_without_standing(desk: Desk) -> None:
    """And not without a reason, for ever, or for nothing."""
    grant = desk.delegations.grant
    for login in ("clerk", "watch", "root", "rosa"):
        await refused(grant(desk.actor(login), wish(desk)), Forbidden)
    own = wish(desk, to_person=desk.who["owner"].id)
    await refused(grant(desk.actor("owner"), own), Forbidden)
    for more in (
        {"reason": "测试"}, {"scopes": ()}, {"scopes": ("everything",)},
        {"until_us": desk.scene.clock.us}, {"until_us": desk.scene.clock.us + 3_000 * DAY_US},
    ):  # fmt: skip
        await refused(grant(desk.actor("owner"), wish(desk, **more)), BadRequestData)


async def test_a_resident_lets_somebody_act_for_themself(desk: Desk) -> None:
    """The person whom it is about needs no officer."""
    await desk.scene.identity.people.prove(desk.who["rosa"].id, "0123456789abcdef")
    made = await desk.delegations.grant(
        desk.actor("rosa"), wish(desk, to_person=desk.who["both"].id, kind="carer")
    )
    assert f"person:{desk.who['rosa'].id}" == made.proved_by


# --- the glass ----------------------------------------------------------------------------------
async def test_breaking_the_glass_is_written_and_told_before_it_is_open(desk: Desk) -> None:
    """Its number is its row's; every auditor hears; it closes by itself; one auditor judges."""
    glass = await desk.glass.open_glass(desk.actor("clerk"), "rescue", "车祸抢救", 10, strong=True)
    row = desk.log.rows[glass.row - 1]
    assert ("glass", "opened", "车祸抢救") == (row.what, row.deed, row.reason)
    assert glass.id == desk.actor("clerk").broken_glass
    assert [1, 1, 0] == [
        desk.notices.unread(desk.actor(one)) for one in ("watch", "guard", "owner")
    ]
    await refused(
        desk.glass.open_glass(desk.actor("clerk"), "rescue", "车祸抢救", 10, strong=True),
        StateConflict,
    )
    judge = desk.glass.judge
    await refused(judge(desk.actor("watch"), glass.id, "justified", "病历相符"), StateConflict)
    desk.scene.clock.us += 10 * 60 * SECOND_US
    assert "" == desk.actor("clerk").broken_glass
    await refused(judge(desk.actor("guard"), glass.id, "justified", "病历相符"), Forbidden)
    await refused(judge(desk.actor("owner"), glass.id, "justified", "病历相符"), Forbidden)
    await refused(judge(desk.actor("watch"), glass.id, "justified", "无"), BadRequestData)
    judged = await judge(desk.actor("watch"), glass.id, "unjustified", "没有这次抢救")
    assert ("unjustified", desk.who["watch"].id) == (judged.judgement, judged.judged_by)
    await refused(judge(desk.actor("watch"), glass.id, "justified", "改主意了吧"), StateConflict)
    assert 1 == desk.notices.unread(desk.actor("clerk"))


async def test_the_glass_stays_whole_where_it_would_be_silent(desk: Desk) -> None:
    """Without a log, without a reason, without a fresh sign-in, for an administrator, an auditor
    or a resident, and where no other auditor would hear."""
    open_glass = desk.glass.open_glass
    clerk = desk.actor("clerk")
    desk.log.away = True
    await refused(open_glass(clerk, "rescue", "车祸抢救", 10, strong=True), Unavailable)
    desk.log.away = False
    await refused(open_glass(clerk, "rescue", "车祸抢救", 10, strong=False), Forbidden)
    await refused(open_glass(clerk, "rescue", "测试", 10, strong=True), BadRequestData)
    await refused(open_glass(clerk, "rescue", "车祸抢救", 61, strong=True), BadRequestData)
    await refused(open_glass(clerk, "", "车祸抢救", 10, strong=True), BadRequestData)
    for login in ("root", "watch", "rosa"):
        await refused(
            open_glass(desk.actor(login), "rescue", "车祸抢救", 10, strong=True), Forbidden
        )
    for login in ("watch", "guard"):
        await desk.scene.identity.people.disable(desk.who[login].id)
    await refused(open_glass(clerk, "rescue", "车祸抢救", 10, strong=True), StateConflict)
    desk.scene.identity.people.audit = None
    await refused(open_glass(clerk, "rescue", "车祸抢救", 10, strong=True), PintuError)
    assert "" == desk.actor("clerk").broken_glass
    assert [] == desk.scene.identity.people.glasses()
