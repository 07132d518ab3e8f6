"""`pintu move`: a whole city goes to another store while it is read, and pauses writing at the end.

Everything is copied and compared while the city goes on; then its writers are told to come again
in a moment, the locks of its store are taken, what changed last is brought, all tables are compared
once more, and only when nothing differs the settings name the new store and the city starts on it.
Ended at any moment, the old store is untouched and the same command goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from pintu.kernel.clock import iso
from pintu.kernel.errors import ConfigurationError, PintuError, Unavailable
from pintu.kernel.store.address import is_postgres, parse_address
from pintu.kernel.store.moving import Carrier, Figure, Side, Target, Told, compare, compare_small
from pintu.kernel.store.moving.sqlite_side import SqliteSide
from pintu.processes import moving_places as places
from pintu.processes.moving_tables import TablesMove
from pintu.settings import Settings

LITTLE = 500
"""Rows of the log that may be left for the pause."""
ROUNDS = 20
PAUSE_S, RENEW_S = 20.0, 5.0
"""A pause is asked for so long, and anew so often: it is over soon when this process is."""
START_S = 60.0
"""A city that does not answer from its new store after this long is started on the old one."""


class Door(Protocol):
    """The way to the running city, if one runs."""

    def told(self) -> dict[str, Any]:
        """Its store's address as shown, the position, whether it is paused; raises PintuError."""
        ...

    def pause(self, seconds: float) -> int:
        """Let nobody write; returns the last position."""
        ...

    def resume(self) -> None:
        """Let them write again."""
        ...

    def start_anew(self) -> bool:
        """Have its supervisor start it on the store that the settings name; False: it cannot be
        asked, a person must."""
        ...


@dataclass(slots=True)
class Report:
    """What a move did; times in seconds."""

    figures: list[Figure] = field(default_factory=list)
    took_s: float = 0.0
    paused_s: float = 0.0  # from the first refused write until the city took writes again
    copied_s: float = 0.0  # of that: the last changes, comparing, naming the store
    went_on: bool = False
    switched: bool = False


