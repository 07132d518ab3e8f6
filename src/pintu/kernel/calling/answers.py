"""Answers as they come in, byte by byte: pure, strict about where a message ends, bounded.

RFC 9112. What could be read in two ways is garbage: two lengths, a length beside chunks, folded
lines, names with blanks.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from pintu.kernel.calling.words import Reply, failure
from pintu.kernel.errors import TooLarge

MOST_HEAD: Final = 32_768
MOST_LINE: Final = 1_024
"""Of a chunk's size or of a trailer."""

MOST_INTERIM: Final = 8
_STATUS: Final = re.compile(r"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: .*)?")
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\x00-\x08\x0a-\x1f]*)?")

Heads = dict[bytes, "Head"]
"""Heads read before, as bytes: a server says nearly the same each time. Bounded by who keeps it."""

State = Literal["head", "length", "size", "chunk", "gap", "trailer", "end"]


class Head(msgspec.Struct, frozen=True):
    """What the lines before a body say; `length` None: not told."""

    status: int
    headers: dict[str, str]
    keep: bool
    chunked: bool
    length: int | None


def read_head(data: bytes) -> Head:
    """Read the lines before a body; Unavailable (garbage) where they could be read in two ways."""
    lines = data.decode("latin-1").split("\r\n")
    found = _STATUS.fullmatch(lines[0])
    if found is None:
        raise failure("garbage", f"The answer begins with {lines[0][:60]!r}")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name) or "\n" in value or "\r" in value:
            raise failure("garbage", f"The answer has the header line {line[:60]!r}")
        name, value = name.lower(), value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if coding is not None and (length is not None or coding.lower() != "chunked"):
        raise failure("garbage", f"The answer is framed as {coding[:60]!r}")
    asked = headers.get("connection", "").lower()
    return Head(
        status=int(found[2]),
        headers=headers,
        keep="close" not in asked and (found[1] == "1" or "keep-alive" in asked),
        chunked=coding is not None,
        length=None if length is None else _length(length),
    )


def _length(told: str) -> int:
    lengths = {one.strip() for one in told.split(",")}
    text = lengths.pop()
    if lengths or not text.isascii() or not text.isdigit() or len(text) > 15:
        raise failure("garbage", f"The answer is {told[:60]!r} bytes long")
    return int(text)


