"""How often one address may show a token nobody knows."""

from __future__ import annotations

from collections import OrderedDict


class FailedAttempts:
    """A bucket an address: `limit` failures, refilled over `window_us`; the least recent addresses
    are forgotten.
    """

    def __init__(self, limit: int = 20, window_us: int = 60_000_000, peers: int = 4096) -> None:
        self._limit, self._window_us, self._peers = limit, window_us, peers
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def record(self, peer: str, now_us: int) -> float:
        """Count one failure; returns 0 while within the limit, else the seconds to wait."""
        level, then_us = self._buckets.pop(peer, (0.0, now_us))
        level = max(0.0, level - max(0, now_us - then_us) * self._limit / self._window_us)
        over = level + 1 - self._limit
        self._buckets[peer] = (min(level + 1, self._limit + 1.0), now_us)
        if len(self._buckets) > self._peers:
            self._buckets.popitem(last=False)
        return max(0.0, over * self._window_us / self._limit / 1e6)
