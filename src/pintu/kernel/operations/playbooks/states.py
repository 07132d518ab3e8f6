"""The life of a play, of a group of its steps and of a step, as tables."""

from __future__ import annotations

from typing import Final, Literal

from pintu.kernel.errors import StateConflict

PlayState = Literal[
    "proposed", "running", "halted", "done", "failed", "refused", "expired", "undoing", "undone"
]
GroupState = Literal["waiting", "approved", "refused", "expired", "done"]
StepState = Literal[
    "waiting", "running", "done", "partly", "failed", "skipped", "undoing", "undone", "not_undone"
]

PLAY: Final[dict[tuple[PlayState, str], PlayState]] = {
    ("proposed", "approve"): "running",
    ("proposed", "refuse"): "refused",
    ("proposed", "expire"): "expired",
    ("proposed", "undo"): "undone",
    ("running", "halt"): "halted",
    ("running", "finish"): "done",
    ("running", "fail"): "failed",
    ("running", "undo"): "undoing",
    ("halted", "go_on"): "running",
    ("halted", "undo"): "undoing",
    ("done", "undo"): "undoing",
    ("failed", "undo"): "undoing",
    ("undoing", "finish"): "undone",
    # More of the same came into the area: it waits for approval.
    ("proposed", "widen"): "proposed",
    ("running", "widen"): "running",
    ("halted", "widen"): "halted",
    ("done", "widen"): "running",
}
GROUP: Final[dict[tuple[GroupState, str], GroupState]] = {
    ("waiting", "approve"): "approved",
    ("waiting", "refuse"): "refused",
    ("waiting", "expire"): "expired",
    ("approved", "finish"): "done",
}
STEP: Final[dict[tuple[StepState, str], StepState]] = {
    ("waiting", "begin"): "running",
    ("waiting", "skip"): "skipped",
    ("running", "finish"): "done",
    ("running", "fall_short"): "partly",
    ("running", "fail"): "failed",
    ("running", "undo"): "undoing",
    ("done", "undo"): "undoing",
    ("partly", "undo"): "undoing",
    ("failed", "undo"): "undoing",
    ("undoing", "finish"): "undone",
    ("undoing", "fail"): "not_undone",
}
OVER: Final[frozenset[PlayState]] = frozenset({"refused", "expired", "undone"})
"""Nothing happens to these any more. A play that is done or failed can still be undone."""
DEPENDS: Final[frozenset[PlayState]] = frozenset(
    {"proposed", "running", "halted", "done", "failed"}
)
"""What an undo of the cause takes back."""
STEP_ENDED: Final[frozenset[StepState]] = frozenset(
    {"done", "partly", "failed", "skipped", "undone", "not_undone"}
)


def play_after(state: PlayState, event: str) -> PlayState:
    """The play's next state; StateConflict when the table has no such step."""
    following = PLAY.get((state, event))
    if following is None:
        raise StateConflict(f"A play that is {state} cannot {event.replace('_', ' ')}", state=state)
    return following


def group_after(state: GroupState, event: str) -> GroupState:
    """The group's next state; StateConflict when the table has no such step."""
    following = GROUP.get((state, event))
    if following is None:
        raise StateConflict(
            f"A group of steps that is {state} cannot {event.replace('_', ' ')}", state=state
        )
    return following


def step_after(state: StepState, event: str) -> StepState:
    """The step's next state; StateConflict when the table has no such step."""
    following = STEP.get((state, event))
    if following is None:
        raise StateConflict(f"A step that is {state} cannot {event.replace('_', ' ')}", state=state)
    return following
