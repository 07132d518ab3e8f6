"""A backup comes back: into an empty folder (and a server without its schemas), to the moment of
the backup or to a later one that its stream reaches. The folder appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import apsw

from pintu.kernel.clock import iso
from pintu.kernel.errors import BadRequestData, PintuError
from pintu.kernel.store.address import is_postgres, parse_address
from pintu.kernel.store.opening import CITY_FILE
from pintu.processes.keeping import server, server_moments
from pintu.processes.keeping.copying import SEALED, write_private
from pintu.processes.keeping.counting import entities_of, problem_of
from pintu.processes.keeping.looking import read_manifest, unpack
from pintu.processes.keeping.replaying import Goal, Reached, Replay, covers
from pintu.processes.keeping.sealing import Passphrase
from pintu.processes.keeping.stream import Damaged
from pintu.processes.moving_places import files_of, name_store
from pintu.restored import NOTE, note_restored
from pintu.settings import load_settings

STREAM: Final = "stream"
BASES: Final = "base-*.tar.gz"
STAGE: Final = ".pintu-restore-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to come back, and how."""

    backup: Path  # an archive, or the folder `pintu up` keeps backups in
    data: Path
    store: str  # of the settings here
    anew: bool  # `store` was said on the command line
    goal: Goal = field(default_factory=Goal)
    passphrase: Passphrase | None = None
    without_keys: bool = False
    take_over: bool = False
    accept_earlier: bool = False


@dataclass(slots=True)
class Brought:
    """What came back."""

    as_of: str
    position: int
    said: list[str] = field(default_factory=list)


def bring(wanted: Wanted) -> Brought:
    """Restore. PintuError says why nothing was; the folder is then as it was before."""
    folder = wanted.data
    if folder.exists() and any(folder.iterdir()):
        raise PintuError(f"{folder} is not empty; restore into a new folder with --data")
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    archive, stream = chosen(wanted.backup, wanted.goal, earlier=wanted.accept_earlier)
    place = folder.parent / f"{STAGE}{os.getpid()}"
    place.mkdir(mode=0o700)
    try:
        manifest = unpack(archive, place)
        brought = Brought(manifest["made"], int(manifest.get("position", 0)))
        _open_keys(place, manifest, wanted, brought)
        if stream is not None:
            _replay(place, manifest, (stream, wanted), brought)
        elif wanted.backup.is_dir() and wanted.goal != Goal():
            brought.said.append(f"Nothing that came after {brought.as_of} is brought with it")
        _check(place)
        if manifest.get("store"):
            _to_server(place, manifest["store"], wanted, brought)
        _note(place, wanted, brought)
        _sync(place)
        if folder.exists():
            folder.rmdir()
        place.chmod(0o755)
        place.rename(folder)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return brought


def _sweep(parent: Path) -> None:
    """What a restore left that was killed."""
    for one in parent.glob(f"{STAGE}*"):
        pid = one.name.removeprefix(STAGE)
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(one, ignore_errors=True)


def chosen(backup: Path, goal: Goal, *, earlier: bool = False) -> tuple[Path, Path | None]:
    """The archive to begin with, and the stream to go on with (None: there is none to follow).

    PintuError for what cannot be had: also for a moment between a whole copy and the first one that
    the stream knows behind it, unless the copy, which is `earlier`, will do.
    """
    if not backup.is_dir():
        if goal != Goal():
            _says_itself(read_manifest(backup), goal)
        return backup, None
    stream = backup / STREAM
    found: list[tuple[int, Path, dict[str, Any]]] = []
    for path in sorted(backup.glob(BASES)):
        with contextlib.suppress(PintuError):  # a damaged one: an older one may do
            manifest = read_manifest(path)
            found.append((int(manifest["as_of_us"]), path, manifest))
    if not found:
        raise PintuError(f"{backup} holds no whole backup ({BASES})")
    for as_of_us, path, manifest in sorted(found, key=lambda one: one[0], reverse=True):
        if goal.passed(int(manifest.get("position", 0)), as_of_us):
            continue
        first = _first_tick(stream, manifest.get("stream"), as_of_us)
        if first is None or (goal != Goal() and not goal.holds(first)):
            older = any(one[0] < as_of_us for one in found)
            if first is not None and older and goal != Goal():
                continue  # an older one leads there through the stream, to the moment
            if first is not None and not earlier:
                _refuse_between(manifest, first, goal)
            return path, None
        return path, stream
    oldest = min(found, key=lambda one: one[0])
    raise PintuError(f"The oldest backup in {backup} is of {iso(oldest[0])}: nothing before it")


def _refuse_between(manifest: dict[str, Any], first: dict[str, Any], goal: Goal) -> None:
    as_of_us, position = int(manifest["as_of_us"]), int(manifest.get("position", 0))
    if goal in (Goal(), Goal(to_us=as_of_us), Goal(position=position)):
        return
    asked = iso(goal.to_us) if goal.to_us is not None else f"position {goal.position}"
    raise PintuError(
        f"What there was on {asked} is not known: the whole copy before it is of {iso(as_of_us)}, "
        f"position {position}, and every moment is known from {iso(first['at_us'])}, position "
        f"{first['position']}. Name one of the two, or take the copy with --accept-earlier"
    )


