"""Keyed digests: of whom a row is about, and of what was sent. Nobody without the key can try names
against them, and what is written in one year cannot be told from another year's by whoever reads
the log.

`Digests.of` gives the lasting digest that identity keeps and the gate hands in; what a row holds is
that digest under the key of the row's year.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hmac import digest as hmac
from typing import Final, Protocol

LENGTH: Final = 16
"""Bytes of a digest; 32 hex signs."""


class Secrets(Protocol):
    """Where keys are: `identity.Keys`."""

    def secret(self, name: str, *, make: bool = True) -> bytes | None:
        """32 random bytes that are kept for good; None when there are none and none are made."""
        ...


class Digests:
    """The digests of one city."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        made = secrets.secret("digest")
        assert made is not None
        self._lasting = made
        self._years: dict[int, bytes] = {}

    def of(self, value: str | bytes) -> str:
        """The lasting digest: equal for equal values."""
        told = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        return hmac(self._lasting, told, "sha256")[:LENGTH].hex()

    def in_year(self, lasting: str, year: int) -> str:
        """What a row of that year holds for a lasting digest."""
        key = self._years.get(year)
        if key is None:
            made = self._secrets.secret(f"digest.{year}")
            assert made is not None
            key = self._years[year] = made
        return hmac(key, lasting.encode(), "sha256")[:LENGTH].hex()

    def ever(self, lasting: str, years: range) -> list[str]:
        """What rows of these years hold, where a key of the year is there."""
        return [
            self.in_year(lasting, year)
            for year in years
            if self._secrets.secret(f"digest.{year}", make=False) is not None
        ]


def year_of(at_us: int) -> int:
    """The year of a time, UTC."""
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).year
