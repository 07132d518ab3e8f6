"""Houses whose accounts open doors here."""

from __future__ import annotations


class Issuers:
    """Every issuer that is configured."""

    def offered(self) -> list[object]:
        """Those a person may choose."""
        return []

    async def joined(self, person: str) -> list[object]:
        """Accounts of other houses that somebody signs in with."""
        return []
