"""Steps that come at once are written at once: reports of thousands of devices share commits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy import Connection

from pintu.kernel.errors import PintuError
from pintu.kernel.operations import ledger
from pintu.kernel.operations.journal import Deed, enter
from pintu.kernel.operations.ledger import Entry, Step, Taken, Wanted
from pintu.kernel.tables import OpenTables

log = logging.getLogger("pintu.operations")
AT_ONCE: Final = 2_000
Written = Callable[[list[Taken], list[Deed]], Awaitable[None]]

MISSED: Final = {
    ("acknowledged", "timed_out"): "missed",  # it answered, and nothing was measured
    ("acknowledged", "failed"): "missed",
    ("sent", "timed_out"): "unanswered",
    ("desired", "timed_out"): "unanswered",
    ("held", "timed_out"): "lapsed",  # nobody allowed it
}
"""(state before, state after) → the verb of the deed that others hear; other failures `failed`."""


class Gathering:
    """Writes steps in the order they came. `written` is awaited with each group after its commit,
    before those who wait for it hear of it."""

    def __init__(self, file: OpenTables, written: Written) -> None:
        self._file, self._written = file, written
        self._lined: list[tuple[Wanted, asyncio.Future[Entry]]] = []
        self._task: asyncio.Task[None] | None = None

    async def take(self, wanted: Wanted) -> Entry:
        """Take one step; durable when this returns. Raises what `ledger.take_steps` found."""
        future: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self._lined.append((wanted, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="ledger")
        # Whoever asked may go away; the step is taken all the same.
        return await asyncio.shield(future)

    async def finish(self) -> None:
        """What came is written."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._lined:
            group, self._lined = self._lined[:AT_ONCE], self._lined[AT_ONCE:]
            wanted = [one for one, _ in group]
            try:
                found, deeds = await self._file.run(lambda c, w=wanted: _take(c, w))  # type: ignore[misc]
                await self._written([one for one in found if isinstance(one, tuple)], deeds)
            except PintuError as error:
                found = [error] * len(group)
            except Exception as error:  # a loop's edge: who waits must hear, whatever it was
                log.exception("Steps of %d commands could not be written", len(group))
                for _, future in group:
                    if not future.done():
                        future.set_exception(error)
                        future.exception()  # who asked may be gone; it was logged
                continue
            for (_, future), one in zip(group, found, strict=True):
                if future.done():
                    continue
                if isinstance(one, PintuError):
                    future.set_exception(one)
                    future.exception()  # who asked may be gone
                else:
                    future.set_result(one[0])


def _take(connection: Connection, wanted: list[Wanted]) -> ledger.Outcome:
    before = {one.id: None for one in wanted}
    states = {id: one.state for id, one in ledger.get_many(connection, list(before)).items()}
    found = ledger.take_steps(connection, wanted)
    deeds = []
    for one in found:
        if isinstance(one, PintuError):
            continue
        entry, step = one
        deed = _deed(entry, step, states[step.command])
        states[step.command] = step.state
        if deed is not None:
            deeds.append(enter(connection, deed))
    return found, deeds


def _deed(entry: Entry, step: Step, before: str) -> Deed | None:
    """What others must hear of a step: ends that are no success, and what second persons did."""
    verb = MISSED.get((before, step.state))
    if verb is None:
        verb = {"fail": "failed", "cancel": "cancelled", "allow": "allowed"}.get(step.event)
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
