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
from pintu.kernel.tables.door import Place
from pintu.processes import moving_places as places
from pintu.processes.moving_holds import held_server
from pintu.processes.moving_tables import TablesMove
from pintu.processes.supervisor import LOOK_S, RENEW_WITHIN_S
from pintu.settings import Settings

LITTLE = 500
"""Rows of the log that may be left for the pause."""
ROUNDS = 20
SHORT_S = 1.0
"""A round of private tables that is over so soon leaves little for the pause."""
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


@dataclass(frozen=True, slots=True)
class Left:
    """What a server held when it was handed over: its head, how often each set was written to."""

    head: int
    commits: dict[tuple[Place, str], int]


class Mover:
    """One move of the city of `settings` to the store at `to`."""

    def __init__(self, settings: Settings, to: str, told: Told, door: Door | None) -> None:
        self.settings = settings
        self.to = to
        self.told = told
        self.door = door
        self.report = Report()
        self._renewing: asyncio.Task[None] | None = None
        self._left: Left | None = None
        self.say: Callable[[str], None] = lambda _: None

    async def run(self) -> Report:
        """Move, and switch the city over; PintuError says why it was not."""
        started = time.monotonic()
        data = self.settings.data
        if self._named_already():
            places.placed(data)
            await self._started(None)
            return self.report
        self._check()
        with places.only_one(data):
            self._unplace()
            self._check_files()
            async with self._sides() as (source, target):
                tables = TablesMove(data, self.settings.store, self.to, self._stage())
                try:
                    await self._move(Carrier(source, target, self.told), tables)
                finally:
                    await asyncio.to_thread(tables.close)
        self.report.took_s = time.monotonic() - started
        return self.report

    def _unplace(self) -> None:
        """Only of a city that was to come to its files and is at a server still: what lies in the
        folder of one that lives there is the city."""
        if is_postgres(self.settings.store):
            if not is_postgres(self.to):
                places.unplace(self.settings.data)
        else:
            places.placed(self.settings.data)

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
        await self._bring(tables)
        await self._catch_up(carrier)
        missing = await compare(carrier)
        await carrier.target.settle()
        await self._catch_up(carrier)
        await self._bring(tables)
        await self._catch_up(carrier)
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

    async def _bring(self, tables: TablesMove) -> None:
        """Until little of them is left for the pause."""
        for _ in range(ROUNDS):
            began = time.monotonic()
            await asyncio.to_thread(tables.bring, self.told)
            if time.monotonic() - began < SHORT_S:
                return
        self.say("private tables are written about as fast as they are copied")

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
        try:
            if door is not None:
                await asyncio.to_thread(door.pause, PAUSE_S)
                self._renewing = asyncio.create_task(self._renew(door))
            await carrier.source.hold()
            await asyncio.to_thread(tables.hold)
            yield
        except BaseException:
            if door is not None:
                with contextlib.suppress(PintuError):
                    await asyncio.to_thread(door.resume)
            raise
        finally:
            await self._stop_renewing()

    async def _renew(self, door: Door) -> None:
        """Ask again and again; ends with what the city answered when it does not hear for long."""
        wait, heard = RENEW_S, time.monotonic()
        while True:
            await asyncio.sleep(wait)
            try:
                await asyncio.to_thread(door.pause, PAUSE_S)
            except PintuError:
                if time.monotonic() - heard > PAUSE_S:
                    raise
                wait = RENEW_S / 5
            else:
                wait, heard = RENEW_S, time.monotonic()

    async def _stop_renewing(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
            self._renewing = None

    async def _compared(self, carrier: Carrier, tables: TablesMove) -> list[Figure]:
        """Every table of both sides; raises PintuError when one differs."""
        assert carrier.figures is not None
        figures = [*await compare_small(carrier), *carrier.figures.values()]
        for table in ("entity", "tombstone", "note"):
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
        if self._renewing is not None and self._renewing.done():
            self._renewing.result()  # the pause could not be kept up: says why
        if self.door is not None:
            await asyncio.to_thread(self.door.pause, PAUSE_S)
        await asyncio.to_thread(tables.release)
        if is_postgres(self.to):
            counted = await asyncio.to_thread(self._commits)
            self._left = Left(await carrier.target.head(), counted)
        await carrier.target.release()
        if not is_postgres(self.to):
            places.place(data)
        await carrier.source.still_held()
        await asyncio.to_thread(tables.still_held)
        note = {"from": here, "to": self.to, "at": iso(time.time_ns() // 1000)}
        places.keep_note(data, note)
        places.name_store(data, self.to)
        places.placed(data)
        await self._stop_renewing()  # whoever answers from now on may be the city at its new store
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
        asked = await asyncio.to_thread(door.start_anew)
        if not asked:
            self.say("the settings name the new store; now start the city again, I wait for it")
        patience = time.monotonic() + START_S
        while True:
            with contextlib.suppress(PintuError):
                told = await asyncio.to_thread(door.told)
                if told["address"] == places.shown(self.to):
                    return
            if asked and target is not None and self._left and time.monotonic() > patience:
                await self._back(door, target, self._left)
                patience = time.monotonic() + START_S
            await asyncio.sleep(0.1)

    def _commits(self) -> dict[tuple[Place, str], int]:
        with held_server(self.settings.data, self.to) as counted:
            return counted

    async def _back(self, door: Door, target: Target, left: Left) -> None:
        """The city does not start on its new store. When nobody has that and nobody wrote there,
        it goes on at the old one."""
        try:
            await target.reclaim()
        except Unavailable:
            self.say("the city is slow to start on its new store")
            return
        head = await target.head()
        await asyncio.to_thread(self._go_back, door, left, head)
        raise PintuError(
            f"The city does not start at {places.shown(self.to)}, its log says why: "
            "it goes on at the old store, nothing is lost"
        )

    def _go_back(self, door: Door, left: Left, head: int) -> None:
        """Raises PintuError when anybody wrote at the new store: pieces may have, without a broker.
        Nobody can meanwhile, and whoever might is ended before the hold is."""
        with held_server(self.settings.data, self.to) as counted:
            if Left(head, counted) != left:
                raise PintuError(
                    f"The city wrote at {places.shown(self.to)} and does not answer: its log says "
                    "why; it stays there, since going back would lose what was written"
                )
            places.name_store(self.settings.data, self.settings.store)
            door.start_anew()
            time.sleep(RENEW_WITHIN_S + 2 * LOOK_S)
