"""Agreements: asked for, approved by another person, signed by both, in force, ended."""

from __future__ import annotations

import asyncio

import pytest

from pintu.kernel.errors import (
    BadRequestData,
    Forbidden,
    ResourceNotFound,
    StateConflict,
    Unavailable,
)
from pintu.kernel.exchange.agreements import signing
from pintu.kernel.identity.keys import Keys

from .conftest import ASKER, CHIEF, DAY_US, DEPUTY, NOON_US, OWNER, STRANGER, Town, person, terms

WHY = "入学核验疫苗接种"


async def test_an_agreement_is_in_force_when_both_signed_and_not_before(town: Town) -> None:
    """Request, approval and signature: three rows of the log, two signatures, then it is active."""
    room = town.room
    asked = await room.request(ASKER, terms(), reason=WHY)
    assert ("requested", 1, None) == (asked.state, asked.version, room.active(asked.id))
    assert NOON_US + 7 * DAY_US == asked.due_us  # five working days from a Monday evening
    approved = await room.approve(OWNER, asked.id)
    assert ("approved", "po", None) == (
        approved.state,
        approved.approved_by,
        room.active(asked.id),
    )
    signed = await room.sign(CHIEF, asked.id)
    found = room.active(asked.id)
    assert found is not None
    assert ("active", asked.name) == (found.state, found.name)
    assert ["health", "education"] == [one.organisation for one in signed.signatures]
    assert all(signing.holds(one, signing.canonical(signed)) for one in signed.signatures)
    assert Keys(town.folder / "keys").signer("org.health").public == signed.signatures[0].public
    assert ["request", "approve", "sign"] == [one.deed for one in town.log.rows]
    assert ["requested", "approved", "active"] == [one.state for one in town.told]
    assert [signed.name] == [one.name for one in room.of_consumer("education")]
    steps = await room.steps(asked.id)
    assert [("request", "pa", 1), ("approve", "po", 2), ("sign", "pc", 3)] == [
        (one.deed, one.person, one.receipt) for one in steps
    ]


async def test_a_revocation_holds_at_once_and_after_a_restart(town: Town) -> None:
    """What is revoked passes nothing any more, here and in the next life."""
    made = await town.in_force()
    await town.room.revoke(OWNER, made.id, reason="目的已经达到")
    assert town.room.active(made.id) is None
    later = await town.again()
    assert later.room.active(made.id) is None
    found = later.room.find(made.id)
    assert found is not None
    assert "revoked" == found.state
    await later.close()


async def test_who_asks_never_approves(town: Town) -> None:
    """Not with another membership either, and no program decides."""
    asked = await town.room.request(ASKER, terms(), reason=WHY)
    for actor in (
        person("pa", "health", "owner"),
        ASKER,
        DEPUTY,
        person("", "health", "owner"),
    ):
        with pytest.raises(Forbidden):
            await town.room.approve(actor, asked.id)
    with pytest.raises(ResourceNotFound):
        await town.room.approve(STRANGER, asked.id)


async def test_without_a_log_nothing_is_done(town: Town) -> None:
    """The log is away: Unavailable, nothing happened, and it can be done afterwards."""
    asked = await town.room.request(ASKER, terms(), reason=WHY)
    town.log.away = True
    with pytest.raises(Unavailable):
        await town.room.approve(OWNER, asked.id)
    found = town.room.find(asked.id)
    assert found is not None
    assert "requested" == found.state
    town.log.away = False
    assert "approved" == (await town.room.approve(OWNER, asked.id)).state


async def test_of_two_who_approve_at_once_one_wins(town: Town) -> None:
    """The other hears that it was decided."""
    asked = await town.room.request(ASKER, terms(), reason=WHY)
    other = person("px", "health", "owner")
    done = await asyncio.gather(
        town.room.approve(OWNER, asked.id),
        town.room.approve(other, asked.id),
        return_exceptions=True,
    )
    assert [StateConflict] == [type(one) for one in done if isinstance(one, Exception)]
    assert 1 == sum(one.deed == "approve" for one in town.log.rows)


async def test_a_repeated_key_is_the_same_deed(town: Town) -> None:
    """Asked twice at once and once later: written down once; another deed with it conflicts."""
    many = await asyncio.gather(
        *(town.room.request(ASKER, terms(), reason=WHY, key="k1") for _ in range(4))
    )
    again = await town.room.request(ASKER, terms(), reason=WHY, key="k1")
    assert {again.id} == {one.id for one in many}
    assert 1 == len(town.log.rows)
    with pytest.raises(StateConflict, match="k1"):
        await town.room.request(ASKER, terms(retention_days=31), reason=WHY, key="k1")


@pytest.mark.parametrize("reason", ["test", "测试", "1234567", "aaaa", "", "无"])
async def test_a_reason_says_something(town: Town, reason: str) -> None:
    """A placeholder is no reason."""
    with pytest.raises(BadRequestData):
        await town.room.request(ASKER, terms(), reason=reason)


async def test_silence_is_told_to_the_deputy_and_then_to_the_auditor(town: Town) -> None:
    """The owner's clock, then the deputy's; each passes once."""
    asked = await town.room.request(ASKER, terms(), reason=WHY)
    await town.pass_days(7)
    assert "escalated" == town.told[-1].state
    await town.pass_days(7)
    await town.pass_days(7)
    assert ["request", "escalate", "overdue"] == [one.deed for one in town.log.rows]
    assert "approved" == (await town.room.approve(DEPUTY, asked.id)).state
    assert "active" == (await town.room.sign(CHIEF, asked.id)).state
