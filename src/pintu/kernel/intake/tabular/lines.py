"""A text file as blocks of whole lines with their sizes in bytes, so that every line has a place;
no line, however long, is ever held whole beyond its limit."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BLOCK: Final = 1 << 18
_SURROGATE: Final = re.compile("[\ud800-\udfff\ufffd\0]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Lines with their ends. `doubtful`: some sign could not be decoded, or is a NUL. `too_long`:
    it is one line, of which only the beginning is here."""

    lines: list[str]
    sizes: list[int]
    doubtful: bool = False
    too_long: bool = False
    last: bool = False


def doubtful(text: str) -> bool:
    """Whether a text holds a NUL, or what stands where bytes could not be decoded."""
    return _SURROGATE.search(text) is not None


def blocks(path: Path, codec: str, offset: int, *, longest: int = 1 << 20) -> Iterator[Block]:
    """Blocks from a byte offset on, which must be where a line begins."""
    end = b"\n" if not codec.startswith("utf-16") else "\n".encode(codec)
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        rest = b""
        while True:
            raw = file.read(BLOCK)
            if not raw:
                if rest:
                    yield _block(rest, codec, last=True)
                return
            raw = rest + raw
            cut = _last_end(raw, end)
            if cut:
                yield _block(raw[:cut], codec)
                rest = raw[cut:]
            elif len(raw) > longest:
                size, rest = _skipped(file, raw, end)
                line = raw[:2_000].decode(codec, "ignore")
                yield Block(lines=[line], sizes=[size], too_long=True)
            else:
                rest = raw


def _last_end(raw: bytes, end: bytes) -> int:
    """Behind the last line end, 0 when there is none."""
    at = len(raw)
    while True:
        at = raw.rfind(end, 0, at)
        if at < 0:
            return 0
        if at % len(end) == 0:
            return at + len(end)
        at += len(end) - 1


def _skipped(file: io.FileIO, raw: bytes, end: bytes) -> tuple[int, bytes]:
    """Read on to the next line end: (size of the line, what stands behind it)."""
    size, odd = len(raw), raw[len(raw) - len(raw) % len(end) :]
    while True:
        more = file.read(BLOCK)
        if not more:
            return size, b""
        joined = odd + more
        at = joined.find(end)
        while at >= 0 and at % len(end):
            at = joined.find(end, at + 1)
        if at >= 0:
            return size - len(odd) + at + len(end), joined[at + len(end) :]
        size += len(more)
        odd = joined[len(joined) - len(joined) % len(end) :]


def _block(raw: bytes, codec: str, *, last: bool = False) -> Block:
    if codec.startswith("utf-16"):
        text = raw[: len(raw) // 2 * 2].decode(codec, "surrogatepass")
        lines = [*io.StringIO(text, newline="\n")]
        sizes = [len(one.encode(codec, "surrogatepass")) for one in lines]
        if sizes and len(raw) % 2:
            sizes[-1] += 1
        return Block(lines=lines, sizes=sizes, doubtful=doubtful(text), last=last)
    parts = [*io.BytesIO(raw)]
    sizes = [len(one) for one in parts]
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError:
        lines = [one.decode(codec, "replace") for one in parts]
        return Block(lines=lines, sizes=sizes, doubtful=True, last=last)
    lines = [*io.StringIO(text, newline="\n")]
    return Block(lines=lines, sizes=sizes, doubtful="\0" in text, last=last)
