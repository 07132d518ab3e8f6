"""The finder of a city: measuring a little at a time, what a load has filled first; comparing
once an hour."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError
from pintu.kernel.exchange.finding.finder import Described, Finder
from pintu.kernel.tables import CityTables

if TYPE_CHECKING:
    from pintu.kernel.exchange.schemas import Schemas
    from pintu.kernel.timers import Timers
    from pintu.kernel.timers.timers import Firing

log = logging.getLogger("pintu.finding")

TIMER: Final = "finder"
FIRST_S: Final = 90.0  # a city that starts has other things to do
MEASURE_EVERY_S: Final = 30.0
FIND_EVERY_S: Final = 3_600.0
AGAIN_AFTER_S: Final = 6 * 3_600.0  # what was measured longer ago is measured again
PATIENCE_S: Final = 15.0  # of the machine, for one turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often, in seconds of the machine."""

    first_s: float = FIRST_S
    measure_s: float = MEASURE_EVERY_S
    find_s: float = FIND_EVERY_S
    again_s: float = AGAIN_AFTER_S
    patience_s: float = PATIENCE_S


class Watch:
    """What the timers do."""

    def __init__(self, finder: Finder, timers: Timers, clock: Clock, rhythm: Rhythm) -> None:
        self._finder, self._timers, self._clock, self._rhythm = finder, timers, clock, rhythm
        self._finding: asyncio.Task[None] | None = None
        timers.on(TIMER, self._fired)
        for key in ("measure", "find"):
            if timers.due(TIMER, key) is None:
                timers.set_now(
                    TIMER, key, self._in(rhythm.first_s * (1 if key == "measure" else 2))
                )

    def _in(self, seconds: float) -> int:
        return self._clock.now_us() + int(seconds * 1e6 * max(1.0, self._clock.rate))

    async def _fired(self, firing: Firing) -> None:
        if firing.key == "measure":
            await self._measure()
            await self._timers.set(TIMER, "measure", self._in(self._rhythm.measure_s))
        else:
            # comparing may take longer than a timer's handler is given
            self._finding = asyncio.create_task(self._find(), name="finder")
            await self._timers.set(TIMER, "find", self._in(self._rhythm.find_s))

    async def _find(self) -> None:
        try:
            await self._finder.find()
        except PintuError as error:
            log.warning("What is held twice was not looked for: %s", error.detail)
        except Exception:  # the loop's edge: the next hour asks again
            log.exception("What is held twice was not looked for")

    async def _measure(self) -> None:
        """Those measured longest ago, as many as one turn has time for."""
        until_s = time.monotonic() + self._rhythm.patience_s
        landed = await self._finder.landed_in()
        due = self._finder.unmeasured(self._in(-self._rhythm.again_s), landed)
        for one in due:
            try:
                await self._finder.measure(one)
            except PintuError as error:
                log.info("Data set %s was not measured: %s", one.name, error.detail)
            except Exception:  # whatever rows of one hold, the others are measured
                log.exception("Data set %s was not measured", one.name)
            if time.monotonic() > until_s:
                return


def open_finder(
    tables: CityTables,
    clock: Clock,
    timers: Timers,
    described: Described,
    schemas: Schemas,
) -> Finder:
    """The finder of a city, watching."""
    finder = Finder(tables, clock, described, schemas)
    Watch(finder, timers, clock, Rhythm())
    return finder
