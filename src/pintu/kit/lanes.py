"""How fast a source may be: one bucket a source holds it back, one bucket a sender refuses its
flood."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Bucket:
    """A token bucket on real seconds handed in: `rate` a second, `burst` at once."""

    rate: float
    burst: float
    level: float = -1.0
    at_s: float = 0.0

    def wait_s(self, now_s: float) -> float:
        """Take one; returns how long to wait before going on (0: at once). The one is taken either
        way."""
        self._fill(now_s)
        self.level -= 1.0
        return 0.0 if self.level >= 0 else -self.level / self.rate

    def take(self, now_s: float) -> bool:
        """Take one when there is one."""
        self._fill(now_s)
        if self.level < 1.0:
            return False
        self.level -= 1.0
        return True

    def _fill(self, now_s: float) -> None:
        if self.level < 0 and self.at_s == 0.0:
            self.level, self.at_s = self.burst, now_s
        self.level = min(self.burst, self.level + (now_s - self.at_s) * self.rate)
        self.at_s = now_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast one source may be: messages a second in all, and of one sender; `lanes` are handed
    in at once."""

    messages_s: float = 500.0
    per_sender_s: float = 20.0
    burst: float = 200.0
    lanes: int = 8


@dataclass(slots=True)
class FloodGuard:
    """Says of each message whether its sender floods; a flooding sender's messages go to
    quarantine,
    a sample of them a minute, the others are counted."""

    per_sender_s: float = 20.0
    burst: float = 200.0
    kept_a_minute: float = 20.0
    senders_at_most: int = 10_000
    refused: int = 0
    _senders: dict[str, Bucket] = field(default_factory=dict)
    _kept: Bucket | None = None

    def floods(self, sender: str, now_s: float) -> bool:
        """True when this sender has sent more than it may."""
        bucket = self._senders.get(sender)
        if bucket is None:
            if len(self._senders) >= self.senders_at_most:
                # Somebody who invents names earns no memory; the buckets refill at once.
                self._senders.clear()
            bucket = self._senders[sender] = Bucket(self.per_sender_s, self.burst)
        if bucket.take(now_s):
            return False
        self.refused += 1
        return True

    def keeps(self, now_s: float) -> bool:
        """True when this refused message should be kept as an example of the flood."""
        if self._kept is None:
            self._kept = Bucket(self.kept_a_minute / 60.0, self.kept_a_minute)
        return self._kept.take(now_s)
