"""`pintu move`: a city to another store, while it runs or while it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from pintu.cli.shell import CityClient, Data, err, out, settings_of
from pintu.kernel.errors import PintuError
from pintu.kernel.store.address import is_postgres, parse_address
from pintu.kernel.store.moving import Told
from pintu.kernel.tables import open_tables
from pintu.processes import moving_places as places
from pintu.processes.lock import read_holder, running_city, take_lock
from pintu.processes.moving import Door, Mover, Report
from pintu.settings import Settings

PLAIN_EVERY_S = 5.0


def move(
    to: Annotated[
        str,
        typer.Option("--to", help="Where to: postgresql://USER@HOST/DATABASE?…, or sqlite:."),
    ] = "",
    plain: Annotated[bool, typer.Option("--plain", help="Lines for a log, no bars.")] = False,
    forget_old: Annotated[
        bool,
        typer.Option("--forget-old", help="Delete what the last move left at the old store."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = None,
) -> int:
    """Move the city to another store, compare every table, and switch over.

    The city goes on meanwhile; writing pauses for a moment at the end. Interrupted, the same
    command goes on. The old store stays as it was until --forget-old.
    """
    settings = settings_of(data)
    if forget_old == bool(to):
        raise typer.BadParameter("say either --to ADDRESS or --forget-old")
    if forget_old:
        return _forget(settings, yes)
    if to != places.SQLITE:
        parse_address(to)
    with _door(settings) as door, _Shown(plain) as told:
        mover = Mover(settings, to, told, door)
        mover.say = told.say
        report = asyncio.run(mover.run())
    _print(report, settings, to)
    return 0


class _CityDoor:
    """The running city, asked over HTTP as its administrator."""

    def __init__(self, settings: Settings, client: CityClient) -> None:
        self._settings = settings
        self._client = client

    def told(self) -> dict[str, Any]:
        """Its store's address, the position, whether it is paused."""
        return dict(self._client.json("GET", "/api/v1/store"))

    def pause(self, seconds: float) -> int:
        """Let nobody write for so long."""
        asked = {"seconds": seconds}
        return int(self._client.json("POST", "/api/v1/store/pause", params=asked)["position"])

    def resume(self) -> None:
        """Let them write again."""
        self._client.json("DELETE", "/api/v1/store/pause")

    def start_anew(self) -> bool:
        """Ask its supervisor to start it on the store that the settings name now."""
        holder = read_holder(self._settings.data)
        try:
            os.kill(int(str(holder["pid"])), signal.SIGUSR1)
        except (KeyError, ValueError, OSError):
            return False
        return True


@contextlib.contextmanager
def _door(settings: Settings) -> Iterator[Door | None]:
    """The way to the running city; without one, the folder is locked so that none starts."""
    address = running_city(settings.data)
    if address is not None:
        with CityClient(settings, address) as client:
            yield _CityDoor(settings, client)
        return
    if not settings.data.is_dir():
        raise PintuError(f"There is no city in {settings.data}")
    lock = take_lock(settings.data)
    try:
        yield None
    finally:
        os.close(lock)


class _Shown(Told):
    """How far it is: bars for a person, a line now and then for a log."""

    def __init__(self, plain: bool) -> None:
        self._plain = plain or not err.is_terminal
        self._bars = Progress(
            TextColumn("{task.description:<20}"),
            BarColumn(),
            TextColumn("{task.completed:>12,.0f} of {task.total:,.0f}"),
            TextColumn("{task.fields[rate]:>9,.0f}/s"),
            TimeRemainingColumn(),
            console=err,
            disable=self._plain,
        )
        self._tasks: dict[str, TaskID] = {}
        self._began: dict[str, tuple[float, int]] = {}
        self._said = 0.0

    def __enter__(self) -> _Shown:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def say(self, sentence: str) -> None:
        """One sentence between them."""
        self._bars.console.print(f"move: {sentence}", markup=False, soft_wrap=True)

    def __call__(self, step: str, done: int, of: int) -> None:
        """So many rows of a step."""
        now = time.monotonic()
        began, before = self._began.setdefault(step, (now, done))
        rate = (done - before) / (now - began) if now > began else 0.0
        if not self._plain:
            if step not in self._tasks:
                self._tasks[step] = self._bars.add_task(step, total=max(of, done), rate=0.0)
            total = max(of, done)
            self._bars.update(self._tasks[step], completed=done, total=total, rate=rate)
        elif now - self._said > PLAIN_EVERY_S or done == of:
            self._said = now
            left = f", {(of - done) / rate:,.0f} s left" if rate and of > done else ""
            self.say(f"{step} {done:,} of {max(of, done):,}, {rate:,.0f}/s{left}")


def _print(report: Report, settings: Settings, to: str) -> None:
    if not report.figures:
        out.print(f"the city runs at {places.shown(to)}", markup=False, soft_wrap=True)
        return
    table = Table("table", box=None, pad_edge=False)
    table.add_column("rows", justify="right")
    table.add_column("checksum", justify="right")
    for one in report.figures:  # all are equal: a difference has ended the move before
        table.add_row(one.table, f"{one.target.rows:,}", str(one.target))
    out.print(table)
    out.print(
        f"all {len(report.figures)} tables are equal on both sides; moved in {report.took_s:.1f} s"
    )
    out.print(
        f"writing paused for {report.paused_s:.1f} s, {report.copied_s:.1f} s of it for the last "
        "changes and their comparison",
        soft_wrap=True,
    )
    old = places.shown(settings.store)
    out.print(f"the city is at {places.shown(to)} now", markup=False, soft_wrap=True)
    out.print(
        f"{old} stays as it was; `pintu move --forget-old` deletes it", markup=False, soft_wrap=True
    )


def _forget(settings: Settings, yes: bool) -> int:
    note = places.find_note(settings.data)
    if note is None or not places.same_place(str(note.get("to")), settings.store):
        raise PintuError(f"No move left anything behind in {settings.data}")
    old = str(note["from"])
    if not yes:
        typer.confirm(f"Delete the city's old data at {places.shown(old)} for good?", abort=True)
    with _door(settings) as door:
        if door is not None and (at := door.told()["address"]) != places.shown(settings.store):
            raise PintuError(f"The running city is at {at} still: nothing is deleted, restart it")
        if is_postgres(old):
            gone = _forget_server(settings, old)
        else:
            gone = places.forget_files(settings.data)
        (settings.data / places.NOTE).unlink()
    out.print(f"deleted: {', '.join(gone) or 'nothing was there'}", markup=False, soft_wrap=True)
    return 0


def _forget_server(settings: Settings, address: str) -> list[str]:
    from pintu.kernel.store.moving.postgres_open import forget
    from pintu.kernel.tables.server import schema_name

    tables = open_tables(settings.data, address)
    city = parse_address(address)
    try:
        schemas = [schema_name(city.schema, place, name) for place, name in tables.list_places()]
    finally:
        tables.close()
    return asyncio.run(forget(city, schemas))
