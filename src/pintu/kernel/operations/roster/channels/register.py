"""The operator's channels: which there are, how each is told, and which adapter carries what."""

from __future__ import annotations

from typing import Any

from pintu.kernel.operations.roster.words import Envelope, Outcome, Reach


class OperatorChannels:
    """Channels as the operator set them up."""

    def __init__(self, rooms: Any) -> None:
        self._rooms = rooms

    def lane(self, reach: Reach) -> str:
        """What an endpoint is told apart by."""
        return reach.channel

    def audience(self, channel: str) -> Reach | None:
        """The way of a channel that has an address of its own."""
        return None

    async def send(self, envelope: Envelope) -> Outcome:
        """One attempt."""
        return Outcome(
            taken=False, again=False, detail=f"Channel {envelope.reach.channel} is not set up"
        )
