"""Notifications posted to http and https endpoints (6.3.8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pintu.kernel.calling import Ask, Caller, Reply, Under
from pintu.kernel.errors import Forbidden, PintuError
from pintu.kernel.subscriptions.states import TAKEN, Outcome, Why, timeout_s
from pintu.kernel.subscriptions.words import Endpoint, Message

MOST_ANSWER: Final = 65_536
"""Of an answer nobody reads."""


class HttpSender:
    """Posts messages through the one client of foreign addresses."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def send(self, endpoint: Endpoint, message: Message) -> Outcome:
        """Post one message; every way it can end is an Outcome."""
        try:
            return outcome_of(await self._caller.call(_ask(endpoint, message)))
        except PintuError as error:
            return outcome_of(error)

    def free(self, endpoint: Endpoint) -> bool:
        """Whether `begin` would find a connection now."""
        return self._caller.free(endpoint.uri)

    def begin(
        self, endpoint: Endpoint, message: Message, done: Callable[[Outcome], None]
    ) -> Under | None:
        """Post one message over a connection that is free now; `done` hears how it ended. None:
        there is none, or it is no message that can be posted: `send` says which."""
        try:
            ask = _ask(endpoint, message)
            return self._caller.begin(ask, lambda result: done(outcome_of(result)))
        except PintuError:
            return None

    async def close(self) -> None:
        """The client is the city's: it stays."""


def _ask(endpoint: Endpoint, message: Message) -> Ask:
    return Ask(
        method="POST",
        url=endpoint.uri,
        headers=(("Content-Type", message.content_type), *message.headers),
        body=message.body,
        timeout_s=timeout_s(endpoint),
        limit=MOST_ANSWER,
    )


def outcome_of(result: Reply | PintuError) -> Outcome:
    """What an answer, or what went wrong on the way, is to a message."""
    if isinstance(result, PintuError):
        why: Why = "forbidden" if isinstance(result, Forbidden) else "unreached"
        return Outcome(why=why, detail=result.detail)
    status = result.status
    if 200 <= status < 300:
        return TAKEN
    if status == 410:
        return Outcome(why="gone", detail="The endpoint answered 410: it wants no more")
    if 300 <= status < 400:
        return Outcome(why="answered", detail=f"The endpoint redirects ({status})")
    return Outcome(
        why="answered",
        detail=f"The endpoint answered {status}",
        retry_after_s=_seconds(result.headers.get("retry-after", "")),
    )


def _seconds(text: str) -> float:
    """Retry-After in seconds; dates are not read."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0.0
