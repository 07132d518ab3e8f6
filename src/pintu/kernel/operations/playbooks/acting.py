"""The hands of a play on devices: its commands, asked for once however often it is resumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from sqlalchemy import Connection

from pintu.kernel.errors import TooManyRequests
from pintu.kernel.operations.asking import Ask, Many
from pintu.kernel.operations.playbooks import rows
from pintu.kernel.operations.playbooks.proposing import ask_for
from pintu.kernel.operations.playbooks.rows import Kept, KeptStep, KeptTarget

if TYPE_CHECKING:
    from pintu.kernel.operations.commands import Commands
    from pintu.kernel.operations.playbooks.desk import Desk

REFUSED: Final = "refused"
LEFT: Final = "somebody told it something since"
AGAIN_S: Final = 2.0
Later = Callable[[str, float], None]


class Acting:
    """Asks the ledger and reads from it what came of that."""

    def __init__(self, desk: Desk, commands: Commands) -> None:
        self._desk, self.commands = desk, commands

    def stopped(self, kept: Kept) -> bool:
        """Whether somebody stopped everything of the play's tenant."""
        return self.commands.stops.of(kept.tenant) is not None

    async def send(self, kept: Kept, step: KeptStep, later: Later) -> list[KeptTarget] | None:
        """Ask for what was not asked for yet; the step's things as they are then, or None when it
        must wait: everything is stopped, and what the stop took back is no failure."""
        if self.stopped(kept):
            return None
        found = await self._desk.targets(kept.id, step.number)
        unsent = [one for one in found if not one.command and not one.why]
        if not unsent:
            return found
        yes = kept.groups[step.grouped].approvals
        asks = [ask_for(step.word, one.entity, _key(step, one)) for one in unsent]
        many = await self.commands.enact(
            asks,
            yes[-1].who,
            basis=f"play {kept.id}: {yes[-1].basis}",
            tenant=kept.tenant,
            cause=f"play:{kept.id}",
            persons=len({one.person for one in yes}),
        )
        sent = {one.number: one for one in await self._keep(unsent, asks, many)}
        if any(isinstance(error, TooManyRequests) for _, error in many.refused):
            later(kept.id, AGAIN_S)
        return [sent.get(one.number, one) for one in found]

    async def _keep(
        self, unsent: Sequence[KeptTarget], asks: Sequence[Ask], many: Many
    ) -> list[KeptTarget]:
        why = {ask.key: error for ask, error in many.refused}
        now: list[KeptTarget] = []
        for one, ask, command in zip(unsent, asks, many.commands, strict=True):
            error = why.get(ask.key)
            if command is not None:
                now.append(msgspec.structs.replace(one, command=command.id))
            elif error is not None and not isinstance(error, TooManyRequests):
                now.append(msgspec.structs.replace(one, why=error.detail[:300]))
        changed = [rows.place(one, command=one.command, why=one.why) for one in now]
        await self._desk.opened.run(lambda c: rows.change_targets(c, changed, "command", "why"))
        return now

    async def send_back(self, kept: Kept, later: Later) -> None:
        """Tell things what puts them back, where that was not done yet."""
        desk = self._desk
        owed = await desk.opened.read(lambda c: rows.owed_back(c, kept.id))
        if owed:
            owed = await self._ours(kept, owed)
        if not owed:
            return
        if self.stopped(kept):
            later(kept.id, AGAIN_S)
            return
        words = {one.number: one for one in kept.steps}
        asks = []
        for one in owed:
            step = words[one.step]
            told = ask_for(step.word, one.entity, f"{_key(step, one)}/back")
            back: dict[str, Any] = msgspec.json.decode(one.back)
            asks.append(
                Ask(
                    piece=told.piece,
                    name=told.name,
                    target=told.target,
                    arguments=back,
                    key=told.key,
                )
            )
        many = await self.commands.enact(
            asks,
            f"play:{kept.id}",
            basis=f"undo: {kept.reason}"[:500],
            tenant=kept.tenant,
            cause=f"play:{kept.id}",
            persons=2,  # what was is put back: whoever approved has agreed to that
        )
        why = {ask.key: error for ask, error in many.refused}
        changed = []
        for one, ask, command in zip(owed, asks, many.commands, strict=True):
            error = why.get(ask.key)
            if command is not None:
                changed.append(rows.place(one, back_command=command.id, why=one.why))
            elif isinstance(error, TooManyRequests):
                later(kept.id, AGAIN_S)
            elif error is not None:
                detail = error.detail[:300]
                changed.append(rows.place(one, back_command=REFUSED, why=detail))
        await desk.opened.run(lambda c: rows.change_targets(c, changed, "back_command", "why"))

    async def _ours(self, kept: Kept, owed: list[KeptTarget]) -> list[KeptTarget]:
        """Those that are still ours to put back. What was never told anything stays as it is, and
        what somebody else told something since is left to them."""
        words = {one.number: one.word for one in kept.steps}
        entries = await self.commands.get_many([one.command for one in owed if one.command])
        theirs: set[tuple[str, str]] = set()
        for piece in {words[one.step].piece for one in owed}:
            since = {
                one.entity: entries[one.command].command.created_us
                for one in owed
                if words[one.step].piece == piece and one.command in entries
            }
            found = await self.commands.told_since(kept.tenant, piece, since)
            theirs.update((piece, entity) for entity in found)
        left = [
            rows.place(one, back="", why=one.why or LEFT)
            for one in owed
            if (one.why and not one.command) or (words[one.step].piece, one.entity) in theirs
        ]
        gone = {(one["step"], one["number"]) for one in left}
        await self._desk.opened.run(lambda c: rows.change_targets(c, left, "back", "why"))
        return [one for one in owed if (one.step, one.number) not in gone]

    def on_their_way(self, kept: Kept, step: KeptStep) -> dict[str, dict[str, Any]]:
        """What people told things of the step's kind that these do not show yet, by thing."""
        found: dict[str, dict[str, Any]] = {}
        for one in self.commands.waiting():
            command = one.command
            same = (command.piece, command.name) == (step.word.piece, step.word.command)
            if same and command.tenant == kept.tenant and not one.cause and one.state != "held":
                found[command.target] = command.arguments
        return found

    async def came(
        self, found: Sequence[KeptTarget], until: Literal["acknowledged", "confirmed"]
    ) -> tuple[int, int, str]:
        """(how many came so far, how many never will, one reason): of a step's things."""
        return await self._came([(one.command, one.why) for one in found], until)

    async def came_back(self, found: Sequence[KeptTarget]) -> tuple[int, int, str]:
        """The same of what puts things back."""
        told = [(one.back_command, one.why if one.back_command == REFUSED else "") for one in found]
        return await self._came(told, "acknowledged")

    async def _came(self, told: list[tuple[str, str]], until: str) -> tuple[int, int, str]:
        entries = await self.commands.get_many([id for id, _ in told if id and id != REFUSED])
        good = {"confirmed"} if until == "confirmed" else {"acknowledged", "confirmed"}
        reached = failed = 0
        reason = ""
        for id, why in told:
            entry = entries.get(id)
            if why or (id and entry is None):
                failed, reason = failed + 1, reason or why or "the ledger forgot it"
            elif entry is None:
                continue
            elif entry.state in good:
                reached += 1
            elif entry.final:
                failed, reason = failed + 1, reason or entry.state.replace("_", " ")
        return reached, failed, reason

    async def take_back(self, kept: Kept, who: str, reason: str) -> None:
        """Call back what no device answered yet of a play that is to be undone."""
        found = await self._desk.targets(kept.id)
        await self.call_back(found, who, reason)

    async def call_back(self, found: Sequence[KeptTarget], who: str, reason: str) -> None:
        """The same of some things."""
        entries = await self.commands.get_many([one.command for one in found if one.command])
        ids = [id for id, one in entries.items() if one.state in ("held", "desired", "sent")]
        if ids:
            await self.commands.take_back(ids, who, reason)

    async def ask_anew(self, kept: Kept) -> None:
        """After a stop: what it took back is asked for again, under a new key."""
        found = await self._desk.targets(kept.id)
        ids = [one.command for one in found if one.command]
        ids += [one.back_command for one in found if one.back_command not in ("", REFUSED)]
        entries = await self.commands.get_many(ids)
        under_way = {one.number: one for one in kept.steps if one.state in ("running", "undoing")}

        def work(connection: Connection) -> None:
            for column in ("command", "back_command"):
                again = [
                    rows.place(one, **{column: ""})
                    for one in found
                    if one.step in under_way and _cancelled(entries.get(getattr(one, column)))
                ]
                rows.change_targets(connection, again, column)
                for number in {int(one["step"]) for one in again}:
                    step = under_way[number]
                    rows.change_step(connection, kept, step, round=step.round + 1)

        await self._desk.opened.run(work)


def _cancelled(entry: Any) -> bool:
    return entry is not None and entry.state == "cancelled"


def _key(step: KeptStep, one: KeptTarget) -> str:
    return f"{one.play}/{one.step}/{step.round}/{one.number}"
