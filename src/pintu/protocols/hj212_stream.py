"""A stream of bytes cut into HJ 212 frames: split, joined, damaged, with anything between them."""

from __future__ import annotations

from dataclasses import dataclass

from pintu.protocols.hj212 import AROUND, HEAD, LONGEST_2017, BadContent, BadFrame, Frame, read_one

NEW_LINE_HEAD = b"\r\n##"
GARBAGE_KEPT = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What lay in the stream: the bytes, and either the frame or the reason why there is none."""

    body: bytes
    frame: Frame | None = None
    reason: str = ""


class Stream:
    """Bytes in by `feed`, finds out by `next`, however the bytes were cut: the same bytes give the
    same finds.

    After damage it goes on at the next `##`. No frame has a CR LF inside, so a `##` after one
    begins a frame even where a damaged length says otherwise.
    """

    __slots__ = ("_buffer", "_garbage", "_longest", "_lost", "_why", "damaged")

    def __init__(self, *, longest: int = LONGEST_2017) -> None:
        self._buffer = bytearray()
        self._garbage = bytearray()
        self._lost = 0
        self._why = ""
        self._longest = longest
        self.damaged = 0  # bytes since the last good frame

    @property
    def waiting(self) -> int:
        """Bytes that are not handed out yet."""
        return len(self._buffer) + self._lost

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take what came."""
        self._buffer += chunk

    def next(self) -> Found | None:
        """The next find, None when more bytes are needed."""
        buffer = self._buffer
        while True:
            at = buffer.find(HEAD)
            if at < 0:
                # the last byte may be the first half of ##
                self._throw(len(buffer) - buffer.endswith(b"#"))
                return None
            self._throw(at)
            if self._lost:
                return self._end_of_garbage()
            digits = bytes(buffer[2:6])
            if len(digits) < 4:
                return None
            if not digits.isdigit():
                self._throw(1)
                continue
            length = int(digits)
            if length > self._longest:
                self._throw(6)
                self._why = f"Frame says {length} bytes of data, over {self._longest}"
                continue
            end = length + AROUND
            inside = buffer.find(NEW_LINE_HEAD, 6, end)
            if inside >= 0:
                return self._cut_off(inside + 2, length)
            return self._whole(end) if len(buffer) >= end else None

    def flush(self) -> Found | None:
        """Nothing more comes: what is left is handed out with its reason; call until None."""
        found = self.next()
        buffer = self._buffer
        if found is not None or not self.waiting:
            return found
        if not buffer.startswith(HEAD):
            self._throw(len(buffer))
            return self._end_of_garbage()
        digits = bytes(buffer[2:6])
        later = buffer.find(HEAD, 2)
        size = later if later >= 0 else len(buffer)
        return self._cut_off(size, int(digits) if digits.isdigit() else 0)

    def _whole(self, end: int) -> Found:
        body = bytes(self._buffer[:end])
        try:
            frame = read_one(body)
        except BadContent as error:
            return self._bad(end, str(error))
        except BadFrame as error:
            later = body.find(HEAD, 2)
            size = later if later >= 0 else end - body.endswith(b"#")
            return self._bad(size, str(error))
        del self._buffer[:end]
        self.damaged = 0
        return Found(body=body, frame=frame)

    def _cut_off(self, size: int, length: int) -> Found:
        has = max(0, size - 6)
        return self._bad(size, f"Frame says {length} bytes of data and ends after {has}")

    def _bad(self, size: int, reason: str) -> Found:
        body = bytes(self._buffer[:size])
        del self._buffer[:size]
        self.damaged += size
        return Found(body=body, reason=reason)

    def _throw(self, size: int) -> None:
        """Bytes that belong to no frame; line ends between frames are nothing."""
        if size <= 0:
            return
        lost = bytes(self._buffer[:size]).translate(None, b"\r\n")
        del self._buffer[:size]
        self._lost += len(lost)
        self.damaged += len(lost)
        self._garbage += lost[: max(0, GARBAGE_KEPT - len(self._garbage))]

    def _end_of_garbage(self) -> Found:
        reason = self._why or f"{self._lost} bytes between frames belong to none"
        body = bytes(self._garbage)
        self._garbage.clear()
        self._lost, self._why = 0, ""
        return Found(body=body, reason=reason)
