"""A person is told who looked at their record; nobody is put in danger by being told."""

from __future__ import annotations

from typing import Any

from pintu.kernel.access import Actor
from pintu.kernel.access.audited import Entry
from pintu.kernel.audit import Look, Protection, Rules, Viewer

from .conftest import Desk

DAY_US = 86_400_000_000
AUDITOR = Actor(id="person:a", person="a", organisation="city", roles=frozenset({"auditor"}))
PARENT = Viewer(kind="delegate", person="parent")


async def look(desk: Desk, **more: Any) -> int:
    """A look at the child's record; its number."""
    told: dict[str, Any] = {
        "what": "read",
        "deed": "read",
        "actor": "person:clerk",
        "person": "clerk",
        "organisation": "health",
        "roles": ("clerk",),
        "data_set": "vaccinations",
        "owner": "health",
        "purpose": "enrolment",
        "reason": "入学核对",
        "fields": ("done", "date"),
        "subjects": (child(desk),),
    }
    return (await desk.audit.enter(Entry(**{**told, **more}))).number


def child(desk: Desk) -> str:
    """Whom it is about."""
    return desk.audit.digest("a child's number")


async def seen(desk: Desk, viewer: Viewer | None = None) -> list[int]:
    """The numbers of the looks somebody is told of."""
    return [one.number for one in await desk.audit.who_looked(child(desk), viewer)]


async def test_a_look_tells_who_and_why_and_no_name(desk: Desk) -> None:
    """The organisation, the role, purpose and reason, what was shown, a number to complain with."""
    number = await look(desk, agreement="AG-1/2", basis="AG-1/2")
    await look(desk, subjects=(desk.audit.digest("another child"),))
    await look(desk, what="refused")
    [told] = await desk.audit.who_looked(child(desk))
    at_us = (await desk.audit.row(number)).at_us
    assert Look(
        number=number, at_us=at_us, what="read", organisation="health", role="clerk",
        data_set="vaccinations", owner="health", purpose="enrolment", reason="入学核对",
        agreement="AG-1/2", basis="AG-1/2", fields=("done", "date"),
    ) == told  # fmt: skip
    assert "person:clerk" not in str(told)


async def test_a_purpose_that_needs_time_is_shown_later(desk: Desk) -> None:
    """The rule is data, the city's default is none; to whom it is about and to everybody else."""
    quiet, other = await look(desk, purpose="enforcement"), await look(desk)
    assert [other, quiet] == await seen(desk)
    rules = Rules(delays_days={"enforcement": 90})
    await desk.audit.protections.set_fact(AUDITOR, "rules", rules, "公安机关函")
    assert [other] == await seen(desk)
    assert [other] == await seen(desk, Viewer(kind="counter"))
    desk.clock.at_us += 90 * DAY_US
    assert [other, quiet] == await seen(desk)


async def test_who_acts_for_a_child_does_not_see_the_others(desk: Desk) -> None:
    """A father is not told where the mother was when she acted for the child; the child's own
    account is told that somebody did, not who or where."""
    mother = await look(
        desk, person="mother", organisation="shelter", basis="delegation D-1", reason="转学"
    )
    father = await look(desk, person="parent", organisation="", basis="delegation D-2")
    school = await look(desk, organisation="school")
    assert [school, father] == await seen(desk, PARENT)
    told = await desk.audit.who_looked(child(desk))
    assert [school, father, mother] == [one.number for one in told]
    assert told[-1].acted_for
    own = await look(desk, person="child", basis="own")
    assert [school, father] == await seen(desk, PARENT)
    assert own in await seen(desk)
    assert "shelter" not in str(told[-1]) and "转学" not in str(told[-1])


async def test_under_a_protection_a_guardian_does_not_see_the_shelter_or_the_police(
    desk: Desk,
) -> None:
    """Whatever they looked at before it was set, too; nobody sees a gap, the person sees all."""
    shelter = await look(desk, organisation="shelter", purpose="correction")
    police = await look(desk, organisation="police", purpose="enforcement")
    school = await look(desk, organisation="school")
    assert [school, police, shelter] == await seen(desk, PARENT)
    protections = desk.audit.protections
    guard = Protection(subject=child(desk), organisations=("shelter",))
    id = await protections.protect(AUDITOR, guard, "人身安全保护令")
    assert [school] == await seen(desk, PARENT)
    assert [school, police, shelter] == await seen(desk)
    assert [school, police, shelter] == await seen(desk, Viewer(kind="counter"))
    await protections.end(AUDITOR, id, "到期")
    assert [school] == await seen(desk, PARENT)
    later = await look(desk, organisation="shelter")
    assert [later, school] == await seen(desk, PARENT)


async def test_where_somebody_is_forced_to_sign_in_only_a_counter_tells(desk: Desk) -> None:
    """A protection that is `alone` keeps looks from the account itself."""
    police = await look(desk, organisation="police", purpose="enforcement")
    school = await look(desk, organisation="school")
    guard = Protection(subject=child(desk), alone=True)
    await desk.audit.protections.protect(AUDITOR, guard, "家暴警情")
    assert [school] == await seen(desk)
    assert [school, police] == await seen(desk, Viewer(kind="counter"))


async def test_setting_a_protection_is_in_the_log_and_is_no_look(desk: Desk) -> None:
    """An auditor finds who set it and why; the person's page shows nothing of it."""
    guard = Protection(subject=child(desk))
    await desk.audit.protections.protect(AUDITOR, guard, "人身安全保护令")
    [row] = await desk.audit.search(subject=child(desk))
    assert ("identity", "protect", "person:a") == (row.row.what, row.row.deed, row.row.actor)
    assert [] == await seen(desk)


async def test_many_looks_are_told_page_by_page(desk: Desk) -> None:
    """However many of them are kept back."""
    for number in range(450):
        await look(desk, basis="delegation D" if number % 3 else "owner")
    assert [*range(448, 0, -3)] == await seen(desk, PARENT)
