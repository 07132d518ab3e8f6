"""Random lives of agreements against a naive model that knows nothing of the table."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pintu.kernel.access import Actor
from pintu.kernel.errors import Forbidden, Missing, StateConflict
from pintu.kernel.exchange.agreements import Agreement
from pintu.kernel.exchange.agreements.deadlines import Deadlines

from .conftest import DAY_US, NOON_US, HandClock, PaperLog, Town, person, terms

WHY = "入学核验疫苗接种"
HALF_US = DAY_US // 2
PEOPLE = (
    person("a", "education", "officer"),
    person("b", "education", "owner"),
    person("c", "education", "clerk"),
    person("a", "health", "owner"),  # the asker, with another membership
    person("d", "health", "owner"),
    person("e", "health", "deputy"),
    person("b", "health", "owner"),
    person("f", "traffic", "owner"),
    person("g", "city", "auditor"),
)
DEEDS = ("approve", "refuse", "sign", "withdraw", "suspend", "resume", "revoke")
OPEN = ("requested", "escalated", "approved", "active", "suspended")


@dataclass
class Paper:
    """One version as somebody with a pencil would keep it."""

    version: int
    until_us: int
    state: str = "requested"
    asker: str = ""
    approver: str = ""
    due_us: int = 0


@dataclass
class Book:
    """All versions of all agreements, and how many lines were written."""

    now_us: int = NOON_US
    lines: int = 0
    kept: dict[str, list[Paper]] = field(default_factory=dict)

    def pass_time(self, by_us: int) -> None:
        """What ends by then ends; else one deadline passes, and sets the next one from then."""
        self.now_us += by_us
        for versions in self.kept.values():
            for one in versions:
                if one.state in OPEN and one.until_us <= self.now_us:
                    forced = one.state in ("active", "suspended")
                    self._write(one, "expired")
                    if forced:
                        for other in versions:
                            if other.state in ("requested", "escalated", "approved"):
                                self._write(other, "expired")
                elif one.due_us and one.due_us <= self.now_us and one.state in OPEN:
                    one.due_us = self.now_us + HALF_US if one.state == "requested" else 0
                    state = "escalated" if one.state == "requested" else one.state
                    self._write(one, state, keep=True)

    def _write(self, one: Paper, state: str, *, keep: bool = False) -> None:
        one.state = state
        one.due_us = one.due_us if keep else 0
        self.lines += 1

    def verdict(self, one: Paper, deed: str, who: Actor) -> type[Exception] | None:
        """What must come of a deed on a version, without doing it."""
        if who.organisation not in ("education", "health", "city"):
            return Missing
        allowed = {
            "approve": ("requested", "escalated"),
            "refuse": ("requested", "escalated"),
            "sign": ("approved",),
            "withdraw": OPEN,
            "suspend": ("active",),
            "resume": ("suspended",),
            "revoke": ("approved", "active", "suspended"),
        }
        if one.state not in allowed[deed]:
            return StateConflict
        if deed in ("sign", "withdraw"):
            fits = who.organisation == "education" and bool(who.roles & {"officer", "owner"})
        else:
            late = one.state == "escalated" or deed == "suspend"
            roles = {"owner", "deputy"} if late else {"owner"}
            fits = who.organisation == "health" and bool(who.roles & roles)
        if not fits or (deed == "approve" and who.person == one.asker):
            return Forbidden
        if deed == "sign" and who.person == one.approver:
            return Forbidden
        if deed in ("approve", "sign", "resume") and self.now_us >= one.until_us:
            return StateConflict
        return None

    def do(self, versions: list[Paper], one: Paper, deed: str, who: Actor) -> None:
        """Write a deed down that may be done."""
        forced = one.state in ("active", "suspended")
        after = {
            "approve": "approved",
            "refuse": "refused",
            "sign": "active",
            "withdraw": "withdrawn",
            "suspend": "suspended",
            "resume": "active",
            "revoke": "revoked",
        }
        self._write(one, after[deed])
        others = [other for other in versions if other is not one]
        if deed == "approve":
            one.approver, one.due_us = who.person, self.now_us + HALF_US
        if deed == "sign":
            for other in others:
                if other.state in ("active", "suspended"):
                    self._write(other, "superseded")
        if deed in ("revoke", "withdraw") and forced:
            for other in others:
                if other.state in ("requested", "escalated", "approved"):
                    self._write(other, one.state)


class Lives(RuleBasedStateMachine):
    """The room and the book do the same."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory(prefix="pintu-lives-")
        self.clock, self.log, self.book = HandClock(), PaperLog(), Book()
        self.town = self.opened()
        self.done: list[tuple[Callable[[], Awaitable[Agreement]], Agreement]] = []
        self.number = 0

    def opened(self) -> Town:
        async def make() -> Town:
            return HalfDays(Path(self.folder.name), "sqlite:", self.clock, self.log)

        return self.loop.run_until_complete(make())

    def teardown(self) -> None:
        self.loop.run_until_complete(self.town.close())
        self.loop.close()
        self.folder.cleanup()

    def run_one(self, work: Callable[[], Awaitable[Agreement]]) -> Agreement | type[Exception]:
        async def go() -> Agreement:
            return await work()

        try:
            made = self.loop.run_until_complete(go())
        except (Forbidden, StateConflict, Missing) as error:
            kinds = (Forbidden, StateConflict, Missing)
            return next(kind for kind in kinds if isinstance(error, kind))
        self.done.append((work, made))
        return made

    @rule(who=st.sampled_from(PEOPLE), days=st.integers(1, 6), amends=st.integers(0, 3))
    def ask(self, who: Actor, days: int, amends: int) -> None:
        until_us = self.book.now_us + days * DAY_US
        ids = list(self.book.kept)
        about = ids[amends] if amends < len(ids) else ""
        self.number += 1
        key, room = f"k{self.number}", self.town.room
        wanted = terms(until_us=until_us)
        got = self.run_one(lambda: room.request(who, wanted, reason=WHY, amends=about, key=key))
        versions = self.book.kept.get(about, [])
        forced = any(one.state in ("active", "suspended") for one in versions)
        undecided = any(one.state in ("requested", "escalated", "approved") for one in versions)
        fits = who.organisation == "education" and bool(who.roles & {"officer", "owner"})
        if about and who.organisation == "traffic":
            assert Missing is got
        elif not fits:
            assert Forbidden is got
        elif about and (not forced or undecided):
            assert StateConflict is got
        else:
            assert isinstance(got, Agreement)
            paper = Paper(len(versions) + 1, until_us, asker=who.person)
            paper.due_us = self.book.now_us + HALF_US
            self.book.kept.setdefault(got.id, []).append(paper)
            self.book.lines += 1
            assert paper.version == got.version

    @precondition(lambda self: self.book.kept)
    @rule(
        which=st.integers(0, 3),
        deed=st.sampled_from(DEEDS),
        who=st.sampled_from(PEOPLE),
        newest=st.booleans(),
    )
    def act(self, which: int, deed: str, who: Actor, newest: bool) -> None:
        ids = list(self.book.kept)
        id = ids[which % len(ids)]
        versions = self.book.kept[id]
        one = versions[-1] if newest else versions[0]
        self.number += 1
        more: dict[str, Any] = {"version": one.version, "key": f"k{self.number}"}
        if deed in ("refuse", "suspend", "revoke"):
            more["reason"] = WHY
        room = self.town.room
        got = self.run_one(lambda: getattr(room, deed)(who, id, **more))
        wanted = self.book.verdict(one, deed, who)
        if wanted is None:
            assert isinstance(got, Agreement), got
            self.book.do(versions, one, deed, who)
            assert (one.version, one.state) == (got.version, got.state)
        else:
            assert wanted is got

    @rule(hours=st.sampled_from((1, 7, 12, 30, 80)))
    def time_passes(self, hours: int) -> None:
        self.book.pass_time(hours * DAY_US // 24)
        self.loop.run_until_complete(self.town.pass_days(hours / 24))

    @rule()
    def the_city_starts_anew(self) -> None:
        self.loop.run_until_complete(self.town.close())
        self.town = self.opened()
        self.done.clear()

    @precondition(lambda self: self.done)
    @rule(which=st.integers(0, 50))
    def a_deed_is_repeated(self, which: int) -> None:
        work, made = self.done[which % len(self.done)]
        if made.terms.until_us > self.clock.us:
            got = self.run_one(work)
            assert made == got

    @invariant()
    def both_say_the_same(self) -> None:
        assert self.book.lines == len(self.log.rows)
        room = self.town.room
        for id, versions in self.book.kept.items():
            found = room.versions(id)
            assert [(one.version, one.state) for one in versions] == [
                (one.version, one.state) for one in found
            ]
            in_force = [one.version for one in versions if one.state == "active"]
            active = room.active(id)
            assert in_force == ([active.version] if active is not None else [])
            assert all(one.requested_by != one.approved_by for one in found)


class HalfDays(Town):
    """Deadlines of half a day, at any hour."""

    deadlines = Deadlines(owner_days=0.5, deputy_days=0.5, signature_days=0.5)


Lives.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to shrink a life takes minutes
)


class TestLives(Lives.TestCase):
    """Whatever is done in whatever order, the room and the book agree."""
