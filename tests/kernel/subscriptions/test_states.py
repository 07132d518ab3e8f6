"""How long is waited after a failure, and when nobody tries any more."""

from __future__ import annotations

import pytest

from pintu.kernel.subscriptions.states import (
    TAKEN,
    Outcome,
    answered,
    parks,
    pause_s,
    sent,
    standing,
    throttled_s,
    timeout_s,
)
from pintu.kernel.subscriptions.words import Asker, Endpoint, State, Subscription

AT = Endpoint(uri="http://ear.example/")
FAILED = Outcome(why="answered", detail="The endpoint answered 500")
NOW_US = 1_700_000_000_000_000


def subscription(**more: object) -> Subscription:
    """One that asks for nothing special."""
    known: dict[str, object] = {"id": "urn:s", "tenant": 1, "tenant_name": "", "document": {}}
    return Subscription(**known, endpoint=AT, asker=Asker(id="t"), **more)  # type: ignore[arg-type]


def test_pauses_double_up_to_five_minutes() -> None:
    """One second, two, four … and never more than 300, with a fifth of chance around it."""
    middle = [pause_s(n, AT, FAILED, 0.5) for n in (1, 2, 3, 9, 10, 1000)]
    assert [1.0, 2.0, 4.0, 256.0, 300.0, 300.0] == middle
    assert pytest.approx((0.8, 1.2)) == (pause_s(1, AT, FAILED, 0.0), pause_s(1, AT, FAILED, 1.0))


def test_an_endpoint_may_ask_for_a_longer_pause() -> None:
    """By its cooldown, or by Retry-After up to an hour."""
    cool = Endpoint(uri=AT.uri, cooldown_s=30.0)
    asked = Outcome(why="answered", retry_after_s=1e9)
    assert (30.0, 3600.0) == (pause_s(1, cool, FAILED, 0.5), pause_s(1, AT, asked, 0.5))


@pytest.mark.parametrize(
    ("why", "attempts", "parked"),
    [
        ("answered", 299, False), ("answered", 300, True), ("unreached", 300, True),
        ("forbidden", 7, False), ("forbidden", 8, True), ("gone", 1, True),
    ],
)  # fmt: skip
def test_after_a_limit_nobody_tries_any_more(why: str, attempts: int, parked: bool) -> None:
    """About a day of failures; an address that may not be reached sooner; 410 at once."""
    assert parked == parks(attempts, Outcome(why=why))  # type: ignore[arg-type]


def test_an_hour_of_failures_parks_nobody() -> None:
    """The pauses of an hour are far fewer attempts than the limit."""
    spent_s, attempts = 0.0, 0
    while spent_s < 3600:
        attempts += 1
        spent_s += pause_s(attempts, AT, FAILED, 0.0)
    assert not parks(attempts * 2, FAILED)


def test_counters_tell_what_was_tried() -> None:
    """What goes out is counted before its answer; a success ends the row of failures."""
    state = State()
    for now_us in (1, 2):
        sent(state, now_us)
        answered(state, FAILED, now_us)
    assert (2, 2, 2, 0, FAILED.detail, 2) == (
        state.times_sent, state.times_failed, state.last_failure_us, state.last_success_us,
        state.last_error, state.attempts,
    )  # fmt: skip
    sent(state, 3)
    assert (3, 3, 0) == (state.times_sent, state.last_notification_us, state.last_success_us)
    answered(state, TAKEN, 4)
    assert (3, 2, 4, "", 0) == (
        state.times_sent, state.times_failed, state.last_success_us, state.last_error,
        state.attempts,
    )  # fmt: skip


def test_one_word_says_how_a_subscription_does() -> None:
    """The end comes before parked, parked before paused, paused before failed."""
    one = subscription()
    assert "ok" == standing(one, State(), NOW_US)
    assert "failed" == standing(one, State(attempts=1), NOW_US)
    assert "paused" == standing(one, State(attempts=1, paused="no"), NOW_US)
    assert "paused" == standing(subscription(active=False), State(), NOW_US)
    assert "parked" == standing(one, State(parked="no"), NOW_US)
    assert "expired" == standing(subscription(expires_us=NOW_US), State(parked="no"), NOW_US)


def test_throttling_waits_for_its_end_whatever_the_clock_does() -> None:
    """What is left of the time; a clock that jumps back costs no more than the whole."""
    one, state = subscription(throttling_s=10), State(last_notification_us=NOW_US)
    waits = [throttled_s(one, state, NOW_US + us) for us in (4_000_000, 11_000_000, -9_000_000)]
    assert [6.0, 0.0, 10] == waits
    assert 0.0 == throttled_s(subscription(), state, NOW_US)


def test_no_endpoint_may_take_longer_than_a_minute() -> None:
    """Five seconds unless it asks for another time."""
    asked = [timeout_s(Endpoint(uri=AT.uri, timeout_s=s)) for s in (None, 0.5, 9999.0)]
    assert [5.0, 0.5, 60.0] == asked
