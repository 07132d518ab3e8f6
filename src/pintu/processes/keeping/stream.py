"""What is kept between two backups: one row of records in files that are only ever added to, each
record sealed with a digest that goes on from the one before, so that a flipped bit, a lost file or
another order is found.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from pintu.kernel.errors import PintuError

SUFFIX: Final = ".keep"
MARK: Final = b"PKR1"
DIGEST: Final = 16
FIXED: Final = len(MARK) + 12
SEGMENT_BYTES: Final = 64 * 1024 * 1024
SEGMENT_S: Final = 600.0
MOST_HEADER: Final = 16 * 1024 * 1024
NOTHING: Final = bytes(DIGEST)


class Damaged(PintuError):
    """A record of the stream is not what was written."""


@dataclass(slots=True)
class Record:
    """One record. `kind`: segment, frames, whole, gone, file, names, gap, tick."""

    n: int
    kind: str
    head: dict[str, Any]
    body: bytes = b""


def _digest(before: bytes, head: bytes, body: bytes) -> bytes:
    return hashlib.blake2b(before + head + body, digest_size=DIGEST).digest()


def segments(folder: Path) -> list[Path]:
    """The files of a stream in order."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def first_of(path: Path) -> int:
    """The number of a segment's first record."""
    return int(path.stem)


def read_segment(path: Path) -> Iterator[tuple[Record, bytes, int]]:
    """(record, digest after it, where it ends) of one file; ends at a half-written last record.

    A file system may give a file its length before its content: zeros from there to its end are
    what a power cut left unwritten. Raises Damaged for a record whose digest is not its own.
    """
    digest = NOTHING
    with path.open("rb") as file:
        size, at = os.fstat(file.fileno()).st_size, 0
        while at + FIXED <= size:
            fixed = file.read(FIXED)
            head_bytes, body_bytes, check = struct.unpack(">III", fixed[len(MARK) :])
            end = at + FIXED + head_bytes + body_bytes + DIGEST
            if check != zlib.crc32(fixed[:-4]) or head_bytes > MOST_HEADER:
                if _unwritten(file, at, at + FIXED - 4):
                    return
                raise Damaged(f"{path.name} is damaged behind byte {at:,}: no record is there")
            if end > size:
                return
            head, body = file.read(head_bytes), file.read(body_bytes)
            told = file.read(DIGEST)
            plain: dict[str, Any] = _plain(head)
            if at == 0:
                digest = _before(plain)
            digest = _digest(digest, head, body)
            if told != digest:
                if _unwritten(file, at, end - DIGEST):
                    return
                raise Damaged(f"{path.name} is damaged between bytes {at:,} and {end:,}")
            yield Record(plain.get("n", 0), plain.get("kind", ""), plain, body), digest, end
            at = end


def _unwritten(file: BinaryIO, at: int, seal: int) -> bool:
    """Whether a record at `at` is zeros from before its seal to the end of the file."""
    file.seek(at)
    return at + len(file.read().rstrip(b"\0")) <= seal


def _plain(head: bytes) -> dict[str, Any]:
    try:
        told = json.loads(head)
    except ValueError:
        return {}  # its digest will not fit either
    return told if isinstance(told, dict) else {}


def _before(plain: dict[str, Any]) -> bytes:
    try:
        return bytes.fromhex(plain.get("before", ""))
    except (ValueError, TypeError):
        return NOTHING


def read_stream(folder: Path, after: int) -> Iterator[Record]:
    """Every record behind number `after`, in order; Damaged where one is missing or changed."""
    files = segments(folder)
    known = [n for n, path in enumerate(files) if first_of(path) <= after + 1]
    digest, last = None, after
    for path in files[known[-1] :] if known else files:
        for record, sealed, _ in read_segment(path):
            if record.kind == "segment":
                if digest is not None and _before(record.head) != digest:
                    raise Damaged(f"{path.name} does not go on from the record before it")
                if digest is None and record.n > after + 1:
                    raise Damaged(f"The records {after + 1} to {record.n - 1} are not there")
            digest = sealed
            if record.n > after:
                if record.n != last + 1:
                    raise Damaged(f"The records {last + 1} to {record.n - 1} are not there")
                last = record.n
                yield record


@dataclass(slots=True)
class Tail:
    """The end of a stream: where it goes on from, and what it says of each followed file."""

    n: int = 0
    digest: bytes = NOTHING
    at_us: int = 0
    position: int = 0
    files: dict[str, dict[str, Any]] = field(default_factory=dict)


def read_tail(folder: Path) -> Tail:
    """The end as the last file has it; Damaged when its last file is."""
    tail = Tail()
    for path in segments(folder)[-2:]:
        for record, digest, _ in read_segment(path):
            tail.n, tail.digest = record.n, digest
            if record.kind == "segment":
                tail.files = dict(record.head["files"])
            elif record.kind == "tick":
                tail.at_us, tail.position = record.head["at_us"], record.head["position"]
                tail.files |= record.head["files"]
    return tail


class Writer:
    """Adds records; what `flush` returned from is on the disk."""

    def __init__(self, folder: Path, tail: Tail) -> None:
        """Goes on behind `tail`, in a file of its own."""
        self.folder = folder
        self.tail = tail
        self.bytes = 0  # written since the start
        self._file = -1
        self._size = 0
        self._began = 0.0
        self._anew = True  # what no tick ends before our first segment is told once more
        self._waiting: list[bytes] = []

    def add(self, kind: str, head: dict[str, Any], body: bytes = b"") -> None:
        """One record, in memory until `flush`."""
        if self._file < 0:
            self._begin()
        if body and kind != "file":
            packed = zlib.compress(body, 1)
            head, body = {**head, "z": 1}, packed
        self._seal({**head, "kind": kind}, body)

    def _seal(self, head: dict[str, Any], body: bytes) -> None:
        tail = self.tail
        tail.n += 1
        raw = json.dumps({"n": tail.n, **head}, separators=(",", ":")).encode()
        tail.digest = _digest(tail.digest, raw, body)
        fixed = MARK + struct.pack(">II", len(raw), len(body))
        check = struct.pack(">I", zlib.crc32(fixed))  # a flipped length is no half record
        self._waiting += (fixed, check, raw, body, tail.digest)

    def _begin(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / f"{self.tail.n + 1:012d}{SUFFIX}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        sync_folder(self.folder)
        self._size, self._began = 0, time.monotonic()
        told = {"kind": "segment", "before": self.tail.digest.hex(), "files": self.tail.files}
        self._seal({**told, "anew": self._anew}, b"")
        self._anew = False

    def flush(self) -> None:
        """Everything that was added, onto the disk; OSError when it cannot be."""
        data = b"".join(self._waiting)
        self._waiting = []
        if not data:
            return
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        os.fdatasync(self._file)
        self._size += len(data)
        self.bytes += len(data)
        if self._size > SEGMENT_BYTES or time.monotonic() - self._began > SEGMENT_S:
            self.close()

    def close(self) -> None:
        """The file is whole; the next record begins another."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def unpacked(record: Record) -> bytes:
    """A record's body as it was handed in."""
    return zlib.decompress(record.body) if record.head.get("z") else record.body


def sync_folder(folder: Path) -> None:
    """A file that was made, renamed or deleted in it is so after a power cut, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
