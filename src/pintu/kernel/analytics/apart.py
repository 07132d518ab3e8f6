"""Packing in a process of its own: what it costs is not taken from those who read and write.

Rows go there as frames, a part each, and are answered when they are durable. The process begins
with the first part and ends when nothing came for a while; whatever becomes of it, a part that was
not answered is packed again, which changes nothing where it was packed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import struct
import sys
from itertools import groupby
from pathlib import Path
from time import monotonic
from typing import BinaryIO, Final

import msgspec

from pintu.kernel.analytics.parts import Part, pack_part
from pintu.kernel.analytics.rolling import roll_up
from pintu.kernel.analytics.schema import TABLES
from pintu.kernel.context.record import Verb
from pintu.kernel.errors import PintuError, Unavailable
from pintu.kernel.store.port import Change
from pintu.kernel.tables import open_tables

MODULE: Final = "pintu.kernel.analytics.apart"
DEADLINE_S: Final = 120.0
"""A part takes some tenths of a second; a disk that hangs must not hold up the city's end."""
IDLE_S: Final = 120.0

log = logging.getLogger("pintu.history")

Row = tuple[
    int, int, str, tuple[str, ...], Verb, int, str, tuple[str, ...] | None, bytes, int
]  # a Change as the log has it
_LENGTH = struct.Struct("<I")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Row]).decode


class Where(msgspec.Struct):
    """Whose history it is."""

    data: str
    store: str


class Apart:
    """The broker's side."""

    def __init__(self, data: Path, store: str) -> None:
        self._where = Where(str(data), store)
        self._process: asyncio.subprocess.Process | None = None
        self._used = 0.0

    @property
    def pid(self) -> int | None:
        """The process while there is one."""
        return None if self._process is None else self._process.pid

    async def pack(self, part: Part) -> None:
        """Have a part packed; returns when it is durable. Raises Unavailable when it is not known
        to be."""
        process = self._process or await self._begin()
        self._used = monotonic()
        try:
            async with asyncio.timeout(DEADLINE_S):
                told = frame(_encode([_row(c) for _, rows in part for c in rows]))
                answer = (await ask_process(process, told)).decode()
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            await self.close()
            raise Unavailable(f"The process that packs history ended: {error}") from error
        except asyncio.CancelledError:
            await self.close()  # an answer that nobody waits for would be taken for the next one's
            raise
        if answer:
            raise Unavailable(f"History is not packed: {answer}")

    async def _begin(self) -> asyncio.subprocess.Process:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", MODULE,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(frame(msgspec.msgpack.encode(self._where)))
        return self._process

    async def rest(self) -> None:
        """Let the process go when it was not needed for a while."""
        if self._process is not None and monotonic() - self._used > IDLE_S:
            await self.close()

    async def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def ask_process(process: asyncio.subprocess.Process, told: bytes) -> bytes:
    """What a process answers to a frame; of this one empty: it is done."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(told)
    await process.stdin.drain()
    (length,) = _LENGTH.unpack(await process.stdout.readexactly(_LENGTH.size))
    return await process.stdout.readexactly(length)


def frame(told: bytes) -> bytes:
    """Bytes behind their length."""
    return _LENGTH.pack(len(told)) + told


def _row(one: Change) -> Row:
    return (
        one.position, one.tenant, one.id, one.types, one.verb, one.at_us, one.source, one.changed,
        one.payload, one.previous,
    )  # fmt: skip


def part_of(told: bytes) -> Part:
    """The part that was sent."""
    changes = [Change(*row) for row in _decode(told)]
    return [(key, list(some)) for key, some in groupby(changes, lambda c: (c.tenant, c.id))]


def main() -> None:
    """The other side: a part, an answer, until nobody asks any more."""
    os.nice(10)
    asked, answered = sys.stdin.buffer, sys.stdout.buffer
    told = next_frame(asked)
    if told is None:
        return
    where = msgspec.msgpack.decode(told, type=Where)
    tables = open_tables(Path(where.data), where.store)
    opened = tables.open("rooms", TABLES.name)
    while (told := next_frame(asked)) is not None:
        part, why = part_of(told), ""
        try:
            opened.run_now(lambda c, part=part: pack_part(c, part, roll_up))  # type: ignore[misc]
        except (PintuError, OSError) as error:
            why = str(error) or type(error).__name__
        answered.write(frame(why.encode()))
        answered.flush()


def next_frame(asked: BinaryIO) -> bytes | None:
    """The next frame; None when there will be none."""
    head = asked.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    told = asked.read(length)
    return told if len(told) == length else None


if __name__ == "__main__":
    main()
