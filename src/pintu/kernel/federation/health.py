"""How each source is doing: what it was asked, how fast it answered, how often it failed, and until
when it is left alone.
"""

from __future__ import annotations

import msgspec

_WEIGHT = 0.1
_KEPT = 10_000
_RECENT = 100


class Health(msgspec.Struct):
    """One source since this broker started. Times are the city's µs."""

    asked: int = 0
    answered: int = 0
    failed: int = 0
    from_cache: int = 0
    last_ms: float = 0.0
    mean_ms: float = 0.0  # of the last ten or so
    last_answered_us: int = 0
    last_failed_us: int = 0
    last_failure: str = ""
    in_a_row: int = 0  # failures since the last answer
    rests_until_us: int = 0
    recent_ms: list[float] = []  # of the last hundred answers
    last_question: str = ""  # method and path, without what was asked for

    def quantile_ms(self, share: float) -> float | None:
        """How long the given share of the last hundred answers took at most; None before the
        first.
        """
        if not self.recent_ms:
            return None
        ordered = sorted(self.recent_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def worked(self, now_us: int, took_ms: float) -> None:
        """It answered, whatever it said."""
        self.answered += 1
        self.in_a_row = 0
        self.rests_until_us = 0
        self.last_ms = took_ms
        first = self.answered == 1
        self.mean_ms = took_ms if first else self.mean_ms + _WEIGHT * (took_ms - self.mean_ms)
        self.last_answered_us = now_us
        self.recent_ms.append(took_ms)
        if len(self.recent_ms) > _RECENT:
            del self.recent_ms[0]

    def broke(self, now_us: int, why: str, rest_us: int) -> None:
        """It did not answer, or with what cannot be used."""
        self.failed += 1
        self.in_a_row += 1
        self.last_failed_us = now_us
        self.last_failure = why[:300]
        self.rests_until_us = now_us + rest_us


class Healths:
    """The health of every source that was ever asked, by tenant and id of its registration."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, str], Health] = {}

    def of(self, tenant: str, id: str) -> Health:
        """The health of a source, a new one for one nobody asked yet."""
        found = self._by_key.get((tenant, id))
        if found is None:
            if len(self._by_key) >= _KEPT:
                self._by_key.clear()
            found = self._by_key[tenant, id] = Health()
        return found

    def find(self, tenant: str, id: str) -> Health | None:
        """The health of a source; None when it was never asked."""
        return self._by_key.get((tenant, id))

    def forget(self, tenant: str, id: str) -> None:
        """The registration is gone."""
        self._by_key.pop((tenant, id), None)
