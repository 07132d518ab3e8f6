"""One deed on one order: what it becomes, and what the journal says of it. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from pintu.kernel.errors import BadRequestData
from pintu.kernel.operations.orders.states import REASONED, Verb, after
from pintu.kernel.operations.orders.words import SEVERITIES, Deadline, Order, Pause, Proof

LONGEST_REASON: Final = 500
MOST_NAMED: Final = 200
"""Causes and alarms that an order carries; the links to more are kept beside it."""

LONGEST_AGO_S: Final = 7 * 86_400.0


class Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody says with a deed. `ago_s` is how long before now it was done, in the seconds of
    the phone it was done on: two readings of one phone's clock, so that a phone whose clock is a
    day off tells the truth."""

    verb: Verb
    key: str
    reason: str = ""
    crew: str = ""  # of assign
    ago_s: float = 0.0


def checked(said: Said) -> Said:
    """As it may be done; BadRequestData names what is missing or too long."""
    reason = said.reason.strip()
    if said.verb in REASONED and not reason:
        raise BadRequestData(f"To {said.verb} an order needs a reason in your own words")
    if len(reason) > LONGEST_REASON:
        raise BadRequestData(f"A reason is at most {LONGEST_REASON} characters long")
    if not 1 <= len(said.key) <= 200:
        raise BadRequestData("A deed needs an idempotency key of 1 to 200 characters")
    if said.verb == "assign" and not said.crew:
        raise BadRequestData("To assign an order names the crew")
    if not 0 <= said.ago_s <= LONGEST_AGO_S:
        raise BadRequestData("A deed was done up to seven days ago, and not in the future")
    return msgspec.structs.replace(said, reason=reason)


def done_us(order: Order, said: Said, now_us: int, rate: float) -> int:
    """When a deed was done: as long ago as the phone says, never before the order's last one."""
    return max(order.changed_us, min(now_us, now_us - int(said.ago_s * rate * 1e6)))


def changed(order: Order, said: Said, at_us: int, proof: Proof = "") -> Order:
    """The order after a deed done at `at_us`; StateConflict when its state has no such step."""
    state = after(order.state, said.verb, order.before)
    new: dict[str, Any] = {"state": state, "changed_us": at_us}
    if said.reason:
        new["reason"] = said.reason
    match said.verb:
        case "assign":
            rest = tuple(one for one in order.missed if one != "confirm")
            new |= {"crew": said.crew, "assigned_us": at_us, "confirmed_us": 0, "missed": rest}
        case "release" | "decline":
            new |= {"crew": "", "assigned_us": 0, "confirmed_us": 0, "arrived_us": 0}
        case "confirm":
            new["confirmed_us"] = at_us
        case "arrive":
            new |= {"confirmed_us": order.confirmed_us or at_us, "arrived_us": at_us}
        case "report":
            here = order.arrived_us or at_us
            new |= {"confirmed_us": order.confirmed_us or here, "arrived_us": here}
            new["reported_us"] = at_us
        case "suspend":
            pause = Pause(since_us=at_us, reason=said.reason)
            new |= {"before": order.state, "pauses": (*order.pauses, pause)}
        case "resume":
            new["pauses"] = _ended(order.pauses, at_us)
        case "reopen":
            new |= _anew(order, at_us)
        case "close" | "override" | "settle" | "cancel":
            new |= {"closed_us": at_us, "proof": proof, "pauses": _ended(order.pauses, at_us)}
        case "escalate":
            new["level"] = order.level + 1
        case _:
            pass
    return msgspec.structs.replace(order, **new)


def missing(order: Order, deadline: Deadline, at_us: int) -> Order:
    """The order once one of its deadlines passed: escalated for it, once."""
    return msgspec.structs.replace(
        order, level=order.level + 1, missed=(*order.missed, deadline), changed_us=at_us
    )


def joined(order: Order, other: Order, at_us: int) -> Order:
    """The order with the causes and alarms of another for the same work, as bad as the worse."""
    causes = tuple(dict.fromkeys((*order.causes, *other.causes)))
    alarms = tuple(dict.fromkeys((*order.alarms, *other.alarms)))
    return msgspec.structs.replace(
        order,
        causes=causes[:MOST_NAMED],
        alarms=alarms[:MOST_NAMED],
        severity=min(order.severity, other.severity, key=SEVERITIES.index),
        changed_us=at_us,
    )


def _ended(pauses: tuple[Pause, ...], at_us: int) -> tuple[Pause, ...]:
    return tuple(
        one if one.until_us else msgspec.structs.replace(one, until_us=at_us) for one in pauses
    )


def _anew(order: Order, at_us: int) -> dict[str, Any]:
    """Back to the beginning, without a crew; the time it was closed is not counted."""
    shut = order.closed_us or order.reported_us
    pauses = order.pauses
    if order.closed_us:
        pauses = (*pauses, Pause(since_us=shut, until_us=at_us, reason="closed"))
    return {
        "crew": "",
        "assigned_us": 0,
        "confirmed_us": 0,
        "arrived_us": 0,
        "reported_us": 0,
        "closed_us": 0,
        "proof": "",
        "missed": tuple(one for one in order.missed if one == "finish"),
        "pauses": pauses,
    }
