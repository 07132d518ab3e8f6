"""A store whose writing can be paused for a while: reads go on, writers are told to come again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from pintu.kernel.errors import Unavailable
from pintu.kernel.store.port import Mark, Op, Outcome, Store

RETRY_S = 2
LONGEST_S = 120.0
"""A pause that nobody renews ends by itself after this long at most."""


class Pausable:
    """`port.Store` around another one. What is asked of it goes straight to that store: its methods
    are taken over as they are, so a store that is not paused costs nothing more.

    `moved` says whether the city's settings name another store by now. Then a pause does not end:
    what is written here would be lost at the next start.
    """

    def __init__(self, store: Store, moved: Callable[[], bool]) -> None:
        self.inner = store
        self._moved = moved
        self._timer: asyncio.TimerHandle | None = None
        self._open = asyncio.Event()
        self._open.set()
        self.tenant = store.tenant
        self.tenants = store.tenants
        self.retrieve = store.retrieve
        self.document = store.document
        self.scoped = store.scoped
        self.prepare = store.prepare
        self.select = store.select
        self.kinds = store.kinds
        self.changes = store.changes
        self.head = store.head
        self.history: Any = store.history  # with `analytics`: also what left the log
        self.past_ids = store.past_ids
        self.notes = store.notes
        self.notes_head = store.notes_head
        self.on_commit = store.on_commit
        self.cursors = store.cursors
        self.kept = store.kept
        self.expired = store.expired
        self.close = store.close
        self.submit = store.submit
        self.check_room = store.check_room
        self.open_tenant = store.open_tenant

    @property
    def paused(self) -> bool:
        """Is nobody let to write?"""
        return self._timer is not None

    async def pause(self, seconds: float) -> int:
        """Let nobody write for so long, or until `resume`; returns the position of the last change,
        which is durable. Asked again it begins anew.
        """
        renewed = self._timer is not None
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(min(seconds, LONGEST_S), self._over)
        self.submit, self.open_tenant = _refused, _refused_tenant
        self.check_room = _no_room
        self._open.clear()
        if not renewed:  # later on somebody may hold the store's own lock
            await self.inner.submit(())  # behind everything that was handed in before
        return self.inner.head()

    def resume(self) -> None:
        """Let everybody write again, unless the city has moved."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._over()

    def _over(self) -> None:
        if self._moved():
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(LONGEST_S, self._over)
            return
        self._timer = None
        self.submit, self.open_tenant = self.inner.submit, self.inner.open_tenant
        self.check_room = self.inner.check_room
        self._open.set()

    async def trim(self, before_us: int, up_to_position: int) -> int:
        """Drop log rows; waits for the end of a pause."""
        await self._open.wait()
        return await self.inner.trim(before_us, up_to_position)

    async def save_cursor(self, name: str, position: int | None) -> None:
        """Keep a cursor; waits for the end of a pause."""
        await self._open.wait()
        await self.inner.save_cursor(name, position)

    async def backup(self, target: Path) -> None:
        """A consistent copy while writing goes on."""
        await self.inner.backup(target)

    def statistics(self) -> dict[str, object]:
        """The store's figures, and whether it is paused."""
        return {**self.inner.statistics(), "paused": int(self.paused)}


def _refused(
    ops: Sequence[Op], source: str = "", *, mark: Mark | None = None
) -> Awaitable[list[Outcome]]:
    raise Unavailable("The city is moving to another store: write again", retry_after=RETRY_S)


def _no_room(ops: int) -> None:
    _refused(())


def _refused_tenant(name: str) -> Awaitable[int]:
    raise Unavailable("The city is moving to another store: write again", retry_after=RETRY_S)
