"""Following write-ahead logs as they grow, so that no commit is folded back unseen.

city.db: only its broker folds it back, and asks us first (`CityTail`, docs/decisions/0030).
Private tables: several processes write and fold them. A read transaction of ours is open at all
times, the next one begun before the last one ends; SQLite folds back no further than the oldest of
them and begins the log anew only when there is none, so whatever is folded was taken before.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pintu.processes.keeping.wal import (
    FRAME,
    HEADER,
    WORD,
    Frames,
    Head,
    Sums,
    newest_of_each,
    read_frames,
    read_head,
)

AT_ONCE: Final = 2_048
"""Frames read in one go: 8 MB."""
FOLD_FRAMES: Final = 1_000
"""Frames of a private table's log at which it is folded back."""
FORCE_FRAMES: Final = 16_000
"""… and at which its writers wait a moment for that."""
WHOLE_BYTES: Final = 64 * 1024 * 1024
"""A private table up to this size is copied into the stream when it was not followed before."""
MOST_WAITING: Final = 256 * 1024 * 1024
"""Of city.db, taken and not yet on the other disk."""


class Gap(Exception):
    """The log was begun anew while nobody looked: what it held may not be known."""


class Tail:
    """One write-ahead log, read up to its last whole commit again and again."""

    def __init__(self, path: Path) -> None:
        """`path`: of the database."""
        self.path = path.with_name(path.name + "-wal")
        self.salts: Sums | None = None
        self.frames = 0
        self.page = 0
        self._sums: Sums = (0, 0)

    def state(self) -> dict[str, Any]:
        """Where it stands, to go on from at another start."""
        return {"salts": self.salts, "frames": self.frames, "sums": self._sums, "page": self.page}

    def goes_on(self, state: dict[str, Any]) -> bool:
        """Take up where a state left it; False when what came after it may be gone.

        A log that was begun anew is written over from its front: as long as the last frame of the
        state is there, so is every one behind it.
        """
        if not state.get("salts"):
            return False
        salts: Sums = (state["salts"][0], state["salts"][1])
        sums: Sums = (state["sums"][0], state["sums"][1])
        with _opened(self.path) as file:
            head = _head(file)
            if head is None or head.page != state["page"]:
                return False
            anew = head.salts[0] == (salts[0] + 1) % WORD
            if head.salts != salts and not (anew and state["frames"]):
                return False
            if state["frames"]:
                at = HEADER + (state["frames"] - 1) * (FRAME + head.page)
                told = os.pread(file, FRAME, at)
                if len(told) < FRAME or struct.unpack(">4I", told[8:]) != (*salts, *sums):
                    return False
        self.salts, self.frames, self._sums, self.page = salts, state["frames"], sums, head.page
        return True

    def take(self, *, begun: bool = False) -> list[tuple[Sums, int, Frames]]:
        """(salts, first frame, frames) of the commits that are new. `begun`: any log is right, it
        is the first look. Raises Gap when it is another log than the one that follows ours.
        """
        found: list[tuple[Sums, int, Frames]] = []
        with _opened(self.path) as file:
            if file < 0 or (head := _head(file)) is None:
                return found
            if head.salts != self.salts:
                follows = self.salts is not None and head.salts[0] == (self.salts[0] + 1) % WORD
                if not (begun or follows):
                    raise Gap(f"{self.path.name} was begun anew")
                if self.salts is not None and follows and not begun:
                    self._rest(file, replace(head, salts=self.salts), found)
                self.salts, self.frames, self._sums = head.salts, 0, head.sums
                self.page = head.page
            self._rest(file, head, found)
        return found

    def _rest(self, file: int, head: Head, found: list[tuple[Sums, int, Frames]]) -> None:
        """What one log has behind our last frame."""
        while frames := self._read(file, head, HEADER + self.frames * (FRAME + head.page)):
            found.append((head.salts, self.frames + 1, frames))
            self.frames += len(frames)
            self._sums = frames.sums

    def _read(self, file: int, head: Head, at: int) -> Frames:
        """Commits behind a place; one that is longer than usual is read whole."""
        width, count = FRAME + head.page, AT_ONCE
        while True:
            told = os.pread(file, count * width, at)
            frames = read_frames(told, head, self._sums)
            if frames or len(told) < count * width:
                return frames
            count *= 2


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A log's file, or -1. No lock of SQLite lies on it, so closing it drops none."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield -1
        return
    try:
        yield file
    finally:
        os.close(file)


def _head(file: int) -> Head | None:
    return read_head(os.pread(file, HEADER, 0)) if file >= 0 else None


