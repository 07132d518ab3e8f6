"""Disks that fail: one that forgets what was not synced when the power goes, one that is full."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

SECTOR = 512


class Forgetful:
    """What a disk holds of each file after its last sync, and the writes that are only on their
    way.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.durable: dict[str, bytearray] = {}
        self.pending: dict[str, list[tuple[int, bytes | None]]] = {}
        self.syncs = 0

    def write(self, name: str, offset: int, data: bytes | None) -> None:
        """A write (or with None a truncation to `offset`) has left the program."""
        with self.lock:
            self.pending.setdefault(name, []).append((offset, data))

    def sync(self, name: str) -> None:
        """Everything written to the file so far is safe."""
        with self.lock:
            self.syncs += 1
            image = self.durable.setdefault(name, bytearray())
            for offset, data in self.pending.pop(name, ()):
                _apply(image, offset, data)

    def delete(self, name: str) -> None:
        """The file is gone."""
        with self.lock:
            self.durable.pop(name, None)
            self.pending.pop(name, None)

    def cut(self, chance: random.Random) -> dict[str, bytes]:
        """The power goes now: of the writes on their way any sectors arrived, others not."""
        with self.lock:
            images = {name: bytearray(image) for name, image in self.durable.items()}
            for name, writes in self.pending.items():
                image = images.setdefault(name, bytearray())
                luck = chance.choice([0.0, 0.2, 0.5, 0.9, 1.0])
                for offset, data in writes:
                    if data is None:
                        if chance.random() < luck:
                            _apply(image, offset, None)
                        continue
                    for start in range(0, len(data), SECTOR):
                        if chance.random() < luck:
                            _apply(image, offset + start, data[start : start + SECTOR])
            return {name: bytes(image) for name, image in images.items()}


def _apply(image: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del image[offset:]
        return
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    image[offset : offset + len(data)] = data


class _File(apsw.VFSFile):
    """Every write goes to the real file and to the record of what the disk would hold."""

    def __init__(self, filename: Any, flags: list[int], disk: Disk) -> None:
        super().__init__("", filename, flags)
        self.disk = disk
        self.name = Path(filename.filename() if hasattr(filename, "filename") else filename).name

    def excepthook(self, etype: Any, evalue: Any, etraceback: Any) -> bool:
        return True

    def xWrite(self, data: Any, offset: int) -> None:
        self.disk.room_for(self, len(data), offset)
        super().xWrite(data, offset)
        self.disk.forgetful.write(self.name, offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:
        super().xTruncate(newsize)
        self.disk.forgetful.write(self.name, newsize, None)

    def xSync(self, flags: int) -> None:
        self.disk.forgetful.sync(self.name)


class Disk(apsw.VFS):
    """A file system whose power can be cut and whose space can end."""

    def __init__(self, name: str) -> None:
        self.forgetful = Forgetful()
        self.name = name
        self.full = False
        self.refused = 0
        super().__init__(name, "")

    def room_for(self, file: apsw.VFSFile, size: int, offset: int) -> None:
        """Raise FullError when the disk is full and the write would make the file longer."""
        if self.full and offset + size > file.xFileSize():
            self.refused += 1
            raise apsw.FullError("the disk is full")

    def excepthook(self, etype: Any, evalue: Any, etraceback: Any) -> bool:
        return True

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        if not flags[0] & (apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_WAL):
            return apsw.VFSFile("", name, flags)
        return _File(name, flags, self)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self.forgetful.delete(Path(filename).name)


@contextmanager
def disk(name: str) -> Iterator[Disk]:
    """A disk of that name, registered with SQLite for as long as it is used."""
    made = Disk(name)
    try:
        yield made
    finally:
        made.unregister()
