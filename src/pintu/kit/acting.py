"""Commands at work: each is given to its action, one at a time a target, and its steps are told to
the ledger."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError, ResourceNotFound, Unavailable
from pintu.kernel.intake.words import Command, CommandReport, CommandState, Update
from pintu.kit.link import Changed, Link
from pintu.kit.manifest import Manifest
from pintu.kit.piece import Piece
from pintu.kit.sources import SourceRunner
from pintu.kit.watching import Watching

log = logging.getLogger("pintu.kit")
AT_ONCE = 10_000  # each waits for its effect, which the next reading brings


class Acting:
    """Gives commands to a piece's actions until cancelled."""

    def __init__(
        self,
        manifest: Manifest,
        piece: Piece,
        link: Link,
        clock: Clock,
        *,
        tenant: str,
        watching: Watching,
        sources: list[SourceRunner],
    ) -> None:
        self._manifest, self._piece, self._link, self._clock = manifest, piece, link, clock
        self._tenant, self._watching = tenant, watching
        self._connectors = {one.connector.name: one.connector for one in sources}
        self._going: dict[str, asyncio.Task[None]] = {}
        self._sent: set[str] = set()
        self._room = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Take commands as they come; a stream that ends is opened again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._recalled())
            while True:
                try:
                    async for command in self._link.commands(self._piece.name):
                        await self._room.acquire()
                        previous = self._going.get(command.id)
                        if previous is not None:
                            # The ledger tries again: the earlier try has nothing to say any more.
                            previous.cancel()
                        task = group.create_task(self._act(command))
                        self._going[command.id] = task
                        task.add_done_callback(partial(self._done, command.id))
                except PintuError as error:
                    log.warning("Commands for %s stopped: %s", self._piece.name, error.detail)
                await asyncio.sleep(1.0)

    async def _recalled(self) -> None:
        """Let go of what was taken back and not sent yet; what a device was told goes on: whatever
        it answers is evidence."""
        async for ids in self._link.recalls(self._piece.name):
            for id in ids:
                task = self._going.get(id)
                if task is not None and id not in self._sent:
                    task.cancel()

    def _done(self, command_id: str, task: asyncio.Task[None]) -> None:
        self._room.release()
        if self._going.get(command_id) is task:
            del self._going[command_id]
            self._sent.discard(command_id)

    async def _act(self, command: Command) -> None:
        """Do one; where the ledger is past what is told of it, nothing more is to be said."""
        try:
            await self._done_or_told(command)
        except PintuError as error:
            log.info("Command %s: %s", command.id, error.detail)

    async def _done_or_told(self, command: Command) -> None:
        hands = _Hands(
            self.clock,
            self._link,
            self._watching,
            self._connectors,
            command,
            self._piece.name,
            self._sent,
        )
        action = self._piece.actions.get(command.name)
        if action is None:
            await hands.report("failed", f"Piece {self._piece.name} has no command {command.name}")
            return
        word = self._manifest.command(command.name)
        try:
            async with asyncio.timeout(word.timeout_s if word else None):
                await action(command, hands)
        except TimeoutError:
            log.info("Command %s took too long; the ledger decides", command.id)
        except Unavailable as error:
            log.info("Command %s could not be sent now: %s", command.id, error.detail)
        except PintuError as error:
            await hands.report("failed", error.detail)
        except Exception as error:
            log.exception("Action %s failed", command.name)
            await hands.report(
                "failed", f"The action failed: {type(error).__name__}: {error}"[:300]
            )

    @property
    def clock(self) -> Clock:
        """The city's clock, as actions see it."""
        return self._clock


@dataclass(slots=True)
class _Hands:
    """`Hands` of one command."""

    clock: Clock
    link: Link
    watching: Watching
    connectors: dict[str, Any]
    command: Command
    piece: str
    sent: set[str]

    def connector(self, name: str) -> Any:
        try:
            return self.connectors[name]
        except KeyError:
            raise ResourceNotFound(f"Connector {name} does not run") from None

    async def report(self, state: CommandState, detail: str = "") -> None:
        self.sent.add(self.command.id)
        await self.link.report_command(
            CommandReport(self.command.id, state, detail, self.clock.now_us())
        )

    async def until(
        self, entity_id: str, holds: Callable[[Changed], bool], timeout_s: float
    ) -> Changed | None:
        return await self.watching.until(entity_id, holds, timeout_s)

    async def hand_in(self, updates: list[Update]) -> None:
        await self.watching.hand_in_together(f"{self.piece}/actions", updates)
