"""The living picture of one tenant: points and open alerts, loaded once, kept by the changes."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from pintu.kernel.context.record import PAST_VERBS, Record
from pintu.kernel.context.selection import Selection, TypeSelection
from pintu.kernel.errors import PintuError
from pintu.kernel.store.port import settled
from pintu.web.api import states
from pintu.web.api.looks import THING, Looks
from pintu.web.api.points import Point, Points

if TYPE_CHECKING:
    from pintu.kernel.store.port import Change, Page, Store
    from pintu.web.api.agreed_picture import AgreedPictures
    from pintu.web.api.past_picture import PastPicture
    from pintu.web.rooms import Rooms

log = logging.getLogger("pintu.web")

LOAD_PAGE = 1000
LOADS = 3
ALERT = "Alert"
SEVERITY = {"critical": 0, "high": 1, "medium": 2, "low": 3, "informational": 4}
MAX_POINTS = 1_000_000
IDLE_S = 600.0


@dataclass(frozen=True, slots=True)
class Alert:
    """One open alert, as the list of what is wrong now shows it."""

    id: str
    category: str
    severity: str
    about: str
    description: str
    since_us: int

    @property
    def order(self) -> tuple[int, int]:
        """Worst first, then newest."""
        return SEVERITY.get(self.severity, 2), -self.since_us


class Picture:
    """Follows one tenant. `apply` is called with each commit; what it returns is what changed."""

    def __init__(self, rooms: Rooms, tenant: int, looks: Looks) -> None:
        self.rooms = rooms
        self.tenant = tenant
        self.epoch = secrets.token_hex(4)  # rows mean something within one epoch only
        self.looks = looks
        self.points = Points(looks.all)
        self.alerts: dict[str, Alert] = {}
        self.alerts_version = 0
        self.changes_seen = 0
        self.used_s = time.monotonic()
        self._base: dict[str, int] = {}  # state under a fault, to go back to
        self._ready: asyncio.Task[None] | None = None
        self._waiting: list[Change] | None = []

    async def ready(self) -> None:
        """Wait until everything that was there at the start is in."""
        if self._ready is None or (self._ready.done() and self._ready.exception()):
            self._waiting = []
            self._ready = asyncio.get_running_loop().create_task(self._load())
        self.used_s = time.monotonic()
        await asyncio.shield(self._ready)

    async def _load(self) -> None:
        for _ in range(LOADS):
            await self._pages()
            if not any(change.verb == "deleted" for change in self._waiting or ()):
                break  # else what follows a deleted thing moved up, and a page may have missed one
        waiting, self._waiting = self._waiting or [], None
        self.apply(waiting)

    async def _pages(self) -> None:
        for types in ((frozenset({ALERT}),), self._located()):
            offset = 0
            while types and offset < MAX_POINTS:
                page = await self._page(offset, types)
                for record in page.records:
                    self._take(record)
                if len(page.records) < LOAD_PAGE:
                    break
                offset += LOAD_PAGE
                await asyncio.sleep(0)

    def now_us(self) -> int:
        """The moment it is of."""
        return self.rooms.clock.now_us()

    def _located(self) -> tuple[frozenset[str], ...]:
        """The sets of types that have a location at all."""
        found = {
            frozenset(kind.types)
            for kind in self.rooms.store.kinds(self.tenant)
            if any(name == "location" for name, _ in kind.attributes) and ALERT not in kind.types
        }
        return tuple(found)

    async def _page(self, offset: int, types: tuple[frozenset[str], ...]) -> Page:
        selection = Selection(
            tenant=self.tenant, types=TypeSelection(types), limit=LOAD_PAGE, offset=offset
        )
        return await settled(self.rooms.store.select(selection))

    def _take(self, record: Record) -> None:
        entity = orjson.loads(record.body)
        self._show(record.id, record.types, entity, record.modified_us)

    def _show(
        self, id: str, types: tuple[str, ...], entity: dict[str, Any], at_us: int
    ) -> int | None:
        if ALERT in types:
            self._alert(id, entity, at_us)
            return None
        where = None if self.looks.unshown(types) else states.position_of(entity)
        if where is None:
            return self.points.remove(id) if id in self.points.row_of else None
        state, level = self.looks.of(types, entity)
        if id in self.points.faults:
            self._base[id] = state
        point = Point(where[0], where[1], min(types), state, level)
        return self.points.put(id, point)

    def _alert(self, id: str, entity: dict[str, Any], at_us: int) -> int | None:
        now_us = self.now_us()
        if not states.is_open_alert(entity, now_us):
            return self._end_alert(id)
        said = states.value_of
        category = said(entity, "subCategory") or said(entity, "category") or ALERT
        issued = said(entity, "dateIssued") or said(entity, "validFrom") or ""
        issued = issued.get("@value", "") if isinstance(issued, dict) else issued
        alert = Alert(
            id=id,
            category=str(category),
            severity=str(said(entity, "severity") or "medium"),
            about=states.alert_source(entity),
            description=_text(said(entity, "description")),
            since_us=states.parse_time(str(issued)) or at_us,
        )
        before = self.alerts.get(id)
        if before == alert:
            return None
        self.alerts[id] = alert
        self.alerts_version += 1
        if before is not None and before.about == alert.about:
            return None
        if before is not None:
            self._mark(before.about, -1)
        return self._mark(alert.about, 1)

    def _end_alert(self, id: str) -> int | None:
        before = self.alerts.pop(id, None)
        if before is None:
            return None
        self.alerts_version += 1
        return self._mark(before.about, -1)

    def _mark(self, about: str, step: int) -> int | None:
        if not about:
            return None
        row = self.points.row_of.get(about)
        if step > 0 and row is not None and about not in self.points.faults:
            self._base[about] = self.points.state[row]
        base = self._base.get(about, self._look(row))
        changed = self.points.fault(about, step, base)
        if about not in self.points.faults:
            self._base.pop(about, None)
        return changed

    def _look(self, row: int | None) -> int:
        return THING if row is None else self.points.state[row]

    def apply(self, changes: list[Change]) -> set[int]:
        """Take a commit in; the rows whose look changed."""
        rows: set[int] = set()
        for change in changes:
            if change.tenant != self.tenant or change.verb in PAST_VERBS:
                continue
            if self._waiting is not None:
                self._waiting.append(change)
                continue
            self.changes_seen += 1
            row = self._one(change)
            if row is not None:
                rows.add(row)
        return rows

    def _one(self, change: Change) -> int | None:
        if change.verb == "deleted":
            if change.id in self.alerts:
                return self._end_alert(change.id)
            return self.points.remove(change.id)
        body = body_of(self.rooms.store, change)
        if body is None:
            return None
        entity = orjson.loads(body)
        if ALERT in change.types:
            return self._alert(change.id, entity, change.at_us)
        return self._show(change.id, change.types, entity, change.at_us)

    def plain_points(self) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
        """(id, (longitude, latitude, look, level)) of every point, without what alerts add."""
        points, base = self.points, self._base
        for id, row in points.row_of.items():
            look = base.get(id, points.state[row])
            yield id, (points.longitude[row], points.latitude[row], look, points.level[row])

    def open_alerts(self, about: str | None = None) -> list[Alert]:
        """Open alerts, worst and newest first; of one entity when named."""
        chosen = [a for a in self.alerts.values() if about is None or a.about == about]
        return sorted(chosen, key=lambda alert: alert.order)


def body_of(store: Store, change: Change) -> bytes | None:
    """The document after a change; None when the thing is gone."""
    if change.verb == "deleted":
        return None
    if change.body is not None:
        return change.body
    if change.verb in ("created", "replaced"):
        return change.payload
    found = store.retrieve(change.tenant, change.id)
    return found.body if isinstance(found, Record) else None


def _text(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("@none") or next(iter(value.values()), "")
    return str(value or "")


class Pictures:
    """One picture a tenant that somebody looks at; nobody looking costs nothing."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self.looks = Looks(rooms.pieces)
        self.by_tenant: dict[int, Picture] = {}
        self.past: dict[tuple[int, int], PastPicture] = {}  # (tenant, µs), oldest asked first
        self.agreed: AgreedPictures  # made by the application, which knows agreements

    async def of(self, tenant: int) -> Picture:
        """The picture of a tenant, loaded."""
        picture = self.by_tenant.get(tenant)
        if picture is None:
            picture = self.by_tenant[tenant] = Picture(self.rooms, tenant, self.looks)
        try:
            await picture.ready()
        except PintuError:
            log.warning("The picture of tenant %s cannot be loaded now", tenant)
            raise
        return picture

    def forget_idle(self) -> None:
        """Drop pictures that nobody asked for in a while: from then on writes cost nothing here."""
        before_s = time.monotonic() - IDLE_S
        for tenant in [t for t, picture in self.by_tenant.items() if picture.used_s < before_s]:
            del self.by_tenant[tenant]
