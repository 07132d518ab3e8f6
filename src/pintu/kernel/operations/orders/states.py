"""The life of a work order as a table: who may do what in which state, and what comes of it."""

from __future__ import annotations

from typing import Final, Literal

from pintu.kernel.errors import StateConflict
from pintu.kernel.operations.orders.words import State

Verb = Literal[
    "assign", "release", "confirm", "decline", "arrive", "suspend", "resume", "report",
    "reopen", "close", "override", "cancel", "escalate", "note", "join", "settle",
]  # fmt: skip

TABLE: Final[dict[tuple[State, Verb], State | Literal["before"]]] = {
    ("open", "assign"): "assigned",
    ("assigned", "assign"): "assigned",  # to another crew
    ("confirmed", "assign"): "assigned",
    ("assigned", "release"): "open",
    ("confirmed", "release"): "open",
    ("working", "release"): "open",
    ("assigned", "confirm"): "confirmed",
    ("assigned", "decline"): "open",
    ("confirmed", "decline"): "open",
    ("assigned", "arrive"): "working",  # a crew that is there has confirmed
    ("confirmed", "arrive"): "working",
    ("assigned", "report"): "reported",
    ("confirmed", "report"): "reported",
    ("working", "report"): "reported",
    ("reported", "reopen"): "open",
    ("closed", "reopen"): "open",
    ("reported", "close"): "closed",
    ("open", "override"): "closed",
    ("assigned", "override"): "closed",
    ("confirmed", "override"): "closed",
    ("working", "override"): "closed",
    ("reported", "override"): "closed",
    # the sensor that raised it says it is over: nobody has to go, or what was done has worked
    ("open", "settle"): "closed",
    ("reported", "settle"): "closed",
    ("suspended", "resume"): "before",
}
UNFINISHED: Final[tuple[State, ...]] = (
    "open", "assigned", "confirmed", "working", "suspended", "reported",
)  # fmt: skip
ANYTIME: Final[tuple[Verb, ...]] = ("escalate", "note", "join")
"""Verbs that leave the state as it is, while an order is not finished."""

for _state in UNFINISHED:
    TABLE[_state, "cancel"] = "cancelled"
    for _verb in ANYTIME:
        TABLE[_state, _verb] = _state
    if _state not in ("suspended", "reported"):
        TABLE[_state, "suspend"] = "suspended"

PAST: Final[dict[Verb, str]] = {
    "assign": "assigned",
    "release": "released",
    "confirm": "confirmed",
    "decline": "declined",
    "arrive": "arrived",
    "suspend": "suspended",
    "resume": "resumed",
    "report": "reported",
    "reopen": "reopened",
    "close": "closed",
    "override": "overridden",
    "cancel": "cancelled",
    "escalate": "escalated",
    "note": "noted",
    "join": "joined",
    "settle": "settled",
}
"""What the journal calls a deed that was done."""

CREW: Final[frozenset[Verb]] = frozenset(
    ("confirm", "decline", "arrive", "suspend", "resume", "report", "note")
)
"""What a crew may do to its own orders; the operations room may do all of `HAND`."""

HAND: Final[frozenset[Verb]] = frozenset(PAST) - {"join", "settle"}
REASONED: Final[frozenset[Verb]] = frozenset(
    ("decline", "suspend", "override", "cancel", "reopen", "note")
)
"""Deeds that need a reason in somebody's own words."""


def after(state: State, verb: Verb, before: State = "open") -> State:
    """The state that follows; StateConflict when the table has no such step. `before` is what a
    suspended order was."""
    following = TABLE.get((state, verb))
    if following is None:
        raise StateConflict(f"An order that is {state} cannot {verb}", state=state)
    return before if following == "before" else following


def offered(state: State) -> list[Verb]:
    """What a person may do in a state, in the table's order."""
    return [verb for one, verb in TABLE if one == state and verb in HAND]
