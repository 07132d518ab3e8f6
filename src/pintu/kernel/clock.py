"""The city's clock: real time, or a made-up one at its own rate, shared with the demo."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from pintu.kernel.errors import ConfigurationError


class Clock(Protocol):
    """Hands out the city's time; nothing in the kernel reads the machine's clock itself."""

    @property
    def rate(self) -> float:
        """City seconds a real second."""
        ...

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        ...


@dataclass(frozen=True, slots=True)
class CityClock:
    """`now = city_start + (real now - real_start) * rate`; rate 1, equal starts: real time."""

    city_start_us: int = 0
    real_start_us: int = 0
    rate: float = 1.0

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC, in the city's time."""
        real = time.time_ns() // 1000
        if self.rate == 1.0 and self.city_start_us == self.real_start_us:
            return real
        return self.city_start_us + int((real - self.real_start_us) * self.rate)


SET_BACK_US = 86_400_000_000
"""A clock that was set back by more than a day was wrong for long: it is believed at once."""


STEP_US = 1_000_000


class Onward:
    """The times of a log: those of a clock, and never before one that was told already.

    A clock that is set back is caught up with: until it is as far again, times go on at half its
    rate, so that what is written one after the other stays so, also by its time.
    """

    __slots__ = ("_clock", "_last", "_seen")

    def __init__(self, clock: Clock, last_us: int = 0) -> None:
        self._clock = clock
        self._last = last_us
        self._seen = 0  # the clock when we last told a time that was ahead of it

    @property
    def rate(self) -> float:
        """City seconds a real second."""
        return self._clock.rate

    def not_before(self, last_us: int) -> None:
        """The log has a row of this time."""
        self._last = max(self._last, last_us)

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC, at least those of the call before."""
        now = self._clock.now_us()
        if now >= self._last or self._last - now > SET_BACK_US:
            self._last = now
            return now
        if not 0 < self._seen <= now:
            self._seen = now  # it was set back, perhaps again
        on = (now - self._seen) // 2
        # more than that since the last call may be another jump
        self._seen = self._seen + 2 * on if on <= STEP_US else now
        self._last += min(on, STEP_US)
        return self._last


def parse_clock(text: str, *, real_now_us: int | None = None) -> CityClock:
    """Read `real` or `2026-01-01T00:00Z x60`; ConfigurationError says what is wrong with it.

    A third word, `@` and the real time at which the made-up time began, is what `anchored` adds, so
    that several processes, and the city after a restart, read one clock.
    """
    if text.strip() in ("", "real"):
        return CityClock()
    words, _, since = text.strip().partition(" @")
    start, _, rate = words.partition(" x")
    try:
        begin = datetime.fromisoformat(start.strip().replace("Z", "+00:00"))
        factor = float(rate or "1")
        if since:
            anchor = datetime.fromisoformat(since.strip().replace("Z", "+00:00"))
            real_now_us = int(anchor.timestamp() * 1_000_000)
    except ValueError as error:
        raise ConfigurationError(
            [f"clock {text!r} is neither 'real' nor 'TIME xRATE': {error}"]
        ) from error
    if begin.tzinfo is None:
        begin = begin.replace(tzinfo=UTC)
    if not 0 < factor <= 100_000:
        raise ConfigurationError([f"clock rate {factor} is not between 0 and 100000"])
    now = time.time_ns() // 1000 if real_now_us is None else real_now_us
    return CityClock(int(begin.timestamp() * 1_000_000), now, factor)


def anchored(text: str) -> str:
    """The same clock, with the real time at which it began: now, unless it already says."""
    if text.strip() in ("", "real") or " @" in text:
        return text
    return f"{text.strip()} @{iso(time.time_ns() // 1000)}"


_SECOND: tuple[int, str] = 0, "1970-01-01T00:00:00"


def iso(at_us: int) -> str:
    """ISO 8601 UTC with `Z`, milliseconds or microseconds only where they are not zero."""
    global _SECOND
    seconds, micros = divmod(at_us, 1_000_000)
    known, text = _SECOND  # most that is told is of this second
    if known != seconds:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        _SECOND = seconds, text
    if not micros:
        return text + "Z"
    return f"{text}.{micros // 1000:03d}Z" if micros % 1000 == 0 else f"{text}.{micros:06d}Z"