class CityTail:
    """city.db's log. `take` is called by the thread that keeps, by the one that folds back and, for
    the few frames that are left then, by the one that writes: never waiting for another disk.
    """

    def __init__(self, path: Path) -> None:
        self.tail = Tail(path)
        self.lost = ""  # why what comes is no longer the whole
        self._begun = False  # the first log that is there is the right one
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Sums, int, Frames]] = deque()
        self._bytes = 0

    def take(self) -> None:
        """Everything that is committed is ours from here on."""
        with self._lock:
            if self.lost:
                return
            try:
                taken = self.tail.take(begun=self._begun and self.tail.salts is None)
            except (Gap, OSError, ValueError) as error:
                self._lose(str(error))
                return
            self._waiting += taken
            self._bytes += sum(len(frames.data) for _, _, frames in taken)
            if self._bytes > MOST_WAITING:
                self._lose("The disk of the backups did not take it in")

    def _lose(self, why: str) -> None:
        self.lost = why
        self._waiting.clear()
        self._bytes = 0

    def waiting(self) -> tuple[list[tuple[Sums, int, Frames]], dict[str, Any]]:
        """What was taken and is to be kept, each once, and where the log stands behind it."""
        with self._lock:
            found = list(self._waiting)
            self._waiting.clear()
            self._bytes = 0
            return found, self.tail.state()

    def take_up(self, state: dict[str, Any], stamp: list[int]) -> bool:
        """Go on from where the last start left it, before anybody writes; False when it cannot."""
        self._begun = not self.tail.goes_on(state)
        return not self._begun or state.get("ended") == stamp

    def begin_anew(self) -> None:
        """Follow from here on, whatever was before: a whole copy must be made after this."""
        with self._lock:
            self._lose("")
            self._begun, self.tail.salts = True, None
            self.tail.take(begun=True)


class Followed:
    """One file of private tables. Of one thread at a time: the one that starts, then the keeping
    one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tail = Tail(path)
        self._two = [_connected(path), _connected(path)]
        self._reading = 0  # which of the two holds the read transaction
        self._seen: tuple[int, ...] = ()
        self.identity = path.stat().st_ino
        self.broken = False
        _begin(self._two[0])

    def begin(self, state: dict[str, Any]) -> bool:
        """Go on from a state; False when it cannot: then `whole` is to be kept first."""
        if self.tail.goes_on(state) or state.get("ended") == stamp_of(self.path):
            return True
        self.tail.take(begun=True)
        self._change()
        return False

    def whole(self) -> bytes | None:
        """The file as of a moment after which every commit will be taken; None when it is large."""
        if self.path.stat().st_size > WHOLE_BYTES:
            return None
        with closing(sqlite3.connect(":memory:")) as there:
            self._two[self._reading].backup(there)
            return there.serialize()

    def changed(self) -> bool:
        """Might there be something new? Costs a look at a file's times."""
        seen = _stamp(self.tail.path)
        if seen == self._seen and self.tail.frames < FOLD_FRAMES:
            return False
        self._seen = seen
        return True

    def take(self) -> list[tuple[Sums, int, Frames]]:
        """What is new, each page once a tick; raises Gap when it is not the whole."""
        self._change()
        taken = self.tail.take(begun=self.tail.salts is None)
        if self.tail.frames >= FOLD_FRAMES:
            with contextlib.suppress(sqlite3.Error):
                self._fold()
        return [(salts, first, frames) for salts, first, frames in taken]

    def _change(self) -> None:
        """The other connection reads from now on, up to here; the one before lets go."""
        old, self._reading = self._reading, 1 - self._reading
        _begin(self._two[self._reading])
        self._two[old].execute("COMMIT")

    def _fold(self) -> None:
        """Fold back what was taken, so that the log may begin anew."""
        idle = self._two[1 - self._reading]
        if self.tail.frames < FORCE_FRAMES:
            _, held, folded = idle.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if held == folded:
                self._change()  # reads the file itself: the next write begins the log anew
            return
        with closing(_connected(self.path)) as writer:
            writer.execute("BEGIN IMMEDIATE")  # nobody adds to it meanwhile
            with contextlib.suppress(sqlite3.Error):
                _, held, folded = idle.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if held == folded == self.tail.frames:
                    self._change()
            writer.execute("ROLLBACK")

    def close(self) -> None:
        """Let go of it."""
        for one in self._two:
            one.close()


def merged(taken: list[tuple[Sums, int, Frames]], page: int) -> list[tuple[Sums, int, int, Frames]]:
    """(salts, first frame, how many frames they stand for, each page once)."""
    found = []
    for salts, first, frames in taken:
        found.append((salts, first, len(frames), newest_of_each(frames, page)))
    return found


def _connected(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=1, check_same_thread=False
    )
    connection.execute("PRAGMA journal_mode=WAL")  # one that was just restored is not yet
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("PRAGMA cache_size=-64")
    return connection


def _begin(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchall()


def stamp_of(path: Path) -> list[int]:
    """A file as it lies there: another one when anything was folded back into it."""
    told = path.stat()
    return [told.st_ino, told.st_size, told.st_mtime_ns]


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        told = path.stat()
    except FileNotFoundError:
        return ()
    return told.st_ino, told.st_size, told.st_mtime_ns
