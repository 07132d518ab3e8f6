"""Working out what a playbook would do somewhere: its things, its interlocks, who must approve."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from pintu.kernel.clock import Clock
from pintu.kernel.errors import StateConflict
from pintu.kernel.operations.asking import Ask
from pintu.kernel.operations.guarding import Guarding
from pintu.kernel.operations.playbooks.looking import Area, Looking
from pintu.kernel.operations.playbooks.putting_back import written
from pintu.kernel.operations.playbooks.rows import Kept, KeptGroup, KeptStep, KeptTarget
from pintu.kernel.operations.playbooks.words import Playbook, StepWord, Targets
from pintu.kernel.operations.rules import needs_two

LOOKED_AT: Final = 500
"""So many things of a step have their interlocks looked at when it is proposed; all have it again
when it is done."""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A play that is not kept yet."""

    kept: Kept
    targets: list[KeptTarget]


class Proposing:
    """Proposes; changes nothing."""

    def __init__(self, looking: Looking, guarding: Guarding, clock: Clock) -> None:
        self._looking, self._guarding, self._clock = looking, guarding, clock

    async def work_out(
        self,
        book: Playbook,
        cause: str,
        *,
        who: str,
        tenant: str,
        area: Area | None,
        targets: Sequence[str],
    ) -> Proposal:
        """What a playbook would do; steps that ask for the same things share one look."""
        now_us = self._clock.now_us()
        id = uuid.uuid4().hex[:12]
        looked: dict[Targets, list[dict[str, Any]]] = {}
        steps: list[KeptStep] = []
        found: list[KeptTarget] = []
        persons = [one.persons for one in book.groups]
        words = [(at, word) for at, group in enumerate(book.groups) for word in group.steps]
        for number, (grouped, word) in enumerate(words):
            things = await self._found(word, (tenant, area, targets), looked)
            detail = await self._detail(tenant, word, things)
            persons[grouped] = max(persons[grouped], self.persons_for(word, len(things)))
            steps.append(
                KeptStep(
                    number=number,
                    grouped=grouped,
                    word=word,
                    state="waiting",
                    targets=len(things),
                    detail=detail,
                    changed_us=now_us,
                )
            )
            found += _rows((id, number), tenant, word, things)
        kept = Kept(
            id=id,
            tenant=tenant,
            book=book,
            cause=cause,
            state="proposed",
            who=who,
            area=area,
            reason="",
            created_us=now_us,
            changed_us=now_us,
            groups=self._groups(book, persons, now_us),
            steps=tuple(steps),
        )
        return Proposal(kept=kept, targets=found)

    def _groups(self, book: Playbook, persons: list[int], now_us: int) -> tuple[KeptGroup, ...]:
        """Every group waits for approval, each as long as its word says."""
        return tuple(
            KeptGroup(
                number=at,
                name=one.name,
                state="waiting",
                persons=persons[at],
                until_us=now_us + int(one.within_s * 1e6 * self._clock.rate),
                approvals=(),
            )
            for at, one in enumerate(book.groups)
        )

    async def _found(
        self,
        word: StepWord,
        where: tuple[str, Area | None, Sequence[str]],
        looked: dict[Targets, list[dict[str, Any]]],
    ) -> list[dict[str, Any]]:
        """The things of a step; what another step asked for too is looked at once."""
        if word.targets is None:
            return []
        if word.targets not in looked:
            looked[word.targets] = await self._looking.things(where[0], word.targets, *where[1:])
            await asyncio.sleep(0)  # the loop also serves everybody else
        return looked[word.targets]

    def persons_for(self, word: StepWord, count: int) -> int:
        """How many persons must approve a step with so many things, by the command's own rule."""
        return 2 if word.do == "command" and self._two(word, count) else 1

    def _two(self, word: StepWord, count: int) -> bool:
        rule = self._guarding.rule(word.piece, word.command)
        return needs_two(rule, word.arguments, count)

    async def _detail(self, tenant: str, word: StepWord, things: list[dict[str, Any]]) -> str:
        """What a person should know before they approve: interlocks that are shut now."""
        if word.do != "command" or not self._guarding.looked_at(
            word.piece, word.command, word.arguments
        ):
            return ""
        shut = []
        for one in things[:LOOKED_AT]:
            try:
                await self._guarding.check(tenant, ask_for(word, str(one["id"]), "look"))
            except StateConflict as error:
                shut.append(error.detail)
        return f"{len(shut)} interlocked: {shut[0]}"[:500] if shut else ""


def ask_for(word: StepWord, target: str, key: str) -> Ask:
    """The command of a step to one thing."""
    return Ask(
        piece=word.piece, name=word.command, target=target, arguments=word.arguments, key=key
    )


def targets_for(
    kept: Kept, step: KeptStep, things: list[dict[str, Any]], first: int
) -> list[KeptTarget]:
    """More things of a step, numbered from `first`."""
    return _rows((kept.id, step.number), kept.tenant, step.word, things, first)


def _rows(
    place: tuple[str, int],
    tenant: str,
    word: StepWord,
    things: list[dict[str, Any]],
    first: int = 0,
) -> list[KeptTarget]:
    wanted = written(word.arguments)
    return [
        KeptTarget(
            play=place[0],
            step=place[1],
            number=number,
            tenant=tenant,
            entity=str(one["id"]),
            setting=f"{word.piece}/{word.command}" if word.do == "command" else word.do,
            wanted=wanted,
        )
        for number, one in enumerate(things, first)
    ]
