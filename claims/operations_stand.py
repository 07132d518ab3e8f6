"""A city in this process for the claims of the operations room: real rooms, a clock by hand, and
the demo's things told through the piece's own mappings."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar

import pintu.city as wiring
from claims.words import NotRun
from pintu.demo.collectors import Collector
from pintu.demo.district import build_roads, make_sites, place_lamps
from pintu.demo.events import Course
from pintu.demo.things import KINDS, Layout, lay_out
from pintu.demo.things_command import ground
from pintu.kernel.clock import CityClock
from pintu.kernel.intake.doors.mapped import Mapped, compile_source
from pintu.kernel.intake.doors.mqtt import payload_of
from pintu.kernel.intake.words import Batch, Envelope, Unreadable, Update
from pintu.kit.declared import declared_sources
from pintu.kit.manifest import find_pieces
from pintu.settings import Settings
from pintu.vocabulary.mapping_words import mapping_words
from pintu.web.rooms import Rooms

PIECE = "street_things"
TENANT = "demo"
T = TypeVar("T")


class HandClock:
    """The city's clock, set by the claim."""

    rate = 1.0

    def __init__(self, at_s: float) -> None:
        self.at_us = int(at_s * 1e6)

    def now_us(self) -> int:
        """As it was set."""
        return self.at_us

    def now_s(self) -> float:
        """The same in seconds, as the demo asks."""
        return self.at_us / 1e6

    def set_s(self, at_s: float) -> None:
        """It is so late now."""
        self.at_us = int(at_s * 1e6)


def mapped() -> Mapped:
    """The piece's source, compiled as the field process does."""
    (piece,) = [one for one in find_pieces() if one.name == PIECE]
    (one,) = declared_sources([piece], lambda _p: {"broker": "mqtt://x", "tenant": TENANT}, Path())
    return compile_source(
        one.source, payload_of(one.source), one.mappings, mapping_words(), space=one.space
    )


class Stand:
    """Rooms of one city with the demo's things behind them."""

    def __init__(self, rooms: Rooms, clock: Any) -> None:
        self.rooms, self.clock = rooms, clock
        self.layout: Layout | None = None
        self.refused: list[str] = []
        self._mapped = mapped()
        self._keys = 0

    @property
    def room(self) -> Any:
        """The operations room, whose parts are optional."""
        if self.rooms.operations is None:
            raise NotRun("this city has no operations room")
        return self.rooms.operations

    def lay_out(self, seed: int, *, lamps: int = 500, gateways: int = 50) -> Layout:
        """The demo's district of a seed."""
        roads = build_roads()
        self.layout = lay_out(roads, make_sites(place_lamps(roads, lamps, seed), gateways), seed)
        return self.layout

    def collectors(self, course: Course, *, again_after: int = 10_000_000) -> list[Collector]:
        """One a kind, all of what happens in `course`."""
        assert self.layout is not None
        return [
            Collector(
                kind,
                [one for one in self.layout.things if one.kind == kind],
                course,
                again_after=again_after,
            )
            for kind in KINDS
        ]

    def ground(self, at_s: float) -> list[tuple[str, bytes]]:
        """What the brokers keep: roads, sewers, nodes and every inventory."""
        assert self.layout is not None
        kept = [one.inventory(at_s) for one in self.collectors(Course())]
        return [*ground(self.layout), *kept]

    async def hear(self, messages: Iterable[tuple[str, bytes]]) -> int:
        """Messages as they come from the wire: through the mappings, into intake; records taken."""
        updates: list[Update] = []
        for topic, body in messages:
            envelope = Envelope("claims", str(self._keys), self.clock.now_us(), body,
                                {"topic": topic})  # fmt: skip
            for one in self._mapped.normalise(envelope):
                if isinstance(one, Update):
                    updates.append(one)
                elif isinstance(one, Unreadable):
                    self.refused.append(one.reason)
        await self.tell(updates)
        return len(updates)

    async def nudge(self) -> None:
        """Whoever waits for a time looks at the clock again."""
        await self.rooms.timers.set("claims.nudge", "nudge", self.clock.now_us())
        if self.room.notifier is not None:
            self.room.notifier.sender.wake()

    async def tell(self, updates: list[Update], *, tenant: str = TENANT) -> None:
        """Updates into the context, acknowledged when this returns."""
        for start in range(0, len(updates), 500):
            self._keys += 1
            batch = Batch(
                source="claims", tenant=tenant, key=f"{self.clock.now_us()} {self._keys}",
                updates=updates[start : start + 500],
            )  # fmt: skip
            receipt = await self.rooms.intake.accept(batch)
            self.refused += [str(one) for one in receipt.errors]


@contextlib.asynccontextmanager
async def a_city(
    folder: Path, clock: Any = None, *, allow: tuple[str, ...] = ()
) -> AsyncIterator[Stand]:
    """A running city without a field process, on a clock of the claim's own (real without one)."""
    usual = wiring.clock_of
    clock = clock or CityClock()
    wiring.clock_of = lambda _settings: clock  # type: ignore[assignment]
    try:
        city = await wiring.City.open(Settings(data=folder, egress_allow=allow))
        try:
            yield Stand(city.rooms, clock)
        finally:
            await city.close()
    finally:
        wiring.clock_of = usual


def run(work: Callable[[Path], Coroutine[Any, Any, T]]) -> T:
    """A claim's coroutine in a folder of its own that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="pintu-operations-") as folder:
        return asyncio.run(work(Path(folder)))
