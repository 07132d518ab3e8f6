"""Keyed hashes: what the finder keeps of values instead of the values."""

from __future__ import annotations

from hashlib import blake2b


class Salt:
    """Keyed hashes of values: equal for equal values under one salt, nothing else can be learned
    of them without it."""

    def __init__(self, value: bytes) -> None:
        self._key = value[:64]
        self.id = blake2b(b"pintu salt", digest_size=6, key=self._key).hexdigest()

    def hash(self, text: str) -> int:
        """64 bits of a canonical value, never 0."""
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key)
        return int.from_bytes(digest.digest(), "little") or 1
