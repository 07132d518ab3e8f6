"""Steps that come at once are written at once: reports of thousands of devices share commits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection

from pintu.kernel.errors import PintuError
from pintu.kernel.operations.journal import Deed, enter
from pintu.kernel.operations.ledger import Entry, Step, Taken, Wanted
from pintu.kernel.operations.taking import take_steps
from pintu.kernel.tables import OpenTables

log = logging.getLogger("pintu.operations")
AT_ONCE: Final = 2_000
Written = Callable[[list[Taken], list[Deed]], Awaitable[None]]
Answers = list[Taken | PintuError]

MISSED: Final = {
    ("acknowledged", "timed_out"): "missed",  # it answered, and nothing was measured
    ("acknowledged", "failed"): "missed",
    ("sent", "timed_out"): "unanswered",
    ("desired", "timed_out"): "unanswered",
    ("held", "timed_out"): "lapsed",  # nobody allowed it
}
"""(state before, state after) → the verb of the deed that others hear; other failures `failed`."""
VERBS: Final = {
    "fail": "failed",
    "cancel": "cancelled",
    "agree": "agreed",
    "allow": "allowed",
    "late": "acted_late",
}


class Gathering:
    """Writes steps in the order they came. `written` is awaited with each group after its commit,
    before those who wait for it hear of it. `known` are the commands as this ledger knows them."""

    def __init__(self, file: OpenTables, known: Mapping[str, Entry], written: Written) -> None:
        self._file, self._known, self._written = file, known, written
        self._lined: list[tuple[Sequence[Wanted], asyncio.Future[Answers]]] = []
        self._task: asyncio.Task[None] | None = None
        self._doubtful: set[str] = set()  # a commit failed: only the tables know how these stand

    async def take(self, wanted: Wanted) -> Entry:
        """Take one step; durable when this returns. Raises what `take_steps` found."""
        (found,) = await self.take_many([wanted])
        if isinstance(found, PintuError):
            raise found
        return found[0]

    async def take_many(self, wanted: Sequence[Wanted]) -> Answers:
        """Take steps, in their order, in one transaction; what became of each."""
        future: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
        self._lined.append((wanted, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="ledger")
        # Whoever asked may go away; the steps are taken all the same.
        return await asyncio.shield(future)

    async def finish(self) -> None:
        """What came is written."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._lined:
            group = self._next()
            wanted = [one for some, _ in group for one in some]
            try:
                found = await self._write(wanted)
            except PintuError as error:
                found = [error] * len(wanted)
            except Exception as error:  # a loop's edge: who waits must hear, whatever it was
                log.exception("Steps of %d commands could not be written", len(wanted))
                for _, future in group:
                    if not future.done():
                        future.set_exception(error)
                        future.exception()  # who asked may be gone; it was logged
                continue
            at = 0
            for some, future in group:
                if not future.done():
                    future.set_result(found[at : at + len(some)])
                at += len(some)

    def _next(self) -> list[tuple[Sequence[Wanted], asyncio.Future[Answers]]]:
        """As many askers as fit into one group, and at least the first."""
        count = size = 0
        for some, _ in self._lined:
            size += len(some)
            if count and size > AT_ONCE:
                break
            count += 1
        group, self._lined = self._lined[:count], self._lined[count:]
        return group

    async def _write(self, wanted: list[Wanted]) -> Answers:
        ids = {one.id for one in wanted}
        known = {id: self._known[id] for id in ids & self._known.keys() - self._doubtful}
        self._doubtful |= ids
        found, deeds = await self._file.run(lambda c: _take(c, wanted, known))
        self._doubtful -= ids
        await self._written([one for one in found if isinstance(one, tuple)], deeds)
        return found


def _take(
    connection: Connection, wanted: list[Wanted], known: Mapping[str, Entry]
) -> tuple[Answers, list[Deed]]:
    found = take_steps(connection, wanted, known)
    deeds = [_deed(*one) for one in found if isinstance(one, tuple)]
    return found, [enter(connection, one) for one in deeds if one is not None]


def _deed(entry: Entry, step: Step, before: str) -> Deed | None:
    """What others must hear of a step: ends that are no success, what second persons did, and what
    a device did after its command was taken back."""
    verb = MISSED.get((before, step.state)) if step.event != "late" else None
    verb = verb or VERBS.get(step.event)
    if verb is None:
        return None
    command = entry.command
    return Deed(
        subject=f"command:{command.id}",
        verb=verb,
        who=step.who,
        at_us=step.at_us,
        tenant=command.tenant,
        reason=step.detail,
        detail={
            "target": command.target,
            "piece": command.piece,
            "name": command.name,
            "arguments": command.arguments,
            "cause": entry.cause,
            "actor": command.actor,
            "attempts": command.attempt,
        },
    )
