"""What somebody tries with agreements that is not meant: refused, and nothing is left of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from pintu.kernel.clock import CityClock
from pintu.kernel.errors import BadRequestData, Forbidden, ResourceNotFound, StateConflict
from pintu.kernel.exchange.agreements import Signature, ledger
from pintu.kernel.exchange.agreements.checking import Checking
from pintu.kernel.exchange.agreements.policy import Policies
from pintu.kernel.exchange.agreements.schema import VERSION
from pintu.kernel.identity.keys import Keys
from pintu.kernel.identity.people import People
from pintu.kernel.identity.words import Delegation, Person
from pintu.kernel.tables import put_rows

from .conftest import (
    ASKER,
    AUDITOR,
    CHIEF,
    CLERK,
    DAY_US,
    NOBODY,
    NOON_US,
    OWNER,
    STRANGER,
    HandClock,
    PaperLog,
    Town,
    codes,
    find_data_set,
    person,
    terms,
)

WHY = "入学核验疫苗接种"


async def test_an_approval_of_what_was_amended_meanwhile_is_refused(town: Town) -> None:
    """Who approves says which version they looked at; another one is not approved by it."""
    made = await town.in_force()
    second = await town.room.request(
        ASKER, terms(retention_days=60), reason="延长留存期限", amends=made.id
    )
    await town.room.withdraw(ASKER, made.id, version=second.version)
    third = await town.room.request(
        ASKER, terms(retention_days=900), reason="再次延长期限", amends=made.id
    )
    assert (2, 3) == (second.version, third.version)
    with pytest.raises(StateConflict):
        await town.room.approve(OWNER, made.id, version=second.version)
    found = town.room.find(made.id, 3)
    assert found is not None
    assert "requested" == found.state


async def test_what_was_to_follow_ends_with_what_is_revoked(town: Town) -> None:
    """A next version that was approved already is not signed into force after a revocation."""
    made = await town.in_force()
    await town.room.request(ASKER, terms(retention_days=60), reason="延长留存期限", amends=made.id)
    await town.room.approve(OWNER, made.id, version=2)
    await town.room.revoke(OWNER, made.id, reason="目的已经达到")
    with pytest.raises(StateConflict):
        await town.room.sign(CHIEF, made.id, version=2)
    assert [("revoked", 1), ("revoked", 2)] == [
        (one.state, one.version) for one in town.room.versions(made.id)
    ]
    assert town.room.active(made.id) is None


async def test_a_clock_that_jumps_back_brings_nothing_back(town: Town) -> None:
    """What was seen to have ended stays over; a deed is never before the one it follows."""
    made = await town.in_force()
    assert town.room.active(made.id) is not None
    town.clock.us = made.terms.until_us
    assert town.room.active(made.id) is None
    town.clock.us = NOON_US - 400 * DAY_US
    assert town.room.active(made.id) is None
    done = await town.room.suspend(OWNER, made.id, reason="时钟有误，先停用")
    assert done.changed_us >= made.changed_us
    steps = [one.at_us for one in await town.room.steps(made.id)]
    assert sorted(steps) == steps


async def test_a_term_that_begins_later_or_is_over_lets_nothing_pass(town: Town) -> None:
    """Before its first moment and from its last on there is no agreement, to the microsecond."""
    begins = NOON_US + DAY_US
    made = await town.in_force(from_us=begins)
    found = []
    for at_us in (NOON_US, begins - 1, begins, made.terms.until_us - 1, made.terms.until_us):
        town.clock.us = at_us
        found.append(town.room.active(made.id) is not None)
    assert [False, False, True, True, False] == found


async def test_who_is_of_neither_side_finds_nothing(town: Town) -> None:
    """Not an agreement, not a list of them, not whether an id exists; an auditor of the city sees
    all and decides nothing."""
    made = await town.in_force()
    for actor in (STRANGER, NOBODY, person("pa", "", "officer")):
        assert [] == town.room.list_for(actor, closed=True)
        for id in (made.id, "ag-nothing"):
            with pytest.raises(ResourceNotFound, match=f"Agreement {id} does not exist"):
                town.room.get(actor, id)
            with pytest.raises(ResourceNotFound, match=f"Agreement {id} does not exist"):
                await town.room.revoke(actor, id, reason="我想停用它")
    assert [made.name] == [one.name for one in town.room.list_for(AUDITOR)]
    assert [made.name] == [one.name for one in town.room.list_for(CLERK)]
    for actor in (AUDITOR, CLERK):
        with pytest.raises(Forbidden):
            await town.room.revoke(actor, made.id, reason="我想停用它")


async def test_terms_changed_behind_our_back_are_not_in_force(town: Town, caplog: Any) -> None:
    """Somebody who can write into the tables widens the fields: the next life does not let it
    pass, says so in its own log, and the owner can only end it."""
    made = await town.in_force()
    wider = msgspec.structs.replace(made, terms=terms(subject="", k=10))
    body = msgspec.json.encode(wider)
    await town.close()
    from pintu.kernel.tables import open_tables

    tables = open_tables(town.folder, town.store)
    opened = tables.open("rooms", "agreements")
    opened.run_now(lambda c: c.execute(sa.update(VERSION).values(body=body)))
    opened.close()
    tables.close()
    later = Town(town.folder, town.store, town.clock, town.log)
    assert later.room.active(made.id) is None
    assert "is not as this node wrote it" in caplog.text
    await later.close()


async def test_a_state_changed_behind_our_back_is_not_believed(town: Town) -> None:
    """A revoked agreement is made active again in the tables: nothing passes under it."""
    made = await town.in_force()
    await town.room.revoke(OWNER, made.id, reason="目的已经达到")
    change = sa.update(VERSION).values(
        state="active", body=msgspec.json.encode(made), change=VERSION.c.change + 1
    )
    await town.room._file.run(lambda c: c.execute(change))
    town.room.look()
    assert town.room.active(made.id) is None
    later = await town.again()
    assert later.room.active(made.id) is None
    await later.close()


async def test_a_signature_of_another_key_is_not_one(town: Town, tmp_path: Path) -> None:
    """A consumer of another node signs there; whoever else signs, and whatever else is signed, is
    refused."""
    import base64

    from pintu.kernel.exchange.agreements import signing

    far = Keys(tmp_path / "far").signer("org.education")
    remote = person("x1@zhang", "education@zhang", "officer")
    made = await town.room.request(remote, terms(consumer="education@zhang"), reason=WHY)
    approved = await town.room.approve(OWNER, made.id)

    def signed(message: bytes, organisation: str = "education@zhang", key: Any = far) -> Signature:
        return Signature(
            organisation=organisation,
            key_id=key.key_id,
            public=key.public,
            at_us=NOON_US,
            signature=base64.b64encode(key.sign(message)).decode(),
        )

    good = signed(signing.canonical(approved))
    with pytest.raises(Forbidden, match="Nobody knows the key"):
        await town.room.sign_remote(remote, made.id, good)
    town.room.know_keys(lambda one: far.public if one == "education@zhang" else "")
    stranger = Keys(tmp_path / "stranger").signer("org.education")
    for bad in (
        signed(b"other"),
        signed(signing.canonical(approved), key=stranger),
        signed(signing.canonical(approved), organisation="health"),
    ):
        with pytest.raises(Forbidden):
            await town.room.sign_remote(remote, made.id, bad)
    assert "active" == (await town.room.sign_remote(remote, made.id, good)).state
    assert town.room.active(made.id) is not None


@pytest.mark.parametrize(
    "wrong",
    [
        {"fields": {}},
        {"fields": {"*": {"kind": "plain"}}},
        {"fields": {"nothing": {"kind": "plain"}}},
        {"provider": "works"},
        {"consumer": "health"},
        {"purpose": "curiosity"},
        {"basis": "no_persons"},
        {"basis": "because"},
        {"until_us": 0},
        {"until_us": NOON_US - 1},
        {"until_us": 2**60},
        {"subject": ""},
        {"subject": "", "k": 9},
        {"subject": "school"},
        {"subject": "nothing"},
        {"fields": {"vaccinated": {"kind": "plain"}}},
        {"fields": {"child": {"kind": "truncate", "keep": 3}}, "purpose": "planning"},
        {"fields": {"phone": {"kind": "plain"}}},
        {"fields": {"vaccinated": {"kind": "generalise"}}},
        {"where": [{"column": "vaccinated", "comparison": "=", "value": True}]},
        {"where": [{"column": "phone", "comparison": "=", "value": "1"}]},
        {"where": [{"column": "id_number", "comparison": "=", "value": "1"}]},
        {"where": [{"column": "school", "comparison": "in", "value": {"a": 1}}]},
        {"limits": {"rows_a_day": -1}},
        {"limits": {"rows_a_call": 1_000_000}},
        {"retention_days": 100_000},
        {"retention_days": -1},
        {"limits": {"subjects_a_day": 0}},
    ],
    ids=str,
)
async def test_terms_that_cannot_be_are_not_sent(here: Town, wrong: dict[str, Any]) -> None:
    """Each mistake is named in both languages before anything is written down."""
    told = {**msgspec.to_builtins(terms()), **wrong}
    asked = msgspec.convert(told, type(terms()))
    checked = here.room.check(asked)
    assert checked.errors
    assert all({"zh", "en"} <= set(one.text) for one in checked.findings)
    with pytest.raises(BadRequestData) as refused:
        await here.room.request(ASKER, asked, reason=WHY)
    assert refused.value.extra["findings"]
    assert [] == here.log.rows


async def test_people_who_are_one_do_not_approve_each_other(tmp_path: Path) -> None:
    """Two accounts of one proved person, who acts for somebody and whom they act for: one."""
    from pintu.kernel.tables import open_tables

    tables = open_tables(tmp_path, "sqlite:")
    people = People(tables, CityClock())
    told = {
        one.id: one
        for one in (
            Person(id="p1", login="one", name="演示甲", subject="d1"),
            Person(id="p2", login="two", name="演示乙", subject="d1"),
            Person(id="p3", login="three", name="演示丙", subject="d3"),
            Person(id="p4", login="four", name="演示丁"),
        )
    }
    people._people.update(told)
    now_us = CityClock().now_us()
    people._delegations["x"] = Delegation(
        id="x",
        from_subject="d3",
        to_person="p1",
        kind="company",
        scopes=("look",),
        since_us=now_us - 1,
        until_us=now_us + DAY_US,
        proved_by="person:p4",
        reason="公司经办",
    )
    checking = Checking(find_data_set, codes, Policies(), CityClock(), people)
    assert {"p1", "p2", "p3"} == checking.same_person(person("p1", "health", "owner"))
    assert {"p1", "p2"} == checking.same_person(person("p2", "health", "owner"))
    assert {"p3", "p1"} == checking.same_person(person("p3", "health", "owner"))
    assert {"p4"} == checking.same_person(person("p4", "health", "owner"))
    clock, log = HandClock(), PaperLog()
    await _one_person_in_two_roles(tmp_path / "town", people, clock, log)
    tables.close()


async def _one_person_in_two_roles(
    folder: Path, people: People, clock: HandClock, log: PaperLog
) -> None:
    opened = Town(folder, "sqlite:", clock, log)
    opened.room._checking._people = people
    asked = await opened.room.request(person("p2", "education", "officer"), terms(), reason=WHY)
    with pytest.raises(Forbidden, match="cannot approve it"):
        await opened.room.approve(person("p1", "health", "owner"), asked.id)
    await opened.room.approve(person("p4", "health", "owner"), asked.id)
    with pytest.raises(Forbidden, match="cannot sign it"):
        await opened.room.sign(person("p4", "education", "owner"), asked.id)
    await opened.close()


async def test_a_forged_signature_is_found_though_the_row_is_sealed(
    town: Town, caplog: Any
) -> None:
    """Somebody who has this node's seal wrote terms that nobody signed: found by looking at every
    signature, suspended, in the log, and not to be resumed."""
    made = await town.in_force()
    forged = msgspec.structs.replace(made, terms=terms(retention_days=900))
    row = ledger.version_row(forged, 99, town.room._room.signatures.seal)
    await town.room._file.run(lambda c: put_rows(c, VERSION, [row]))
    town.room.look()
    assert town.room.active(made.id) is not None
    assert await town.room._room.verify(("", 0), 10) is None
    assert town.room.active(made.id) is None
    assert "the signature of health does not verify" in caplog.text
    last = town.log.rows[-1]
    assert ("break", "suspended") == (last.deed, last.basis)
    with pytest.raises(StateConflict, match="signature of health"):
        await town.room.resume(OWNER, made.id)
    await town.room.revoke(OWNER, made.id, reason="签名不符，重新申请")


async def test_what_was_altered_is_suspended_for_all_to_see(town: Town) -> None:
    """The next life writes it down, and its owner may let it pass again when the terms are those
    that were signed."""
    made = await town.in_force()
    await town.room._file.run(lambda c: c.execute(sa.update(VERSION).values(seal=b"other")))
    later = await town.again()
    assert later.room.active(made.id) is None
    await later.room._room.settle_doubts()
    assert ("break", "suspended") == (town.log.rows[-1].deed, town.log.rows[-1].basis)
    await later.room.resume(OWNER, made.id)
    assert later.room.active(made.id) is not None
    await later.close()


async def test_nobody_chooses_an_id_or_learns_of_one_by_amending(town: Town) -> None:
    """The next version of what is not there, or of others', is one of nothing."""
    made = await town.in_force()
    traffic = person("pt", "traffic", "officer")
    for actor, amends in ((ASKER, "ag-aaaaaaaaaa"), (ASKER, "x\x00"), (traffic, made.id)):
        with pytest.raises(ResourceNotFound):
            await town.room.request(
                actor, terms(consumer=actor.organisation), reason=WHY, amends=amends
            )
    for id in ("", "ag-", "ag-\x00aaaaaaaaa", "x" * 10_000):
        assert town.room.find(id) is None
        with pytest.raises(ResourceNotFound):
            await town.room.answer_recall(ASKER, id, what="全部删除")


@pytest.mark.parametrize("note", ["\x00 kept", "\ud800 half", "x" * 2_001])
async def test_notes_are_kept_as_every_store_can(town: Town, note: str) -> None:
    """A sign that no store keeps is shown as another; what is too long is refused."""
    asked = await town.room.request(ASKER, terms(), reason=WHY)
    try:
        await town.room.approve(OWNER, asked.id, note=note)
    except BadRequestData:
        assert len(note) > 2_000
    else:
        assert 2 == len(await town.room.steps(asked.id))
    with pytest.raises(BadRequestData):
        await town.room.refuse(OWNER, asked.id, reason="字段与目的不符", key="k" * 201)
    with pytest.raises(BadRequestData):
        await town.room.refuse(OWNER, asked.id, reason="字段与目的不符", key="k\x00")
