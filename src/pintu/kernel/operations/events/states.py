"""The life of a plan for an event, and of a check's round, as tables."""

from __future__ import annotations

from typing import Final

from pintu.kernel.errors import StateConflict
from pintu.kernel.operations.events.words import RoundState, State

TABLE: Final[dict[tuple[State, str], State]] = {
    ("draft", "save"): "draft",
    ("draft", "approve"): "approved",
    ("draft", "call_off"): "called_off",
    ("approved", "save"): "draft",  # what was approved was another plan
    ("approved", "begin"): "running",
    ("approved", "call_off"): "called_off",
    ("running", "end"): "over",
    ("running", "call_off"): "over",  # what was done stays in the report
}
ROUND: Final[dict[tuple[RoundState, str], RoundState]] = {
    ("due", "look"): "done",
    ("due", "look_first"): "half",
    ("half", "look_second"): "done",
    ("due", "miss"): "missed",
    ("half", "miss"): "missed",
}


def after(state: State, event: str) -> State:
    """The plan's next state; StateConflict when the table has no such step."""
    following = TABLE.get((state, event))
    if following is None:
        raise StateConflict(f"A plan that is {state} cannot {event.replace('_', ' ')}", state=state)
    return following


def round_after(state: RoundState, event: str) -> RoundState:
    """The round's next state; StateConflict when the table has no such step."""
    following = ROUND.get((state, event))
    if following is None:
        raise StateConflict(f"A check that is {state} cannot {event.replace('_', ' ')}")
    return following
