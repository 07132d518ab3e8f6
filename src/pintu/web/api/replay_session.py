"""A replay that somebody looks at: a wall and a map of their own, moved by a clock of their own."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final

import orjson

from pintu.kernel.context.record import Record
from pintu.kernel.errors import Forbidden, ResourceNotFound
from pintu.kernel.operations.wall_state import state_hash
from pintu.web.api.picture import Picture, Pictures
from pintu.web.events import TICK_S, frame
from pintu.web.wall.keeping import Wall
from pintu.web.wall.shown import is_over, on_wall

if TYPE_CHECKING:
    from pintu.kernel.analytics.replaying import Replaying
    from pintu.kernel.store.port import Change
    from pintu.web.rooms import Rooms

MOST_SESSIONS: Final = 8
"""Replays of one city at once: each holds the city's documents."""
IDLE_S: Final = 900.0
AT_ONCE: Final = 200
"""Changes applied before others get their turn."""
SPEEDS: Final = (0.1, 3_600.0)
ALIVE_TICKS: Final = 4


class ThenPicture(Picture):
    """A map that is loaded by whoever moves it."""

    at_us = 0

    def now_us(self) -> int:
        """The moment the replay has come to."""
        return self.at_us

    def stand(self, record: Record) -> None:
        """Something as it was when the replay began."""
        self._take(record)

    async def _load(self) -> None:
        self._waiting = None


class ThenWall(Wall):
    """A wall that is loaded by whoever moves it."""

    def stand(self, record: Record, at_us: int) -> None:
        """Something as it was when the replay began."""
        if on_wall(record.types):
            self._take(record.id, orjson.loads(record.body), at_us)

    async def _load(self) -> None:
        self._waiting = None


class Session:
    """One replay: `at_us` moves while a stream is open and it is not paused."""

    def __init__(self, pictures: Pictures, tenant: int, owner: str, until_us: int) -> None:
        self.id = secrets.token_urlsafe(12)
        self.tenant, self.owner, self.until_us = tenant, owner, until_us
        self.at_us = until_us
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
            self.behind_s = 0.0
            self._put(wall, picture)
        self._wake.set()

    async def advance(self, at_us: int) -> bool:
        """Let everything happen that was written up to a moment; False when rows are still being
        made, and the moment is not reached."""
        replaying = self._replaying
        assert replaying is not None
        at_us = min(at_us, self.until_us)
        async with self._turn:
            if replaying is not self._replaying:
                return True  # sought meanwhile
            async for changes in replaying.until(at_us):
                for start in range(0, len(changes), AT_ONCE):
                    self._apply(changes[start : start + AT_ONCE])
                    await asyncio.sleep(0)
            if replaying.behind:
                return False
            self.at_us = self.picture.at_us = at_us
        return True

    def _apply(self, changes: list[Change]) -> None:
        self.picture.at_us = changes[-1].at_us
        self.wall.apply(changes)
        for row in self.picture.apply(changes):
            self._rows[row] = changes[0].at_us

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
            if not self.paused and not self.over:
                reached = await self.advance(self.at_us + int(passed_s * self.speed * 1e6))
                self.behind_s += 0.0 if reached else passed_s
            self.used_s = time.monotonic()
            fresh, self._fresh = self._fresh, False
            if fresh or ticks % ALIVE_TICKS == 0 or before != (self.paused, self.speed, self.over):
                if not still():
                    return
                yield frame("replay", {**self.told(), "reset": fresh})
            for data in self._news():
                yield data
            quiet = self.paused or self.over
            wait_s = 1.0 if quiet else TICK_S - (time.monotonic() - now_s)
            if wait_s > 0:
                await _woken(self._wake, wait_s)
            if quiet:
                last_s = time.monotonic()

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

    async def open(self, tenant: int, owner: str, at_us: int, until_us: int) -> Session:
        """A new one at a moment; who has one already gives it up, and so does who let one lie."""
        session = Session(self.pictures, tenant, owner, until_us)
        await session.seek(at_us)
        now_s = time.monotonic()
        for one in list(self._sessions.values()):
            if now_s - one.used_s > IDLE_S or (owner and one.owner == owner):
                await self.drop(one.id)
        while len(self._sessions) >= MOST_SESSIONS:
            await self.drop(min(self._sessions.values(), key=lambda one: one.used_s).id)
        self._sessions[session.id] = session
        return session

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
        for id in list(self._sessions):
            await self.drop(id)
