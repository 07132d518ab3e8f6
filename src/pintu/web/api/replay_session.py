"""A replay that somebody looks at: a wall and a map of their own, moved by a clock of their own."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import orjson

from pintu.kernel.context.record import Record
from pintu.kernel.errors import Forbidden, PintuError, ResourceNotFound, TooManyRequests
from pintu.kernel.operations.wall_state import state_hash
from pintu.web.api.picture import Picture, Pictures
from pintu.web.events import TICK_S
from pintu.web.readers import frame
from pintu.web.wall.keeping import Wall
from pintu.web.wall.shown import is_over, on_wall

if TYPE_CHECKING:
    from pintu.kernel.analytics.replaying import Now, Replaying
    from pintu.web.rooms import Rooms

MOST_SESSIONS: Final = 4
"""Replays of one city at once: each holds the city's documents, and rows of the time to come."""
MOST_OPENING: Final = 2
LOOKED_AT_S: Final = 60.0
IDLE_S: Final = 900.0
SWEEP_S: Final = 60.0
AT_ONCE: Final = 200
"""Changes applied before others get their turn."""
SPEEDS: Final = (0.1, 3_600.0)
ALIVE_TICKS: Final = 4
SETTLE_S: Final = 0.01


class ThenPicture(Picture):
    """A map that is loaded by whoever moves it."""

    at_us = 0

    def now_us(self) -> int:
        """The moment the replay has come to."""
        return self.at_us

    def stand(self, record: Record) -> None:
        """Something as it was when the replay began."""
        self._take(record)

    def become(self, now: Now) -> int | None:
        """Something as it stands after a step; the row whose look changed."""
        self.at_us = now.at_us
        if now.doc is not None:
            return self._show(now.id, now.types, now.doc, now.at_us)
        if now.id in self.alerts:
            return self._end_alert(now.id)
        return self.points.remove(now.id)

    async def _load(self) -> None:
        self._waiting = None


class ThenWall(Wall):
    """A wall that is loaded by whoever moves it."""

    def stand(self, record: Record, at_us: int) -> None:
        """Something as it was when the replay began."""
        if on_wall(record.types):
            self._take(record.id, orjson.loads(record.body), at_us)

    def become(self, now: Now) -> None:
        """Something as it stands after a step."""
        if not on_wall(now.types):
            return
        if now.doc is None:
            if self.entities.pop(now.id, None) is not None:
                self.told.put(now.id, None, now.at_us)
            return
        self.told.put(now.id, self._take(now.id, now.doc, now.at_us), now.at_us)

    async def _load(self) -> None:
        self._waiting = None


