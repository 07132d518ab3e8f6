"""Writing plays down: each change, its deed and what the city is told of it are one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Connection

from pintu.kernel.clock import Clock
from pintu.kernel.operations.journal import Deed, Journal, enter, tell
from pintu.kernel.operations.playbooks import rows
from pintu.kernel.operations.playbooks.looking import Looking
from pintu.kernel.operations.playbooks.rows import Kept, KeptGroup, KeptStep, KeptTarget
from pintu.kernel.operations.playbooks.telling import entity_of
from pintu.kernel.tables import OpenTables

PAST: Final = {
    "begin": "began",
    "finish": "finished",
    "fall_short": "fell_short",
    "fail": "failed",
    "skip": "skipped",
    "undo": "undo_began",
    "approve": "approved",
    "refuse": "refused",
    "expire": "expired",
    "halt": "halted",
    "go_on": "went_on",
}
Work = Callable[[Connection, Kept], list[Deed]]


class Desk:
    """The tables of plays, and how a change of them is told."""

    def __init__(
        self, opened: OpenTables, journal: Journal, clock: Clock, looking: Looking
    ) -> None:
        self.opened, self.journal, self.clock, self.looking = opened, journal, clock, looking

    def now_us(self) -> int:
        """The city's time."""
        return self.clock.now_us()

    def seconds_until(self, at_us: int) -> float:
        """Real seconds until a time of the city."""
        return (at_us - self.now_us()) / self.clock.rate / 1e6

    async def kept(self, id: str) -> Kept:
        """A play as it is now; ResourceNotFound."""
        return await self.opened.read(lambda connection: rows.get(connection, id))

    async def targets(self, play: str, step: int | None = None) -> list[KeptTarget]:
        """The things of a play's step (of all its steps)."""
        return await self.opened.read(lambda connection: rows.targets_of(connection, play, step))

    def deed(self, kept: Kept, verb: str, who: str, **more: Any) -> Deed:
        """A deed about a play."""
        reason = str(more.pop("reason", ""))
        return Deed(
            subject=f"play:{kept.id}",
            verb=verb,
            who=who,
            at_us=self.now_us(),
            tenant=kept.tenant,
            reason=reason,
            detail={"cause": kept.cause, "playbook": kept.book.name, **more},
        )

    async def change(self, id: str, work: Work) -> Kept:
        """Do `work` with a play as it is, in one transaction with the deeds it returns; the city is
        told of the play as it is then. The play after it. Without a deed nothing was done."""

        def whole(connection: Connection) -> tuple[Kept, list[Deed]]:
            deeds = work(connection, rows.get(connection, id))
            now = rows.get(connection, id)
            if deeds:
                tell(connection, now.tenant, entity_of(now))
            return now, [enter(connection, one) for one in deeds]

        now, deeds = await self.opened.run(whole)
        if deeds:
            await self.journal.told(self.opened, deeds)
        return now

    # --- what the running of plays writes ---------------------------------------------------------
    async def play_moved(self, kept: Kept, event: str, who: str, reason: str = "") -> None:
        """A step of the play's own table."""

        def work(connection: Connection, now: Kept) -> list[Deed]:
            state = rows.move(connection, now, event, self.now_us(), reason)
            verb = state if event == "finish" else PAST.get(event, event)
            return [self.deed(now, verb, who, reason=reason)]

        await self.change(kept.id, work)

    async def group_ended(self, kept: Kept, group: KeptGroup) -> None:
        """Every step of a group ended: no deed of its own, its steps have theirs."""
        await self.opened.run(lambda c: rows.move_group(c, kept, group, "finish"))

    async def counted(self, kept: Kept, step: KeptStep, reached: int, failed: int) -> None:
        """How far a step is; the city is told when the step ends."""
        await self.opened.run(
            lambda c: rows.change_step(c, kept, step, reached=reached, failed=failed)
        )

    async def step_moved(
        self,
        kept: Kept,
        step: KeptStep,
        event: str,
        *,
        also: Callable[[Connection], None] | None = None,
        **values: Any,
    ) -> None:
        """A step of a step's table, `values` written beside it, `also` done in the transaction;
        where the playbook says so, a failure ends or undoes the play."""
        undoing = kept.state == "undoing"

        def work(connection: Connection, now: Kept) -> list[Deed]:
            at_us = self.now_us()
            rows.move_step(connection, now, step, event, at_us, **values)
            if also is not None:
                also(connection)
            verb = PAST[event]
            if undoing and event in ("finish", "fail"):
                verb = "put_back" if event == "finish" else "not_put_back"
            detail: dict[str, Any] = {
                "step": step.word.name,
                "group": now.groups[step.grouped].name,
                "targets": values.get("targets", step.targets),
                "reached": values.get("reached", step.reached),
                "failed": values.get("failed", step.failed),
            }
            why = str(values.get("detail", ""))
            deeds = [self.deed(now, f"step_{verb}", "playbook", reason=why, **detail)]
            if event in ("fall_short", "fail") and not undoing:
                deeds += self._after_failure(connection, now, step, why)
            return deeds

        await self.change(kept.id, work)

    def _after_failure(
        self, connection: Connection, now: Kept, step: KeptStep, why: str
    ) -> list[Deed]:
        wish = step.word.on_failure
        if wish == "continue":
            return []
        self.refuse_waiting(connection, now)
        event = "fail" if wish == "stop" else "undo"
        reason = f"step {step.word.name}: {why}"
        rows.move(connection, now, event, self.now_us(), reason)
        return [self.deed(now, PAST[event], "playbook", reason=reason)]

    def refuse_waiting(self, connection: Connection, now: Kept) -> None:
        """Nobody needs to approve these any more."""
        for group in now.groups:
            if group.state == "waiting":
                rows.move_group(connection, now, group, "refuse")

    async def skip_waiting(self, kept: Kept) -> None:
        """Steps that had not begun when their play was undone never do."""

        def work(connection: Connection) -> None:
            for step in kept.steps:
                if step.state == "waiting":
                    rows.move_step(connection, kept, step, "skip", self.now_us())

        await self.opened.run(work)
