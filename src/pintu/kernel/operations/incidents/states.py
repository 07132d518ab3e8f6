"""The life of an incident as a table: which deed is possible in which state, and what follows."""

from __future__ import annotations

from typing import Final

from pintu.kernel.errors import StateConflict
from pintu.kernel.operations.incidents.words import State

TABLE: Final[dict[tuple[State, str], State]] = {
    ("open", "acknowledge"): "acknowledged",
    ("open", "assign"): "acknowledged",  # who gives it to somebody has seen it
    ("open", "close"): "closed",
    ("open", "merge"): "merged",
    ("open", "split"): "open",
    ("open", "grade"): "open",
    ("acknowledged", "assign"): "acknowledged",
    ("acknowledged", "close"): "closed",
    ("acknowledged", "merge"): "merged",
    ("acknowledged", "split"): "acknowledged",
    ("acknowledged", "grade"): "acknowledged",
    ("closed", "reopen"): "open",
}


def after(state: State, deed: str) -> State:
    """The state that follows; StateConflict when the table has no such step."""
    following = TABLE.get((state, deed))
    if following is None:
        raise StateConflict(f"An incident that is {state} cannot {deed}", state=state)
    return following


def deeds(state: State) -> tuple[str, ...]:
    """What may be done in a state, in the table's order."""
    return tuple(deed for known, deed in TABLE if known == state)
