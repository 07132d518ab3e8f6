"""A roster over real tables, a real store for what the city is told, and a clock the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pintu.kernel.access import Actor
from pintu.kernel.calling import Caller
from pintu.kernel.configuration import Configuration
from pintu.kernel.egress import Egress
from pintu.kernel.identity import People, ThinGate
from pintu.kernel.identity.keys import Keys
from pintu.kernel.identity.words import Membership, Organisation
from pintu.kernel.intake import Intake
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.operations.journal import Deed, Journal
from pintu.kernel.operations.opening import OperationsRoom
from pintu.kernel.operations.roster.channels.settings import Channel
from pintu.kernel.operations.roster.opening import open_roster
from pintu.kernel.operations.roster.words import Message, Reach, Rota, Turn
from pintu.kernel.store.sqlite import open_sqlite
from pintu.kernel.timers import Timers
from tests.kernel.operations.conftest import Home

NIGHT_US = 1_795_978_800_000_000  # 2026-11-30T03:00+08:00, a Monday
TENANT = "demo"


@dataclass(slots=True)
class SetClock:
    """A clock whose time the test says."""

    us: int = NIGHT_US
    rate: float = 1.0

    def now_us(self) -> int:
        return self.us


@dataclass(slots=True)
class Watch:
    """One life of a roster; `room` has its parts."""

    room: OperationsRoom
    rooms: Any
    clock: SetClock
    people: dict[str, Actor]
    tables: Any
    timers: Timers
    store: Any
    heard: list[Deed] = field(default_factory=list)
    ended: bool = False

    async def start(self) -> None:
        await self.timers.start()
        await self.room.start()

    async def stop(self) -> None:
        if self.ended:
            return
        self.ended = True
        await self.timers.stop()
        await self.room.stop()
        await self.rooms.caller.close()
        await self.store.close()
        self.tables.close()

    async def later(self, seconds: float) -> None:
        """So much later; whoever waits for a time looks at the clock again."""
        self.clock.us += int(seconds * 1e6)
        await self.timers.set("test.nudge", "nudge", self.clock.us)
        self.room.notifier.sender.wake()

    async def deeds(self, subject: str = "") -> list[tuple[str, str]]:
        """(verb, who) of the journal."""
        return [(one.verb, one.who) for one in await self.room.journal.list_deeds(subject=subject)]

    async def states(self, subject: str) -> list[str]:
        """The states of the receipts about a subject, sorted."""
        found = await self.room.notifier.list_receipts(TENANT, subject=subject)
        return sorted(one.state for one in found)

    async def way(self, login: str, kind: Any, channel: str, address: str, **more: Any) -> Reach:
        actor = self.people[login]
        reach = Reach(id="", person=actor.id, kind=kind, channel=channel, address=address, **more)
        return await self.room.ways.save(actor, TENANT, reach)

    def channel(self, name: str, secret: str | None = None, **more: Any) -> Channel:
        return self.room.channels.save(Channel(name=name, **more), by="test", secret=secret)


ROLES = {
    "first": "duty", "second": "duty", "third": "supervisor", "crew": "crew", "free": "duty",
}  # fmt: skip
Lives = Callable[..., Any]


async def until(done: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait for something that is about to be so."""
    async with asyncio.timeout(seconds):
        while True:
            found = done()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.005)


def rota(people: dict[str, Actor], *logins: str, **more: Any) -> Rota:
    """Every day from 20:00 to 08:00 and back: `logins` in line, the third as supervisor."""
    ids = [people[one].person for one in logins]
    officers, supervisors = tuple(ids[:2]), tuple(ids[2:])
    turns = [
        Turn(day=0, starts=starts, minutes=720, people=who, post=post)  # type: ignore[arg-type]
        for starts in ("08:00", "20:00")
        for who, post in ((officers, "duty"), (supervisors, "supervisor"))
        if who
    ]
    told = {"title": {"zh": "演示", "en": "demo"}, "first_day": "2026-11-01", "days": 1, **more}
    return Rota(id=told.pop("id", "r1"), tenant=TENANT, turns=tuple(turns), **told)


def message(subject: str = "warning:1", **more: Any) -> Message:
    told = {"title": {"zh": "暴雨预警", "en": "Rain"}, "text": {"zh": "请撤离", "en": "Leave"}}
    return Message(subject=subject, **{**told, **more})


@pytest.fixture
async def lives(home: Home, tmp_path: Path) -> AsyncIterator[Lives]:
    """Opens a life of the same roster; the one before must have been stopped."""
    opened: list[Watch] = []

    async def live(*, clock: SetClock | None = None, url: str = "", tls: Any = None) -> Watch:
        tables, clock = home(), clock or SetClock()
        people = People(tables, clock)
        if people.find_organisation("operations") is None:
            told = Organisation(id="operations", name={"zh": "演示"}, tenants=(TENANT,))
            await people.create_organisation(told, by="test")
            for login, role in ROLES.items():
                member = [Membership(organisation="operations", role=role)]  # type: ignore[arg-type]
                await people.create_person(login, f"{login} 演示", None, member, by="test")
        store = open_sqlite(tmp_path / "context.db", clock=clock)
        timers = Timers(tables, clock)
        egress = Egress(allow_loopback=True)
        intake = Intake(store, ContextLibrary(tmp_path / "contexts"), clock, tables)
        rooms = SimpleNamespace(
            timers=timers,
            clock=clock,
            gate=ThinGate(),
            identity=SimpleNamespace(people=people),
            settings=SimpleNamespace(tz="Asia/Shanghai", public_url=url, data=tmp_path),
            keys=Keys(tmp_path / "keys"),
            configuration=Configuration(tmp_path / "config", clock),
            egress=egress,
            caller=Caller(egress, tls=tls),
        )
        journal = Journal(intake, clock)
        room = OperationsRoom(journal=journal)
        room.parts.append(journal)
        open_roster(room, rooms, tables)
        if tls is not None:
            room.channels._tls = tls  # type: ignore[union-attr]
        known = {one.login: people.actor(one.id, "", True) for one in people.list_people()}
        watch = Watch(room, rooms, clock, known, tables, timers, store)  # type: ignore[arg-type]
        journal.listen(watch.heard.append)
        opened.append(watch)
        return watch

    yield live
    for watch in opened:
        await watch.stop()


@pytest.fixture
async def watch(lives: Lives) -> Watch:
    """A roster at three at night with first, second and third on duty, running."""
    found: Watch = await lives()
    await found.room.roster.save_rota(  # type: ignore[union-attr]
        found.people["third"], rota(found.people, "first", "second", "third")
    )
    await found.start()
    return found
