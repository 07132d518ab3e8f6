"""What a device door gives: a connector that hands out envelopes, each with its acknowledgement."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from pintu.kernel.intake.words import Envelope


@dataclass(frozen=True, slots=True)
class Received:
    """One envelope, and how to tell the device that it is kept: called only after commit."""

    envelope: Envelope
    acknowledge: Callable[[], Awaitable[None]]


class DeviceConnector(Protocol):
    """One connection to the world, started again, later and later, when it ends."""

    name: str
    expected_interval_s: float  # how often it should be heard; 0: nobody knows

    @property
    def connected(self) -> bool:
        """True while the other side is there, heard or not."""
        ...

    def receive(self) -> AsyncIterator[Received]:
        """Connect, then hand out what comes; raises or ends when the connection is lost."""
        ...


async def nobody_waits() -> None:
    """The acknowledgement of a device that asks for none: it was polled, or it does not listen."""
