"""Counts what the lane does not answer: pages, API, event streams, files of the browser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from pintu.web.metrics.meter import Meter

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]

GROUPS: Final = (
    ("/ngsi-ld/", ""),  # counted by the broker, operation by operation
    ("/api/v1/", "api"),
    ("/events", "events"),
    ("/static/", "static"),
    ("/healthz", "health"),
    ("/readyz", "health"),
    ("/metrics", "health"),
    ("/nodes/", "nodes"),
)
"""Beginnings of paths and what they count as; everything else is a page."""


class Screen(msgspec.Struct, gc=False):
    """One of the groups, as the meter reads a request."""

    operation: str
    headers: dict[bytes, bytes] = {}


def group_of(path: str) -> str:
    """What a path counts as; "" when it is counted elsewhere."""
    for beginning, name in GROUPS:
        if path.startswith(beginning):
            return name
    return "page"


class Counted:
    """An ASGI application whose answers are counted when they begin."""

    def __init__(self, application: Any, meter: Meter) -> None:
        self.application, self.meter = application, meter
        names = {*dict(GROUPS).values(), "page"}
        self._screens = {name: Screen(name) for name in names}

    @property
    def state(self) -> Any:
        """What the application keeps."""
        return self.application.state

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer, and count."""
        name = group_of(scope["path"]) if scope["type"] == "http" else ""
        if not name:
            await self.application(scope, receive, send)
            return
        began = perf_counter()

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                took_s = perf_counter() - began
                self.meter.count(self._screens[name], message["status"], took_s)
            await send(message)

        await self.application(scope, receive, told)