class Mover:
    """One move of the city of `settings` to the store at `to`."""

    def __init__(self, settings: Settings, to: str, told: Told, door: Door | None) -> None:
        self.settings = settings
        self.to = to
        self.told = told
        self.door = door
        self.report = Report()
        self.say: Callable[[str], None] = lambda _: None

    async def run(self) -> Report:
        """Move, and switch the city over; PintuError says why it was not."""
        started = time.monotonic()
        data = self.settings.data
        if self._named_already():
            await self._started(None)
            return self.report
        self._check()
        with places.only_one(data):
            places.unplace(data)
            self._check_files()
            async with self._sides() as (source, target):
                tables = TablesMove(data, self.settings.store, self.to, self._stage())
                try:
                    await self._move(Carrier(source, target, self.told), tables)
                finally:
                    await asyncio.to_thread(tables.close)
        self.report.took_s = time.monotonic() - started
        return self.report

    # --- before ----------------------------------------------------------------------------------
    def _named_already(self) -> bool:
        """Did a move end after it named the new store, before the city started on it?"""
        here, door = self.settings.store, self.door
        if door is None or not places.same_place(here, self.to):
            return False
        return bool(door.told()["address"] != places.shown(here))

    def _check(self) -> None:
        here = self.settings.store
        if places.same_place(here, self.to):
            raise PintuError(f"The city is at {places.shown(here)} already")
        if places.named_by_environment(os.environ):
            wrong = "PINTU_STORE names the store: write it into pintu.toml instead, and move again"
            raise ConfigurationError([wrong])
        if self.door is not None and self.door.told()["address"] != places.shown(here):
            raise PintuError("The running city has another store than its settings: restart it")

    def _check_files(self) -> None:
        if not is_postgres(self.to) and (there := places.files_of(self.settings.data)):
            raise PintuError(
                f"{self.settings.data} is not empty: it holds {there[0].name} and "
                f"{len(there) - 1} more files of before the last move; `pintu move --forget-old` "
                "deletes them"
            )
        if not is_postgres(self.settings.store) and not places.files_of(self.settings.data):
            raise PintuError(f"There is no city in {self.settings.data}")

    def _stage(self) -> Any:
        return self.settings.data / places.STAGE

    @contextlib.asynccontextmanager
    async def _sides(self) -> AsyncIterator[tuple[Side, Target]]:
        """Both ends, opened and looked at."""
        source: Any = await self._open(self.settings.store, self.settings.data, write=False)
        try:
            target: Any = await self._open(self.to, self._stage(), write=True)
        except BaseException:
            await source.close()
            raise
        try:
            yield source, target
        finally:
            await source.close()
            await target.close()

    async def _open(self, address: str, folder: Any, *, write: bool) -> Any:
        if is_postgres(address):
            # a city in files imports no driver
            from pintu.kernel.store.moving.postgres_side import PostgresSide

            return await PostgresSide.open(parse_address(address), write=write)
        folder.mkdir(parents=True, exist_ok=True)
        return SqliteSide(folder / places.CITY, write=write)

    # --- the move --------------------------------------------------------------------------------
    async def _move(self, carrier: Carrier, tables: TablesMove) -> None:
        self.report.went_on = await carrier.begin()
        await asyncio.to_thread(lambda: tables.check(goes_on=self.report.went_on))
        if self.report.went_on:
            self.say("a move that was begun goes on")
        await carrier.bring()
        await asyncio.to_thread(tables.bring, self.told)
        await self._catch_up(carrier)
        missing = await compare(carrier)
        await carrier.target.settle()
        await self._catch_up(carrier)
        await asyncio.to_thread(tables.bring, self.told)
        began = time.monotonic()
        async with self._paused(carrier, tables):
            await carrier.end()
            unexplained = missing - carrier.explained
            if unexplained:
                raise PintuError(f"The copy holds {min(unexplained)}, which is not in the source")
            await asyncio.to_thread(tables.end, self.told)
            self.report.figures = await self._compared(carrier, tables)
            await self._switch(carrier, tables, began)
        self.report.switched = True

    async def _catch_up(self, carrier: Carrier) -> None:
        for _ in range(ROUNDS):
            if await carrier.catch_up() <= LITTLE:
                return
        self.say("the city writes about as fast as it can be copied: the pause will be longer")

    @contextlib.asynccontextmanager
    async def _paused(self, carrier: Carrier, tables: TablesMove) -> AsyncIterator[None]:
        """Nobody writes: writers are told so, and the store's own locks see to it. Both end with
        this process, whatever happens to it."""
        door = self.door
        renewing: asyncio.Task[None] | None = None
        try:
            if door is not None:
                await asyncio.to_thread(door.pause, PAUSE_S)
                renewing = asyncio.create_task(self._renew(door))
            await carrier.source.hold()
            await asyncio.to_thread(tables.hold)
            yield
        except BaseException:
            if door is not None:
                with contextlib.suppress(PintuError):
                    await asyncio.to_thread(door.resume)
            raise
        finally:
            if renewing is not None:
                renewing.cancel()
                await asyncio.gather(renewing, return_exceptions=True)

    async def _renew(self, door: Door) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            await asyncio.to_thread(door.pause, PAUSE_S)

    async def _compared(self, carrier: Carrier, tables: TablesMove) -> list[Figure]:
        """Every table of both sides; raises PintuError when one differs."""
        assert carrier.figures is not None
        figures = [*await compare_small(carrier), *carrier.figures.values()]
        for table in ("entity", "tombstone"):
            here, there = await asyncio.gather(
                carrier.source.count(table), carrier.target.count(table)
            )
            if not here == there == carrier.figures[table].source.rows:
                raise PintuError(f"The copy has {there:,} rows of {table} instead of {here:,}")
        figures += tables.figures
        wrong = [one.table for one in figures if not one.equal]
        if wrong:
            raise PintuError(f"The copy differs in {', '.join(wrong)}: nothing was switched")
        return figures

    async def _switch(self, carrier: Carrier, tables: TablesMove, began: float) -> None:
        """From here on the city is at the new store."""
        data, here = self.settings.data, self.settings.store
        if self.door is not None:
            await asyncio.to_thread(self.door.pause, PAUSE_S)
        await carrier.target.release()
        await asyncio.to_thread(tables.release)
        if not is_postgres(self.to):
            places.place(data)
        note = {"from": here, "to": self.to, "at": iso(time.time_ns() // 1000)}
        places.keep_note(data, note)
        places.name_store(data, self.to)
        self.report.copied_s = time.monotonic() - began
        await self._started(carrier.target)
        self.report.paused_s = time.monotonic() - began
        await carrier.target.forget_move()

    async def _started(self, target: Target | None) -> None:
        """The locks stay until the city answers from its new store: what still runs on the old one
        must not write there."""
        door = self.door
        if door is None:
            return
        head = await target.head() if target is not None and is_postgres(self.to) else -1
        asked = await asyncio.to_thread(door.start_anew)
        if not asked:
            self.say("the settings name the new store; now start the city again, I wait for it")
        patience = time.monotonic() + START_S
        while True:
            with contextlib.suppress(PintuError):
                told = await asyncio.to_thread(door.told)
                if told["address"] == places.shown(self.to):
                    return
            if asked and head >= 0 and target is not None and time.monotonic() > patience:
                await self._back(door, target, head)
                patience = time.monotonic() + START_S
            await asyncio.sleep(0.1)

    async def _back(self, door: Door, target: Target, head: int) -> None:
        """The city does not start on its new store. When nobody has that and nobody wrote there,
        it goes on at the old one."""
        try:
            await target.reclaim()
        except Unavailable:
            self.say("the city is slow to start on its new store")
            return
        if await target.head() != head:
            raise PintuError(
                f"The city wrote at {places.shown(self.to)} and is silent since: "
                "its log says why; it stays there"
            )
        places.name_store(self.settings.data, self.settings.store)
        await asyncio.to_thread(door.start_anew)
        raise PintuError(
            f"The city does not start at {places.shown(self.to)}, its log says why: "
            "it goes on at the old store, nothing is lost"
        )
