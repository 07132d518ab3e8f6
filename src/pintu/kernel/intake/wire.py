"""The frames between the broker and the processes beside it: four bytes of length, then msgpack."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from pintu.kernel.context.record import PresentVerb
from pintu.kernel.errors import (
    BadRequestData,
    DiskFull,
    Forbidden,
    InvalidRequest,
    PintuError,
    ResourceNotFound,
    StateConflict,
    TooLarge,
    TooManyRequests,
    Unavailable,
)
from pintu.kernel.intake.words import (
    Batch,
    Command,
    CommandReport,
    Envelope,
    Receipt,
    SourceReport,
)

VERSION = 2
MAX_FRAME = 16 * 1024 * 1024
LENGTH = struct.Struct(">I")
SOCKET_PATH_BYTES = 100  # what the operating system leaves for the path of a Unix socket


class Frame(msgspec.Struct, frozen=True, tag=True, tag_field="f"):
    """Anything that crosses the socket."""


class Problem(msgspec.Struct, frozen=True):
    """A PintuError on its way through the socket."""

    kind: str
    detail: str


# --- from a process to the broker ---------------------------------------------------------------
class Hello(Frame, frozen=True):
    """The first frame: who is there, and which pieces it runs."""

    version: int
    name: str
    pieces: list[str]


class Send(Frame, frozen=True):
    """A batch; answered by `Answer` with the same number once it is durable."""

    number: int
    batch: Batch


class Reports(Frame, frozen=True):
    """How sources are; no answer."""

    reports: list[SourceReport]


class Tell(Frame, frozen=True):
    """How commands go, in order; answered by `Answer` with a problem (or None) for each."""

    number: int
    reports: list[CommandReport]


class Subscribe(Frame, frozen=True):
    """Send me what changes of these types (all when empty) in a tenant after that position.

    None: first every entity there is, as `created`, then what changes from there on.
    """

    number: int
    types: list[str]
    tenant: str
    after: int | None


class Unsubscribe(Frame, frozen=True):
    """No more changes of that subscription."""

    number: int


class Taken(Frame, frozen=True):
    """One `News` frame of that subscription was consumed: another may follow."""

    number: int


# --- from the broker to a process ---------------------------------------------------------------
class Welcome(Frame, frozen=True):
    """The answer to `Hello`."""

    version: int


class Goodbye(Frame, frozen=True):
    """Why the broker closes the connection."""

    reason: str


class Answer(Frame, frozen=True):
    """What became of a batch, or of each of some reports on commands."""

    number: int
    receipt: Receipt | None = None
    problem: Problem | None = None
    problems: list[Problem | None] = []


class Give(Frame, frozen=True):
    """Commands to carry out."""

    commands: list[Command]


class Recall(Frame, frozen=True):
    """Commands of a piece that must not be sent any more."""

    piece: str
    ids: list[str]


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One change: `body` is the document after it, None after a deletion."""

    position: int
    id: str
    types: tuple[str, ...]
    verb: PresentVerb
    at_us: int
    source: str
    changed: tuple[str, ...] | None
    body: bytes | None


class News(Frame, frozen=True):
    """Changes of a subscription, in commit order. Everything up to `position` was looked at (None:
    the
    telling of what there is has not ended)."""

    number: int
    lines: list[Line]
    position: int | None


class ReadAgain(Frame, frozen=True):
    """Run this envelope through its piece's normaliser once more, and hand in what comes of it."""

    tenant: str
    envelope: Envelope


ToBroker = Hello | Send | Reports | Tell | Subscribe | Unsubscribe | Taken
ToProcess = Welcome | Goodbye | Answer | Give | Recall | News | ReadAgain

_encoder = msgspec.msgpack.Encoder()
_to_broker: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(ToBroker)
_to_process: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(ToProcess)

PROBLEMS: dict[str, type[PintuError]] = {
    kind.__name__: kind
    for kind in (
        BadRequestData,
        DiskFull,
        Forbidden,
        InvalidRequest,
        ResourceNotFound,
        StateConflict,
        TooLarge,
        TooManyRequests,
        Unavailable,
    )
}


def problem(error: PintuError) -> Problem:
    """An error as it crosses the socket: its nearest kind the other side knows."""
    kind = next((c.__name__ for c in type(error).__mro__ if c.__name__ in PROBLEMS), "PintuError")
    return Problem(kind, (error.detail or error.title)[:2000])


def raised(found: Problem) -> PintuError:
    """The error a problem stands for."""
    return PROBLEMS.get(found.kind, PintuError)(found.detail)


def encode(frame: Frame) -> bytes:
    """A frame with its length in front; TooLarge over 16 MB, BadRequestData for what msgpack cannot
    hold.
    """
    try:
        body = _encoder.encode(frame)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadRequestData(
            f"A {type(frame).__name__} frame cannot be written: {error}"
        ) from error
    if len(body) > MAX_FRAME:
        raise TooLarge(
            f"A {type(frame).__name__} frame has {len(body)} bytes, more than {MAX_FRAME}"
        )
    return LENGTH.pack(len(body)) + body


async def read_to_broker(reader: asyncio.StreamReader) -> Any:
    """The next frame a process sent; InvalidRequest when it is none, EOFError at the end."""
    return _decode(_to_broker, await _body(reader))


async def read_to_process(reader: asyncio.StreamReader) -> Any:
    """The next frame the broker sent; InvalidRequest when it is none, EOFError at the end."""
    return _decode(_to_process, await _body(reader))


async def _body(reader: asyncio.StreamReader) -> bytes:
    try:
        (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        if length > MAX_FRAME:
            raise InvalidRequest(f"A frame of {length} bytes is announced, more than {MAX_FRAME}")
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise EOFError("the other side is gone") from error


def _decode(decoder: msgspec.msgpack.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"A frame cannot be read: {error}") from error


@contextmanager
def socket_path(path: Path) -> Iterator[str]:
    """A path short enough for a Unix socket, however deep the data folder lies."""
    text = str(path)
    if len(os.fsencode(text)) <= SOCKET_PATH_BYTES:
        yield text
        return
    near = os.path.relpath(path)
    if len(os.fsencode(near)) <= SOCKET_PATH_BYTES:
        yield near
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
