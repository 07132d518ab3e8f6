"""What things of a tenant are called, in memory: found by part of a name, whole pinyin or initials.

Read at the first search and kept by the changes; nobody searching costs nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from pintu.kernel.context.record import PAST_VERBS
from pintu.kernel.context.selection import Selection, TypeSelection
from pintu.kernel.exchange.finding.names import HAN, pinyin_of
from pintu.kernel.store.port import settled
from pintu.web.api.picture import IDLE_S, LOAD_PAGE, MAX_POINTS, body_of
from pintu.web.api.search import SHOWN, plain
from pintu.web.api.states import value_of

if TYPE_CHECKING:
    from pintu.kernel.store.port import Change
    from pintu.web.rooms import Rooms

NAMED: Final = ("name", "roadName", "alternateName")
FIRST: Final = ("Incident", "PublicWarning", "WorkOrder", "RoadSegment")
"""What somebody in a hurry means, before the thousand lamps of the same street."""


@dataclass(frozen=True, slots=True)
class Called:
    """A name as it is compared: its text, whole pinyin, initials (both empty without Chinese)."""

    text: str
    letters: str
    initials: str
    rank: int = 0

    def fit(self, term: str) -> int:
        """How well a word of the search fits; 0: not at all."""
        if term in self.text:
            return 4 if self.text.startswith(term) else 3
        if self.letters and term in self.letters:
            return 2
        return 1 if len(term) > 1 and term in self.initials else 0


def called(texts: Collection[str], rank: int = 0) -> Called:
    """A name in its languages, ready to be compared."""
    text = plain("\n".join(texts))
    if not HAN.search(text):
        return Called(text, "", "", rank)
    letters, initials, end = [], [], 0
    for found in HAN.finditer(text):  # runs repeat (roads, kinds): their pinyin is remembered
        between = text[end : found.start()].replace(" ", "")
        syllables = pinyin_of(found.group())
        letters += [between, *syllables]
        initials += [between, *(one[:1] for one in syllables)]
        end = found.end()
    tail = text[end:].replace(" ", "")
    return Called(text, "".join((*letters, tail)), "".join((*initials, tail)), rank)


def best(among: Collection[tuple[str, Called]], wanted: str, most: int = SHOWN) -> list[str]:
    """Those that every word of the search fits, best first; `wanted` is `plain`."""
    terms = wanted.split()[:6]
    scored = []
    for id, name in among:
        score = 0
        for term in terms:
            fit = name.fit(term)
            if not fit:
                break
            score += fit
        else:
            scored.append((-score, -name.rank, len(name.text), id))
    return [id for *_, id in sorted(scored)[:most]] if terms else []


def texts_of(entity: dict[str, Any]) -> list[str]:
    """What an entity is called, in every language it says."""
    found: list[str] = []
    for name in NAMED:
        told = value_of(entity, name)
        values = told.values() if isinstance(told, dict) else [told]
        found += [one for one in values if isinstance(one, str) and one]
    return found


class Names:
    """The names of one tenant."""

    def __init__(self, rooms: Rooms, tenant: int) -> None:
        self.rooms, self.tenant = rooms, tenant
        self.by_id: dict[str, Called] = {}
        self.used_s = time.monotonic()
        self._ready: asyncio.Task[None] | None = None
        self._waiting: list[Change] | None = []

    async def ready(self) -> None:
        """Wait until every name there was at the start is in."""
        if self._ready is None or (self._ready.done() and self._ready.exception()):
            self._waiting = []
            self._ready = asyncio.get_running_loop().create_task(self._load())
        self.used_s = time.monotonic()
        await asyncio.shield(self._ready)

    async def _load(self) -> None:
        kinds = tuple(
            frozenset(kind.types)
            for kind in self.rooms.store.kinds(self.tenant)
            if any(name in NAMED for name, _ in kind.attributes)
        )
        offset = 0
        while kinds and offset < MAX_POINTS:
            asked = Selection(
                tenant=self.tenant, types=TypeSelection(kinds), limit=LOAD_PAGE, offset=offset
            )
            page = await settled(self.rooms.store.select(asked))
            for record in page.records:
                self._take(record.id, record.types, record.body)
            if len(page.records) < LOAD_PAGE:
                break
            offset += LOAD_PAGE
            await asyncio.sleep(0)
        waiting, self._waiting = self._waiting or [], None
        self.apply(waiting)

    def _take(self, id: str, types: Sequence[str], body: bytes) -> None:
        texts = texts_of(orjson.loads(body))
        if texts:
            self.by_id[id] = called(texts, 1 if any(one in FIRST for one in types) else 0)
        else:
            self.by_id.pop(id, None)

    def apply(self, changes: list[Change]) -> None:
        """Take a commit in; what says nothing of a name is passed over."""
        for change in changes:
            if change.tenant != self.tenant or change.verb in PAST_VERBS:
                continue
            named = change.changed is None or any(one in NAMED for one in change.changed)
            if not named:
                continue
            if self._waiting is not None:
                self._waiting.append(change)
                continue
            body = body_of(self.rooms.store, change)
            if body is None:
                self.by_id.pop(change.id, None)
            else:
                self._take(change.id, change.types, body)


class Register:
    """The names of each tenant somebody searches in, and the roads of the map under them."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self.by_tenant: dict[int, Names] = {}
        self._base: tuple[int, list[tuple[str, Called]], dict[str, Street]] = (0, [], {})

    async def of(self, tenant: int) -> Names:
        """The names of a tenant, read."""
        names = self.by_tenant.get(tenant)
        if names is None:
            names = self.by_tenant[tenant] = Names(self.rooms, tenant)
        await names.ready()
        return names

    def committed(self, changes: list[Change]) -> None:
        """Take one commit in; forget tenants nobody searched for a while."""
        if not self.by_tenant:
            return
        before_s = time.monotonic() - IDLE_S
        for tenant, names in list(self.by_tenant.items()):
            if names.used_s < before_s:
                del self.by_tenant[tenant]
            else:
                names.apply(changes)

    def streets(self, wanted: str, most: int = 4) -> list[Street]:
        """Roads of the base map by name, with a place on them."""
        path = self.rooms.basemap
        if path is None or not path.exists():
            return []
        changed_ns = path.stat().st_mtime_ns
        if self._base[0] != changed_ns:
            found = {one.name: one for one in streets_of(path)}
            among = [(name, called((name, one.other))) for name, one in found.items()]
            self._base = (changed_ns, among, found)
        return [self._base[2][name] for name in best(self._base[1], wanted, most)]


@dataclass(frozen=True, slots=True)
class Street:
    """A road of the base map: its names and a place in its middle."""

    name: str
    other: str
    at: tuple[float, float]


def streets_of(path: Path) -> list[Street]:
    """Every named line of a GeoJSON file."""
    found = []
    for one in orjson.loads(path.read_bytes()).get("features", ()):
        told, shape = one.get("properties") or {}, one.get("geometry") or {}
        zh, en = (str(told.get(key) or "") for key in ("name_zh", "name_en"))
        name = zh or str(told.get("name") or "") or en
        line = shape.get("coordinates") or ()
        if name and shape.get("type") == "LineString" and line:
            longitude, latitude = line[len(line) // 2][:2]
            found.append(Street(name, en if en != name else "", (longitude, latitude)))
    return found
