"""The duty desk: what rings goes on to the next until somebody has it, over restarts too."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import Connection

from pintu.kernel.errors import BadRequestData, Forbidden, StateConflict, Unauthorized
from pintu.kernel.operations.journal import Deed, enter
from pintu.kernel.operations.roster import duty as desk
from pintu.kernel.operations.roster.words import Shift, Swap

from .conftest import NIGHT_US, TENANT, Lives, SetClock, Watch, rota, until

INCIDENT = "incident:urn:ngsi-ld:Incident:operations:1"


def names(watch: Watch, *logins: str) -> tuple[str, ...]:
    return tuple(watch.people[one].person for one in logins)


async def ring(watch: Watch, subject: str = INCIDENT, severity: str = "high"):  # type: ignore[no-untyped-def]
    return await watch.room.duty.ring(TENANT, subject, severity, {"zh": "倒杆", "en": "A pole"})


async def test_the_first_on_the_roster_is_rung_and_has_it(watch: Watch) -> None:
    """Rung, answered, quiet: each a deed of the incident, and no timer is left."""
    made = await ring(watch)
    assert names(watch, "first") == made.rung
    done = await watch.room.duty.acknowledge(watch.people["first"], made.id, "看到了")
    assert ("acknowledged", watch.people["first"].id) == (done.state, done.by)
    assert [] == watch.room.duty.ringing(TENANT)
    assert watch.timers.due(desk.TIMER, made.id) is None
    assert [("rung", "detector"), ("answered", done.by)] == await watch.deeds(INCIDENT)
    again = await watch.room.duty.acknowledge(watch.people["first"], made.id)
    assert done == again
    with pytest.raises(StateConflict, match="already"):
        await watch.room.duty.acknowledge(watch.people["second"], made.id)


async def test_nobody_answers_and_it_goes_on_to_the_next_every_three_minutes(watch: Watch) -> None:
    """First, second, the supervisor, then all of them again, until somebody has it."""
    made = await ring(watch)
    known = watch.room.duty
    for step, who in enumerate(
        (("first", "second"), ("first", "second", "third"), ("first", "second", "third")), 1
    ):
        await watch.later(179)
        assert step - 1 == known.ringing(TENANT)[0].step
        await watch.later(1)
        await until(lambda step=step: known.ringing(TENANT)[0].step == step)
        assert names(watch, *who) == known.ringing(TENANT)[0].rung
    done = await known.acknowledge(watch.people["second"], made.id)
    await watch.later(1000)
    assert [] == known.ringing(TENANT)
    verbs = [verb for verb, _ in await watch.deeds(INCIDENT)]
    assert ["rung", "escalated", "escalated", "escalated", "answered"] == verbs
    assert 3 == done.step


async def test_a_restart_goes_on_where_it_was(lives: Lives) -> None:
    """What rings rings on; what came due while the city was down goes on at once, once."""
    before = await lives()
    await before.room.roster.save_rota(
        before.people["third"], rota(before.people, "first", "second", "third")
    )
    await before.start()
    made = await ring(before)
    await before.stop()
    clock = SetClock(NIGHT_US + 400_000_000)
    after = await lives(clock=clock)
    [still] = after.room.duty.ringing(TENANT)
    assert (made.id, 0) == (still.id, still.step)
    await after.start()
    await until(lambda: after.room.duty.ringing(TENANT)[0].step == 1)
    assert names(after, "first", "second") == after.room.duty.ringing(TENANT)[0].rung
    await after.later(179)
    assert 1 == after.room.duty.ringing(TENANT)[0].step


async def test_a_crash_between_ring_and_timer_leaves_nothing_silent(lives: Lives) -> None:
    """A ring whose timer was never set gets one; a step taken before a crash is not taken again."""
    before = await lives()
    await before.room.roster.save_rota(before.people["third"], rota(before.people, "first"))
    await before.start()
    made = await ring(before)
    await before.timers.cancel(desk.TIMER, made.id)
    await before.stop()
    after = await lives()
    await after.start()
    assert made.next_us == after.timers.due(desk.TIMER, made.id)
    await after.timers.set(desk.TIMER, made.id, after.clock.us, 7)  # of a step that is over
    await after.later(1)
    await until(lambda: after.timers.due(desk.TIMER, made.id) == made.next_us)
    assert 0 == after.room.duty.ringing(TENANT)[0].step


async def test_the_same_rings_once_and_as_bad_as_the_worst(watch: Watch) -> None:
    """Forty alarms of one incident are one ring."""
    made = [await ring(watch, severity=one) for one in ("high", "medium", "critical", "high")]
    assert {made[0].id} == {one.id for one in made}
    assert "critical" == made[-1].severity
    assert ["rung", "ring_raised"] == [verb for verb, _ in await watch.deeds(INCIDENT)]
    await ring(watch, "incident:2", "high")
    assert ["critical", "high"] == [one.severity for one in watch.room.duty.ringing(TENANT)]


async def test_who_may_not_answer(watch: Watch) -> None:
    """A crew does its orders; it does not take alarms."""
    made = await ring(watch)
    with pytest.raises((Forbidden, Unauthorized)):
        await watch.room.duty.acknowledge(watch.people["crew"], made.id)
    assert [made.id] == [one.id for one in watch.room.duty.ringing(TENANT)]


async def test_what_cannot_ring(watch: Watch) -> None:
    """A ring is about something, says what, and how bad."""
    for wrong in (("nothing", "high", "x"), ("incident:1", "red", "x"), ("incident:1", "high", {})):
        with pytest.raises(BadRequestData):
            await watch.room.duty.ring(TENANT, *wrong)


async def test_nobody_on_the_roster_is_no_silence(lives: Lives) -> None:
    """Then everybody who works there is rung at once."""
    alone = await lives()
    await alone.start()
    assert set(names(alone, "first", "second", "third", "free")) == set(
        alone.room.roster.ladder(TENANT)
    )
    made = await ring(alone)
    assert 1 == len(made.rung)


async def test_a_swap_changes_who_is_rung(watch: Watch) -> None:
    """Whoever stands in is first in line, and the journal has it; others' shifts are planned by
    supervisors."""
    roster = watch.room.roster
    swap = Swap(
        id="", tenant=TENANT, person=watch.people["first"].id, by=watch.people["free"].id,
        since_us=NIGHT_US - 1, until_us=NIGHT_US + 3_600_000_000, reason="病假",
    )  # fmt: skip
    with pytest.raises(Forbidden):
        await roster.swap(watch.people["second"], swap)
    kept = await roster.swap(watch.people["first"], swap)
    assert names(watch, "free") == (await ring(watch)).rung
    assert watch.people["first"].person == roster.on_duty(TENANT)[0].instead_of
    await roster.unswap(watch.people["third"], TENANT, kept.id)
    assert names(watch, "first") == (await ring(watch, "incident:2")).rung
    assert ["planned", "swapped", "swapped_back"] == [
        one.verb for one in await watch.room.journal.list_deeds() if one.subject[:5] == "shift"
    ]


async def test_a_major_event_has_a_roster_of_its_own(watch: Watch) -> None:
    """It stands beside the ordinary watch, for its time, and can be asked for alone."""
    shift = Shift(
        id="", tenant=TENANT, person=watch.people["free"].person, post="duty", rank=0,
        since_us=NIGHT_US - 1, until_us=NIGHT_US + 10, event="summit",
    )  # fmt: skip
    with pytest.raises(Forbidden):
        await watch.room.roster.add_shift(watch.people["second"], shift)
    kept = await watch.room.roster.add_shift(watch.people["third"], shift)
    assert 4 == len(watch.room.roster.on_duty(TENANT))
    [only] = watch.room.roster.shifts(TENANT, NIGHT_US, NIGHT_US + 1, event="summit")
    assert kept == only
    watch.clock.us += 11
    assert 3 == len(watch.room.roster.on_duty(TENANT))


async def test_the_roster_is_there_after_a_restart(lives: Lives) -> None:
    """Rotas, swaps and shifts of their own."""
    before = await lives()
    roster = before.room.roster
    await roster.save_rota(before.people["third"], rota(before.people, "first", "second"))
    await roster.swap(
        before.people["first"],
        Swap(
            id="",
            tenant=TENANT,
            person=before.people["first"].id,
            by=before.people["free"].id,
            since_us=NIGHT_US,
            until_us=NIGHT_US + 100,
        ),
    )
    told = roster.shifts(TENANT, NIGHT_US, NIGHT_US + 86_400_000_000)
    await before.stop()
    after = await lives()
    assert told == after.room.roster.shifts(TENANT, NIGHT_US, NIGHT_US + 86_400_000_000)
    assert [] == after.room.roster.gaps(TENANT, NIGHT_US, NIGHT_US + 86_400_000_000)


# --- what incidents do ----------------------------------------------------------------------------
async def incident(watch: Watch, verb: str, who: str = "detector", **detail: object) -> Deed:
    """A deed of another part, as the journal tells it."""
    opened = watch.room.duty._book.opened
    deed = Deed(
        subject=INCIDENT, verb=verb, who=who, at_us=watch.clock.us, tenant=TENANT,
        detail=detail,
    )  # fmt: skip

    def work(connection: Connection) -> Deed:
        return enter(connection, deed)

    kept = await opened.run(work)
    other = msgspec.structs.replace(kept, room="incidents")
    for listener in list(watch.room.journal._listeners):
        listener(other)
    return other


async def test_a_bad_incident_rings_by_itself_and_stops_when_somebody_has_it(watch: Watch) -> None:
    """Opened high: rings; medium: does not; assigned: quiet."""
    await incident(watch, "opened", severity="medium")
    await incident(watch, "raised", severity="high")
    await until(lambda: watch.room.duty.ringing(TENANT))
    [made] = watch.room.duty.ringing(TENANT)
    assert made.text["zh"].startswith("新事件：")
    assert made.link.startswith("/incidents/urn:ngsi-ld:Incident")
    await incident(watch, "assigned", watch.people["second"].id)
    await until(lambda: not watch.room.duty.ringing(TENANT))
    verbs = [verb for verb, _ in await watch.deeds(INCIDENT)]
    assert ["opened", "raised", "rung", "assigned", "answered"] == verbs


@pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
async def test_what_was_answered_rings_no_more_after_a_restart(lives: Lives) -> None:
    """What made it worse while it rang has no ring of its own, and gets none when the deeds of the
    last hours are read again."""
    before = await lives()
    await before.room.roster.save_rota(before.people["third"], rota(before.people, "first"))
    await before.start()
    told = {"text": "x", "link": "/incidents/9", "by": "detector"}
    began = before.clock.us
    await before.room.duty.ring(TENANT, "incident:9", "high", key="i/1", at_us=began, **told)
    before.clock.us += 1_000_000
    worse = before.clock.us
    await before.room.duty.ring(TENANT, "incident:9", "critical", key="i/2", at_us=worse, **told)
    before.clock.us += 1_000_000
    [made] = before.room.duty.ringing(TENANT)
    await before.room.duty.acknowledge(before.people["first"], made.id)
    again = await before.room.duty.ring(
        TENANT, "incident:9", "critical", key="i/2", at_us=worse, **told
    )
    assert (made.id, []) == (again.id, before.room.duty.ringing(TENANT))
    anew = before.clock.us + 1
    await before.room.duty.ring(TENANT, "incident:9", "high", key="i/3", at_us=anew, **told)
    assert 1 == len(before.room.duty.ringing(TENANT))
