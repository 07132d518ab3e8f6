"""Clients that ask without a pause and notice everything that is not a whole answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass
class Seen:
    """What clients met."""

    answers: int = 0
    closes: int = 0  # answers that said the connection ends
    refused: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)


async def client(port: int, request: bytes, stop: asyncio.Event, seen: Seen) -> None:
    """One connection after another, one request after another, until `stop`."""
    while not stop.is_set():
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError as error:
            seen.refused.append(repr(error))
            return
        try:
            while not stop.is_set():
                writer.write(request)
                if await _whole(reader, seen):
                    break
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            seen.broken.append(repr(error))
        finally:
            writer.close()


async def _whole(reader: asyncio.StreamReader, seen: Seen) -> bool:
    """Read one answer; True when it is the last of its connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    status = int(lines[0].split()[1])
    headers = dict(one.lower().split(b": ", 1) for one in lines[1:] if b": " in one)
    await reader.readexactly(int(headers.get(b"content-length", b"0")))
    seen.answers += 1
    seen.statuses[status] = seen.statuses.get(status, 0) + 1
    closes = headers.get(b"connection") == b"close"
    seen.closes += closes
    return closes