class Answer:
    """One answer being read: `feed` bytes until it returns a Reply; what is `left` over then was
    not asked for. Unavailable (garbage) and TooLarge end the connection."""

    __slots__ = (
        "_body", "_buffer", "_head", "_interim", "_known", "_limit", "_missing", "_state",
        "_without", "keep", "left", "started",
    )  # fmt: skip

    def __init__(self, method: str, limit: int, known: Heads | None = None) -> None:
        self._known: Heads = {} if known is None else known
        self._without = method == "HEAD"
        self._limit = limit
        self._state: State = "head"
        self._buffer = bytearray()
        self._body = bytearray()
        self._missing = 0
        self._interim = 0
        self._head: Head | None = None
        self.keep = False  # the connection may be used again
        self.left = False
        self.started = False  # at least a byte came

    def feed(self, data: bytes) -> Reply | None:
        """Read on; the whole answer when it is whole."""
        self.started = True
        if self._state == "head" and not self._buffer:
            end = data.find(b"\r\n\r\n")
            if 0 <= end <= MOST_HEAD:
                return self._headed(data[:end], data[end + 4 :])
        self._buffer += data
        return self._read_on()

    def ended(self) -> Reply:
        """The other side closed: whole where the closing is the end, else Unavailable."""
        if self._state == "end":
            return self._done(bytes(self._body), keep=False)
        if not self.started:
            raise failure("closed", "The connection was closed before an answer")
        raise failure("closed", "The connection was closed in the middle of an answer")

    def _headed(self, raw: bytes, rest: bytes) -> Reply | None:
        head = self._known.get(raw)
        if head is None:
            head = read_head(raw)
            self._known.clear()
            self._known[raw] = head
        status = head.status
        if status < 200:
            return self._interim_passed(status, rest)
        self._head, self.keep = head, head.keep
        if self._without or status in (204, 304):
            self.left = bool(rest)
            return self._done(b"", keep=self.keep and not rest)
        if head.chunked:
            self._state = "size"
        elif head.length is not None:
            if head.length > self._limit:
                raise TooLarge(f"The answer has {head.length:,} bytes, more than {self._limit:,}")
            if len(rest) == head.length:
                return self._done(rest, keep=self.keep)
            self._missing, self._state = head.length, "length"
        else:
            self._state, self.keep = "end", False
        self._buffer += rest
        return self._read_on()

    def _interim_passed(self, status: int, rest: bytes) -> Reply | None:
        self._interim += 1
        if status == 101 or self._interim > MOST_INTERIM:
            raise failure("garbage", f"The answer {status} was not asked for")
        if not rest:
            return None
        return self.feed(rest)

    def _read_on(self) -> Reply | None:
        while True:
            state = self._state
            if state == "head":
                return self._read_head()
            if state == "length":
                return self._read_length()
            if state == "end":
                self._take(len(self._buffer))
                return None
            if state == "chunk":
                self._read_chunk()
                if self._missing:
                    return None
                continue
            line = self._line()
            if line is None:
                return None
            if state == "trailer" and not line:
                self.left = bool(self._buffer)
                return self._done(bytes(self._body), keep=self.keep and not self._buffer)
            self._read_line(state, line)

    def _read_head(self) -> Reply | None:
        end = self._buffer.find(b"\r\n\r\n", 0, MOST_HEAD + 4)
        if end < 0:
            if len(self._buffer) > MOST_HEAD:
                raise TooLarge(f"The answer's head has more than {MOST_HEAD:,} bytes")
            if not b"HTTP/".startswith(bytes(self._buffer[:5])):
                raise failure("garbage", f"The answer begins with {bytes(self._buffer[:40])!r}")
            return None
        head, rest = bytes(self._buffer[:end]), bytes(self._buffer[end + 4 :])
        self._buffer.clear()
        return self._headed(head, rest)

    def _read_length(self) -> Reply | None:
        if len(self._buffer) < self._missing:
            return None
        self.left = len(self._buffer) > self._missing
        return self._done(bytes(self._buffer[: self._missing]), keep=self.keep and not self.left)

    def _read_chunk(self) -> None:
        part = min(self._missing, len(self._buffer))
        self._take(part)
        self._missing -= part
        if not self._missing:
            self._state = "gap"

    def _read_line(self, state: State, line: bytes) -> None:
        if state == "size":
            found = _SIZE.fullmatch(line)
            if found is None:
                raise failure("garbage", f"A chunk of the answer is {line[:40]!r} long")
            self._missing = int(found[1], 16)
            self._state = "chunk" if self._missing else "trailer"
            if len(self._body) + self._missing > self._limit:
                raise TooLarge(f"The answer has more than {self._limit:,} bytes")
        elif state == "gap":
            if line:
                raise failure("garbage", "A chunk of the answer is longer than it said")
            self._state = "size"
        else:
            self._interim += 1  # trailers are read over, a bounded number of them
            if self._interim > 100:
                raise failure("garbage", "The answer has trailers without an end")

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n", 0, MOST_LINE + 2)
        if end < 0:
            if len(self._buffer) > MOST_LINE:
                raise failure("garbage", "A line within the answer does not end")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _take(self, count: int) -> None:
        if len(self._body) + count > self._limit:
            raise TooLarge(f"The answer has more than {self._limit:,} bytes")
        self._body += self._buffer[:count]
        del self._buffer[:count]

    def _done(self, body: bytes, *, keep: bool) -> Reply:
        self.keep = keep
        assert self._head is not None
        return Reply(status=self._head.status, headers=dict(self._head.headers), body=body)
