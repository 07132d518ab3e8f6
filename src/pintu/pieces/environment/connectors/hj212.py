"""(1) Stations over TCP by HJ 212; the unit they tell concentrations in is written beside each
frame."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec

from pintu.kit import Clock, Envelope, Received
from pintu.kit.hj212 import Hj212Connector
from pintu.pieces.environment.connectors.stations import read_list
from pintu.pieces.environment.connectors.units import StationUnits
from pintu.pieces.environment.settings import Settings


class StationConnector(Hj212Connector):
    """The kit's connector. HJ 212 leaves the unit of a factor to its tables, which stations of
    ambient air follow or not: it is told in the list of stations, or in the settings for all, and
    travels with the frame."""

    def __init__(self, settings: Settings, clock: Clock, units: StationUnits) -> None:
        super().__init__(
            "hj212",
            settings.listen,
            clock,
            expected_interval_s=settings.interval_s,
            passwords=settings.passwords or None,
            add_to="the file that the setting passwords names",
        )
        self._list, self._units = settings.station_file, units

    async def receive(self) -> AsyncIterator[Received]:
        """What stations send, with its unit; the list is read before anybody is let in."""
        if self._list is not None:
            with contextlib.suppress(OSError):
                self._units.take(await asyncio.to_thread(read_list, self._list))
        async for received in super().receive():
            yield Received(self._stamped(received.envelope), received.acknowledge)

    def again(self, envelope: Envelope) -> Envelope:
        """Judge anew what comes out of quarantine, by the unit that its station has by now."""
        return self._stamped(super().again(envelope))

    def _stamped(self, envelope: Envelope) -> Envelope:
        unit = self._units.of(envelope.meta.get("sender", ""))
        return msgspec.structs.replace(envelope, meta={**envelope.meta, "unit": unit})
