"""Work that the writer does between groups, a slice at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Background(Protocol):
    """Work the writer does between groups, a slice at a time."""

    def pending(self) -> bool:
        """Is there anything to do?"""
        ...

    def step(self) -> Callable[[], None]:
        """Do one slice inside a transaction; what it returns is called once that is durable."""
        ...

    def failed(self) -> None:
        """The slice was rolled back."""
        ...

    def idle(self) -> None:
        """Nobody writes: there is time."""
        ...


class Both:
    """Two sorts of background work; the first goes first."""

    def __init__(self, first: Background, second: Background) -> None:
        self._both = (first, second)
        self._now = first

    def pending(self) -> bool:
        """Is there anything to do?"""
        for one in self._both:
            if one.pending():
                self._now = one
                return True
        return False

    def idle(self) -> None:
        """Nobody writes."""
        for one in self._both:
            one.idle()

    def step(self) -> Callable[[], None]:
        """One slice of what is pending."""
        return self._now.step()

    def failed(self) -> None:
        """That slice was rolled back."""
        self._now.failed()


class Idle:
    """No background work."""

    def idle(self) -> None:
        """Nothing."""

    def pending(self) -> bool:
        """Nothing."""
        return False

    def step(self) -> Callable[[], None]:
        """Nothing."""
        return _nothing

    def failed(self) -> None:
        """Nothing."""


def _nothing() -> None:
    return None
