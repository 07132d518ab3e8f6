"""Server-sent events: what changed, gathered for a quarter of a second, for pages that look."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from pintu.kernel.context.record import PAST_VERBS
from pintu.kernel.errors import TooManyRequests, Unavailable
from pintu.kernel.store.port import settled
from pintu.web.api.names import Register
from pintu.web.api.picture import Picture, Pictures
from pintu.web.api.points import Box
from pintu.web.readers import Client, frame
from pintu.web.wall.keeping import Walls, figures

if TYPE_CHECKING:
    from pintu.kernel.store.port import Change
    from pintu.web.rooms import Rooms

log = logging.getLogger("pintu.web")

TICK_S = 0.25
HEARTBEAT_S = 15.0
MINUTE_S = 60.0
SLOW_TICKS = 8
ALIVE_TICKS = 4
SOON_S = 0.05
"""What is wrong is told so soon; telemetry waits for the tick."""
MAX_CLIENTS = 500
MOST_COMMANDS = 1_000
"""Steps of commands told with one tick, the newest; whoever wants all of them reads the ledger."""
MAX_OF_ONE = 24
"""Streams of one person or program, or of one address where nobody signed in."""
REPLAY = 5_000
TOPICS = frozenset({"map", "alerts", "entity", "commands", "sources", "wall", "duty"})


class Hub:
    """Hears every commit, ticks while somebody listens, and does nothing otherwise."""

    def __init__(self, rooms: Rooms, pictures: Pictures) -> None:
        self.rooms = rooms
        self.pictures = pictures
        self.walls = Walls(rooms)
        self.names = Register(rooms)
        self.clients: set[Client] = set()
        self.dropped = 0
        self._coming: Counter[str] = Counter()  # admitted, and not gone
        self._rows: dict[int, dict[int, int]] = {}  # tenant → row → oldest change not yet told
        self._entities: dict[tuple[int, str], set[str]] = {}
        self._commands: list[tuple[str, dict[str, Any]]] = []
        self._duty: set[str] = set()  # tenants with news for the duty desk
        self._alerts: dict[int, int] = {}
        self._sources = b""
        self._ticker: asyncio.Task[None] | None = None
        self._soon: asyncio.TimerHandle | None = None
        self._ticks = 0
        self._position = 0
        self._closing = False
        rooms.store.on_commit(self.committed)

    # --- what happened --------------------------------------------------------------------------
    def committed(self, changes: list[Change]) -> None:
        """Take one commit in; called on the loop after it is durable."""
        self.names.committed(changes)
        if not (self.pictures.by_tenant or self.walls.by_tenant or self.clients):
            return
        if not self.clients:
            self.pictures.forget_idle()
            self.walls.forget_idle()
        if self.walls.committed(changes) and self.clients and self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(SOON_S, self._tell_walls)
        self._position = changes[-1].position if changes else self._position
        for tenant, picture in self.pictures.by_tenant.items():
            # The changes of one commit share one time but for microseconds.
            for row in picture.apply(changes):
                self._rows.setdefault(tenant, {}).setdefault(row, changes[0].at_us)
        watched = {client.entity for client in self.clients if client.entity}
        if watched:
            for change in changes:
                if change.id in watched and change.verb not in PAST_VERBS:
                    names = self._entities.setdefault((change.tenant, change.id), set())
                    names.update(change.changed or ())

    def command(self, tenant: str, told: dict[str, Any]) -> None:
        """A step of the command ledger, to be told with the next tick."""
        if self.clients:
            self._commands.append((tenant, told))

    def duty(self, tenant: str) -> None:
        """Something rings, or rings no more, or was delivered: pages ask for it themselves."""
        if self.clients:
            self._duty.add(tenant)

    # --- who listens ----------------------------------------------------------------------------
    def admit(self, who: str = "") -> None:
        """Refuse one stream too many with TooManyRequests, before anything was answered; none is
        taken while the city stops.
        """
        if self._closing:
            raise Unavailable("The city is stopping")
        if self._coming.total() >= MAX_CLIENTS or (who and self._coming[who] >= MAX_OF_ONE):
            raise TooManyRequests("Too many open event streams", retryAfter=5)

    async def stream(self, client: Client) -> AsyncIterator[bytes]:
        """The body of one stream; ends when the reader leaves, is too slow, or the city stops."""
        try:
            self.admit(client.who)  # those who were admitted at once come one after the other
        except (TooManyRequests, Unavailable):
            yield b"retry: 5000\n\n"
            return
        self._coming[client.who] += 1
        try:
            async for data in self._followed(client):
                yield data
        finally:
            self.dropped += client.slow
            self._coming[client.who] -= 1
            self._coming += Counter()  # forgets who has none

    async def _followed(self, client: Client) -> AsyncIterator[bytes]:
        if {"map", "alerts"} & client.topics:
            picture = await self.pictures.of(client.tenant)
            self._alerts.setdefault(client.tenant, picture.alerts_version)
            await self._greet(client, picture)
        else:
            client.push(frame("hello", {}))
        if "wall" in client.topics:
            await self.walls.of(client.tenant)  # its page asks for what stands there after hello
        self.clients.add(client)
        if self._ticker is None or self._ticker.done():
            self._ticker = asyncio.get_running_loop().create_task(self._tick_on())
        try:
            yield b"retry: 2000\n\n"
            while True:
                while (data := client.pop()) is not None:
                    yield data
                if client.ended:
                    return
                client.wake.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(client.wake.wait(), HEARTBEAT_S)
                if not (client.frames or client.first):
                    yield b": alive\n\n"
        finally:
            self.clients.discard(client)

    async def minute(self, client: Client) -> AsyncIterator[bytes]:
        """The body of a stream that ends after a minute with the word to load again."""

        def over() -> None:
            client.push(frame("resync", {"why": "agreement"}))
            client.end()

        end = asyncio.get_running_loop().call_later(MINUTE_S, over)
        try:
            async for part in self.stream(client):
                yield part
        finally:
            end.cancel()

    async def _greet(self, client: Client, picture: Picture) -> None:
        """Say what was missed since `after`, or that the page must load again."""
        head = self.rooms.store.head()
        here = f"{picture.epoch}-{head}"
        epoch, _, position = client.after.partition("-")
        if not client.after or not position.isdigit():
            client.push(frame("hello", {}, here))
            return
        missed = head - int(position)
        if epoch != picture.epoch or missed > REPLAY or missed < 0:
            client.push(frame("resync", {"why": "gap"}, here))
            return
        rows = await self._missed(client.tenant, picture, int(position)) if missed else {}
        here = f"{picture.epoch}-{self.rooms.store.head()}"
        client.push(frame("hello", {"missed": missed}, here))
        if rows and client.box is not None:
            client.push(self._map_frame(client.box, picture, rows, here))
        client.push(frame("alerts", {"open": len(picture.alerts)}, here))

    async def _missed(self, tenant: int, picture: Picture, after: int) -> dict[int, int]:
        """Row → oldest change after a position, up to this very moment: what commits while the log
        is being read is read as well.
        """
        rows: dict[int, int] = {}
        store = self.rooms.store
        while after < store.head():
            changes = await settled(store.changes(after, REPLAY))
            for change in changes:
                row = picture.points.row_of.get(change.id)
                if row is not None and change.tenant == tenant:
                    rows.setdefault(row, change.at_us)
            after = changes[-1].position if changes else store.head()
        return rows

    # --- the tick -------------------------------------------------------------------------------
    async def _tick_on(self) -> None:
        due = time.monotonic()
        while self.clients:
            due = max(due + TICK_S, time.monotonic())
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            try:
                self.tick()
            except Exception:
                log.exception("A tick of the event streams failed")

    def tick(self) -> None:
        """Tell every client what is new for it since the tick before."""
        self._ticks += 1
        now_s = time.monotonic()
        for picture in self.pictures.by_tenant.values():
            picture.used_s = now_s
        alive = self._ticks % ALIVE_TICKS == 0  # counts, time and rate go on when no look changes
        rows, self._rows = self._rows, {}
        entities, self._entities = self._entities, {}
        commands, self._commands = self._commands, []
        duty = {self.rooms.store.tenant(one) for one in self._duty}
        self._duty.clear()
        alerts = self._alerts_changed()
        sources = self._sources_changed() if self._ticks % SLOW_TICKS == 0 else None
        walls = self._wall_frames(alive)
        position = self._position or self.rooms.store.head()
        drawn: dict[tuple[int, Box | None], bytes] = {}  # written once for all who see the same
        for client in list(self.clients):
            if client.still is not None and not client.still():
                client.drop()
                client.end()
                continue
            found = self.pictures.by_tenant.get(client.tenant)
            here = f"{found.epoch}-{position}" if found is not None else ""
            news = rows.get(client.tenant, {})
            if "wall" in client.topics and client.tenant in walls:
                client.push(walls[client.tenant], first=True)
            if found is not None and "map" in client.topics and (news or alive):
                seen = client.tenant, client.box
                if seen not in drawn:
                    drawn[seen] = self._map_frame(client.box, found, news, here)
                client.push(drawn[seen])
            if found is not None and "alerts" in client.topics and client.tenant in alerts:
                client.push(frame("alerts", {"open": len(found.alerts)}, here))
            changed = entities.get((client.tenant, client.entity))
            if changed is not None and "entity" in client.topics:
                told = {"id": client.entity, "changed": sorted(changed)}
                client.push(frame("entity", told, here))
            if "commands" in client.topics:
                self._tell_commands(client, commands, here)
            if "duty" in client.topics and client.tenant in duty:
                client.push(frame("duty", {}, here))
            if sources is not None and "sources" in client.topics:
                client.push(frame("sources", {}, here))

    def _map_frame(
        self, box: Box | None, picture: Picture, rows: dict[int, int], here: str
    ) -> bytes:
        points = picture.points
        data: dict[str, Any] = {"counts": points.counts, "open": len(picture.alerts)}
        data["sent"] = time.time_ns() // 1_000_000
        data["seen"] = picture.changes_seen
        data["now"] = self.rooms.clock.now_us() // 1000
        if box is None:
            data["dirty"] = len(rows)  # cells: the page asks for them again
            return frame("map", data, here)
        west, south, east, north = (round(side * 1e6) for side in box)
        now_us, rate = self.rooms.clock.now_us(), self.rooms.clock.rate
        flat: list[Any] = []
        gone: list[int] = []
        for row, at_us in rows.items():
            if not points.ids[row]:
                gone.append(row)
            elif west <= points.longitude[row] <= east and south <= points.latitude[row] <= north:
                age_ms = max(0, int((now_us - at_us) / rate / 1000))
                flat += (row, points.state[row], points.level[row], age_ms)
        data["rows"] = flat
        if gone:
            data["gone"] = gone
        data["size"] = len(points)
        return frame("map", data, here)

    def _tell_walls(self) -> None:
        """What is wrong does not wait for the tick."""
        self._soon = None
        walls = self._wall_frames(alive=False)
        for client in list(self.clients):
            told = walls.get(client.tenant) if "wall" in client.topics else None
            if told is not None and (client.still is None or client.still()):
                client.push(told, first=True)

    def _wall_frames(self, alive: bool) -> dict[int, bytes]:
        """What walls are told, written out once a tenant; figures with every fourth tick."""
        tenants = {one.tenant: one.tenant_name for one in self.clients if "wall" in one.topics}
        events = self.walls.events(set(tenants))
        frames = {}
        for tenant, name in tenants.items():
            event = events.get(tenant)
            if event is None and not alive:
                continue
            told = event or {"entities": [], "gone": [], "at_us": self.rooms.clock.now_us()}
            told["sent"] = time.time_ns() // 1_000_000
            if alive:
                found = self.pictures.by_tenant.get(tenant)
                seen = found.changes_seen if found is not None else 0
                told["figures"] = figures(self.rooms, name, seen)
            frames[tenant] = frame("wall", told)
        return frames

    def _tell_commands(
        self, client: Client, commands: list[tuple[str, dict[str, Any]]], here: str
    ) -> None:
        found = [
            frame("command", told, here)
            for tenant, told in commands
            if self.rooms.store.tenant(tenant) == client.tenant
            and (not client.entity or told.get("target") == client.entity)
        ]
        if found:  # five thousand lamps told at once make nobody a slow reader
            client.push(b"".join(found[-MOST_COMMANDS:]))

    def _alerts_changed(self) -> set[int]:
        changed = set()
        for tenant, picture in self.pictures.by_tenant.items():
            if self._alerts.get(tenant) != picture.alerts_version:
                self._alerts[tenant] = picture.alerts_version
                changed.add(tenant)
        return changed

    def _sources_changed(self) -> bool | None:
        if not any("sources" in client.topics for client in self.clients):
            return None
        now = repr(self.rooms.intake.sources()).encode()
        changed, self._sources = now != self._sources, now
        return True if changed else None

    async def close(self) -> None:
        """End every stream, so that the server can stop at once."""
        self._closing = True
        for client in list(self.clients):
            client.end()
        if self._soon is not None:
            self._soon.cancel()
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