def _first_tick(stream: Path, after: int | None, as_of_us: int) -> dict[str, Any] | None:
    """Where the stream can lead to at the earliest; None where it leads nowhere."""
    try:
        return None if after is None else covers(stream, after, as_of_us)
    except Damaged:
        return None  # it is another stream, or its first records are not there any more


def _says_itself(manifest: dict[str, Any], goal: Goal) -> None:
    """One archive alone is of one moment: any other cannot be had from it."""
    as_of_us, position = manifest.get("as_of_us", 0), int(manifest.get("position", 0))
    if (goal.to_us, goal.position) not in ((as_of_us, None), (None, position)):
        raise PintuError(
            f"This archive is of one moment, {manifest['made']}, position {position}: name the "
            "folder in which `pintu up` keeps backups to go to any other"
        )


def _open_keys(place: Path, manifest: dict[str, Any], wanted: Wanted, brought: Brought) -> None:
    sealed = sorted(place.rglob(f"*{SEALED}"))
    if manifest.get("keys") == "left out":
        brought.said.append("The backup holds no keys: put keys/ and admin.token there yourself")
    if sealed and wanted.without_keys:
        brought.said.append(f"{len(sealed)} sealed keys were left out: the city makes new ones")
    elif sealed and wanted.passphrase is None:
        raise PintuError(
            "The keys are sealed: --passphrase-file FILE opens them, --without-keys leaves them out"
        )
    for path in sealed:
        if not wanted.without_keys and wanted.passphrase is not None:
            name = str(path.relative_to(place)).removesuffix(SEALED)
            write_private(place / name, wanted.passphrase.open(path.read_bytes(), name))
        path.unlink()


def _replay(
    place: Path, manifest: dict[str, Any], told: tuple[Path, Wanted], brought: Brought
) -> None:
    stream, wanted = told
    files = not manifest.get("store")
    passphrase = None if wanted.without_keys else wanted.passphrase
    replay = Replay(place, manifest["as_of_us"], passphrase)
    reached: Reached = replay.run(stream, manifest["stream"], wanted.goal)
    for path in files_of(place):
        _fold(path)
    brought.as_of = iso(reached.at_us)
    if reached.broken:
        brought.said.append(f"It goes no further: {reached.broken}")
    goal = wanted.goal
    if reached.ended and goal != Goal():
        brought.said.append(f"The stream ends on {brought.as_of}: nothing is known of later")
    if not files:
        _moment(place, manifest, (wanted, reached), brought)
        return
    brought.position = entities_of(place / CITY_FILE)[0]
    if goal.position is not None and brought.position < goal.position:
        brought.said.append(f"The stream ends at position {brought.position}")


def _moment(
    place: Path, manifest: dict[str, Any], told: tuple[Wanted, Reached], brought: Brought
) -> None:
    """Of a city on PostgreSQL: the dump becomes one of the moment that is wanted."""
    wanted, reached = told
    whole, goal = str(manifest.get("server", "")), wanted.goal
    if not whole:
        raise PintuError("This backup has the server's moments not: [backup] names no `server`")
    to_us = goal.to_us if goal.position is None else reached.at_us
    address = parse_address(load_settings(place, {}).store)
    (place / server.DUMP).unlink()
    found, there = server_moments.moment_dumped(
        wanted.backup, whole, address, to_us, place / server.DUMP
    )
    brought.position = found["position"]
    if goal.to_us is not None:
        brought.as_of = iso(goal.to_us)
    if not there:
        brought.said.append("The server wrote nothing after that moment: this is its last one")


def _fold(path: Path) -> None:
    """Pages came from a file with a write-ahead log: opened once, so that it is plain again."""
    connection = apsw.Connection(str(path))
    try:
        connection.pragma("journal_mode", "delete")
    except apsw.Error as error:
        raise PintuError(f"{path.name} cannot be opened after the replay: {error}") from error
    finally:
        connection.close()


def _check(place: Path) -> None:
    for path in files_of(place):
        if problem := problem_of(path):
            name = path.relative_to(place)
            raise PintuError(f"The backup is damaged, nothing was restored: {name}: {problem}")


def _to_server(place: Path, told: dict[str, Any], wanted: Wanted, brought: Brought) -> None:
    """The address said on the command line or in the environment; else the backup's own."""
    address = wanted.store
    if wanted.anew:
        name_store(place, address)
    elif not is_postgres(address):
        address = load_settings(place, {}).store
    if server.restore(parse_address(address), told, place / server.DUMP):
        brought.said.append("The analysts' view went with the empty schema: run `pintu init` again")
    (place / server.DUMP).unlink()


def _note(place: Path, wanted: Wanted, brought: Brought) -> None:
    (place / NOTE).unlink(missing_ok=True)
    told: dict[str, Any] = {"at": iso(time.time_ns() // 1000), "as_of": brought.as_of}
    note_restored(place, {**told, "position": brought.position, "took_over": wanted.take_over})


def _sync(place: Path) -> None:
    for path in place.rglob("*"):
        if path.is_file() or path.is_dir():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def moment(text: str) -> int:
    """An ISO 8601 time as µs; BadRequestData for one without a zone."""
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError as error:
        raise BadRequestData(f"{text!r} is no time such as 2026-11-23T03:10:00Z") from error
    if found.tzinfo is None:
        raise BadRequestData(f"{text!r} has no zone: write 2026-11-23T03:10:00Z or +08:00")
    return int(found.timestamp()) * 1_000_000 + found.microsecond
