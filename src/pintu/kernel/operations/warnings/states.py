"""The life of a warning as a table: what may happen in which state, and what comes of it."""

from __future__ import annotations

from typing import Final, Literal

from pintu.kernel.errors import StateConflict
from pintu.kernel.operations.warnings.words import State

Event = Literal["update", "replace", "cancel", "expire"]

TABLE: Final[dict[tuple[State, Event], State]] = {
    ("issued", "update"): "issued",
    ("issued", "replace"): "replaced",
    ("issued", "cancel"): "cancelled",
    ("issued", "expire"): "expired",
    # Its authority goes on with it after the end it told first.
    ("expired", "update"): "issued",
    ("expired", "cancel"): "cancelled",
}


def after(state: State, event: Event) -> State:
    """The state that follows; StateConflict when the table has no such step."""
    following = TABLE.get((state, event))
    if following is None:
        raise StateConflict(f"A warning that is {state} cannot {event}", state=state)
    return following


def follows(state: State, event: Event) -> bool:
    """Whether the table has that step."""
    return (state, event) in TABLE
