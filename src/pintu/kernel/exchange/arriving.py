"""Rows of messages, as devices send them, into table data sets: landed together, each message once.

A message counts as landed when its rows are durable; only then is its device told. Which messages
landed lately is kept in the landing's position, in the transaction of the rows themselves: whoever
is killed in between, a message that is sent again changes nothing.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import orjson

from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError, Unavailable
from pintu.kernel.exchange.landing import open_landing
from pintu.kernel.exchange.words import DataSet
from pintu.kernel.intake.doors.mapped import TableRows
from pintu.kernel.intake.loading_words import Landing
from pintu.kernel.intake.mapping.words import Row
from pintu.kernel.tables import CityTables

REMEMBERED: Final = 2_048
"""Messages known by name, of one mapping. At most as many are landed and not yet acknowledged as a
source has lanes (32); the rest is for brokers that send again what was acknowledged in vain."""

MOST_ROWS: Final = 5_000  # of one transaction


Lands = Callable[[TableRows, str], Awaitable[None]]
"""(rows of one message, its key) → durable when it returns."""


class OpenLanding(Protocol):
    """Where the rows of one mapping land."""

    def __call__(self, data_set: str, source: str) -> Landing:
        """Opened; PintuError when there is no such data set."""
        ...


def opening(
    tables: CityTables, clock: Clock, find: Callable[[str], DataSet], zone: str
) -> OpenLanding:
    """Landings in the table data sets of one data folder."""

    def open_(data_set: str, source: str) -> Landing:
        return open_landing(tables, clock, find(data_set), source=source, zone=zone)

    return open_


@dataclass(slots=True)
class _Waiting:
    """The rows of one message, and whoever waits for them."""

    name: str
    rows: Sequence[Row]
    done: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Arrivals:
    """The rows of one source. Messages that arrive while a transaction is under way share the
    next one."""

    def __init__(self, source: str, open_: OpenLanding) -> None:
        self._source, self._open = source, open_
        self._ways: dict[str, _Arriving] = {}
        self._opening = asyncio.Lock()

    async def land(self, found: TableRows, key: str) -> None:
        """Durable when it returns. The same message (by its key) again changes nothing; one out of
        quarantine is known by what it holds. Unavailable, DiskFull: hand it in again."""
        way = await self._way(found)
        if found.again:
            await way.land_again(found.rows, key)
        elif found.rows:
            await way.land(found.rows, key)

    async def _way(self, found: TableRows) -> _Arriving:
        way = self._ways.get(found.mapping)
        if way is not None:
            return way  # no lock, which would let one message through each turn of the loop
        async with self._opening:
            way = self._ways.get(found.mapping)
            if way is None:
                source = f"{self._source}/{found.mapping}"
                landing = await asyncio.to_thread(self._open, found.data_set, source)
                way = _Arriving(landing, await landing.position())
                self._ways[found.mapping] = way
            return way


class _Arriving:
    """One mapping's rows on their way."""

    def __init__(self, landing: Landing, position: str) -> None:
        self._landing = landing
        self._known = OrderedDict.fromkeys(_names(position))
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    async def land(self, rows: Sequence[Row], key: str) -> None:
        name = _name(key)
        if name in self._known:
            return
        waiting = self._waiting.get(name)
        if waiting is None:
            waiting = self._waiting[name] = _Waiting(name, rows)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="rows arriving")
        await asyncio.shield(waiting.done)

    async def land_again(self, rows: Sequence[Row], key: str) -> None:
        """What was held is known for good, however much arrives in between."""
        digest = hashlib.blake2b(repr(rows).encode(), digest_size=8).hexdigest()
        position = await self._landing.position()
        await self._landing.land(f"held {key[:100]} {digest}", position, rows, [])

    async def _work(self) -> None:
        while self._waiting:
            group: list[_Waiting] = []
            count = 0
            for one in self._waiting.values():
                if group and count + len(one.rows) > MOST_ROWS:
                    break
                group.append(one)
                count += len(one.rows)
            await self._group(group)

    async def _group(self, group: list[_Waiting]) -> None:
        known = [*self._known, *(one.name for one in group)][-REMEMBERED:]
        rows = [row for one in group for row in one.rows]
        trouble: PintuError | None = Unavailable("The rows were not kept")
        try:
            await self._landing.land("", orjson.dumps(known).decode(), rows, [])
            trouble = None
        except PintuError as error:
            trouble = error
        finally:
            alone = len(group) == 1 or isinstance(trouble, Unavailable)
            if trouble is None:
                self._known = OrderedDict.fromkeys(known)
            if trouble is None or alone:
                self._settle(group, trouble)
        if trouble is not None and not alone:
            for one in group:  # one message's rows fail alone
                await self._group([one])

    def _settle(self, group: list[_Waiting], trouble: PintuError | None) -> None:
        for one in group:
            del self._waiting[one.name]
            if trouble is None:
                one.done.set_result(None)
            else:
                one.done.set_exception(trouble)
                one.done.exception()  # nobody waiting is no news


def _name(key: str) -> str:
    digest = hashlib.blake2b(key.encode(), digest_size=9).digest()
    return base64.b85encode(digest).decode()


def _names(position: str) -> list[str]:
    """What landed before this process began; another door's position says nothing of messages."""
    try:
        told = orjson.loads(position or "[]")
    except orjson.JSONDecodeError:
        return []
    return [one for one in told if isinstance(one, str)] if isinstance(told, list) else []
