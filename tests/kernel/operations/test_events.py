"""Major events: planned by one, approved by another, run by the clock, reported."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
import sqlalchemy as sa

from pintu.kernel.access import Actor
from pintu.kernel.errors import BadRequestData, Forbidden, ResourceNotFound, StateConflict
from pintu.kernel.identity.gate import ThinGate
from pintu.kernel.intake import Intake
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.operations.events import Check, EventPlan, MajorEvents, Post, Zone
from pintu.kernel.operations.events.report import report_of
from pintu.kernel.operations.events.states import TABLE
from pintu.kernel.operations.events.words import checked, raised
from pintu.kernel.operations.journal import Deed, Journal, create_journal, enter, journal_tables
from pintu.kernel.store.port import Store, settled
from pintu.kernel.store.sqlite import open_sqlite
from pintu.kernel.tables import OpenTables, PrivateTables
from pintu.kernel.timers import Firing, Timers
from tests.kernel.operations.conftest import Home
from tests.kernel.operations.test_warnings import NOON_US, ONE_STORE, SECOND, WRITER, SetClock

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
AREA = {
    "type": "Polygon",
    "coordinates": [[[120, 30], [120.1, 30], [120.1, 30.1], [120, 30.1], [120, 30]]],
}
PLAN = EventPlan(
    id="summit",
    tenant="demo",
    title={"zh": "峰会（演示）", "en": "Summit (demo)"},
    from_us=NOON_US + HOUR_US,
    until_us=NOON_US + 3 * HOUR_US,
    zones=(Zone(name="hall", title={"zh": "会场"}, area=AREA, steps=2),),
    checks=(
        Check(name="power", title={"zh": "供电"}, zone="hall", every_min=60),
        Check(name="gates", title={"zh": "闸机"}, zone="hall", every_min=120, two=True),
    ),
)
METADATA = sa.MetaData()
journal_tables(METADATA)
OTHERS = PrivateTables(name="incidents_of_a_test", metadata=METADATA, migrations=(create_journal,))


@dataclass(frozen=True)
class Room:
    """Events over a city of their own; what rang, and who was put on the roster."""

    events: MajorEvents
    clock: SetClock
    journal: Journal
    store: Store
    others: OpenTables
    rang: list[tuple[str, str]]
    staffed: list[str]

    async def fire(self, name: str, key: str, at_us: int) -> None:
        """A timer of the room, at its time."""
        self.clock.at_us = at_us
        handler: Any = self.events._due if name == "plan" else self.events._check_due
        await handler(Firing(name=name, key=key, at_us=at_us, payload=None, attempt=1))

    async def verbs(self) -> list[str]:
        """What was done about the event."""
        return [one.verb for one in await self.journal.list_deeds(subject="event:summit")]

    async def happens(self, subject: str, verb: str = "opened") -> None:
        """Another part's deed."""
        deed = Deed(
            subject=subject, verb=verb, who="detector", at_us=self.clock.at_us, tenant="demo"
        )
        kept = await self.others.run(lambda c: enter(c, deed))
        await self.journal.told(self.others, [kept])
        await asyncio.gather(*self.events._hearing)


@pytest.fixture
async def room(home: Home, tmp_path: Path) -> AsyncIterator[Room]:
    """A running room; its clock and its timers stand still."""
    clock, tables = SetClock(), home()
    store = open_sqlite(tmp_path / "context.db", clock=clock)
    journal = Journal(Intake(store, ContextLibrary(tmp_path / "c"), clock, tables), clock)
    events = MajorEvents(tables, Timers(tables, clock), clock, ThinGate(), journal)
    rang: list[tuple[str, str]] = []
    staffed: list[str] = []

    async def where(subject: str) -> tuple[float, float, str] | None:
        return {"incident:in": (120.05, 30.05, "low"), "incident:out": (121.0, 30.0, "high")}.get(
            subject
        )

    async def ring(plan: EventPlan, subject: str, severity: str, key: str) -> None:
        rang.append((subject, severity))

    async def staff(actor: Actor, plan: EventPlan) -> None:
        staffed.extend(one.person for one in plan.posts)

    events.where, events.ring, events.staff = where, ring, staff
    others = tables.register(OTHERS)
    journal.join(others)
    await events.start()
    yield Room(events, clock, journal, store, others, rang, staffed)
    await events.stop()
    await store.close()
    tables.close()


