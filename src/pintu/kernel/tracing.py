"""W3C Trace Context as text, and which messages are followed. Pure but for the one that is followed
now; whoever follows is handed in (`pintu/traced.py`), and nobody does unless settings say so.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import Any, Final

import msgspec

HEADER: Final = b"traceparent"
_FORM: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class Parent(msgspec.Struct, frozen=True):
    """Where a span belongs: its trace, the span above it, and whether the caller follows it."""

    trace: int
    span: int
    sampled: bool = True

    def text(self) -> str:
        """As a `traceparent` header has it."""
        return f"00-{self.trace:032x}-{self.span:016x}-{int(self.sampled):02x}"


def read_parent(told: bytes | str) -> Parent | None:
    """A `traceparent` header; None for what is none, as the recommendation wants it."""
    text = told.decode("latin-1") if isinstance(told, bytes) else told
    found = _FORM.fullmatch(text.strip())
    if found is None:
        return None
    trace, span = int(found[1], 16), int(found[2], 16)
    return Parent(trace, span, bool(int(found[3], 16) & 1)) if trace and span else None


class Choice:
    """Whom to follow: one in `one_in` (0: nobody by itself), whoever asks for it with its own
    traceparent, and never more than `most` a second."""

    def __init__(self, one_in: int, most: int = 50) -> None:
        self.one_in, self.most = one_in, most
        self._left, self._second, self._many = one_in, 0, 0

    def follows(self, parent: Parent | None, now_s: float) -> bool:
        """Whether to follow one that came now."""
        wanted = parent is not None and parent.sampled
        if not wanted and self.one_in:
            self._left -= 1
            if self._left <= 0:
                self._left, wanted = self.one_in, True
        if not wanted:
            return False
        if int(now_s) != self._second:
            self._second, self._many = int(now_s), 0
        self._many += 1
        return self._many <= self.most


FOLLOWED: ContextVar[Any] = ContextVar("followed", default=None)
"""The span this task is in, where it is followed."""
