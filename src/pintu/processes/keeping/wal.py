"""SQLite's write-ahead log as bytes: which frames are whole and committed, and putting them into a
file. Pure but for the file handed in. https://www.sqlite.org/fileformat2.html#walformat
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np

HEADER: Final = 32
FRAME: Final = 24
MAGIC: Final = (0x377F0682, 0x377F0683)
"""The second one says that the sums are over big-endian words."""
WORD: Final = 1 << 32
Sums = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Head:
    """The first 32 bytes of a write-ahead log."""

    page: int  # bytes of a page
    salts: Sums
    sums: Sums
    big: bool


@dataclass(frozen=True, slots=True)
class Frames:
    """Whole commits: `pages` numbers, `sizes` (pages of the database after a commit, 0 inside of
    one) and `data`, the pages one behind another. `sums` is what the next frame goes on from.
    """

    pages: list[int]
    sizes: list[int]
    data: bytes
    sums: Sums

    def __len__(self) -> int:
        return len(self.pages)


def read_head(told: bytes) -> Head | None:
    """The head of a write-ahead log; None for what is none (an empty file, half a head)."""
    if len(told) < HEADER:
        return None
    magic, _, page, _, salt1, salt2, sum1, sum2 = struct.unpack(">8I", told[:HEADER])
    if magic not in MAGIC or page < 512 or page & (page - 1):
        return None
    big = magic == MAGIC[1]
    words = np.frombuffer(told[:24], dtype=">u4" if big else "<u4").astype(np.uint32)
    if _summed(words[None, :], (0, 0)) != [(sum1, sum2)]:
        return None
    return Head(page, (salt1, salt2), (sum1, sum2), big)


@lru_cache(maxsize=8)
def _weights(words: int) -> tuple[Any, Sums, Sums]:
    """What each word adds to the two sums after all of them (2 rows), and how the sums before go
    on: the recursion s0 += x0 + s1; s1 += x1 + s0 is linear, so it need not be run word by word."""
    steps = words // 2
    weights = np.zeros((2, words), dtype=np.uint32)
    a, b, c, d = 1, 0, 0, 1  # the matrix of the steps that come after
    for step in range(steps - 1, -1, -1):
        weights[0, 2 * step], weights[1, 2 * step] = (a + b) % WORD, (c + d) % WORD
        weights[0, 2 * step + 1], weights[1, 2 * step + 1] = b, d
        a, b, c, d = (a + b) % WORD, (a + 2 * b) % WORD, (c + d) % WORD, (c + 2 * d) % WORD
    return weights, (a, b), (c, d)


def _summed(rows: Any, before: Sums) -> list[Sums]:
    """The running sums after each row of words."""
    weights, (a, b), (c, d) = _weights(rows.shape[1])
    first = (rows * weights[0]).sum(axis=1, dtype=np.uint32).tolist()
    second = (rows * weights[1]).sum(axis=1, dtype=np.uint32).tolist()
    found = []
    s0, s1 = before
    for one, two in zip(first, second, strict=True):
        s0, s1 = (a * s0 + b * s1 + one) % WORD, (c * s0 + d * s1 + two) % WORD
        found.append((s0, s1))
    return found


def read_frames(told: bytes, head: Head, before: Sums) -> Frames:
    """The whole commits at the beginning of these bytes, which follow frames that summed up to
    `before`; what is half-written, or left from an older log, ends them."""
    width = FRAME + head.page
    count = len(told) // width
    none = Frames([], [], b"", before)
    if not count:
        return none
    raw = np.frombuffer(told, dtype=np.uint8, count=count * width).reshape(count, width)
    fields = raw[:, :FRAME].copy().view(">u4").astype(np.int64)
    same = (fields[:, 2] == head.salts[0]) & (fields[:, 3] == head.salts[1])
    count = int(np.argmin(same)) if not same.all() else count
    if not count:
        return none
    kind = ">u4" if head.big else "<u4"
    words = np.concatenate((raw[:count, :8], raw[:count, FRAME:]), axis=1).view(kind)
    sums = _summed(words.astype(np.uint32, copy=False), before)
    told_sums = fields[:count, 4:6].tolist()
    good = next((n for n in range(count) if told_sums[n] != [*sums[n]]), count)
    last = max((n + 1 for n in range(good) if fields[n, 1]), default=0)
    if not last:
        return none
    pages, sizes = fields[:last, 0].tolist(), fields[:last, 1].tolist()
    return Frames(pages, sizes, raw[:last, FRAME:].tobytes(), sums[last - 1])


def newest_of_each(frames: Frames, page: int) -> Frames:
    """The same, each page once as the last commit left it: what lies between cannot be told any
    more."""
    last = {number: n for n, number in enumerate(frames.pages)}
    chosen = sorted(last.values())
    view = memoryview(frames.data)
    data = b"".join(view[n * page : (n + 1) * page] for n in chosen)
    sizes = [0] * (len(chosen) - 1) + [frames.sizes[-1]]
    return Frames([frames.pages[n] for n in chosen], sizes, data, frames.sums)


def commits(pages: list[int], sizes: list[int]) -> Iterator[tuple[int, int, int]]:
    """(first frame, frame after the last, pages of the database then) of each commit."""
    start = 0
    for n, size in enumerate(sizes):
        if size:
            yield start, n + 1, size
            start = n + 1
    if start != len(pages):
        raise ValueError("the last commit is not whole")


def put(file: int, told: tuple[list[int], memoryview, int], page: int) -> None:
    """Write the pages of a commit (numbers, data, size of the database) into an open file."""
    numbers, data, size = told
    for n, number in enumerate(numbers):
        os.pwrite(file, data[n * page : (n + 1) * page], (number - 1) * page)
    os.ftruncate(file, size * page)