async def running(room: Room) -> None:
    """The event has begun."""
    await room.events.save(WRITER, PLAN)
    await room.events.approve(SECOND, "summit")
    await room.fire("plan", "summit", PLAN.from_us)


async def test_an_event_from_its_plan_to_its_report(room: Room) -> None:
    """Its checks are due twice as often; who does not look has missed it; the report tells."""
    await running(room)
    for at_us in (PLAN.from_us, PLAN.from_us + 30 * MINUTE_US, PLAN.from_us + 60 * MINUTE_US):
        await room.fire("check", "summit/power", at_us)
        if at_us != PLAN.from_us:
            await room.events.look(WRITER, "summit", "power", wrong=False, note="正常")
    await room.fire("check", "summit/gates", PLAN.from_us)
    assert "half" == (await room.events.look(WRITER, "summit", "gates")).state
    with pytest.raises(Forbidden, match="another person"):
        await room.events.look(WRITER, "summit", "gates")
    assert "done" == (await room.events.look(SECOND, "summit", "gates", wrong=True)).state
    assert [("event:summit", "high")] == room.rang
    with pytest.raises(ResourceNotFound, match="not due"):
        await room.events.look(WRITER, "summit", "gates")
    await room.fire("plan", "summit", PLAN.until_us)
    report = await room.events.report("summit")
    assert [(3, 2, 1, 0), (1, 1, 0, 1)] == [
        (one.due, one.done, one.missed, one.wrong) for one in report.checks
    ]
    assert 0.75 == report.checks_done_share
    assert {"planned", "approved", "began", "ended", "checked", "check_missed"} == set(
        await room.verbs()
    )
    tenant = room.store.tenant("demo")
    assert tenant is not None
    record = await settled(room.store.retrieve(tenant, "urn:ngsi-ld:MajorEvent:operations:summit"))
    assert record is not None
    assert "over" == orjson.loads(record.body)["eventState"]["value"]


@ONE_STORE
async def test_what_happens_in_a_zone_counts_for_more_and_rings(room: Room) -> None:
    """Two steps higher inside, nothing outside, nothing when the event is over."""
    await running(room)
    assert (2, 0) == (
        room.events.steps_at("demo", 120.05, 30.05),
        room.events.steps_at("x", 120, 30),
    )
    await room.happens("incident:in")
    await room.happens("incident:out")
    await room.happens("order:1")
    assert [("incident:in", "high")] == room.rang
    report = await room.events.report("summit")
    assert ("incident:in",) == report.zones[0].subjects
    await room.events.call_off(WRITER, "summit", "取消")
    await room.happens("incident:in", "raised")
    assert 1 == len(room.rang)
    assert 0 == room.events.steps_at("demo", 120.05, 30.05)


@ONE_STORE
async def test_a_plan_needs_a_second_person_and_again_after_a_change(room: Room) -> None:
    """Its writer cannot approve it; a change makes it a draft; one that runs is not changed."""
    await room.events.save(WRITER, PLAN)
    with pytest.raises(Forbidden, match="second person"):
        await room.events.approve(WRITER, "summit")
    post = Post(person="a", post="duty", since_us=PLAN.from_us, until_us=PLAN.until_us)
    with_post = msgspec.structs.replace(PLAN, posts=(post,))
    assert "draft" == (await room.events.save(WRITER, with_post)).state
    assert "approved" == (await room.events.approve(SECOND, "summit")).state
    assert ["a"] == room.staffed
    assert "draft" == (await room.events.save(WRITER, PLAN)).state
    await room.events.approve(SECOND, "summit")
    await room.fire("plan", "summit", PLAN.from_us)
    with pytest.raises(StateConflict, match="running cannot save"):
        await room.events.save(WRITER, PLAN)


