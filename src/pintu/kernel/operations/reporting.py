"""What processes tell of commands, taken in groups: one transaction for the answers of many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pintu.kernel.errors import Forbidden, PintuError, ResourceNotFound, StateConflict
from pintu.kernel.intake.words import CommandReport, CommandState
from pintu.kernel.operations.ledger import Entry, Wanted
from pintu.kernel.operations.states import REPORTED, TABLE
from pintu.kernel.operations.stepping import Stepping

SAID_LATE: Final[frozenset[CommandState]] = frozenset({"acknowledged", "confirmed", "failed"})
"""What is worth a step of its own though the command has ended: the device did something."""


class Reporting(Stepping):
    """Steps that processes report."""

    async def report(self, report: CommandReport, who: str) -> Entry:
        """A piece tells how a command goes. What it told before is no news and changes nothing.

        Raises StateConflict when the ledger is past that, ResourceNotFound for an unknown id.
        """
        (found,) = await self.report_many([report], who)
        if isinstance(found, PintuError):
            raise found
        return found

    async def report_many(
        self, reports: Sequence[CommandReport], who: str, pieces: frozenset[str] | None = None
    ) -> list[Entry | PintuError]:
        """`report` of many in one transaction, in their order; what became of each. Forbidden for a
        command of another piece than `pieces`, where those are told."""
        entries = await self.get_many([one.id for one in reports])
        found: list[Entry | PintuError | None] = []
        wanted: list[Wanted] = []
        for one in reports:
            entry = entries.get(one.id)
            event = REPORTED.get(one.state)
            if event is None:
                told = f"A piece cannot report that a command is {one.state}"
                found.append(StateConflict(told))
            elif entry is None:
                found.append(ResourceNotFound(f"Command {one.id} does not exist"))
            elif pieces is not None and entry.command.piece not in pieces:
                found.append(Forbidden(f"Command {one.id} is of another piece"))
            elif _known(one, entry):
                found.append(entry)
            else:
                found.append(None)
                wanted.append(self._wanted(one.id, event, who, one.detail))
        taken = iter(await self._gathering.take_many(wanted) if wanted else [])
        done = [next(taken) if one is None else one for one in found]
        return await self._settled(reports, done, who)

    async def forget_way(self) -> int:
        """The ledger came out of a backup: nobody knows what became of commands that were under
        way then, so none is sent again by itself. They end, and say so; how many."""
        detail = "unknown after restore: look at the device, and ask again if need be"
        ids = [one.command.id for one in self.waiting()]
        wanted = [self._wanted(id, "give_up", "restore", detail) for id in ids]
        taken = await self._gathering.take_many(wanted) if wanted else []
        return sum(1 for one in taken if isinstance(one, tuple))

    async def _settled(
        self, reports: Sequence[CommandReport], done: list[Any], who: str
    ) -> list[Entry | PintuError]:
        """What was refused may be known by now, or comes from a device that acted after the end."""
        again = [
            one.id
            for one, told in zip(reports, done, strict=True)
            if isinstance(told, StateConflict)
        ]
        entries = await self.get_many(again) if again else {}
        found: list[Entry | PintuError] = []
        late: list[Wanted] = []
        for one, told in zip(reports, done, strict=True):
            entry = entries.get(one.id) if isinstance(told, StateConflict) else None
            if entry is not None and _known(one, entry):
                found.append(entry)
                continue
            if entry is not None and (entry.state, "late") in TABLE and one.state in SAID_LATE:
                late.append(self._wanted(one.id, "late", who, one.state))
            found.append(told[0] if isinstance(told, tuple) else told)
        if late:
            await self._gathering.take_many(late)
        return found


def _known(report: CommandReport, entry: Entry) -> bool:
    """Whether the ledger has what is reported already."""
    return entry.state == report.state or (report.state == "sent" and entry.state == "acknowledged")
