"""What changed in a table since a place: by a column that says when, or by a key that grows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec.structs import replace
from sqlalchemy import Connection

from pintu.kernel.intake.doors.database import place as places
from pintu.kernel.intake.doors.database.pace import Pace
from pintu.kernel.intake.doors.database.pgoutput import lsn_text
from pintu.kernel.intake.doors.database.place import Place
from pintu.kernel.intake.doors.database.sheet import Page, Sheet, chunk_key
from pintu.kernel.intake.doors.database.slots import Slot, advance, slot_of
from pintu.kernel.intake.doors.database.told import Told
from pintu.kernel.intake.loading_words import Chunk

MOST_KNOWN: Final = 200_000
"""Rows of the overlap that are told apart from new ones; more are handed out again, which changes
nothing where they land."""
SKEWED: Final = timedelta(hours=1)
"""Clocks that stamp rows may go wrong by this: rows older than that are not looked for again."""
KEY_MARGIN: Final = 1_000
"""By key: rows before the newest one that may still appear when following begins."""
SHARE: Final = 5
LONG_S: Final = 1.0
"""A poll without an index on the column reads the whole table, one over very many new rows
takes long: then the database rests at least this many times as long as the poll took."""


async def begin(sheet: Sheet, told: Told, zone: str, since: list[Any]) -> list[Any]:
    """Where following goes on after everything was read: from before the reading began."""
    if since or told.follow == "nothing":
        return since
    if told.follow == "replication":
        slot: Slot = await sheet.run(lambda c: slot_of(c, told), "asking for the slot")
        await sheet.run(lambda c: advance(c, told, slot.now), "letting the slot go")
        return [lsn_text(slot.now)]  # all that was committed before is about to be read
    column = told.column or sheet.table.key[0]
    skip = KEY_MARGIN if told.follow == "key" else 0

    order = _order(sheet, column) if told.follow == "time" else [column]

    def newest(connection: Connection) -> Any:
        return sheet.pages.newest(connection, order, skip)

    found = await sheet.run(newest, f"looking for the newest {column}")
    if not found:
        return []
    if told.follow == "time":
        now = await sheet.moment()
        moment = moment_of(found[0], zone)
        if moment is None or moment > now - timedelta(seconds=told.overlap_s) - SKEWED:
            found = (earlier(found[0], now, told.overlap_s, zone),)
    return [places.kept(one) for one in found]


def _order(sheet: Sheet, column: str) -> list[str]:
    return [column, *(one for one in sheet.table.key if one != column)]


class Following:
    """Polls one table. A poll reads again what lies within the overlap, because a transaction may
    commit late, and hands out only what is new or differs from the poll before."""

    def __init__(self, sheet: Sheet, told: Told, zone: str, pace: Pace) -> None:
        self._sheet, self._told, self._zone, self._pace = sheet, told, zone, pace
        column = told.column or (sheet.table.key[0] if sheet.table.key else "")
        self._order = _order(sheet, column)
        self._quiet: list[Any] | None = None
        self._settled: tuple[Any, ...] = ()
        self._last: tuple[Any, ...] = ()
        self._last_at_s = 0.0
        self._known: dict[tuple[Any, ...], int] = {}
        self._newest: deque[tuple[float, Any]] = deque()
        self.pause_s = told.every_s

    async def poll(self, place: Place) -> AsyncIterator[Chunk]:
        """Chunks of rows that changed; none when nothing did."""
        if self._told.follow not in ("time", "key"):
            return
        if self._quiet is not None:  # nothing was handed out since, so no position tells it
            place = replace(place, since=self._quiet)
        after = tuple(map(places.restored, place.since))
        least = None
        if len(after) == 1:
            least, after = after[0], ()
        else:
            self._settled = after
        now = await self._sheet.moment()
        seen: dict[tuple[Any, ...], int] = {}
        took_s = 0.0
        while True:
            await self._pace.wait()
            page = await self._sheet.page(
                self._order, after=after, at_least=least, limit=self._pace.page
            )
            self._pace.took(page.read, page.took_s)
            took_s += page.took_s
            chunk = self._chunk(place, page, now, seen)
            if chunk is not None:
                place = places.read(chunk.position) or place
                yield chunk
            if page.last:
                break
            after = page.end
        self._known = seen
        by_index = self._order[0] in self._sheet.table.indexed
        rests = not by_index or took_s > LONG_S
        self.pause_s = max(self._told.every_s, took_s * SHARE if rests else 0.0)

    def _chunk(
        self, place: Place, page: Page, now: datetime, seen: dict[tuple[Any, ...], int]
    ) -> Chunk | None:
        new = []
        for key, record in zip(page.keys, page.records, strict=True):
            digest = hash(repr(record))
            if len(seen) < MOST_KNOWN:
                seen[key] = digest
            if self._known.get(key) != digest:
                new.append(record)
        since = self._quiet = self._since(place, page, now)
        if not new and not page.bad and page.last:
            return None
        first = place.line + 1
        at = replace(place, line=place.line + len(new), since=since)
        return Chunk(
            records=list(enumerate(new, first)),
            bad=[replace(one, line=first + one.line) for one in page.bad],
            position=places.written(at),
            key=chunk_key(f"follow {place.since} {place.line}", new),
        )

    def _since(self, place: Place, page: Page, now: datetime) -> list[Any]:
        """From where the next poll reads, when everything up to this page has landed."""
        if not page.end:
            return place.since
        if self._told.follow == "time":
            return [places.kept(one) for one in self._since_time(page.end, now)]
        last = page.end[0]
        # A key says nothing of time: what was the newest one so long ago has nothing late before it
        now_s = asyncio.get_running_loop().time()
        self._newest.append((now_s, last))
        least = None
        while self._newest and self._newest[0][0] <= now_s - self._told.overlap_s:
            least = self._newest.popleft()[1]
        return place.since if least is None else [places.kept(least)]

    def _since_time(self, end: tuple[Any, ...], now: datetime) -> tuple[Any, ...]:
        """The overlap before the last row; once nothing newer came for as long, that row itself:
        what was stamped at one time in bulk is not read again and again."""
        told, now_s = self._told, asyncio.get_running_loop().time()
        if end != self._last:
            self._last, self._last_at_s = end, now_s
        elif now_s - self._last_at_s >= told.overlap_s:
            moment = moment_of(end[0], self._zone)
            if moment is not None and moment <= now:
                self._settled = end
                return end
        low = earlier(end[0], now, told.overlap_s, self._zone)
        if self._settled:
            ours, floor = moment_of(low, self._zone), moment_of(self._settled[0], self._zone)
            if ours is not None and floor is not None and ours <= floor:
                return self._settled
        return (low,)


def earlier(last: Any, now: datetime, overlap_s: float, zone: str) -> Any:
    """The time `last`, or now if it lies in the future, less the overlap: in the form in which the
    database gave it. What cannot be read as a time is given back as it is."""
    found = moment_of(last, zone)
    if found is None:
        return last
    return _like(last, min(found, now) - timedelta(seconds=overlap_s), zone)


def moment_of(value: Any, zone: str) -> datetime | None:
    """A value of a time column as a moment; one without a zone is of `zone`."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=ZoneInfo(zone))
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        try:
            return datetime.fromtimestamp(value / _unit(value), UTC)
        except (OverflowError, OSError, ValueError):
            return None
    return None


def _unit(value: float) -> float:
    """Seconds, milliseconds or microseconds since 1970."""
    return 1.0 if value < 1e11 else 1e3 if value < 1e14 else 1e6


def _like(sample: Any, moment: datetime, zone: str) -> Any:
    """A moment in the form of a sample."""
    if isinstance(sample, int | float):
        number = moment.timestamp() * _unit(sample)
        return int(number) if isinstance(sample, int) else number
    if isinstance(sample, datetime):
        return (
            moment.astimezone(sample.tzinfo)
            if sample.tzinfo
            else moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        )
    found = datetime.fromisoformat(sample)
    if len(sample) <= 10:
        return moment.astimezone(found.tzinfo or ZoneInfo(zone)).date().isoformat()
    local = moment.astimezone(found.tzinfo or ZoneInfo(zone))
    text = local.replace(tzinfo=None).isoformat(sep=sample[10])
    if found.tzinfo is None:
        return text
    return text + ("Z" if sample.endswith("Z") else local.isoformat()[-6:])
