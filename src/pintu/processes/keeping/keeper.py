"""Keeps every moment of a running city in files: each second what its write-ahead logs gained and
which of its files changed. A thread of the broker; the disk of the backups may be full, slow or
gone, and the city does not notice.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import apsw

from pintu.kept import Kept
from pintu.kept_state import keep_state
from pintu.kernel.errors import PintuError, Unavailable
from pintu.kernel.store.opening import CITY_FILE
from pintu.kernel.store.sqlite.store import SqliteStore
from pintu.processes.keeping.bringing import STREAM
from pintu.processes.keeping.copying import city_files
from pintu.processes.keeping.following import CityTail, Followed, Gap, merged, stamp_of
from pintu.processes.keeping.sealing import Passphrase, is_secret, read_passphrase
from pintu.processes.keeping.stream import Damaged, Tail, Writer, first_of, read_tail, segments
from pintu.processes.keeping.wal import Frames, Sums
from pintu.processes.moving_places import files_of

EVERY_S: Final = 1.0
FILES_S: Final = 5.0
"""How often plain files are looked at."""
IDLE_S: Final = 2.0
"""A tick at least this often, so that it is known up to when nothing happened."""
TOLD_S: Final = 2.0
SETTLED_US: Final = 10_000_000
ASIDE: Final = 1_000_000_000
"""A stream that is put aside is followed by one whose numbers are its own."""
MOST_FILE: Final = 256 * 1024 * 1024
"""A plain file larger than this waits for the next whole copy."""

log = logging.getLogger("pintu.keeping")


class Keeper:
    """`prepare` before the city opens its files, `attach` when it is open, `stop` after it closed
    them."""

    def __init__(
        self, data: Path, kept: Kept, every_s: float = EVERY_S, *, on_server: bool = False
    ) -> None:
        """`on_server`: the store and private tables are elsewhere, only plain files are ours."""
        self.data = data
        self._on_server = on_server
        self._kept = kept
        self._every_s = every_s
        self._city = CityTail(data / CITY_FILE)
        self._tables: dict[str, Followed] = {}
        self._files: dict[str, tuple[int, ...]] = {}
        self._named = False  # which plain files there are was told since the stream began
        self._states: dict[str, dict[str, Any]] = {}
        self._guard: apsw.Connection | None = None
        self._writer: Writer | None = None
        self._position: Callable[[], int] = int
        self._city_us: Callable[[], int] = _now_us
        self._passphrase: Passphrase | None = None
        self._gone = threading.Event()
        self._thread: threading.Thread | None = None
        self._looked_s = self._ticked_s = self._told_s = 0.0
        self._since_ns = 0  # plain files that changed before are kept already
        self._gap_us = 0  # when city.db was last followed anew: a whole copy must be newer
        self._release: Callable[[], object] = int
        self.trouble = ""

    # --- life -------------------------------------------------------------------------------------
    def prepare(self) -> None:
        """Hold every write-ahead log as it is, before anybody may fold it back."""
        path = self.data / CITY_FILE
        if self._kept.passphrase_file is not None:
            self._passphrase = read_passphrase(self._kept.passphrase_file)
        if path.exists() and not self._on_server:
            self._guard = apsw.Connection(str(path))
            self._guard.pragma("journal_mode", "wal")  # one that was just restored is not yet
            self._guard.wal_autocheckpoint(0)
            self._guard.execute("BEGIN")
            self._guard.execute("SELECT count(*) FROM sqlite_master").fetchall()
        self._safely(int)
        state = self._states.get(CITY_FILE, {})
        if not path.exists() or not self._city.take_up(state, stamp_of(path)):
            self._city.lost = "it was not followed before"
        writer = self._writer
        if writer is not None and not self._on_server:
            self._safely(lambda: self._tick_tables(writer))

    def step(self, position: int, *, trouble: str) -> None:
        """One tick of a city on a server, whose log is at `position` at least; `trouble`: why what
        the server writes is not fetched."""

        def deed() -> None:
            if trouble:
                raise Unavailable(trouble)
            self.tick()

        self._position = lambda: position
        self._safely(deed)

    def attach(self, store: Any, city_us: Callable[[], int]) -> None:
        """The city is open: nothing of its log is folded back from here on but what we took."""
        inner: SqliteStore = getattr(store, "inner", store)
        self._position = inner.keep_with(self._city)
        self._release = lambda: inner.keep_with(None)
        self._city_us = city_us
        if self._guard is not None:
            self._guard.execute("COMMIT")
            self._guard.close()
            self._guard = None
        self._thread = threading.Thread(target=self._run, name="pintu-keeping", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """What is left is kept; the city has closed its files."""
        self._gone.set()
        if self._thread is not None:
            self._thread.join(30)
        self._release()

    # --- the thread -------------------------------------------------------------------------------
    def _run(self) -> None:
        while not self._gone.wait(self._every_s):
            self._safely(self.tick)
        self._safely(lambda: self.tick(last=True))
        for name in list(self._tables):
            self._tables.pop(name).close()
        self._safely(self._end)

    def _safely(self, deed: Callable[[], object]) -> None:
        """The other disk may do what it likes; what was taken and not kept is a gap."""
        try:
            if self._writer is None:
                self._start_stream()
            deed()
            if self.trouble:
                log.warning("Backups go on; a whole copy is made first")
            self.trouble = ""
        except (OSError, PintuError, Gap, sqlite3.Error, apsw.Error, ValueError) as error:
            why = getattr(error, "detail", "") or str(error)
            if why != self.trouble:
                log.warning("Backups stand still: %s", why)
            self.trouble = why
            self._drop()
        if time.monotonic() - self._told_s > TOLD_S or self._gone.is_set():
            self._told_s = time.monotonic()
            tail = self._writer.tail if self._writer is not None else Tail()
            told = {"at_us": tail.at_us, "gap_us": self._gap_us, "trouble": self.trouble}
            keep_state(self.data, STREAM, told)

    def _drop(self) -> None:
        """Begin again from what is on that disk, when it is there again."""
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()
        self._writer = None
        self._city.lost = self._city.lost or "the disk of the backups was away"
        for one in self._tables.values():
            one.broken = True
        self._files.clear()
        self._named = False

    def _start_stream(self) -> None:
        folder = self._kept.folder / STREAM
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            tail = read_tail(folder)
        except Damaged as error:
            log.warning("The stream of backups is put aside: %s", error.detail)
            tail = Tail(n=first_of(segments(folder)[-1]) + ASIDE)
            folder.rename(folder.with_name(f"{STREAM}-damaged-{_now_us()}"))
            folder.mkdir(mode=0o700)
        self._states = dict(tail.files)
        self._since_ns = (tail.at_us - SETTLED_US) * 1000 if tail.at_us else _now_us() * 1000
        self._writer = Writer(folder, tail)

    # --- one tick ---------------------------------------------------------------------------------
    def tick(self, *, last: bool = False) -> None:
        """Private tables first, then city.db, then files; one record says that this is all."""
        writer = self._writer
        assert writer is not None
        from_us = _now_us()
        before = writer.tail.n
        if not self._on_server:
            self._tick_tables(writer)
            self._tick_city(writer)
        if last or time.monotonic() - self._looked_s > FILES_S:
            self._looked_s = time.monotonic()
            self._tick_files(writer)
        moved = self._on_server and self._position() != writer.tail.position
        quiet = writer.tail.n == before and not moved
        if quiet and time.monotonic() - self._ticked_s < IDLE_S and not last:
            return
        self._ticked_s = time.monotonic()
        self._say(writer, from_us)

    def _say(self, writer: Writer, from_us: int) -> None:
        told = {"from_us": from_us, "at_us": _now_us(), "city_us": self._city_us()}
        changed = {n: one for n, one in self._states.items() if writer.tail.files.get(n) != one}
        told["position"] = self._position()
        writer.tail.files = dict(self._states)
        writer.tail.at_us, writer.tail.position = told["at_us"], told["position"]
        writer.add("tick", {**told, "files": changed})
        writer.flush()

    def _tick_city(self, writer: Writer) -> None:
        city = self._city
        city.take()
        if city.lost:
            city.begin_anew()
            self._gap_us = _now_us()  # a copy that was made before may lack what was not taken
            writer.add("gap", {"path": CITY_FILE, "at_us": self._gap_us})
        taken, state = city.waiting()
        for salts, first, frames in taken:
            _frames(writer, CITY_FILE, (salts, first, len(frames)), frames, state["page"])
        self._states[CITY_FILE] = state

    def _tick_tables(self, writer: Writer) -> None:
        names = {
            str(path.relative_to(self.data)): path
            for path in files_of(self.data)
            if path.name != CITY_FILE
        }
        for name in {*self._tables, *self._states} - {*names, CITY_FILE}:
            if (followed := self._tables.pop(name, None)) is not None:
                followed.close()
            self._states.pop(name, None)
            writer.add("gone", {"path": name})
        for name, path in names.items():
            one = self._tables.get(name)
            if one is not None and (one.broken or one.identity != path.stat().st_ino):
                self._tables.pop(name).close()
                self._states.pop(name, None)
                one = None
            if one is None:
                self._follow(writer, name, path)
            elif one.changed():
                self._take(writer, name, one)

    def _follow(self, writer: Writer, name: str, path: Path) -> None:
        try:
            one = self._tables[name] = Followed(path)
        except sqlite3.Error as error:  # somebody makes it just now
            log.info("%s is followed later: %s", name, error)
            return
        if one.begin(self._states.get(name, {})):
            self._take(writer, name, one)
            return
        writer.add("gap", {"path": name, "at_us": _now_us()})
        whole = one.whole()
        if whole is not None:
            writer.add("whole", {"path": name}, whole)
        self._states[name] = one.tail.state()

    def _take(self, writer: Writer, name: str, one: Followed) -> None:
        try:
            taken = one.take()
        except Gap:
            one.broken = True  # followed anew at the next tick
            return
        for salts, first, count, frames in merged(taken, one.tail.page):
            _frames(writer, name, (salts, first, count), frames, one.tail.page)
        if taken:
            self._states[name] = one.tail.state()

    def _tick_files(self, writer: Writer) -> None:
        seen: dict[str, tuple[int, ...]] = {}
        databases = {*files_of(self.data)}
        for path in city_files(self.data):
            if path in databases:
                continue
            name = str(path.relative_to(self.data))
            with suppress(FileNotFoundError):
                told = path.stat()
                seen[name] = (told.st_ino, told.st_size, told.st_mtime_ns, told.st_mode)
                known = seen[name] if told.st_ctime_ns < self._since_ns else None
                if self._files.get(name, known) != seen[name] and told.st_size <= MOST_FILE:
                    self._keep_file(writer, name, path, told.st_mode & 0o777)
        for name in sorted(set(self._files) - set(seen)):
            writer.add("gone", {"path": name})
        if not self._named:  # what went while nobody looked is not among them
            writer.add("names", {"names": sorted(seen)})
        self._files, self._named = seen, True

    def _keep_file(self, writer: Writer, name: str, path: Path, mode: int) -> None:
        if is_secret(name) and self._kept.keys == "left out":
            return
        body, head = path.read_bytes(), {"path": name, "mode": mode}
        if is_secret(name) and self._passphrase is not None:
            body, head = self._passphrase.seal(body, name), {**head, "sealed": True}
        writer.add("file", head, body)
        if len(body) > 1_000_000:
            writer.flush()

    def _end(self) -> None:
        """Nobody writes any more: how the files stand now is how they must stand at the next
        start."""
        writer = self._writer
        assert writer is not None
        for name in self._states:
            path = self.data / name
            if path.exists():
                self._states[name] = {**self._states[name], "ended": stamp_of(path)}
        self._say(writer, _now_us())
        writer.close()


def _frames(
    writer: Writer, name: str, where: tuple[Sums, int, int], frames: Frames, page: int
) -> None:
    salts, first, count = where
    head = {"path": name, "salts": list(salts), "first": first, "frames": count, "page": page}
    told = {**head, "pages": frames.pages, "sizes": frames.sizes}
    writer.add("frames", told, frames.data)


def _now_us() -> int:
    return time.time_ns() // 1000
