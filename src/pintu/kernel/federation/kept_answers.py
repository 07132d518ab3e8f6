"""Answers of sources kept for as long as their registration says (management.cacheDuration)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from pintu.kernel.federation.forwarding import Answer

MOST_BYTES: Final = 32_000_000
_ONE: Final = 2_000_000
_OVERHEAD: Final = 500
STALE_US: Final = 3_600_000_000
"""How long an answer is kept beyond its time, for a source that fails meanwhile."""

Key = tuple[object, ...]


class KeptAnswers:
    """Bounded by bytes; what was used longest ago goes first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, tuple[Answer, int]] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def fresh(self, key: Key, now_us: int) -> Answer | None:
        """An answer that is still within its time."""
        found = self._kept.get(key)
        if found is None or found[1] <= now_us:
            return None
        self._kept.move_to_end(key)
        return found[0]

    def stale(self, key: Key, now_us: int) -> Answer | None:
        """An answer whose time is over, marked so; None when there is none or it is too old."""
        found = self._kept.get(key)
        if found is None:
            return None
        answer, until_us = found
        if until_us + STALE_US <= now_us:
            self._drop(key)
            return None
        return Answer(answer.status, answer.headers, answer.body, stale=True)

    def keep(self, key: Key, answer: Answer, until_us: int) -> None:
        """Keep an answer up to a time."""
        if _size(key, answer) > _ONE:
            return
        self._drop(key)
        self._kept[key] = answer, until_us
        self.bytes += _size(key, answer)
        while self.bytes > MOST_BYTES:
            self._drop(next(iter(self._kept)))

    def forget(self, tenant: str, id: str) -> None:
        """Drop what one registration's source said: it was changed through us, or is gone."""
        for key in [key for key in self._kept if key[:2] == (tenant, id)]:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        found = self._kept.pop(key, None)
        if found is not None:
            self.bytes -= _size(key, found[0])


def _size(key: Key, answer: Answer) -> int:
    """With what was asked: that may be longer than the answer."""
    asked = sum(len(part) for part in key if isinstance(part, bytes | str))
    return asked + len(answer.body) + _OVERHEAD
