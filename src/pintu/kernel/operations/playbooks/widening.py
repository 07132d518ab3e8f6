"""A cause's area grew: what came into it joins the plan, and waits for people as the rest did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from pintu.kernel.operations.playbooks import rows
from pintu.kernel.operations.playbooks.proposing import targets_for
from pintu.kernel.operations.playbooks.rows import Kept, KeptGroup, KeptStep, KeptTarget
from pintu.kernel.operations.playbooks.states import PLAY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from pintu.kernel.operations.journal import Deed
    from pintu.kernel.operations.playbooks.desk import Desk
    from pintu.kernel.operations.playbooks.looking import Area
    from pintu.kernel.operations.playbooks.proposing import Proposing
    from pintu.kernel.timers import Timers

MOST_GROUPS: Final = 40
"""A plan that was widened so often is left to people."""
New = dict[int, list[dict[str, Any]]]
"""By step: the things that came into the area."""


class Widening:
    """Adds things to living plays."""

    def __init__(self, desk: Desk, proposing: Proposing, timers: Timers, timer: str) -> None:
        self._desk, self._proposing = desk, proposing
        self._timers, self._timer = timers, timer

    async def widen(self, id: str, area: Area, *, who: str, reason: str) -> None:
        """Add what lies in the area and is not in the play: to steps that nobody approved yet, and
        beside groups that somebody did as a group of its own. Nothing new: nothing happens."""
        kept = await self._desk.kept(id)
        if (kept.state, "widen") not in PLAY or len(kept.groups) >= MOST_GROUPS:
            return
        new = await self._new(kept, area)
        if not new:
            return
        persons = {
            one: self._proposing.persons_for(kept.steps[one].word, _all(kept, one, new))
            for one in new
        }

        def work(connection: Connection, now: Kept) -> list[Deed]:
            if (now.state, "widen") not in PLAY:
                return []
            at_us = self._desk.now_us()
            things = sum(len(some) for some in new.values())
            for group in now.groups:
                if group.state == "waiting":
                    self._into(connection, now, group, new, persons)
                elif group.state in ("approved", "done"):
                    self._beside(connection, now, group, new, persons)
                    now = rows.get(connection, id)
            rows.move(connection, now, "widen", at_us)
            return [self._desk.deed(now, "widened", who, reason=reason, things=things)]

        after = await self._desk.change(id, work)
        for group in after.groups[len(kept.groups) :]:
            key = f"{id}/{group.number}"
            await self._timers.set(self._timer, key, group.until_us, group.number)

    async def _new(self, kept: Kept, area: Area) -> New:
        found: New = {}
        targets = await self._desk.targets(kept.id)
        for step in kept.steps:
            word, group = step.word, kept.groups[step.grouped]
            if word.targets is None or group.state not in ADDED_TO or WIDER_NAME in group.name:
                continue
            there = await self._desk.looking.things(kept.tenant, word.targets, area)
            mine = {
                one.entity for one in targets if kept.steps[one.step].word == word and not one.back
            }
            new = [one for one in there if str(one["id"]) not in mine]
            if new:
                found[step.number] = new
        return found

    @staticmethod
    def _into(
        connection: Connection, now: Kept, group: KeptGroup, new: New, persons: Mapping[int, int]
    ) -> None:
        """Nobody approved it yet, or only the first of two: they said yes to less."""
        own = [one for one in now.steps if one.grouped == group.number and one.number in new]
        if not own:
            return
        for step in own:
            known = rows.targets_of(connection, now.id, step.number)
            first = max((one.number for one in known), default=-1) + 1
            rows.add_targets(connection, targets_for(now, step, new[step.number], first))
            count = step.targets + len(new[step.number])
            rows.change_step(connection, now, step, targets=count)
        wanted = max(group.persons, *(persons[one.number] for one in own))
        rows.change_group(connection, now, group, persons=wanted, approvals="[]")

    def _beside(
        self,
        connection: Connection,
        now: Kept,
        group: KeptGroup,
        new: New,
        persons: Mapping[int, int],
    ) -> None:
        """Somebody approved it: what came since is another group, behind all others."""
        own = [one for one in now.steps if one.grouped == group.number and one.number in new]
        if not own:
            return
        word, number = now.book.groups[group.number], len(now.groups)
        added = msgspec.structs.replace(
            word,
            name=f"{word.name[:40]}{WIDER_NAME}{number}",
            title={lang: f"{text}{WIDER.get(lang, '')}" for lang, text in word.title.items()},
            steps=tuple(one.word for one in own),
            after=(),
        )
        book = msgspec.structs.replace(now.book, groups=(*now.book.groups, added))
        clock, at_us = self._desk.clock, self._desk.now_us()
        steps = [
            KeptStep(
                number=len(now.steps) + at,
                grouped=number,
                word=one.word,
                state="waiting",
                targets=len(new[one.number]),
                changed_us=at_us,
            )
            for at, one in enumerate(own)
        ]
        made = KeptGroup(
            number=number,
            name=added.name,
            state="waiting",
            persons=max(group.persons, *(persons[one.number] for one in own)),
            until_us=at_us + int(word.within_s * 1e6 * clock.rate),
            approvals=(),
        )
        rows.append_group(connection, now, book, made, steps)
        targets: list[KeptTarget] = []
        for step, old in zip(steps, own, strict=True):
            targets += targets_for(now, step, new[old.number], 0)
        rows.add_targets(connection, targets)


ADDED_TO: Final = frozenset({"waiting", "approved", "done"})
WIDER_NAME: Final = "_wider"
WIDER: Final = {"zh": "（扩大范围）", "en": " (wider area)"}


def _all(kept: Kept, step: int, new: New) -> int:
    return kept.steps[step].targets + len(new[step])