@ONE_STORE
async def test_a_timer_twice_is_one_round(room: Room) -> None:
    """A firing that is repeated after a crash makes no second round and misses nothing."""
    await running(room)
    for _ in range(2):
        await room.fire("check", "summit/power", PLAN.from_us)
    assert [(PLAN.from_us, "due")] == [
        (one.due_us, one.state) for one in await room.events.rounds("summit")
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "No Spaces"},
        {"title": {}},
        {"until_us": PLAN.from_us},
        {"zones": ()},
        {"zones": (PLAN.zones[0], PLAN.zones[0])},
        {"zones": (Zone(name="a", title={}, area={"type": "Point"}),)},
        {"checks": (Check(name="a", title={}, zone="nowhere", every_min=5),)},
        {"checks": (Check(name="a", title={}, zone="hall", every_min=1),)},
        {"posts": (Post(person="a", post="duty", since_us=0, until_us=1),)},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_plan_that_cannot_be_carried_out_is_refused(wrong: dict[str, Any]) -> None:
    """With what is wrong about it."""
    with pytest.raises(BadRequestData):
        checked(msgspec.structs.replace(PLAN, **wrong))


def test_a_report_of_nothing_is_a_report() -> None:
    """No figure is made up where nothing was measured; how long incidents waited is measured."""
    empty = report_of(PLAN, [], [])
    assert (None, None, 0) == (empty.checks_done_share, empty.answered_s_median, empty.deeds)
    deeds = [
        Deed(subject=f"incident:{n}", verb=verb, who="x", at_us=at_us * 1_000_000)
        for n, verb, at_us in ((1, "opened", 0), (2, "opened", 5), (1, "acknowledged", 30))
    ]
    told = report_of(PLAN, [], deeds)
    assert (1, 30.0, 30.0) == (told.answered, told.answered_s_median, told.answered_s_longest)
    assert "critical" == raised("high", 4)
    assert {"draft", "over", "called_off"} >= {after for (_, event), after in TABLE.items()
                                               if event in ("save", "end", "call_off")}  # fmt: skip


@ONE_STORE
async def test_a_plan_that_could_not_be_read_back_is_not_kept(room: Room) -> None:
    """A word nobody knows would keep the room, and the city, from starting."""
    for wrong in ({"least": "worst"}, {"title": {"zh": "长" * 301}}):
        with pytest.raises(BadRequestData):
            await room.events.save(WRITER, msgspec.structs.replace(PLAN, **wrong))
    off = {"type": "Polygon", "coordinates": [[[120, 30], [520, 30], [120, 31], [120, 30]]]}
    zone = msgspec.structs.replace(PLAN.zones[0], area=off)
    with pytest.raises(BadRequestData, match="not on the earth"):
        await room.events.save(WRITER, msgspec.structs.replace(PLAN, zones=(zone,)))
    assert [] == await room.events.list_plans("demo")


@ONE_STORE
async def test_a_yes_is_to_the_plan_that_was_read(room: Room) -> None:
    """A writer who changes the plan under the second person's hand has no yes; a program is no
    second person."""
    kept = await room.events.save(WRITER, PLAN)

    async def meanwhile(actor: Actor, plan: EventPlan) -> None:
        room.clock.at_us += 1
        await room.events.save(WRITER, msgspec.structs.replace(PLAN, least="critical"))

    program = Actor(id="token:1", grants=frozenset({"respond:demo"}))
    with pytest.raises(Forbidden):
        await room.events.approve(program, "summit")
    with pytest.raises(StateConflict, match="read it again"):
        await room.events.approve(SECOND, "summit", seen_us=kept.changed_us - 1)
    room.events.staff = meanwhile
    with pytest.raises(StateConflict, match="read it again"):
        await room.events.approve(SECOND, "summit", seen_us=kept.changed_us)
    assert "draft" == (await room.events.get("summit")).state
