"""How much of an agreement was used: calls a minute from memory, rows and persons a day durably.

Day counters are written at most a second after they moved. After a crash a day begins again with
what was written: at most the last second of answers is not counted, never more. A call over a limit
is refused; the minutes of a day in which that happened are counted too, and who goes on and on is
told of: `breached` decides what becomes of the agreement.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError, TooManyRequests
from pintu.kernel.exchange.gate.schema import USED
from pintu.kernel.tables import put_rows

if TYPE_CHECKING:
    from pintu.kernel.exchange.gate.words import Compiled
    from pintu.kernel.tables import OpenTables

log = logging.getLogger("pintu.gate")

FLUSH_S: Final = 0.5
MINUTE_US: Final = 60_000_000
KEPT_DAYS: Final = 3
Key = tuple[str, str, str]  # agreement, what, key


class Limiter:
    """Counts and refuses; everything is asked and counted before the answer is made."""

    def __init__(self, clock: Clock, zone: str = "Asia/Shanghai") -> None:
        self._clock, self._zone = clock, ZoneInfo(zone)
        self._minutes: dict[str, tuple[int, int]] = {}
        self._day, self._day_until_us = "", 0
        self._used: dict[Key, int] = {}
        self._subjects: dict[str, int] = {}  # agreement → different persons today
        self._breaches: dict[str, int] = {}  # agreement → minutes of today with a call too many
        self.breached: Callable[[Compiled, int, str], None] = _unheard
        self._dirty: set[Key] = set()
        self._old = ""  # the day up to which nothing is kept any more; "" when it is gone
        self._tables: OpenTables | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    def open(self, tables: OpenTables, zone: str) -> None:
        """Count on from what the day of a time zone has used already."""
        self._tables, self._zone, self._day_until_us = tables, ZoneInfo(zone), 0
        self._turn()

    # --- asking -------------------------------------------------------------------------------
    def call(self, found: Compiled, now_us: int) -> None:
        """One call more; TooManyRequests past the calls of a minute."""
        most = found.limits.calls_a_minute
        minute = now_us // MINUTE_US
        at, count = self._minutes.get(found.id, (minute, 0))
        if at != minute:
            count = 0
        if count >= most:
            wait_s = (minute + 1) * MINUTE_US - now_us
            self._breach(found, f"{most} calls a minute", now_us)
            raise TooManyRequests(
                f"Agreement {found.name} lets {most} calls a minute",
                retryAfter=max(1, wait_s // 1_000_000),
            )
        self._minutes[found.id] = (minute, count + 1)

    def look(self, found: Compiled, subject: str, who: str) -> None:
        """One look at one person more, whether there is anything to be seen or not."""
        self._turn()
        limits, id = found.limits, found.id
        known = (id, "subject", subject)
        most = limits.subjects_a_day
        if most and known not in self._used and self._subjects.get(id, 0) >= most:
            raise self._over(found, f"{most} different persons a day")
        seen = (id, "look", f"{who} {subject}")
        if limits.looks_at_one and self._used.get(seen, 0) >= limits.looks_at_one:
            raise self._over(
                found, f"{limits.looks_at_one} looks a day at one person by one member of staff"
            )
        if known not in self._used:
            self._subjects[id] = self._subjects.get(id, 0) + 1
        self._add(known, 1)
        self._add(seen, 1)

    def rows(self, found: Compiled, count: int) -> None:
        """Some rows more that are about to be sent; refused as a whole past the rows of a day."""
        most = found.limits.rows_a_day
        if not most:
            return
        self._turn()
        key = (found.id, "rows", "")
        if self._used.get(key, 0) + count > most:
            raise self._over(found, f"{most} rows a day")
        if count:
            self._add(key, count)

    def used_rows(self, id: str) -> int:
        """Rows sent today under an agreement."""
        self._turn()
        return self._used.get((id, "rows", ""), 0)

    def _over(self, found: Compiled, limit: str) -> TooManyRequests:
        now_us = self._clock.now_us()
        wait_s = (self._day_until_us - now_us) // 1_000_000
        self._breach(found, limit, now_us)
        return TooManyRequests(
            f"Agreement {found.name} lets {limit}", retryAfter=max(1, min(wait_s, 86_400))
        )

    def _breach(self, found: Compiled, limit: str, now_us: int) -> None:
        """A limit was gone over: counted once a minute, so that a burst is one."""
        self._turn()
        key = (found.id, "breach", str(now_us // MINUTE_US))
        if key in self._used:
            return
        times = self._breaches[found.id] = self._breaches.get(found.id, 0) + 1
        self._add(key, 1)
        self.breached(found, times, limit)

    def forgive(self, id: str) -> None:
        """Breaches of an agreement begin anew: it was suspended for those there were."""
        self._breaches.pop(id, None)
        for key in [one for one in self._used if one[:2] == (id, "breach") and self._used[one]]:
            self._add(key, -self._used[key])

    # --- days ---------------------------------------------------------------------------------
    def _turn(self) -> None:
        """Begin a new day when it is one."""
        now_us = self._clock.now_us()
        if now_us < self._day_until_us:
            return
        here = datetime.fromtimestamp(now_us / 1e6, UTC).astimezone(self._zone)
        day = here.strftime("%Y-%m-%d")
        found = self._read(day)  # Unavailable: the day has not begun, and nothing passes uncounted
        tomorrow = here.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        self._day, self._day_until_us = day, int(tomorrow.timestamp() * 1e6)
        self._used, self._subjects, self._breaches, self._dirty = {}, {}, {}, set()
        self._old = (here - timedelta(days=KEPT_DAYS)).strftime("%Y-%m-%d")
        for agreement, what, key, count in found:
            self._used[agreement, what, key] = count
            kept = {"subject": self._subjects, "breach": self._breaches}.get(what)
            if kept is not None and count:
                kept[agreement] = kept.get(agreement, 0) + 1

    def _read(self, day: str) -> list[tuple[str, str, str, int]]:
        if self._tables is None:
            return []

        def work(connection: sa.Connection) -> list[tuple[str, str, str, int]]:
            found = sa.select(USED.c.agreement, USED.c.what, USED.c.key, USED.c.count)
            return [tuple(row) for row in connection.execute(found.where(USED.c.day == day))]

        return self._tables.read_now(work)

    def _add(self, key: Key, count: int) -> None:
        self._used[key] = self._used.get(key, 0) + count
        if self._tables is None:
            return
        self._dirty.add(key)
        if self._timer is None:
            try:
                self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush)
            except RuntimeError:  # no loop runs: a command of the line
                self._write_now()

    # --- keeping ------------------------------------------------------------------------------
    def _flush(self) -> None:
        self._timer = None
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())
        else:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush)

    async def _write(self) -> None:
        rows, dirty = self._taken()
        if self._tables is None or not rows:
            return
        old, self._old = self._old, ""

        def work(connection: sa.Connection) -> None:
            put_rows(connection, USED, rows)
            if old:  # whom somebody looked at is nobody's business after some days
                connection.execute(USED.delete().where(USED.c.day <= old))

        try:
            await self._tables.run(work)
        except PintuError as error:
            log.warning("What agreements used cannot be written now: %s", error.detail)
            self._dirty |= dirty
            self._old = self._old or old
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(5.0, self._flush)

    def _write_now(self) -> None:
        rows, _ = self._taken()
        if self._tables is not None and rows:
            self._tables.run_now(lambda connection: put_rows(connection, USED, rows))

    def _taken(self) -> tuple[list[dict[str, str | int]], set[Key]]:
        dirty, self._dirty = self._dirty, set()
        rows: list[dict[str, str | int]] = [
            {
                "day": self._day,
                "agreement": agreement,
                "what": what,
                "key": key,
                "count": self._used.get((agreement, what, key), 0),
            }
            for agreement, what, key in dirty
        ]
        return rows, dirty

    async def close(self) -> None:
        """Write what is not written yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing is not None:
            await self._writing
        await self._write()


def _unheard(found: Compiled, times: int, limit: str) -> None:
    """Limits that nobody listens to only refuse."""
