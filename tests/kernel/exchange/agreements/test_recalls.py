"""Copies that consumers keep: counted, asked back when an agreement ends, answered or overdue."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.access import Mask
from pintu.kernel.errors import (
    BadRequestData,
    Forbidden,
    ResourceNotFound,
    StateConflict,
    Unavailable,
)
from pintu.kernel.exchange.agreements import Deletion, Recall, Signature, signing
from pintu.kernel.identity.keys import Keys

from .conftest import (
    ASKER,
    AUDITOR,
    CHIEF,
    CLERK,
    DAY_US,
    NOON_US,
    OWNER,
    STRANGER,
    Town,
    person,
    terms,
)

WHY = "目的已经达到"


async def recalled(town: Town, **more: Any) -> list[Recall]:
    made = await town.in_force(**more)
    town.room.held(made, 3)
    town.clock.us += 1_000_000
    town.room.held(made.name, 2)
    town.room.held(made.id, 1, to="firm")
    await town.room.revoke(OWNER, made.id, reason=WHY)
    return await town.room.recalls(made.id)


async def test_a_holder_is_asked_with_a_deadline_and_a_signature(town: Town) -> None:
    """Counters say who got how much since when; the recall says so, signed by the provider."""
    made = await town.in_force()
    town.room.held(made, 3)
    town.clock.us += 1_000_000
    town.room.held(made.name, 2)
    town.room.held(made, 0)
    [held] = await town.room.copies(made.id)
    assert ("education", "shots", 5, NOON_US, NOON_US + 1_000_000) == (
        held.holder,
        held.data_set,
        held.rows,
        held.first_us,
        held.last_us,
    )
    await town.room.revoke(OWNER, made.id, reason=WHY)
    [recall] = await town.room.recalls(made.id)
    assert ("education", 5, "revoked", made.name) == (
        recall.holder,
        recall.rows,
        recall.why,
        recall.agreement,
    )
    assert NOON_US + 7 * DAY_US + 1_000_000 == recall.due_us
    assert recall.request is not None
    assert signing.holds(recall.request, signing.canonical_recall(recall))
    assert [("agreement", "revoke"), ("recall", "ask")] == [
        (one.what, one.deed) for one in town.log.rows[-2:]
    ]
    assert [recall] == await town.room.list_recalls(ASKER)
    assert [recall] == await town.room.list_recalls(AUDITOR)
    assert [] == await town.room.list_recalls(STRANGER)


async def test_nobody_is_asked_who_may_keep_nothing_or_got_nothing(town: Town) -> None:
    """No retention: nothing is counted. Nothing counted: nobody is asked."""
    for more in ({"retention_days": 0}, {"retention_days": 30}):
        made = await town.in_force(**more)
        if not more["retention_days"]:
            town.room.held(made, 7)
        await town.room.revoke(OWNER, made.id, reason=WHY)
        assert [] == await town.room.copies(made.id)
        assert [] == await town.room.recalls(made.id)


async def test_those_it_was_passed_on_to_are_asked_too(town: Town) -> None:
    """Only where the agreement lets it be passed on, and each by itself, with who passed it on."""
    family_name = {"child": Mask(kind="truncate", keep=1)}
    made = await town.in_force(fields=family_name, purpose="licensing", onward=True)
    town.room.held(made, 4)
    town.room.held(made, 2, to="firm")
    await town.room.revoke(OWNER, made.id, reason=WHY)
    found = await town.room.recalls(made.id)
    assert [("education", "", 4), ("firm", "education", 2)] == sorted(
        (one.holder, one.via, one.rows) for one in found
    )


async def test_an_answer_is_a_signed_record_given_once(town: Town) -> None:
    """What, how many, by whom, when; by somebody of the holder who may; a second one conflicts,
    the same one repeated does not."""
    [recall] = await recalled(town)
    told = {"what": "表 shots_copy 与两份备份（演示）", "rows": 5}
    with pytest.raises(Forbidden):
        await town.room.answer_recall(CLERK, recall.id, **told)
    with pytest.raises(ResourceNotFound):
        await town.room.answer_recall(STRANGER, recall.id, **told)
    done = await town.room.answer_recall(ASKER, recall.id, **told, key="k")
    assert done == await town.room.answer_recall(ASKER, recall.id, **told, key="k")
    assert done.answer is not None
    assert ("pa", 5) == (done.answer.person, done.answer.rows)
    assert done.answered is not None
    assert "education" == done.answered.organisation
    assert signing.holds(done.answered, signing.canonical_deletion(done.answer))
    with pytest.raises(StateConflict, match="answered already"):
        await town.room.answer_recall(CHIEF, recall.id, **told)
    assert [("recall", "answer")] == [
        (one.what, one.deed) for one in town.log.rows if one.deed == "answer"
    ]
    assert [done] == await town.room.list_recalls(OWNER)


@pytest.mark.parametrize(
    "told",
    [
        {"what": ""},
        {"what": "x", "rows": -1},
        {"what": "x" * 2001},
        {"what": "保留", "kept_by_law": "because", "why": "档案法"},
        {"what": "保留", "kept_by_law": "statutory_duty"},
    ],
    ids=str,
)
async def test_an_answer_that_says_nothing_is_none(here: Town, told: dict[str, Any]) -> None:
    """What must be kept by law names the law."""
    [recall] = await recalled(here)
    with pytest.raises(BadRequestData):
        await here.room.answer_recall(ASKER, recall.id, **told)
    kept = await here.room.answer_recall(
        ASKER,
        recall.id,
        what="学籍档案",
        kept_by_law="statutory_duty",
        why="学籍档案须永久保存（演示）",
    )
    assert kept.answer is not None
    assert "statutory_duty" == kept.answer.kept_by_law


async def test_silence_is_overdue_once_and_the_auditor_hears_of_it(town: Town) -> None:
    """It cannot be forced: it is recorded, shown on the standing, and still may be answered."""
    [recall] = await recalled(town)
    await town.pass_days(7.1)
    await town.pass_days(7)
    later = await town.again()
    await later.pass_days(1)
    assert 1 == sum((one.what, one.deed) == ("recall", "overdue") for one in town.log.rows)
    standing = await later.room.standing("education")
    assert (1, 1, 0) == (standing.recalls_open, standing.recalls_overdue, standing.answered)
    await later.room.answer_recall(ASKER, recall.id, what="全部删除", rows=5)
    standing = await later.room.standing("education")
    assert (0, 0, 1, 0) == (
        standing.recalls_open,
        standing.recalls_overdue,
        standing.answered,
        standing.in_time,
    )
    assert 0.0 == standing.share_in_time
    await later.close()


async def test_an_expired_agreement_asks_its_copies_back_too(town: Town) -> None:
    """By itself, at its end; and a consumer that gives it up is asked as well."""
    made = await town.in_force()
    town.room.held(made, 1)
    await town.pass_days(100)
    assert "expired" == town.told[-1].state
    assert ["expired"] == [one.why for one in await town.room.recalls(made.id)]
    other = await town.in_force(until_us=NOON_US + 300 * DAY_US)
    town.room.held(other, 1)
    await town.room.withdraw(CHIEF, other.id)
    assert ["withdrawn"] == [one.why for one in await town.room.recalls(other.id)]


async def test_what_was_counted_outlives_a_log_or_table_that_is_away(town: Town) -> None:
    """Counters wait in memory and are written when they can be; a recall counts them."""
    made = await town.in_force()
    town.room.held(made, 3)
    town.log.away = True
    with pytest.raises(Unavailable):
        await town.room.revoke(OWNER, made.id, reason=WHY)
    assert [] == await town.room.recalls(made.id)
    town.room.held(made, 4)
    town.log.away = False
    await town.room.revoke(OWNER, made.id, reason=WHY)
    assert [7] == [one.rows for one in await town.room.recalls(made.id)]


async def test_a_holder_of_another_node_answers_with_its_own_key(
    here: Town, tmp_path: Path
) -> None:
    """Its signature is held against the key its node joined with."""
    far = Keys(tmp_path / "far").signer("org.education")
    here.room.know_keys(lambda one: far.public if one == "education@zhang" else "")
    remote = person("x1@zhang", "education@zhang", "officer")
    asked = await here.room.request(
        remote, terms(consumer="education@zhang"), reason="入学核验接种"
    )
    made = await here.room.approve(OWNER, asked.id)
    made = await here.room.sign_remote(remote, made.id, signed(far, signing.canonical(made)))
    here.room.held(made, 9)
    await here.room.revoke(OWNER, made.id, reason=WHY)
    [recall] = await here.room.recalls(made.id)
    told = Deletion(recall=recall.id, what="全部", rows=9, person="x1@zhang", at_us=NOON_US)
    good = signed(far, signing.canonical_deletion(told))
    with pytest.raises(Forbidden):
        await here.room.answer_remote(remote, told, signed(far, b"other"))
    done = await here.room.answer_remote(remote, told, good)
    assert (told, good) == (done.answer, done.answered)


def signed(key: Any, message: bytes) -> Signature:
    return Signature(
        organisation="education@zhang",
        key_id=key.key_id,
        public=key.public,
        at_us=NOON_US,
        signature=base64.b64encode(key.sign(message)).decode(),
    )
