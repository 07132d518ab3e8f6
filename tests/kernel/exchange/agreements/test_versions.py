"""Versions, limits that were broken, what others hear and see, and how an organisation stands."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from pintu.kernel.access import Mask
from pintu.kernel.clock import CityClock
from pintu.kernel.configuration import Configuration
from pintu.kernel.errors import StateConflict
from pintu.kernel.exchange.agreements.deadlines import Deadlines
from pintu.kernel.exchange.agreements.opening import deadlines_of
from pintu.kernel.identity.notices import Notices
from pintu.kernel.identity.people import People
from pintu.kernel.identity.words import Membership, Person
from pintu.kernel.tables import open_tables

from .conftest import (
    ASKER,
    CHIEF,
    DAY_US,
    NOON_US,
    OWNER,
    HandClock,
    PaperLog,
    Town,
    terms,
)

WHY = "入学核验疫苗接种"


async def test_the_old_version_is_in_force_until_the_new_one_is(town: Town) -> None:
    """An extension of the term is a new version that both sign; then the old one is superseded,
    and its copies are not asked back."""
    made = await town.in_force()
    town.room.held(made, 2)
    longer = terms(until_us=NOON_US + 300 * DAY_US)
    second = await town.room.request(ASKER, longer, reason="延长一个学期", amends=made.id)
    assert (made.id, 2, 1) == (second.id, second.version, second.previous)
    with pytest.raises(StateConflict, match="next version already"):
        await town.room.request(ASKER, longer, reason="延长一个学期", amends=made.id)
    await town.room.approve(OWNER, made.id, version=2)
    found = town.room.active(made.id)
    assert found is not None
    assert 1 == found.version
    await town.room.sign(CHIEF, made.id, version=2)
    found = town.room.active(made.id)
    assert found is not None
    assert (2, longer.until_us) == (found.version, found.terms.until_us)
    assert ["superseded", "active"] == [one.state for one in town.room.versions(made.id)]
    assert [] == await town.room.recalls(made.id)
    assert [2] == [one.version for one in town.room.of_consumer("education")]
    await town.pass_days(100)
    assert town.room.active(made.id) is not None


async def test_broken_limits_suspend_and_the_owner_lets_it_pass_again(town: Town) -> None:
    """The gate suspends by itself; it shows on the consumer's standing."""
    made = await town.in_force()
    done = await town.room.suspend_for(made.id, "301 persons looked up in a day of 300")
    assert ("suspended", None) == (done.state, town.room.active(made.id))
    assert "301 persons looked up in a day of 300" == done.decision
    assert 1 == (await town.room.standing("education")).limits_broken
    await town.room.resume(OWNER, made.id)
    assert town.room.active(made.id) is not None


async def test_an_owner_is_measured_by_its_answers(town: Town) -> None:
    """In time before its deadline, late after the deputy was told, overdue while nobody decides."""
    await town.in_force()
    late = await town.room.request(ASKER, terms(), reason=WHY)
    waits = await town.room.request(ASKER, terms(), reason=WHY)
    await town.pass_days(7)
    await town.room.refuse(OWNER, late.id, reason="字段与目的不符")
    standing = await town.room.standing("health")
    assert (1, 1, 2, 1, 0.5) == (
        standing.requests_open,
        standing.requests_overdue,
        standing.answered,
        standing.in_time,
        standing.share_in_time,
    )
    assert waits.id in {one.id for one in town.room.list_for(OWNER)}
    assert late.id in {one.id for one in town.room.list_for(OWNER, closed=True)}


async def test_what_a_consumer_puts_together_is_shown(town: Town) -> None:
    """Fields of one person from all its agreements in force and this one, by data set; an
    agreement that is over or counts only adds nothing."""
    asked = terms(fields={"birth": Mask(kind="generalise", keep=4)})
    assert {"shots": ("birth",)} == town.room.check(asked).union
    made = await town.in_force()
    assert {"shots": ("birth", "vaccinated")} == town.room.check(asked).union
    assert {"shots": ("birth",)} == town.room.check(asked, amends=made.id).union
    await town.room.revoke(OWNER, made.id, reason="目的已经达到")
    assert {"shots": ("birth",)} == town.room.check(asked).union


async def test_another_process_sees_a_revocation_within_a_second(
    tmp_path: Path, stores: str
) -> None:
    """Two lives on the same tables: what one ends passes nothing in the other, by its own look."""
    log, clock = PaperLog(), HandClock()
    one = Town(tmp_path, stores, clock, log)
    other = Town(tmp_path, stores, clock, log)
    await other.room.start()
    made = await one.in_force()
    loop = asyncio.get_running_loop()
    end = loop.time() + 1.0
    while other.room.active(made.id) is None and loop.time() < end:
        await asyncio.sleep(0.01)
    assert other.room.active(made.id) is not None
    await one.room.revoke(OWNER, made.id, reason="目的已经达到")
    revoked = loop.time()
    while other.room.active(made.id) is not None and loop.time() < revoked + 1.0:
        await asyncio.sleep(0.01)
    assert other.room.active(made.id) is None
    assert "revoked" == other.told[-1].state
    await other.close()
    await one.close()


