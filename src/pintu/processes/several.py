"""One broker of several on one PostgreSQL: it serves from its start on, leads when nobody else
does, and lets go of the lead before it ends.

When the lead comes, the city is opened anew with all that runs by itself, and takes the place of
the one that only answered: rooms that keep tables in memory read what the one before wrote. When
the lead goes, what runs by itself ends first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from pintu.city import City
from pintu.kernel.errors import ConfigurationError, PintuError
from pintu.kernel.store.address import parse_address
from pintu.kernel.store.pausing import Pausable
from pintu.kernel.store.postgres.leading import Leading, Member
from pintu.kernel.store.postgres.store import PostgresStore
from pintu.processes.serving import Server
from pintu.processes.several_folder import OWN, Folder
from pintu.processes.several_role import role_file
from pintu.settings import Settings
from pintu.web.brokers.native import NativeBroker
from pintu.web.brokers.standing import Standing
from pintu.web.metrics.meter import Meter

if TYPE_CHECKING:
    from pintu.web.rooms import Rooms

log = logging.getLogger("pintu.brokers")

AGAIN_S: Final = 1.0
SURE_AGAIN_S: Final = 3.0
GOES_ON_S: Final = 5.0
"""A city that another one took the place of finishes what it was asked before."""


class SeveralServer(Server):
    """Lets go of the lead when it begins to drain: whoever comes next leads while this one still
    answers."""

    def __init__(self, config: uvicorn.Config, several: Several) -> None:
        super().__init__(config, several.rooms)
        self._several = several
        self._draining: asyncio.Task[None] | None = None
        several.adopted = self._adopted

    def drain(self) -> None:
        """Begin to end."""
        super().drain()
        if self._draining is None:
            self._draining = asyncio.create_task(self._several.drain())

    def _adopted(self, rooms: Rooms) -> None:
        self._rooms = rooms


class Several:
    """The broker process's part of it; lives on the loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.session = f"pintu-{settings.node} {secrets.token_hex(3)}"
        self.folder = Folder(settings.data)
        me = Member(
            name=settings.node,
            session=self.session,
            address=settings.node_address or settings.address,
            keys=self.folder.own,
        )
        self.lead = Leading(parse_address(settings.store), me)
        self.lead.changed = self._changed
        self._news = asyncio.Event()
        self._turn: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._draining = False
        self._over = asyncio.Event()
        self._closed = asyncio.Lock()
        self.adopted: Callable[[Rooms], None] = _nobody
        self._meter = Meter()  # what is counted is of the process, whichever city answers
        self.opened = False
        self.city: City
        self.broker: NativeBroker
        self.standing: Standing

    # --- life -------------------------------------------------------------------------------------
    async def open(self) -> None:
        """Lead, or wait until somebody does; then answer."""
        self._role(leads=False)
        self.lead.start()
        while not self.lead.leads and not self.lead.leader.address:
            if self.lead.why_not:
                raise ConfigurationError([self.lead.why_not])
            await self.lead.wait(AGAIN_S)
        if not self.lead.leads and not self.folder.own():
            told = f"copy {OWN} of the data folder at {self.lead.leader.address} to this one, once"
            raise ConfigurationError([f"This folder has no key of the city's log: {told}"])
        self.city = await self._opened()
        if await self.folder.pull(_store(self.city)):
            # what others kept while this one was away is newer than what lies here
            await self.city.close()
            self.city = await self._opened()
        self.opened = True
        application = self.city.application()
        leads = await self._sure_to_lead() if self.lead.leads else False
        if leads:
            await self._start_leading(self.city)
        self.broker = NativeBroker(self.city.rooms, self.lead, _store(self.city).fresh)
        self.standing = Standing(self.broker.forwarder)
        await self._adopt(self.city, application, leads=leads)
        self._turn = asyncio.create_task(self._run(), name="pintu-brokers")

    async def drain(self) -> None:
        """This process is to end: whoever comes next leads while this one still answers."""
        async with self._closed:
            if not self._draining:
                self._draining = True
                await self._drain()

    async def _drain(self) -> None:
        if self._turn is not None:  # a change of hands that has begun is ended, not broken off
            self._news.set()
            await self._turn
        if self.opened and self.city.leading.running:
            await self._stand_down()
            try:  # what was decided in the last second is the next one's too
                await self.folder.push(_store(self.city))
            except Exception:  # the end goes on
                log.exception("The last changes of the folder are not kept for the others")
        await self.lead.resign()

    async def close(self) -> None:
        """End everything."""
        await self.drain()
        await self.lead.close()
        if not self.opened:
            return
        await self.standing.close()
        self._over.set()
        await asyncio.gather(*self._ending, return_exceptions=True)
        await self.city.close()

    @property
    def rooms(self) -> Rooms:
        """Those of the city that answers now."""
        return self.city.rooms

    # --- the lead comes and goes ------------------------------------------------------------------
    def _changed(self) -> None:
        self._news.set()

    async def _run(self) -> None:
        while not self._draining:
            try:
                await self._follow()
                store = _store(self.city)
                leads = self.city.leading.running
                await (self.folder.push(store) if leads else self.folder.pull(store))
            except PintuError as error:
                log.info("The folder waits: %s", error.detail)
            except Exception:  # the loop's edge: it is tried again
                log.exception("The lead cannot be followed")
                await asyncio.sleep(AGAIN_S)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    await self._news.wait()
            self._news.clear()

    async def _follow(self) -> None:
        if self.lead.leads and not self.city.leading.running:
            await self._take_over()
        elif not self.lead.leads and self.city.leading.running:
            await self._stand_down()

    async def _take_over(self) -> None:
        """Open the city anew, leading; the one that only answered ends when it has."""
        await self.folder.pull(_store(self.city))
        city = await self._opened()
        try:
            application = city.application()
            if not await self._sure_to_lead():
                await city.close()
                return
            await self._start_leading(city)
            await self._adopt(city, application, leads=True)
        except BaseException:  # what it began would run beside that of the next try
            await city.close()
            raise
        before, self.city = self.city, city
        self._end_later(before)
        log.warning("%s leads the city", self.settings.node)

    async def _stand_down(self) -> None:
        """What only one may do ends here; requests of that sort are handed on from now on."""
        self.broker.stand_down()
        self.standing.leads = False
        self._role(leads=False)
        _store(self.city).lead(leads=False)
        await self.city.leading.stop()
        audit = self.city.rooms.audit
        if audit is not None and not self._draining:
            with contextlib.suppress(PintuError):
                await audit.start_counting()
        log.warning("%s leads the city no more", self.settings.node)

    async def _sure_to_lead(self) -> bool:
        """Opening a city and its pages keeps the loop busy, longer than the lead is sure on a slow
        machine. So all of that is done before, and it is asked for again, now, before anything
        begins that only one may do: a beat of before would be sure for a moment more."""
        until = asyncio.get_running_loop().time() + SURE_AGAIN_S
        await self.lead.ask()
        while not self.lead.leads and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.05)
        return self.lead.leads and not self._draining

    async def _start_leading(self, city: City) -> None:
        _store(city).lead(leads=True)
        await city.lead(socket=True)

    async def _opened(self) -> City:
        city = await City.open(self.settings, leads=False, session=self.session)
        city.rooms.meter = self._meter  # the door counts on where it was
        return city

    async def _adopt(self, city: City, application: Any, *, leads: bool) -> None:
        await self.standing.adopt(application, leads=leads)
        self.broker.adopt(city.rooms, leads=leads, fresh=_store(city).fresh)
        self._role(leads=leads)
        self.adopted(city.rooms)

    def _end_later(self, city: City) -> None:
        async def end() -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOES_ON_S):
                    await self._over.wait()
            with contextlib.suppress(PintuError):
                await city.close()

        task = asyncio.create_task(end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _role(self, *, leads: bool) -> None:
        path = role_file(self.settings.data)
        if leads:
            path.write_text(str(self.lead.leader.term), "utf-8")
        else:
            path.unlink(missing_ok=True)


def _nobody(rooms: Rooms) -> None:
    """Before the server is there."""


def _store(city: City) -> PostgresStore:
    """The store under the one that can be paused: several brokers are on PostgreSQL."""
    store = city.rooms.store
    inner = store.inner if isinstance(store, Pausable) else store
    assert isinstance(inner, PostgresStore)
    return inner
