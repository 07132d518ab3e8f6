"""Notifications posted to http and https endpoints (6.3.8)."""

from __future__ import annotations

from typing import Final

from pintu.kernel.calling import Ask, Caller
from pintu.kernel.errors import Forbidden, PintuError
from pintu.kernel.subscriptions.states import TAKEN, Outcome, timeout_s
from pintu.kernel.subscriptions.words import Endpoint, Message

MOST_ANSWER: Final = 65_536
"""Of an answer nobody reads."""


class HttpSender:
    """Posts messages through the one client of foreign addresses."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def send(self, endpoint: Endpoint, message: Message) -> Outcome:
        """Post one message; every way it can end is an Outcome."""
        ask = Ask(
            method="POST",
            url=endpoint.uri,
            headers=(("Content-Type", message.content_type), *message.headers),
            body=message.body,
            timeout_s=timeout_s(endpoint),
            limit=MOST_ANSWER,
        )
        try:
            reply = await self._caller.call(ask)
        except Forbidden as error:
            return Outcome(why="forbidden", detail=error.detail)
        except PintuError as error:
            return Outcome(why="unreached", detail=error.detail)
        status = reply.status
        if 200 <= status < 300:
            return TAKEN
        if status == 410:
            return Outcome(why="gone", detail="The endpoint answered 410: it wants no more")
        if 300 <= status < 400:
            return Outcome(why="answered", detail=f"The endpoint redirects ({status})")
        return Outcome(
            why="answered",
            detail=f"The endpoint answered {status}",
            retry_after_s=_seconds(reply.headers.get("retry-after", "")),
        )

    async def close(self) -> None:
        """The client is the city's: it stays."""


def _seconds(text: str) -> float:
    """Retry-After in seconds; dates are not read."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0.0