async def test_everybody_concerned_is_told_once(tmp_path: Path, stores: str) -> None:
    """The owner of a request, the deputy of silence, the auditor of more of it; what could not be
    told is told after the next start."""
    town = Town(tmp_path, stores, HandClock(), PaperLog())
    people = People(town.tables, CityClock())
    notices = Notices(town.tables, CityClock(), people)
    roles = ("owner@health", "deputy@health", "officer@education", "auditor@city")
    to = {name: of_role(name) for name in roles}
    asked = await town.room.request(ASKER, terms(), reason=WHY)
    assert [] == notices.mine(to["owner@health"])
    town.room.use(notices=notices)
    await town.room.start()
    await town.pass_days(7)
    await town.pass_days(7)
    for _ in range(200):
        await asyncio.sleep(0.01)
        if 3 == len(notices.mine(to["owner@health"])):
            break
    told = {name: [one.text["zh"] for one in notices.mine(to[name])] for name in to}
    assert [3, 2, 1, 1] == [len(told[name]) for name in roles]
    assert f"有单位申请使用 shots：请审批协议 {asked.name}" == told["owner@health"][-1]
    assert f"协议 {asked.name} 两次逾期，无人审批" == told["auditor@city"][0]
    assert {f"/agreements/{asked.id}?version=1"} == {
        one.link for name in to for one in notices.mine(to[name])
    }
    await town.close()


def of_role(name: str) -> Person:
    """Somebody who has a role."""
    role, _, organisation = name.partition("@")
    mine = msgspec.convert({"organisation": organisation, "role": role}, Membership)
    return Person(id=name, login=name, name="演示", memberships=(mine,))


async def test_silence_of_the_consumer_is_reminded_of_once(town: Town) -> None:
    """Approved and not signed: the consumer hears of it when its deadline passes."""
    asked = await town.room.request(ASKER, terms(), reason=WHY)
    await town.room.approve(OWNER, asked.id)
    await town.pass_days(7)
    await town.pass_days(7)
    assert 1 == sum(one.deed == "remind" for one in town.log.rows)
    assert "approved" == town.told[-1].state
    assert 0 == town.told[-1].due_us


async def test_a_log_that_is_away_delays_what_happens_by_itself(town: Town) -> None:
    """The deadline passed while nothing could be written: it is told as soon as it can be."""
    await town.room.request(ASKER, terms(), reason=WHY)
    town.log.away = True
    await town.pass_days(7)
    assert "requested" == town.told[-1].state
    town.log.away = False
    await town.pass_days(0.001)
    assert "escalated" == town.told[-1].state
    assert ["request", "escalate"] == [one.deed for one in town.log.rows]


def test_working_days_are_the_citys() -> None:
    """Weekends and holidays do not count, a working Saturday does; a part of a day is time."""
    own = Deadlines(holidays=("2026-10-01",), workdays=("2026-10-03",))
    wednesday = 1_790_733_600_000_000  # 2026-09-30T10:00:00+08:00
    assert wednesday + 2 * DAY_US == own.after(wednesday, 1)  # Thursday is a holiday
    assert wednesday + 3 * DAY_US == own.after(wednesday, 2)  # Saturday works
    assert wednesday + 5 * DAY_US == own.after(wednesday, 3)  # Sunday does not
    assert wednesday + DAY_US // 2 == own.after(wednesday, 0.5)


def test_a_town_sets_its_own_deadlines(tmp_path: Path) -> None:
    """From its configuration; one with a mistake stops nobody's clock."""
    configuration = Configuration(tmp_path, CityClock())
    assert 5 == deadlines_of(configuration, "UTC").owner_days
    told = {"owner_days": 2, "holidays": ["2026-10-01"]}
    configuration.save("agreements", "deadlines", told, by="test")
    found = deadlines_of(configuration, "UTC")
    assert (2, ("2026-10-01",), "UTC") == (found.owner_days, found.holidays, found.zone)
    for wrong in ({"owner_days": 0}, {"owner_days": "x"}, {"holidays": ["soon"]}, {"days": 1}):
        configuration.save("agreements", "deadlines", wrong, by="test")
        assert 5 == deadlines_of(configuration, "UTC").owner_days


async def test_tables_of_a_life_that_ended_are_opened_by_the_next(town: Town) -> None:
    """Steps, versions and deadlines go on: the deputy is told though the city was down then."""
    asked = await town.room.request(ASKER, terms(), reason=WHY)
    town.clock.us += 8 * DAY_US
    later = await town.again()
    await later.room.start()
    await later.timers.start()
    for _ in range(200):
        await asyncio.sleep(0.01)
        if later.told:
            break
    assert ["escalated"] == [one.state for one in later.told]
    assert ["request", "escalate"] == [one.deed for one in await later.room.steps(asked.id)]
    await later.close()
    tables = open_tables(town.folder, town.store)
    tables.close()
