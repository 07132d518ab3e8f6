"""Closure proof: what raised an order must agree that it is over. Pure.

An alarm is a claim of a sensor; a repair is a claim of a person. The order closes when the sensor
takes its claim back, not when the person makes theirs: or a foreman overrides, with a reason.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from pintu.kernel.operations.orders.words import Order, Proof

OVER: Final = frozenset(("cleared", "resolved", "closed"))


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as the context has it now; status "" when it has none of that id."""

    id: str
    status: str
    what: str = ""  # its kind, as its detector calls it
    since_us: int = 0
    changed_us: int = 0


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an order's thing now: the alarms that raised it and any other open one about
    it; when it was last measured, and when a command to it last had its effect (µs, 0: never)."""

    alarms: tuple[Alarm, ...] = ()
    measured_us: int = 0
    effect_us: int = 0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether an order may close, and how that is known."""

    agrees: bool
    proof: Proof = ""
    why: Literal[
        "cleared", "standing", "unknown", "measured", "unmeasured", "effect", "no_effect", "nothing"
    ]
    standing: tuple[str, ...] = ()  # alarms that still say otherwise


def judge(order: Order, evidence: Evidence) -> Verdict:
    """Does what raised the order agree?

    Every alarm it was raised by (or its incident was) must be there and over, and no other alarm
    may be open about its thing. What a missing effect of a command raised needs a command that has
    its effect since. Else its thing must have been measured since the work was reported; where
    nothing measures it, a person's word closes it, and the record says that it was a word.
    """
    standing = [one.id for one in evidence.alarms if one.status not in OVER and one.status]
    if standing:
        return Verdict(agrees=False, why="standing", standing=tuple(standing))
    gone = set(order.alarms) - {one.id for one in evidence.alarms if one.status}
    if gone:  # an alert that was deleted says nothing, least of all that it is over
        return Verdict(agrees=False, why="unknown", standing=tuple(sorted(gone)))
    if evidence.alarms:
        return Verdict(agrees=True, proof="sensor", why="cleared")
    if any(one.startswith("command:") for one in order.causes):
        if order.reported_us and evidence.effect_us >= order.reported_us:
            return Verdict(agrees=True, proof="sensor", why="effect")
        return Verdict(agrees=False, why="no_effect")
    if not evidence.measured_us:
        return Verdict(agrees=True, proof="word", why="nothing")
    if order.reported_us and evidence.measured_us >= order.reported_us:
        return Verdict(agrees=True, proof="fresh", why="measured")
    return Verdict(agrees=False, why="unmeasured")


def settles(order: Order, verdict: Verdict) -> bool:
    """Whether an order closes by itself: what is reported and proven, and what nobody has begun
    when its alarm is over."""
    if not verdict.agrees or verdict.proof not in ("sensor", "fresh"):
        return False
    return order.state == "reported" or (order.state == "open" and verdict.proof == "sensor")
