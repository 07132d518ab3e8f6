"""(1) Stations over TCP by HJ 212; the unit they tell concentrations in is written beside each
frame."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from pintu.kit import Clock, Received
from pintu.kit.hj212 import Hj212Connector
from pintu.pieces.environment.settings import Settings


class StationConnector(Hj212Connector):
    """The kit's connector. HJ 212 leaves the unit of a factor to its tables, which stations of
    ambient air follow or not: it is told in the settings and travels with the frame."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(
            "hj212",
            settings.listen,
            clock,
            expected_interval_s=settings.interval_s,
            passwords=settings.passwords or None,
            add_to="the file that the setting passwords names",
        )
        self._unit = settings.unit

    async def receive(self) -> AsyncIterator[Received]:
        """What stations send, with its unit."""
        async for received in super().receive():
            meta = {**received.envelope.meta, "unit": self._unit}
            envelope = msgspec.structs.replace(received.envelope, meta=meta)
            yield Received(envelope, received.acknowledge)
