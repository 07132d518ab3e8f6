"""The demo's own reading of the city's clock: `real`, `TIME xRATE`, or `TIME xRATE @REAL-START`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class CityTime:
    """City seconds since 1970 UTC; `rate` city seconds pass in one real second."""

    start_s: float = 0.0
    real_start_s: float = 0.0
    rate: float = 1.0

    def now_s(self) -> float:
        """The city's time in seconds since 1970-01-01 UTC."""
        return self.start_s + (time.time() - self.real_start_s) * self.rate


def read_clock(text: str) -> CityTime:
    """Read the clock a city is started with; ValueError says what is wrong."""
    text = text.strip()
    if text in ("", "real"):
        return CityTime()
    words, _, since = text.partition(" @")
    start, _, rate = words.partition(" x")
    factor = float(rate or "1")
    if not 0 < factor <= 100_000:
        raise ValueError(f"clock rate {factor:g} is not between 0 and 100000")
    real = _seconds(since) if since else time.time()
    return CityTime(_seconds(start), real, factor)


def _seconds(text: str) -> float:
    moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def iso(at_s: float) -> str:
    """ISO 8601 UTC with milliseconds."""
    return (
        datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        + f"{int(at_s * 1000) % 1000:03d}Z"
    )
