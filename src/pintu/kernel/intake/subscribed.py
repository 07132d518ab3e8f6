"""One subscription to changes as the field process holds it: where it is, and what waits to be
taken.
"""

from __future__ import annotations

import asyncio

from pintu.kernel.intake import wire


class Subscribed:
    """Bounded by the broker, which sends no more than a window of frames that were not taken."""

    def __init__(self, number: int, types: list[str], tenant: str) -> None:
        self.number = number
        self.types, self.tenant = types, tenant
        self.after: int | None = (
            None  # the last position consumed; None: not all that there is was told
        )
        self._waiting: asyncio.Queue[wire.News | None] = asyncio.Queue()

    def request(self) -> wire.Subscribe:
        """The frame that asks for what is still missing."""
        return wire.Subscribe(self.number, self.types, self.tenant, self.after)

    def restart(self) -> None:
        """The connection is new: what was received and not consumed will come again."""
        while not self._waiting.empty():
            self._waiting.get_nowait()

    def put(self, frame: wire.News) -> None:
        """A frame came in."""
        self._waiting.put_nowait(frame)

    async def next(self) -> wire.News | None:
        """The next frame; None when the link was closed."""
        return await self._waiting.get()

    def is_new(self, line: wire.Line) -> bool:
        """False for what was consumed before the connection was lost and came again."""
        return self.after is None or line.position > self.after

    def consumed(self, position: int | None) -> None:
        """Everything up to here need not come again."""
        if position is not None:
            self.after = max(self.after or 0, position)

    def close(self) -> None:
        """The link was closed."""
        self._waiting.put_nowait(None)
