"""Small values of private tables, squeezed: what zlib costs before it sees the first byte is most
of what it costs. Pure.

`zlib.compress` sets up a window of 32 KiB and its tables, 256 KiB in all, for each value: 60 to
80 µs, most of it pages that the system hands out and takes back. A window of 8 KiB costs 5 µs, and
values of some KiB get no larger. Whoever reads them need not know: the window is told in the first
byte (RFC 1950).
"""

from __future__ import annotations

import zlib
from typing import Final

LEVEL: Final = 1
WINDOW: Final = 13  # bits
MEMORY: Final = 6


def squeezed(value: bytes) -> bytes:
    """A value of some KiB in little room; `zlib.decompress` is the way back."""
    squeeze = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW, MEMORY)
    return squeeze.compress(value) + squeeze.flush()
