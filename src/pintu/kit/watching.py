"""Derivers and detectors at work: every change and every tick goes to them, what they find enters
by intake."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from functools import partial

from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError, Unavailable
from pintu.kernel.intake.words import Batch, Update
from pintu.kit.link import Changed, Link
from pintu.kit.manifest import Manifest
from pintu.kit.piece import Service, Watcher

log = logging.getLogger("pintu.kit")
TICK_S = 1.0
GATHER_S = 0.25
TOGETHER_S = 0.1  # what many commands bring at once is one batch
MOST_UPDATES = 500


class Watching:
    """One piece's watchers on one stream of changes."""

    def __init__(
        self,
        manifest: Manifest,
        watchers: list[Watcher],
        link: Link,
        clock: Clock,
        *,
        tenant: str,
        service: Service | None = None,
    ) -> None:
        self._piece, self._watchers, self._link = manifest.name, watchers, link
        self._clock, self._tenant, self._service = clock, tenant, service
        # What a command measures is among the words the piece writes, so those are watched too.
        self._types = sorted(
            {t for one in watchers for t in one.reads} | set(manifest.reads) | set(manifest.writes)
        )
        self._found: dict[str, list[Update]] = {}
        self._waiting: dict[
            str, list[tuple[Callable[[Changed], bool], asyncio.Future[Changed]]]
        ] = {}
        self._gathered: dict[str, tuple[list[Update], asyncio.Task[None]]] = {}
        self._numbers = itertools.count()

    async def run(self) -> None:
        """Watch the stream until cancelled; a stream that ends is opened again."""
        while True:
            try:
                async for change in self._link.changes(self._types, self._tenant):
                    self._tell_waiting(change)
                    for watcher in self._watchers:
                        if any(one in watcher.reads for one in change.types):
                            self._ask(watcher, partial(watcher.changed, change), change.id)
                    if self._service is not None:
                        await self._service.changed(change, self._clock.now_us())
            except PintuError as error:
                log.warning("Changes for %s stopped: %s", self._piece, error.detail)
            await asyncio.sleep(1.0)

    async def run_ticks(self) -> None:
        """Tick every second, and hand in what was found four times a second."""
        passed = 0.0
        while True:
            await asyncio.sleep(GATHER_S)
            passed += GATHER_S
            if passed >= TICK_S:
                passed = 0.0
                for watcher in self._watchers:
                    self._ask(watcher, watcher.tick, "a tick")
            await self._hand_in()

    def _ask(self, watcher: Watcher, call: Callable[[int], list[Update]], what: str) -> None:
        source = f"{self._piece}/{watcher.name}"
        try:
            found = call(self._clock.now_us())
        except Exception:  # one bad entity must not stop the watching of all others
            log.exception("Watcher %s failed on %s", source, what)
            return
        if found:
            self._found.setdefault(source, []).extend(found)

    async def _hand_in(self) -> None:
        found, self._found = self._found, {}
        for source, updates in found.items():
            for at in range(0, len(updates), MOST_UPDATES):
                await self.hand_in(source, updates[at : at + MOST_UPDATES])

    async def hand_in(self, source: str, updates: list[Update]) -> None:
        """Hand in what was found, waiting while the city is away."""
        key = f"{source} {self._clock.now_us()} {next(self._numbers)}"
        while True:
            try:
                receipt = await self._link.accept(
                    Batch(source, self._tenant, key, updates, depth=1)
                )
            except Unavailable:
                await asyncio.sleep(1.0)
                continue
            except PintuError as error:
                log.error("The city refused what %s found: %s", source, error.detail)
                return
            for error_text in receipt.errors[:3]:
                log.warning("An update of %s was refused: %s", source, error_text)
            return

    async def hand_in_together(self, source: str, updates: list[Update]) -> None:
        """As `hand_in`, in one batch with what others hand in at about the same time."""
        known = self._gathered.get(source)
        if known is None or len(known[0]) + len(updates) > MOST_UPDATES:
            gathered: list[Update] = []
            task = asyncio.create_task(self._hand_in_soon(source, gathered))
            known = self._gathered[source] = (gathered, task)
        known[0].extend(updates)
        await asyncio.shield(known[1])

    async def _hand_in_soon(self, source: str, gathered: list[Update]) -> None:
        await asyncio.sleep(TOGETHER_S)
        if self._gathered.get(source, (None,))[0] is gathered:
            del self._gathered[source]
        await self.hand_in(source, gathered)

    def _tell_waiting(self, change: Changed) -> None:
        waiting = self._waiting.get(change.id)
        if not waiting:
            return
        for holds, future in waiting:
            if not future.done() and holds(change):
                future.set_result(change)

    async def until(
        self, entity_id: str, holds: Callable[[Changed], bool], timeout_s: float
    ) -> Changed | None:
        """The first change of an entity from now on for which `holds` is true, or None."""
        future: asyncio.Future[Changed] = asyncio.get_running_loop().create_future()
        entry = (holds, future)
        self._waiting.setdefault(entity_id, []).append(entry)
        try:
            return await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            return None
        finally:
            left = self._waiting[entity_id]
            left.remove(entry)
            if not left:
                del self._waiting[entity_id]