class Session:
    """One replay: `at_us` moves while a stream is open and it is not paused."""

    def __init__(self, pictures: Pictures, tenant: int, owner: str, until_us: int) -> None:
        self.id = secrets.token_urlsafe(12)
        self.tenant, self.owner, self.until_us = tenant, owner, until_us
        self.at_us = self._goal_us = until_us  # the goal is later while a step is half told
        self.speed = 1.0
        self.paused = False
        self.behind_s = 0.0  # real seconds it had to wait for rows, since the last seek
        self.used_s = time.monotonic()
        self._pictures = pictures
        self._rooms: Rooms = pictures.rooms
        self._turn = asyncio.Lock()
        self._ended = False
        self._streams = 0
        self._wake = asyncio.Event()
        self._fresh = False  # sought: the page must load again
        self._rows: dict[int, int] = {}
        self._replaying: Replaying | None = None
        self._put(ThenWall(self._rooms, tenant), ThenPicture(self._rooms, tenant, pictures.looks))

    def _put(self, wall: ThenWall, picture: ThenPicture) -> None:
        self.wall, self.picture = wall, picture
        self._rows = {}

    # --- moving ---------------------------------------------------------------------------------
    async def seek(self, at_us: int) -> None:
        """Stand at a moment: everything written up to it has happened. Raises what a moment does.

        Half a replay is never shown: what stood before stays until all is there.
        """
        history = self._rooms.history
        assert history is not None
        async with self._turn:
            began = history.replay(at_us + 1, self.until_us + 1, tenant=self.tenant)
            records = await began.begin()
            wall = ThenWall(self._rooms, self.tenant)
            picture = ThenPicture(self._rooms, self.tenant, self._pictures.looks)
            picture.at_us = at_us
            await wall.ready()
            await picture.ready()
            for start in range(0, len(records), AT_ONCE):
                for record in records[start : start + AT_ONCE]:
                    wall.stand(record, at_us)
                    picture.stand(record)
                await asyncio.sleep(0)
            if self._replaying is not None:
                await self._replaying.close()
            self._replaying, self.at_us, self._fresh = began, at_us, True
            self._goal_us = at_us
            self.behind_s = 0.0
            self._put(wall, picture)
        self._wake.set()

    async def advance(self, at_us: int) -> bool:
        """Let everything happen that was written up to a moment; False when rows are still being
        made, and the moment is not reached."""
        replaying = self._replaying
        assert replaying is not None
        async with self._turn:
            if replaying is not self._replaying:
                return True  # sought meanwhile
            self._goal_us = max(self._goal_us, min(at_us, self.until_us))
            before = replaying.rows
            found = await replaying.until(self._goal_us)
            for start in range(0, len(found), AT_ONCE):
                self._apply(found[start : start + AT_ONCE])
                await asyncio.sleep(0)
            self.picture.changes_seen += replaying.rows - before
            if replaying.behind:
                return False
            self.at_us = self.picture.at_us = self._goal_us
        return True

    @property
    def between(self) -> bool:
        """Part of a step was told and its rest is being made: what stands is of no moment."""
        return self._goal_us > self.at_us

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """While this is held what stands is as of `at_us`; raises what coming there raises."""
        while True:
            async with self._turn:
                if not self.between or self._ended:
                    yield
                    return
            if not await self.advance(self._goal_us):
                await asyncio.sleep(SETTLE_S)

    def _apply(self, some: list[Now]) -> None:
        for now in some:
            self.wall.become(now)
            row = self.picture.become(now)
            if row is not None:
                self._rows.setdefault(row, now.at_us)

    def control(self, speed: float | None, paused: bool | None) -> None:
        """Faster, slower, stop, go on."""
        if speed is not None:
            self.speed = min(max(speed, SPEEDS[0]), SPEEDS[1])
        if paused is not None:
            self.paused = paused
        self.used_s = time.monotonic()
        self._wake.set()

    @property
    def over(self) -> bool:
        """It has come to its end."""
        return self.at_us >= self.until_us

    # --- what is told ---------------------------------------------------------------------------
    def told(self, *, whole: bool = False) -> dict[str, Any]:
        """Where it is; with `whole` also what stands on the wall, and the hash of its state."""
        found: dict[str, Any] = {
            "session": self.id,
            "at_us": self.at_us,
            "until_us": self.until_us,
            "speed": self.speed,
            "paused": self.paused,
            "ended": self.over,
            "behind_ms": round(self.behind_s * 1000),
        }
        if whole:
            found["entities"] = standing(self.wall, self.at_us)
            found["gone"] = []
            found["hash"] = hash_of(self.wall, self.picture, self.at_us)
        return found

    async def stream(self, still: Callable[[], bool]) -> AsyncIterator[bytes]:
        """`replay` (where it is, each second and when that changes), `wall` and `map` as live.

        The last who opens a stream has it; `at_us` stands still while nobody looks.
        """
        self._streams += 1
        mine, ticks = self._streams, 0
        yield b"retry: 2000\n\n" + frame("replay", {**self.told(), "reset": True})
        self._fresh = False
        last_s = time.monotonic()
        while not self._ended and mine == self._streams:
            self._wake.clear()
            ticks += 1
            now_s = time.monotonic()
            passed_s, last_s = now_s - last_s, now_s
            before = (self.paused, self.speed, self.over)
            why = await self._step(passed_s)
            self.used_s = time.monotonic()
            fresh, self._fresh = self._fresh, False
            quiet = (self.paused or self.over) and not self.between
            if (quiet or ticks % ALIVE_TICKS == 0) and not still():
                return
            if fresh or why or ticks % ALIVE_TICKS == 0 or before != (
                self.paused, self.speed, self.over
            ):  # fmt: skip
                yield frame("replay", {**self.told(), "reset": fresh, "why": why})
            for data in self._news():
                yield data
            wait_s = 1.0 if quiet else TICK_S - (time.monotonic() - now_s)
            if wait_s > 0:
                await _woken(self._wake, wait_s)
            if quiet:
                last_s = time.monotonic()

    async def _step(self, passed_s: float) -> str:
        """Go on by as much as passed; why it stands still where it cannot."""
        try:
            if self.between:
                self.behind_s += passed_s
                await self.advance(self._goal_us)
            elif not self.paused and not self.over:
                await self.advance(self.at_us + int(passed_s * self.speed * 1e6))
        except PintuError as error:
            self.paused, self._goal_us = True, self.at_us
            return str(error)
        return ""

    def _news(self) -> list[bytes]:
        found = []
        while event := self.wall.told.take(self.at_us, self.speed):
            found.append(frame("wall", event))
        rows, self._rows = self._rows, {}
        if rows:
            found.append(frame("map", self._map(rows)))
        return found

    def _map(self, rows: dict[int, int]) -> dict[str, Any]:
        points = self.picture.points
        flat: list[int] = []
        gone: list[int] = []
        for row, at_us in rows.items():
            if points.ids[row]:
                age_ms = max(0, int((self.at_us - at_us) / self.speed / 1000))
                flat += (row, points.state[row], points.level[row], age_ms)
            else:
                gone.append(row)
        return {
            "rows": flat,
            "gone": gone,
            "counts": points.counts,
            "open": len(self.picture.alerts),
            "size": len(points),
            "seen": self.picture.changes_seen,
            "now": self.at_us // 1000,
        }

    async def close(self) -> None:
        """End its stream and let go of everything."""
        self._ended = True
        self._wake.set()
        if self._replaying is not None:
            await self._replaying.close()


