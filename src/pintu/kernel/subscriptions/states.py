"""How telling goes on after it failed: growing pauses, an end to trying, counters. Pure."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from pintu.kernel.subscriptions.words import Endpoint, State, Subscription

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 300.0
JITTER: Final = 0.2
"""So much of a pause is chance: endpoints of a server that came back are not asked all at once."""

PARKED_AFTER: Final = 300
"""Attempts in a row that fail before nobody tries any more: about a day of them."""

PARKED_AFTER_FORBIDDEN: Final = 8
"""The same where the address may not be reached from here: it will hardly move."""

DEFAULT_TIMEOUT_S: Final = 5.0
LONGEST_TIMEOUT_S: Final = 60.0
LONGEST_ASKED_S: Final = 3600.0
"""No endpoint makes us wait longer by asking (Retry-After)."""

Why = Literal["", "answered", "unreached", "forbidden", "gone", "held"]
"""held: it was not sent, and nobody's fault: a limit of the agreement, a log that is away."""

Standing = Literal["ok", "failed", "paused", "expired", "parked"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one message: `why` is "" when it was taken."""

    why: Why = ""
    detail: str = ""
    retry_after_s: float = 0.0

    @property
    def taken(self) -> bool:
        """Whether the endpoint said that it has it."""
        return not self.why


TAKEN: Final = Outcome()


def timeout_s(endpoint: Endpoint) -> float:
    """How long an endpoint may take for one message."""
    return min(endpoint.timeout_s or DEFAULT_TIMEOUT_S, LONGEST_TIMEOUT_S)


def pause_s(attempts: int, endpoint: Endpoint, outcome: Outcome, chance: float) -> float:
    """City seconds until the next attempt after `attempts` in a row failed; `chance` in 0..1."""
    grown = min(FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 20), LONGEST_PAUSE_S)
    grown *= 1.0 - JITTER + 2 * JITTER * chance
    asked = min(outcome.retry_after_s, LONGEST_ASKED_S)
    return max(grown, endpoint.cooldown_s or 0.0, asked)


def parks(attempts: int, outcome: Outcome) -> bool:
    """Whether nobody tries any more until a person says so."""
    if outcome.why == "gone":
        return True
    limit = PARKED_AFTER_FORBIDDEN if outcome.why == "forbidden" else PARKED_AFTER
    return attempts >= limit


def sent(state: State, now_us: int) -> None:
    """Count a message that goes out now (5.2.14): before its answer, so that who was told and asks
    at once finds it counted."""
    state.times_sent += 1
    state.last_notification_us = now_us


def answered(state: State, outcome: Outcome, now_us: int) -> None:
    """Count how it ended."""
    if outcome.taken:
        state.last_success_us = now_us
        state.last_error = ""
        state.attempts = 0
    else:
        state.times_failed += 1
        state.last_failure_us = now_us
        state.last_error = outcome.detail[:500]
        state.attempts += 1


def standing(subscription: Subscription, state: State, now_us: int) -> Standing:
    """One word for how a subscription does."""
    if subscription.expired(now_us):
        return "expired"
    if state.parked:
        return "parked"
    if not subscription.active or state.paused:
        return "paused"
    return "failed" if state.attempts else "ok"


def throttled_s(subscription: Subscription, state: State, now_us: int) -> float:
    """City seconds until throttling lets the next notification go; 0: now. A clock that was set
    back makes nobody wait longer than the whole of it."""
    whole = subscription.throttling_s
    if not whole or not state.last_notification_us:
        return 0.0
    since_s = (now_us - state.last_notification_us) / 1e6
    return whole if since_s < 0 else max(0.0, whole - since_s)
