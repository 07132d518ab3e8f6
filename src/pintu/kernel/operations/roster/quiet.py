"""Quiet hours: whether a message waits until the morning. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from pintu.kernel.errors import BadRequestData
from pintu.kernel.operations.roster.rota import CLOCK, at_wall, day_of
from pintu.kernel.operations.roster.words import SEVERITIES, Message, Reach, Severity

ALWAYS: Final = frozenset(("ring",))
"""Kinds of messages that wait for nobody's sleep: who is rung is on duty, or is the next."""


def check_quiet(span: tuple[str, str] | None) -> None:
    """BadRequestData when it is no span of the wall clock."""
    if span is not None and not all(CLOCK.fullmatch(one) for one in span):
        raise BadRequestData("Quiet hours are from a time like 22:00 to a time like 07:00")


def quiet_until(span: tuple[str, str] | None, at_us: int, zone: ZoneInfo) -> int:
    """When the quiet hours that hold at a moment end (µs); 0 when none hold. A span may go over
    midnight; one that ends where it begins is none."""
    if span is None or span[0] == span[1]:
        return 0
    today = day_of(at_us, zone)
    for back in (1, 0):  # the one that began yesterday may still hold
        day = today - timedelta(days=back)
        begin = at_wall(day, span[0], zone)
        over = at_wall(day if span[0] < span[1] else day + timedelta(days=1), span[1], zone)
        if begin <= at_us < over:
            return over
    return 0


def worse(one: Severity, other: Severity) -> bool:
    """Whether one is worse than the other, or as bad."""
    return SEVERITIES.index(one) <= SEVERITIES.index(other)


def due_at(message: Message, reach: Reach, now_us: int, zone: ZoneInfo, *, on_duty: bool) -> int:
    """When a message may go out by this way: now, or when its quiet hours end. What is critical,
    and whatever is sent to somebody on duty, goes out at once."""
    if message.kind in ALWAYS or message.severity == "critical" or on_duty:
        return now_us
    return quiet_until(reach.quiet, now_us, zone) or now_us


def wanted(message: Message, reach: Reach) -> bool:
    """Whether this way is for messages of that severity; rings and all-clears always are, so that
    who was woken also hears the end."""
    if message.kind in ("ring", "all_clear"):
        return True
    return worse(message.severity, reach.least)
