"""One reader of server-sent events: what waits for it, bounded, what is wrong before the rest."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from pintu.web.api.points import Box

MAX_FRAMES: Final = 40
MAX_BYTES: Final = 1_000_000


def frame(event: str, data: Any, id: str = "") -> bytes:
    """One event in the wire's form."""
    head = f"id: {id}\n" if id else ""
    return f"{head}event: {event}\ndata: ".encode() + orjson.dumps(data) + b"\n\n"


@dataclass(slots=True, kw_only=True, eq=False)
class Client:
    """One open stream: what it wants and what waits for it, bounded."""

    tenant: int
    topics: frozenset[str]
    tenant_name: str = ""
    box: Box | None = None  # None: the page shows cells, not points
    entity: str = ""
    after: str = ""
    still: Callable[[], bool] | None = None  # whether its reader may go on; asked each tick
    who: str = ""
    frames: deque[bytes] = field(default_factory=deque)
    first: deque[bytes] = field(default_factory=deque)  # goes before all of `frames`
    waiting_bytes: int = 0
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False
    slow: bool = False

    def push(self, data: bytes, *, first: bool = False) -> None:
        """Queue a frame, `first` before those that are not; a reader too slow for it is told to
        load again and let go."""
        if self.ended:
            return
        waiting = len(self.frames) + len(self.first)
        if waiting >= MAX_FRAMES or self.waiting_bytes + len(data) > MAX_BYTES:
            self.drop()
            self.frames.append(frame("resync", {"why": "slow"}))
            self.ended = self.slow = True
        else:
            (self.first if first else self.frames).append(data)
            self.waiting_bytes += len(data)
        self.wake.set()

    def pop(self) -> bytes | None:
        """The next frame to write; None when none waits."""
        queue = self.first or self.frames
        if not queue:
            return None
        data = queue.popleft()
        self.waiting_bytes = max(0, self.waiting_bytes - len(data))
        return data

    def drop(self) -> None:
        """Tell nothing of what waits."""
        self.frames.clear()
        self.first.clear()
        self.waiting_bytes = 0

    def end(self) -> None:
        """Let the reader go after what is queued."""
        self.ended = True
        self.wake.set()
