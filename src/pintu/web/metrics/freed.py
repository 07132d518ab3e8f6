"""When memory that was freed is given back to the machine.

What a burst took and let go of stays with glibc in pieces: after a bench a quarter of the broker's
memory was that. Giving back holds the allocator for some ten milliseconds, which nobody should
wait for: it is done in the first quiet second after the process has grown, and otherwise rarely.
"""

from __future__ import annotations

from typing import Final

FIRST: Final = 60
EVERY: Final = 600
"""Looks after the start, and from then on, at which freed memory is given back, busy or not."""

GROWN: Final = 24 * 1024 * 1024
"""Bytes that the process has to have grown by since it gave back last."""

QUIET_S: Final = 0.1
"""A process that used less CPU than this since the look before has nobody waiting."""


class Freed:
    """Looked at once a second; says when."""

    def __init__(self, resident: int, cpu_s: float) -> None:
        """What the process holds (bytes) and has used (seconds) now."""
        self._kept, self._cpu_s, self._looks = resident, cpu_s, 0

    def due(self, resident: int, cpu_s: float) -> bool:
        """Is it time, with so many bytes held and so much CPU used since the process began?"""
        self._looks += 1
        quiet = cpu_s - self._cpu_s < QUIET_S
        self._cpu_s = cpu_s
        if self._looks == FIRST or self._looks % EVERY == 0:
            return True
        return quiet and resident - self._kept > GROWN

    def given(self, resident: int) -> None:
        """It was done, and so many bytes are still held."""
        self._kept = resident
