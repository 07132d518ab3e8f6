"""The life of a command as a table: what may happen in which state, and what comes of it."""

from __future__ import annotations

from typing import Literal, get_args

from pintu.kernel.errors import StateConflict
from pintu.kernel.intake.words import CommandState

Event = Literal[
    "hold", "agree", "allow", "send", "acknowledge", "confirm", "fail", "retry", "give_up",
    "cancel", "late",
]  # fmt: skip

EVENTS: tuple[Event, ...] = get_args(Event)
STATES: tuple[CommandState, ...] = (
    "held",
    "desired",
    "sent",
    "acknowledged",
    "confirmed",
    "failed",
    "timed_out",
    "cancelled",
)
FINAL: frozenset[CommandState] = frozenset({"confirmed", "failed", "timed_out", "cancelled"})

TABLE: dict[tuple[CommandState, Event], CommandState] = {
    # Where harm is possible a second person must allow what the first asked for.
    ("desired", "hold"): "held",
    ("held", "agree"): "held",  # the first of two, where a program asked
    ("held", "allow"): "desired",
    ("held", "fail"): "failed",  # an interlock shut meanwhile
    ("held", "give_up"): "timed_out",
    ("held", "cancel"): "cancelled",
    ("desired", "send"): "sent",
    ("desired", "acknowledge"): "acknowledged",  # the answer overtook the report of sending
    ("desired", "confirm"): "confirmed",
    ("desired", "fail"): "failed",
    ("desired", "give_up"): "timed_out",
    ("desired", "cancel"): "cancelled",
    ("sent", "acknowledge"): "acknowledged",
    ("sent", "confirm"): "confirmed",
    ("sent", "fail"): "failed",
    ("sent", "retry"): "desired",
    ("sent", "give_up"): "timed_out",
    ("sent", "cancel"): "cancelled",
    # A device that acknowledged has acted: nothing to send again or to call back.
    ("acknowledged", "confirm"): "confirmed",
    ("acknowledged", "fail"): "failed",
    ("acknowledged", "give_up"): "timed_out",
    # What a device says after the end changes nothing; that it said so is evidence.
    ("confirmed", "late"): "confirmed",
    ("failed", "late"): "failed",
    ("timed_out", "late"): "timed_out",
    ("cancelled", "late"): "cancelled",
}

REPORTED: dict[CommandState, Event] = {
    "sent": "send",
    "acknowledged": "acknowledge",
    "confirmed": "confirm",
    "failed": "fail",
}
"""What a piece may report, and the event it is."""


def after(state: CommandState, event: Event) -> CommandState:
    """The state that follows; StateConflict when the table has no such step."""
    following = TABLE.get((state, event))
    if following is None:
        raise StateConflict(
            f"A command that is {state} cannot {event.replace('_', ' ')}", state=state
        )
    return following
