"""From a whole copy to a later moment: the stream's pages are written over the copy's, commit by
commit where the moment lies inside of a tick.

Pages of a commit are whole images, so writing those of before the copy once more does no harm as
long as it goes on to the first tick that begins after the copy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pintu.kernel.clock import iso
from pintu.kernel.errors import PintuError
from pintu.kernel.store.opening import CITY_FILE
from pintu.processes.keeping import server
from pintu.processes.keeping.copying import city_files, write_private
from pintu.processes.keeping.counting import opened
from pintu.processes.keeping.sealing import Passphrase, is_secret
from pintu.processes.keeping.stream import Damaged, Record, read_stream, unpacked
from pintu.processes.keeping.wal import commits, put
from pintu.processes.moving_places import files_of

HISTORY: Final = "history/"
OWN_CLOCK_US: Final = 5_000_000
"""A city's clock this far from the machine's is a made-up one."""


@dataclass(frozen=True, slots=True)
class Goal:
    """Where to: up to a moment (µs), up to a position, or neither: to the end."""

    to_us: int | None = None
    position: int | None = None

    def holds(self, tick: dict[str, Any]) -> bool:
        """Is everything of a tick wanted?"""
        if self.to_us is not None:
            return bool(tick["at_us"] <= self.to_us)
        return self.position is None or bool(tick["position"] <= self.position)

    def passed(self, position: int, at_us: int) -> bool:
        """Is a row of the log behind it?"""
        if self.to_us is not None:
            return at_us > self.to_us
        return self.position is not None and position > self.position


@dataclass(slots=True)
class Reached:
    """Where a replay ended."""

    at_us: int
    ticks: int = 0
    frames: int = 0
    inside: bool = False  # between two ticks
    ended: bool = False  # with the stream, before its goal
    broken: str = ""  # why the stream leads no further
    left_out: set[str] = field(default_factory=set)


class Replay:
    """One replay over the unpacked copy in `place`; `as_of_us` is its moment."""

    def __init__(self, place: Path, as_of_us: int, passphrase: Passphrase | None) -> None:
        self.place = place
        self.reached = Reached(as_of_us)
        self._as_of_us = as_of_us
        self._passphrase = passphrase
        self._next: dict[str, tuple[list[int], int]] = {}  # salts, the frame that follows
        self._good = -1  # the newest position before the goal, once inside of a tick
        self._undo: list[tuple[int, list[tuple[int, bytes]]]] = []

    def run(self, stream: Path, after: int, goal: Goal) -> Reached:
        """Go to the goal, or as far as the stream leads; Damaged when it is not what was written.

        `covers` must have said that the goal is not before the first tick behind the copy.
        """
        inside = False
        for group, tick in ticks(stream, after):
            whole = {one.head["path"] for one in group if one.kind == "whole"}
            breaks = (n for n, one in enumerate(group) if self._breaks(one, whole))
            cut = next(breaks, None)
            if cut is not None:
                when = iso(group[cut].head["at_us"])
                self.reached.broken = f"the stream was interrupted on {when}"
                break
            if inside or not goal.holds(tick):
                inside = True
                if self._inside(group, tick, goal):
                    break
                continue
            for record in group:
                self._apply(record)
            self.reached.at_us = max(tick["at_us"], self._as_of_us)
            self.reached.ticks += 1
        else:
            self.reached.ended = True
        self._settle()
        return self.reached

    def _breaks(self, record: Record, whole: set[str]) -> bool:
        """What was written to a database between two times it was followed is not known, unless
        all of it was kept anew."""
        gap = record.kind == "gap" and record.head["path"] not in whole
        return gap and bool(record.head["at_us"] > self._as_of_us)

    def _apply(self, record: Record) -> None:
        if record.kind == "frames":
            self._goes_on(record)
            data = memoryview(unpacked(record))
            numbers, page = record.head["pages"], record.head["page"]
            with _open(self._path(record)) as file:
                for start, end, size in commits(numbers, record.head["sizes"]):
                    told = (numbers[start:end], data[start * page : end * page], size)
                    put(file.fileno(), told, page)
            self.reached.frames += len(numbers)
        elif record.kind == "whole":
            path = self._path(record)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(unpacked(record))
        elif record.kind == "gone":
            self._path(record).unlink(missing_ok=True)
        elif record.kind == "file":
            self._file(record)
        elif record.kind == "names":
            self._only({*record.head["names"]})
        elif record.kind == "gap":
            self._next.pop(record.head["path"], None)

    def _goes_on(self, record: Record) -> None:
        head = record.head
        salts, following = self._next.get(head["path"], (head["salts"], head["first"]))
        if head["first"] != (following if salts == head["salts"] else 1):
            raise Damaged(f"Frames of {head['path']} are missing before record {record.n}")
        self._next[head["path"]] = (head["salts"], head["first"] + head["frames"])

    def _path(self, record: Record) -> Path:
        """Where a record belongs; nothing leads out of the folder."""
        path: Path = (self.place / record.head["path"]).resolve()
        if not path.is_relative_to(self.place.resolve()):
            raise Damaged(f"Record {record.n} names {record.head['path']!r}")
        return path

    def _file(self, record: Record) -> None:
        path, name = self._path(record), record.head["path"]
        body = unpacked(record)
        if record.head.get("sealed"):
            if self._passphrase is None:
                self.reached.left_out.add(name)
                return
            body = self._passphrase.open(body, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if is_secret(name):
            write_private(path, body)
        else:
            path.write_bytes(body)
            path.chmod(record.head["mode"])

    def _only(self, names: set[str]) -> None:
        """Plain files that are not named went while nobody looked."""
        others = {*files_of(self.place), self.place / server.DUMP}
        for path in city_files(self.place):
            if path not in others and str(path.relative_to(self.place)) not in names:
                path.unlink()

    # --- between two ticks ------------------------------------------------------------------------
    def _inside(self, group: list[Record], tick: dict[str, Any], goal: Goal) -> bool:
        """Of a tick that ends behind the goal: the commits of city.db before it, and files of
        history, which are only ever added. True when nothing that follows can be before the goal:
        what was committed while a tick was under way may lie in the next one.
        """
        own_clock = abs(tick["city_us"] - tick["at_us"]) > OWN_CLOCK_US
        path = self.place / CITY_FILE
        for record in group:
            if record.kind == "file" and record.head["path"].startswith(HISTORY):
                self._file(record)
        if not path.exists() or (own_clock and goal.to_us is not None):
            return True  # its store is on a server, or rows tell another time than was asked for
        frames = [one for one in group if one.kind == "frames" and one.head["path"] == CITY_FILE]
        if self._good < 0:
            self._good = _newest(path)[0]
        with _open(path) as file:
            for record in frames:
                self._goes_on(record)
            for pages, data, size, page in _commits(frames):
                self._undo.append(_held(file.fileno(), pages, page))
                put(file.fileno(), (pages, data, size), page)
                position, at_us = _newest(path)
                if goal.passed(position, at_us):
                    return True
                if position > self._good:
                    self._good, self._undo = position, []
                    self.reached.inside = True
                    self.reached.at_us = max(self.reached.at_us, at_us)
        if goal.position is not None:
            return self._good >= goal.position
        return goal.to_us is not None and tick["from_us"] > goal.to_us

    def _settle(self) -> None:
        """Take back what came after the last row of the log that is wanted: its time is unknown."""
        if not self._undo:
            return
        with _open(self.place / CITY_FILE) as file:
            for before, held in reversed(self._undo):
                for number, content in held:
                    os.pwrite(file.fileno(), content, (number - 1) * len(content))
                os.ftruncate(file.fileno(), before)
        self._undo = []


def _commits(frames: list[Record]) -> Iterator[tuple[list[int], memoryview, int, int]]:
    for record in frames:
        data = memoryview(unpacked(record))
        numbers, page = record.head["pages"], record.head["page"]
        for start, end, size in commits(numbers, record.head["sizes"]):
            yield numbers[start:end], data[start * page : end * page], size, page


def _held(file: int, pages: list[int], page: int) -> tuple[int, list[tuple[int, bytes]]]:
    """The size of a file and these pages of it as they are now."""
    size = os.fstat(file).st_size
    there = [number for number in sorted({*pages}) if number * page <= size]
    return size, [(number, os.pread(file, page, (number - 1) * page)) for number in there]


def _newest(path: Path) -> tuple[int, int]:
    """Position and time of the newest row of the log."""
    with closing(opened(path)) as connection:
        rows = connection.execute("SELECT position, at FROM log ORDER BY position DESC LIMIT 1")
        found = rows.fetchall()
        if not found:
            head: Any = connection.execute("SELECT value FROM meta WHERE key='head'").get
            return int(head or 0), 0
    position, at_us = found[0]
    return int(str(position)), int(str(at_us))


def _open(path: Path) -> Any:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)


def ticks(stream: Path, after: int) -> Iterator[tuple[list[Record], dict[str, Any]]]:
    """What came between two ticks, and the tick that ends it; what no tick ends is left out.

    A keeper that was killed between the two began anew behind its last tick: it took the same
    frames once more.
    """
    group: list[Record] = []
    for record in read_stream(stream, after):
        if record.kind == "tick":
            yield group, record.head
            group = []
        elif record.kind != "segment":
            group.append(record)
        elif record.head.get("anew"):
            group = []


def covers(stream: Path, after: int, as_of_us: int) -> dict[str, Any] | None:
    """The first tick that begins after a copy was made: the first moment the stream can lead to
    from there; None when there is none."""
    for _, tick in ticks(stream, after):
        if tick["from_us"] >= as_of_us:
            return tick
    return None


def reach(stream: Path, after: int) -> tuple[int, int]:
    """(moment, position) of the last tick; (0, 0) when there is none."""
    last = (0, 0)
    try:
        for _, tick in ticks(stream, after):
            last = tick["at_us"], tick["position"]
    except Damaged:
        return last
    return last


def check_whole(stream: Path, after: int) -> tuple[int, int, str]:
    """(records, last moment, what is wrong or "") of everything behind a copy."""
    records, last = 0, 0
    try:
        for record in read_stream(stream, after):
            records += 1
            if record.kind == "tick":
                last = record.head["at_us"]
    except (PintuError, OSError) as error:
        return records, last, getattr(error, "detail", "") or str(error)
    return records, last, ""
