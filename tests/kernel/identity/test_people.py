"""Accounts and organisations: who is who, for whom they act, seen by every process."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import pytest

from pintu.kernel.access import Act, Actor
from pintu.kernel.access.audited import Entry, Receipt
from pintu.kernel.errors import AlreadyExists, BadRequestData, ResourceNotFound, Unavailable
from pintu.kernel.identity import Identity, People, Proof
from pintu.kernel.identity.words import Membership, Organisation, Person

from .conftest import HOST, Scene

PASSWORD = "eleven small grey owls"


@dataclass
class Log:
    """An audit log in memory: what was entered, and whether it can be written."""

    rows: list[Entry] = field(default_factory=list)
    away: bool = False

    async def enter(self, entry: Entry) -> Receipt:
        if self.away:
            raise Unavailable("The log cannot be written")
        self.rows.append(entry)
        return Receipt(number=len(self.rows), at_us=0, leaf="")

    def count(self, actor: Actor, act: Act) -> None:
        pass

    def digest(self, value: str | bytes) -> str:
        return f"digest of {value!r}"


async def peopled(scene: Scene) -> tuple[People, Person]:
    """Health, school, and somebody who is something in both."""
    people = scene.identity.people
    for id in ("health", "school"):
        await people.create_organisation(
            Organisation(id=id, name={"zh": f"{id}（演示）", "en": id}, tenants=("clinic",))
        )
    roles = [
        Membership(organisation="health", role="owner"),
        Membership(organisation="school", role="officer"),
    ]
    return people, await people.create_person("Ou.Demo", "欧演示", PASSWORD, roles)


async def test_a_person_acts_for_one_organisation_at_a_time(scene: Scene) -> None:
    """With the roles and grants they have there, and no others."""
    people, person = await peopled(scene)
    first = people.actor(person.id, "", local=False)
    assert first is not None
    assert ("health", {"owner"}) == (first.organisation, set(first.roles))
    assert {"read:default"} == set(first.grants)
    second = people.actor(person.id, "school", local=False)
    assert second is not None
    assert ("school", {"officer"}) == (second.organisation, set(second.roles))
    assert {"read:default", "read:clinic", "write:clinic"} == set(second.grants)
    third = people.actor(person.id, "city", local=False)
    assert third == first
    assert ("person", f"person:{person.id}", person.id) == (first.kind, first.id, first.person)


async def test_only_the_administrator_operates(scene: Scene) -> None:
    """And an organisation has none."""
    people, person = await peopled(scene)
    admin = [Membership(organisation="city", role="admin")]
    await people.set_memberships(person.id, admin)
    actor = people.actor(person.id, "", local=False)
    assert actor is not None
    assert {"admin"} == set(actor.grants)
    with pytest.raises(BadRequestData, match="Only the city"):
        await people.set_memberships(person.id, [Membership(organisation="health", role="admin")])


async def test_what_one_process_changes_another_sees(
    scene: Scene,
) -> None:
    """A disabled account's session is nobody's, in the process that did not do it."""
    _, person = await peopled(scene)
    opened = await scene.identity.open_for_person(Proof(person=person.id, method="password"), {})
    headers = {**HOST, b"cookie": b"pintu_session=" + opened.cookie.encode()}
    tables = scene.open_again()
    other = Identity(tables, scene.clock)
    assert person.id == other.actor(headers, "10.0.0.1").person
    await scene.identity.people.disable(person.id)
    assert "anonymous" == scene.identity.actor(headers, "10.0.0.1").kind
    ends = time.monotonic() + 5  # 0.2 s on a machine that does nothing else
    while other.actor(headers, "10.0.0.1").kind != "anonymous" and time.monotonic() < ends:
        scene.clock.us += 20_000
        await asyncio.sleep(0.02)
    assert "anonymous" == other.actor(headers, "10.0.0.1").kind
    tables.close()


async def test_who_is_who_survives_a_restart(scene: Scene) -> None:
    """Names, members, logins."""
    _, person = await peopled(scene)
    tables = scene.open_again()
    again = People(tables, scene.clock)
    assert person == again.find_person(f"person:{person.id}")
    assert person == again.find_login(" OU.demo ")
    assert [person] == again.members("health", "owner")
    assert [] == again.members("health", "officer")
    assert ["health", "school"] == [one.id for one in again.organisations()]
    assert ("欧演示", "health（演示）", "token:x") == (
        again.name_of(person.id), again.name_of("health"), again.name_of("token:x"),
    )  # fmt: skip
    tables.close()


async def test_two_accounts_have_two_logins(scene: Scene) -> None:
    """Also when two are made at once, and in another case of letters."""
    people, _ = await peopled(scene)
    with pytest.raises(AlreadyExists):
        await people.create_person("OU.demo", "别人")
    results = await asyncio.gather(
        *(people.create_person("same", f"某{n}") for n in "甲乙丙"), return_exceptions=True
    )
    assert 2 == sum(isinstance(one, AlreadyExists) for one in results)


@pytest.mark.parametrize(
    ("login", "name", "password", "role"),
    [
        ("a", "名", None, None),
        ("a b", "名", None, None),
        ("甲乙", "名", None, None),
        ("<script>", "名", None, None),
        ("good", "\u202e名", None, None),
        ("good", "名", "short", None),
        ("good", "名", "aaaaaaaaaaaaaaaa", None),
        ("good", "名", "password12345", None),
        ("good.login", "名", "good.login123", None),
        ("good", "名", None, ("nowhere", "owner")),
        ("good", "名", None, ("health", "emperor")),
    ],
)
async def test_what_will_not_do_is_refused(
    scene: Scene, login: str, name: str, password: str | None, role: tuple[str, str] | None
) -> None:
    """And nothing of it is kept."""
    people, _ = await peopled(scene)
    roles = [] if role is None else [Membership(organisation=role[0], role=role[1])]  # type: ignore[arg-type]
    with pytest.raises(BadRequestData):
        await people.create_person(login, name, password, roles)
    assert 1 == len(people.list_people())


async def test_an_organisation_is_checked(scene: Scene) -> None:
    """Everything that is wrong is told at once."""
    people, _ = await peopled(scene)
    wrong = Organisation(id="Not Good", name={}, code="911101", parent="nobody")
    with pytest.raises(BadRequestData, match=r"small letters.*no name.*credit code.*parent"):
        await people.create_organisation(wrong)
    with pytest.raises(AlreadyExists):
        await people.create_organisation(Organisation(id="health", name={"en": "again"}))
    with pytest.raises(ResourceNotFound):
        await people.change_organisation(Organisation(id="none", name={"en": "x"}))


async def test_nothing_changes_without_its_row_in_the_log(scene: Scene) -> None:
    """Where there is a log that cannot be written, nothing is done."""
    people, person = await peopled(scene)
    log = Log()
    people.audit = log
    await people.set_memberships(person.id, [], by="token:admin")
    assert ("identity", "roles given", "token:admin", person.id) == (
        log.rows[-1].what, log.rows[-1].deed, log.rows[-1].actor, log.rows[-1].person,
    )  # fmt: skip
    log.away = True
    for deed in (
        people.disable(person.id),
        people.create_person("another", "某人"),
        people.create_organisation(Organisation(id="new", name={"en": "New"})),
    ):
        with pytest.raises(Unavailable):
            await deed
    assert [False] == [one.disabled for one in people.list_people()]
    assert people.find_organisation("new") is None


async def test_a_service_of_an_organisation_acts_in_its_name(scene: Scene) -> None:
    """Without any role there; an organisation nobody knows has no services."""
    await peopled(scene)
    secret, _ = await scene.identity.create_token("x", ["read:demo"], organisation="school")
    actor = scene.identity.actor(scene.bearer(secret), "10.0.0.1")
    assert ("school", frozenset()) == (actor.organisation, actor.roles)
    with pytest.raises(BadRequestData, match="does not exist"):
        await scene.identity.create_token("x", ["read:demo"], organisation="nobody")


async def test_what_the_command_line_changed_is_in_the_log_too(scene: Scene) -> None:
    """The running city writes it as soon as it sees it; what it did itself it writes once."""
    people, person = await peopled(scene)
    log = people.audit = Log()
    tables = scene.open_again()
    await People(tables, scene.clock).disable(person.id, by="command line")
    ends = time.monotonic() + 2
    while not people.get_person(person.id).disabled and time.monotonic() < ends:
        people.look()
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.01)
    assert [("changed from the command line", person.id)] == [
        (one.deed, one.person) for one in log.rows
    ]
    await people.enable(person.id)
    people.look()
    await asyncio.sleep(0.01)
    assert ["changed from the command line", "account enabled"] == [one.deed for one in log.rows]
    tables.close()
