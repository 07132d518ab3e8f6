"""A token bucket: so many at once, so many a second; two floats and a comparison."""

from __future__ import annotations


class Bucket:
    """Holds up to `most` tokens and gains `rate` a second. Times are handed in, in seconds."""

    __slots__ = ("at_s", "most", "rate", "tokens")

    def __init__(self, rate: float, most: float, now_s: float) -> None:
        self.rate, self.most = rate, most
        self.tokens, self.at_s = most, now_s

    def take(self, now_s: float, many: float = 1.0) -> float:
        """Take `many`; 0.0 when they were there, else the seconds until they will be. More than the
        bucket holds is let through when it is full, and owed: it could never be had at once."""
        tokens = self.tokens + (now_s - self.at_s) * self.rate
        if tokens > self.most:
            tokens = self.most
        self.at_s = now_s
        if tokens >= many or (many > self.most and tokens == self.most):
            self.tokens = tokens - many
            return 0.0
        self.tokens = tokens
        return (min(many, self.most) - tokens) / self.rate
