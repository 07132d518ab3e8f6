"""Request headers as one dictionary, the same from both adapters."""

from __future__ import annotations

from collections.abc import Iterable

_JOINED = frozenset((b"accept", b"link", b"via", b"x-forwarded-for"))


def gather(pairs: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Lower-case names to values; the last of a name wins, list headers are joined with a comma."""
    pairs = list(pairs)
    headers = dict(pairs)
    if len(headers) != len(pairs):
        seen: dict[bytes, bytes] = {}
        for name, value in pairs:
            if name in _JOINED:
                seen[name] = seen[name] + b", " + value if name in seen else value
        headers.update(seen)
    return headers
