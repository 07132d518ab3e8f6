"""What stands between a piece and the city: one link that hands in, tells, and listens.

`FieldLink` (kernel/intake) is the link of the field process; `kit.testing.MemoryLink` is the one
of tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from pintu.kernel.intake.words import (
    Batch,
    Changed,
    Command,
    CommandReport,
    Envelope,
    Receipt,
    SourceReport,
)

__all__ = ["Changed", "Link"]


class Link(Protocol):
    """The only way out of a piece; every method may wait while the city is away, none loses
    anything."""

    async def accept(self, batch: Batch) -> Receipt:
        """Hand in one batch; returns after it is durable. Raises Unavailable when it cannot be
        now."""
        ...

    async def report_source(self, report: SourceReport) -> None:
        """Tell how a source is."""
        ...

    async def report_command(self, report: CommandReport) -> None:
        """Tell how a command goes: sent, acknowledged, confirmed, failed."""
        ...

    def commands(self, piece: str) -> AsyncIterator[Command]:
        """Commands meant for this piece; the same id comes again with a higher attempt when
        retried."""
        ...

    def recalls(self, piece: str) -> AsyncIterator[list[str]]:
        """Ids of commands that must not be sent any more, where they were not yet: they were taken
        back."""
        ...

    def changes(self, types: Sequence[str], tenant: str) -> AsyncIterator[Changed]:
        """Every entity of these types as it is now, then every change, in order, without end."""
        ...

    def retries(self, piece: str) -> AsyncIterator[Envelope]:
        """Envelopes that somebody took out of quarantine to be read again."""
        ...
