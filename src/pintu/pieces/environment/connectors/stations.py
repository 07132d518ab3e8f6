"""(1) The list of stations, a file of the owner's: handed in at the start and whenever it
changes."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

from pintu.kit import Clock, Envelope, Received
from pintu.pieces.environment.connectors.units import StationUnits

LOOK_EVERY_S = 5.0
LARGEST = 4_000_000


class StationFile:
    """Looks at a JSON file `{"stations": [{"mn", "name", "lon", "lat", …}]}`; its content is the
    key, so that the same list is read once."""

    name = "stations"
    expected_interval_s = 0.0  # a list that stays as it is says nothing

    def __init__(self, path: Path, clock: Clock, units: StationUnits) -> None:
        """`units` is told what the list says of units."""
        self._path, self._clock, self._units = path, clock, units
        self._there = False

    @property
    def connected(self) -> bool:
        """True while the file can be read."""
        return self._there

    async def receive(self) -> AsyncIterator[Received]:
        """The file as it is, then again after each change; OSError when it cannot be read."""
        handed = ""
        try:
            while True:
                body = await asyncio.to_thread(read_list, self._path)
                self._there = True
                key = hashlib.sha256(body).hexdigest()
                if key != handed:
                    handed = key
                    self._units.take(body)
                    yield Received(self._envelope(key, body), _nothing)
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            self._there = False

    def _envelope(self, key: str, body: bytes) -> Envelope:
        meta = {"kind": "stations", "sender": "stations", "file": self._path.name}
        if len(body) > LARGEST:
            meta["cut"] = f"over {LARGEST} bytes"
            body = body[:10_000]
        return Envelope(self.name, f"stations {key}", self._clock.now_us(), body, meta)


def read_list(path: Path) -> bytes:
    """The list as it lies there, a byte more than is read of it; OSError."""
    with path.open("rb") as file:
        return file.read(LARGEST + 1)


async def _nothing() -> None:
    """A file waits for no answer."""
