"""What goes into a job of the matching and what comes out of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

PART: Final = 25_000
"""Records that travel, and are read, together."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to match. `unique`: for each source whether nobody is in it twice; `key`: of the marks;
    `together` and `apart`: records, by their place in the rows that follow, that people joined or
    parted."""

    unique: tuple[bool, ...]
    key: bytes
    link_at: float
    review_at: float
    pairs: int
    largest: int
    memory_mb: int
    threads: int = 2
    together: tuple[tuple[int, ...], ...] = ()
    apart: tuple[tuple[int, int], ...] = ()
    spill: str = ""  # a folder of its own, gone afterwards


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One row: the number of its source, and what it tells by role."""

    source: int
    told: dict[str, Any]


class Doubt(msgspec.Struct, frozen=True, array_like=True):
    """A pair that a person has to look at."""

    left: int
    right: int
    score: float
    why: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `clusters`: records by place, each in one at most; `cut`: clusters that
    people or runs had made and that do not hold any more (places); `id_marks` and `marks`: one for
    each record, keyed digests of 12 bytes in hex, empty for no valid number."""

    clusters: list[list[int]] = []
    doubts: list[Doubt] = []
    cut: list[list[int]] = []
    id_marks: list[str] = []
    marks: list[str] = []
    pairs: int = 0
    linked: int = 0
    messages: list[dict[str, str]] = []
    error: str = ""
    too_complex: bool = False


def packed(order: Order, records: Sequence[Record]) -> bytes:
    """An order with its records as they go into a job: frames of eight bytes of length and a body,
    the order first."""
    encoder = msgspec.msgpack.Encoder()
    frames = [encoder.encode(order)]
    frames += [encoder.encode(records[at : at + PART]) for at in range(0, len(records), PART)]
    return b"".join(part for one in frames for part in (len(one).to_bytes(8), one))


def unpacked(body: bytes) -> tuple[Order, list[bytes]]:
    """An order, and parts of its records as they travelled."""
    frames, at = [], 0
    while at < len(body):
        end = at + 8 + int.from_bytes(body[at : at + 8])
        frames.append(body[at + 8 : end])
        at = end
    return msgspec.msgpack.decode(frames[0], type=Order), frames[1:]
