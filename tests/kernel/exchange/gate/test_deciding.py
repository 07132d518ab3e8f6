"""Who may see rows of persons and who may not, and what is written down of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from pintu.kernel.access import Act, Actor, Deed
from pintu.kernel.errors import Forbidden, Refused, TooManyRequests, Unauthorized, Unavailable
from pintu.kernel.exchange import Question
from pintu.kernel.exchange.agreements.words import Limits
from pintu.kernel.exchange.gate import ExchangeGate
from pintu.kernel.exchange.words import UNSAID, Why
from pintu.kernel.identity.gate import ThinGate
from tests.kernel.exchange.conftest import HandClock
from tests.kernel.exchange.gate.conftest import (
    ADMIN,
    CLERK,
    LOOK,
    PEOPLE,
    PURPOSE,
    REASON,
    SCHOOL,
    Office,
)  # fmt: skip

READING = Act(deed=Deed.READ, data_set="people", owner="health", persons=True)
EVERYTHING = Actor(id="token:all", grants=frozenset({"*"}))
READER = Actor(id="token:r", grants=frozenset({"read:default"}))
NOBODY = Actor(id="anonymous", kind="anonymous", local=True)


@pytest.mark.parametrize("actor", [ADMIN, EVERYTHING, READER, NOBODY])
async def test_no_grant_reads_persons(office: Office, actor: Actor) -> None:
    """Neither an administrator's nor `*`, with whatever purpose and reason."""
    with pytest.raises((Forbidden, Unauthorized)):
        office.gate.decide(actor, replace(READING, purpose=PURPOSE, reason=REASON))


@pytest.mark.parametrize("role", ["owner", "steward", "clerk", "officer"])
async def test_the_owners_people_look_for_a_purpose(office: Office, role: str) -> None:
    """Each of these roles, in the owning organisation, with purpose and reason; recorded."""
    actor = replace(CLERK, roles=frozenset({role}))
    found = office.gate.decide(actor, replace(READING, purpose="care", reason="Due this week"))
    assert ("owner", True) == (found.basis, found.recorded)
    for act in (READING, replace(READING, purpose="care"), replace(READING, reason="Due soon")):
        with pytest.raises(Forbidden):
            office.gate.decide(actor, act)
    for strange in (replace(actor, organisation="school"), replace(actor, roles=frozenset())):
        with pytest.raises(Forbidden, match="tells of persons"):
            office.gate.decide(
                replace(strange, grants=READER.grants),
                replace(READING, purpose="care", reason="Due this week"),
            )


@pytest.mark.parametrize("reason", ["test", "测试", "无", "1234", "aaaa", "....", "查询"])
async def test_a_reason_says_something(office: Office, reason: str) -> None:
    """Placeholders are none."""
    with pytest.raises(Forbidden):
        office.gate.decide(CLERK, replace(READING, purpose="care", reason=reason))


async def test_nobody_owns_nobody_reads(office: Office) -> None:
    """A data set of persons without an owner is read through broken glass or on an open machine."""
    act = replace(READING, owner="", purpose="care", reason="Due this week")
    with pytest.raises(Forbidden, match="no owner"):
        office.gate.decide(replace(CLERK, grants=READER.grants), act)
    broken = office.gate.decide(replace(CLERK, broken_glass="g-1"), act)
    assert ("glass g-1", True) == (broken.basis, broken.recorded)
    opened = ExchangeGate(ThinGate(open_access=True), clock=HandClock(), open_access=True)
    found = opened.decide(NOBODY, act)
    assert ("open", True) == (found.basis, found.recorded)
    with pytest.raises(Refused):
        opened.decide(replace(NOBODY, local=False), act)


async def test_without_a_log_nothing_is_told(office: Office) -> None:
    """What must be written down is not answered when it cannot be."""
    office.gate.recorder.audit = None
    with pytest.raises(Unavailable):
        await office.exchange.ask(CLERK, "people", Question(), LOOK)


async def test_an_owners_look_is_in_the_log(office: Office) -> None:
    """Who, why, how many, whom about, and what was sent, none of it readable."""
    answer = await office.exchange.answer(CLERK, "people", Question(limit=3), LOOK)
    assert answer.receipt is not None
    row: Any = (await office.log())[-1]
    told: dict[str, Any] = msgspec.to_builtins(row)
    text = msgspec.json.encode(told).decode()
    assert "33010620150101" not in text
    assert "某" not in text
    assert ("read", "owner", "treatment", 3) == (
        told["what"], told["basis"], told["purpose"], told["rows"]
    )  # fmt: skip
    assert 3 == len(told["subjects"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"purpose": "insurance"}, "for purpose"),
        ({"purpose": ""}, "for purpose"),
        ({"reason": ""}, "gives its reason"),
        ({"reason": "test"}, "not a reason"),
        ({"agreement": "ag-2"}, "no agreement"),
        ({"agreement": "ag-1/7"}, "no agreement"),
    ],
)
async def test_a_call_says_what_was_agreed(office: Office, change: Any, words: str) -> None:
    """Purpose, reason and number; a refusal names what is missing and is written down."""
    why = office.shelf.put()
    with pytest.raises(Forbidden, match=words):
        await office.exchange.ask(
            SCHOOL, "people", Question(), msgspec.structs.replace(why, **change)
        )
    await office.gate.recorder.close()
    assert "refused" in {one.what for one in await office.log()}