async def _woken(event: asyncio.Event, wait_s: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), wait_s)
    except TimeoutError:
        return


def standing(wall: Wall, now_us: int) -> list[dict[str, Any]]:
    """What stands on a wall at a moment: what is over by its time is left out."""
    return [one for one in wall.entities.values() if not is_over(one, now_us)]


def hash_of(wall: Wall, picture: Picture, now_us: int) -> str:
    """The hash of what a wall and its map show at a moment, live or replayed."""
    return state_hash(standing(wall, now_us), picture.plain_points())


class Replays:
    """The replays of one city, a few at once."""

    def __init__(self, pictures: Pictures) -> None:
        self.pictures = pictures
        self._sessions: dict[str, Session] = {}
        self._opening = 0
        self._sweeper: asyncio.Task[None] | None = None

    async def open(self, tenant: int, owner: str, at_us: int, until_us: int) -> Session:
        """A new one at a moment; who has one already gives it up, and so does who let one lie.
        TooManyRequests where all are looked at, or several begin just now.
        """
        for one in list(self._sessions.values()):
            if owner and one.owner == owner:
                await self.drop(one.id)
        if self._opening >= MOST_OPENING:
            raise TooManyRequests("Other replays begin just now", retryAfter=5)
        await self._make_room()
        session = Session(self.pictures, tenant, owner, until_us)
        self._opening += 1
        try:
            await session.seek(at_us)
        finally:
            self._opening -= 1
        self._sessions[session.id] = session
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = asyncio.get_running_loop().create_task(self._sweep())
        return session

    async def _make_room(self) -> None:
        """Give up the one that lay longest, if none of as many as there may be is free."""
        while len(self._sessions) + self._opening >= MOST_SESSIONS:
            oldest = min(self._sessions.values(), key=lambda one: one.used_s, default=None)
            if oldest is None or time.monotonic() - oldest.used_s < LOOKED_AT_S:
                raise TooManyRequests(f"{MOST_SESSIONS} replays are looked at", retryAfter=60)
            await self.drop(oldest.id)

    async def _sweep(self) -> None:
        """A replay that nobody looks at holds a city in memory: after a while it is given up."""
        while self._sessions:
            await asyncio.sleep(SWEEP_S)
            now_s = time.monotonic()
            for one in list(self._sessions.values()):
                if now_s - one.used_s > IDLE_S:
                    await self.drop(one.id)

    def get(self, id: str, tenant: int, owner: str) -> Session:
        """Somebody's own replay; ResourceNotFound, Forbidden for another's."""
        session = self._sessions.get(id)
        if session is None or session.tenant != tenant:
            raise ResourceNotFound(f"Replay {id[:40]} does not exist any more: begin it again")
        if session.owner != owner:
            raise Forbidden("This replay is somebody else's")
        session.used_s = time.monotonic()
        return session

    async def drop(self, id: str) -> None:
        """Close one."""
        session = self._sessions.pop(id, None)
        if session is not None:
            await session.close()

    async def close(self) -> None:
        """Close all."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for id in list(self._sessions):
            await self.drop(id)
