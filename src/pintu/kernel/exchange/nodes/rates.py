"""How often somebody may knock, and whom we stop calling for a while; pure but for the clock handed
in."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Final

from pintu.kernel.errors import TooManyRequests

MOST_KNOWN: Final = 20_000
S_US: Final = 1_000_000


class Bucket:
    """Tokens by key: `rate` a second, `burst` at once. The longest unseen is forgotten first."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._levels: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, key: str, now_us: int, what: str) -> None:
        """One token; TooManyRequests when there is none, naming `what`."""
        level = self.level(key, now_us)
        if level < 1:
            wait_s = (1 - level) / self._rate
            raise TooManyRequests(f"Too many {what}", retryAfter=max(1, math.ceil(wait_s)))
        self._levels[key] = (level - 1, now_us)
        self._levels.move_to_end(key)
        if len(self._levels) > MOST_KNOWN:
            self._levels.popitem(last=False)

    def level(self, key: str, now_us: int) -> float:
        """How many tokens there are."""
        level, at_us = self._levels.get(key, (self._burst, now_us))
        return min(self._burst, level + max(0, now_us - at_us) / S_US * self._rate)


class Breaker:
    """Who fails again and again is not asked for a while, then once, to see."""

    def __init__(self, *, failures: int = 5, rest_s: float = 30.0) -> None:
        self._most, self._rest_us = failures, int(rest_s * S_US)
        self._failures = 0
        self._until_us = 0

    def open_for_s(self, now_us: int) -> float:
        """Seconds until it is tried again; 0 when it may be asked."""
        return max(0, self._until_us - now_us) / S_US

    def tried(self, now_us: int) -> None:
        """One call is let through while it was open: others wait for what comes of it."""
        if self._until_us:
            self._until_us = now_us + self._rest_us

    def worked(self) -> None:
        """An answer came."""
        self._failures = self._until_us = 0

    def failed(self, now_us: int) -> None:
        """None came, or none that can be used."""
        self._failures += 1
        if self._failures >= self._most:
            self._until_us = now_us + self._rest_us