async def test_an_agreement_is_its_consumers(office: Office) -> None:
    """Another organisation is told the same as of one that is not there; so is the owner's
    administrator."""
    why = office.shelf.put()
    none = msgspec.structs.replace(why, agreement="ag-9")
    for actor in (ADMIN, CLERK, replace(SCHOOL, organisation="firm")):
        words = []
        for said in (why, none):
            with pytest.raises(Forbidden) as refused:
                await office.exchange.ask(actor, "people", Question(), said)
            words.append(refused.value.detail.replace("ag-9", "ag-1"))
        assert words[0] == words[1]


async def test_times_hold_at_the_call(office: Office) -> None:
    """Before its first and after its last moment nothing passes, whatever was decided before."""
    now_us = office.clock.us
    why = office.shelf.put(from_us=now_us + 10, until_us=now_us + 20)
    with pytest.raises(Forbidden, match="not in force yet"):
        await office.exchange.ask(SCHOOL, "people", Question(), why)
    office.clock.us = now_us + 15
    assert 40 == len((await office.exchange.ask(SCHOOL, "people", Question(), why)).rows)
    office.clock.us = now_us + 20
    with pytest.raises(Forbidden, match="is over"):
        await office.exchange.ask(SCHOOL, "people", Question(), why)


async def test_what_is_revoked_passes_no_more(office: Office) -> None:
    """The very next call is refused; a new version is another decision."""
    why = office.shelf.put()
    await office.exchange.ask(SCHOOL, "people", Question(), why)
    revoked = office.shelf.known.pop("ag-1")
    office.shelf.callbacks[0](revoked)
    with pytest.raises(Forbidden, match="in force"):
        await office.exchange.ask(SCHOOL, "people", Question(), why)
    office.shelf.put(version=2, fields={"school": revoked.terms.fields["born"]})
    rows = (await office.exchange.ask(SCHOOL, "people", Question(), why)).rows
    assert {"school"} == set(rows[0])


async def test_a_changed_data_set_changes_what_is_agreed(office: Office) -> None:
    """A field that is gone is no more there to be shown."""
    why = office.shelf.put()
    await office.exchange.ask(SCHOOL, "people", Question(), why)
    columns = [one for one in PEOPLE["columns"] if one["name"] != "born"]
    office.configuration.save(
        "datasets", "people", {"provider": "table", "owner": "health", "columns": columns}, by="t"
    )
    office.clock.us += 2_000_000
    rows = (await office.exchange.ask(SCHOOL, "people", Question(), why)).rows
    assert {"vaccinated"} == set(rows[0])


async def test_calls_a_minute(office: Office) -> None:
    """One more is refused until the minute is over; the refusal names the limit."""
    why = office.shelf.put(limits=Limits(calls_a_minute=3))
    for _ in range(3):
        await office.exchange.ask(SCHOOL, "people", Question(), why)
    with pytest.raises(TooManyRequests, match="3 calls a minute"):
        await office.exchange.ask(SCHOOL, "people", Question(), why)
    office.clock.us += 60_000_000
    await office.exchange.ask(SCHOOL, "people", Question(), why)


async def test_a_flood_of_refusals_is_added_up(office: Office) -> None:
    """A thousand refusals of one kind are two rows: the first, and how many more."""
    for _ in range(1_000):
        with pytest.raises(Forbidden):
            office.gate.decide(SCHOOL, replace(READING, agreement="ag-none"))
    await office.gate.recorder.close()
    rows = [one for one in await office.log() if one.what == "refused"]
    assert 2 == len(rows)
    assert {"times": "999"} == rows[1].detail


def test_unsaid_is_nothing() -> None:
    """A caller who says nothing of itself."""
    assert Why() == UNSAID


async def test_an_owners_purpose_is_one_of_the_list(office: Office) -> None:
    """Where the city knows its purposes, no other word passes for one."""
    office.gate.join(codes=lambda name: frozenset({"care"}) if name == "purpose" else frozenset())
    office.gate.decide(CLERK, replace(READING, purpose="care", reason="Due this week"))
    with pytest.raises(Forbidden, match="list of purposes"):
        office.gate.decide(CLERK, replace(READING, purpose="whatever", reason="Due this week"))


@pytest.mark.parametrize("role", ["auditor", "deputy", "admin"])
async def test_who_does_not_look_at_persons_uses_no_agreement_about_them(
    office: Office, role: str
) -> None:
    """A member of the consumer needs a role that looks; a program of it asks as ever."""
    why = office.shelf.put()
    act = replace(READING, agreement=why.agreement, purpose=why.purpose, reason=why.reason)
    member = replace(SCHOOL, kind="person", roles=frozenset({role}))
    with pytest.raises(Forbidden, match="is used by owners"):
        office.gate.decide(member, act)
    program = Actor(id="token:school", organisation="school")
    for allowed in (replace(member, roles=frozenset({role, "clerk"})), program):
        assert "ag-1/1" == office.gate.decide(allowed, act).agreement
