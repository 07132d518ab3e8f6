"""Keyed digests: of whom a row is about, and of what was sent. Nobody without the key can try names
against them, and what is written in one year cannot be told from another year's by whoever reads
the log.

`Digests.of` gives the lasting digest that identity keeps and the gate hands in; what a row holds is
that digest under the key of the row's year.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final, Protocol

LENGTH: Final = 16
"""Bytes of a digest; 32 hex signs."""


class Secrets(Protocol):
    """Where keys are: `identity.Keys`."""

    def secret(self, name: str, *, make: bool = True) -> bytes | None:
        """32 random bytes that are kept for good; None when there are none and none are made."""
        ...


BLOCK: Final = 64


class Keyed:
    """HMAC-SHA256 with one key (RFC 2104), its first blocks hashed beforehand: half the cost."""

    def __init__(self, key: bytes) -> None:
        whole = (key if len(key) <= BLOCK else sha256(key).digest()).ljust(BLOCK, b"\x00")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in whole))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in whole))

    def of(self, message: bytes) -> bytes:
        """The digest, 32 bytes."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


class Digests:
    """The digests of one city."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        made = secrets.secret("digest")
        assert made is not None
        self._lasting = Keyed(made)
        self._years: dict[int, Keyed] = {}

    def of(self, value: str | bytes) -> str:
        """The lasting digest: equal for equal values."""
        told = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        return self._lasting.of(told)[:LENGTH].hex()

    def in_year(self, lasting: str, year: int) -> str:
        """What a row of that year holds for a lasting digest."""
        key = self._years.get(year)
        if key is None:
            made = self._secrets.secret(f"digest.{year}")
            assert made is not None
            key = self._years[year] = Keyed(made)
        return key.of(lasting.encode())[:LENGTH].hex()

    def ever(self, lasting: str, years: range) -> list[str]:
        """What rows of these years hold, where a key of the year is there."""
        return [
            self.in_year(lasting, year)
            for year in years
            if self._secrets.secret(f"digest.{year}", make=False) is not None
        ]


@lru_cache(maxsize=64)
def _year(day: int) -> int:
    return datetime.fromtimestamp(day * 86_400, UTC).year


def year_of(at_us: int) -> int:
    """The year of a time, UTC."""
    return _year(at_us // 86_400_000_000)
