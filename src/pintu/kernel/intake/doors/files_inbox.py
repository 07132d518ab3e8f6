"""A folder in which files wait to be read; a file that was read goes to `done/` or `failed/`, with
a note beside it that says what happened."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import shutil
import stat
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

from pintu.kernel.errors import DiskFull, TooLarge, Unavailable
from pintu.kernel.intake.tabular.words import refused

MOST_WAITING: Final = 10_000
UNFINISHED: Final = (".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".lock")
"""Endings by which programs say that they are still writing."""

NOTE: Final = ".txt"
_HASHED: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One file as it was when it was looked at."""

    path: Path
    size: int
    modified_ns: int
    inode: int

    @property
    def name(self) -> str:
        """The file's name, without its folder."""
        return self.path.name

    @property
    def stamp(self) -> str:
        """Which file on the disk this is: another after it was replaced or written to."""
        return f"{self.name}:{self.inode}:{self.modified_ns}:{self.size}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """The folder of one source. Links, folders, hidden and unfinished files are left alone."""

    folder: Path
    pattern: str = "*"
    largest: int = 4 << 30
    kept: int = 0  # newest files that stay in done/ and failed/ each; 0: all of them

    def waiting(self) -> list[Waiting]:
        """What lies in the folder, oldest first; none when there is no folder. Unavailable when it
        cannot be read."""
        found = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if self._wanted(entry.name):
                        with contextlib.suppress(FileNotFoundError):
                            found += _seen(Path(entry.path))
                    if len(found) >= MOST_WAITING:
                        break
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Unavailable(
                f"Folder {self.folder.name} cannot be read: {error.strerror}",
                zh=f"文件夹 {self.folder.name} 无法读取：{error.strerror}",
            ) from error
        return sorted(found, key=lambda one: (one.modified_ns, one.name))

    def _wanted(self, name: str) -> bool:
        plain = name.lower()
        if plain.startswith((".", "~$")) or plain.endswith(UNFINISHED):
            return False
        return fnmatch.fnmatch(plain, self.pattern.lower() or "*")

    def find(self, name: str, content: str, *, aside: bool) -> Waiting | None:
        """A file with this content that still waits or, if asked for, was moved aside already."""
        for folder in (self.folder, self.folder / "done") if aside else (self.folder,):
            with contextlib.suppress(OSError, ValueError):
                for one in _seen(folder / Path(name).name):
                    if content_hash(one) == content:
                        return one
        return None

    def read_before(self, behind: Waiting | None) -> list[Waiting]:
        """The files that were read and still lie in done/, oldest first; with `behind`, those after
        it."""
        done = Inbox(folder=self.folder / "done", pattern=self.pattern, largest=self.largest)
        found = done.waiting()
        names = {one.name for one in found}
        found = [one for one in found if one.name.removesuffix(NOTE) not in names - {one.name}]
        if behind is None:
            return found
        mark = (behind.modified_ns, behind.name)
        return [one for one in found if (one.modified_ns, one.name) > mark]

    def settle(self, file: Waiting, *, read: bool, note: str) -> None:
        """Move a file out of the way, its note beside it; one that is gone or was replaced
        meanwhile stays where it is. DiskFull when the folder cannot be written."""
        if changed(file) or file.path.parent != self.folder:
            return
        target = self.folder / ("done" if read else "failed")
        try:
            target.mkdir(exist_ok=True)
            path = _free(target / file.name)
            path.with_name(path.name + NOTE).write_text(note, "utf-8")
            shutil.move(file.path, path)
            self._tidy(target)
        except OSError as error:
            raise DiskFull(
                f"{file.name} cannot be moved to {target.name}/: {error.strerror}",
                zh=f"{file.name} 无法移到 {target.name}/：{error.strerror}",
            ) from error

    def _tidy(self, folder: Path) -> None:
        if not self.kept:
            return
        found = [one for one in folder.iterdir() if one.is_file()]
        files = [one for one in found if not _is_note(one, found)]
        files.sort(key=lambda one: one.stat().st_mtime_ns, reverse=True)
        for old in files[self.kept :]:
            old.unlink(missing_ok=True)
            old.with_name(old.name + NOTE).unlink(missing_ok=True)


def _is_note(path: Path, found: list[Path]) -> bool:
    return path.name.endswith(NOTE) and path.with_name(path.name.removesuffix(NOTE)) in found


def _seen(path: Path) -> list[Waiting]:
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        return []
    return [
        Waiting(
            path=path,
            size=status.st_size,
            modified_ns=status.st_mtime_ns,
            inode=status.st_ino,
        )
    ]


def standing_still(before: list[Waiting], now: list[Waiting]) -> list[Waiting]:
    """What did not change between two looks: nobody writes it any more."""
    known = set(before)
    return [one for one in now if one in known]


def changed(file: Waiting) -> bool:
    """True when the file is not what it was when it was looked at."""
    try:
        return _seen(file.path) != [file]
    except OSError:
        return True


def content_hash(file: Waiting) -> str:
    """What the content is called: 32 hex digits. Reads all of it."""
    mark = blake2b(digest_size=16)
    with file.path.open("rb", buffering=0) as opened:
        while piece := opened.read(_HASHED):
            mark.update(piece)
    return mark.hexdigest()


def fitting(inbox: Inbox, file: Waiting) -> None:
    """TooLarge for a file above the source's limit; BadRequestData for an empty one."""
    if file.size > inbox.largest:
        raise TooLarge(
            f"File {file.name} has {file.size} bytes; at most {inbox.largest} are read",
            zh=f"文件 {file.name} 有 {file.size} 字节，上限是 {inbox.largest}",
        )
    if not file.size:
        raise refused(f"文件 {file.name} 是空的", f"File {file.name} is empty")


def _free(path: Path) -> Path:
    """The path itself, or the first of `name (2).csv`, `name (3).csv` … that nobody has."""
    number, found = 2, path
    while found.exists() and number < 100_000:
        found = path.with_name(f"{path.stem} ({number}){path.suffix}")
        number += 1
    return found
