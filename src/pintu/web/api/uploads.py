"""Files handed in through a page: streamed to the disk, whole or not at all, then read."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from litestar import post

from pintu.kernel.access import Deed
from pintu.kernel.errors import BadRequestData, DiskFull, TooLarge
from pintu.web.house import house_of
from pintu.web.pages.connect import DATA_SET, read_saved
from pintu.web.visit import AnyRequest, enter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LARGEST_FILE = 4_000_000_000
UNSAFE = re.compile(r"[^\w.()\-（）【】 ]+")
ENDINGS = (".csv", ".tsv", ".txt", ".xlsx", ".json", ".ndjson", ".geojson", ".zip")


@post(
    "/uploads/{name:str}",
    summary="Hand in a file for an upload source",
    request_max_body_size=None,  # counted as it streams; a table may be far larger than a form
)
async def upload(request: AnyRequest, name: str, filename: str = "") -> dict[str, Any]:
    """Keep the body as a file of the source; what is next to look at comes back."""
    house = house_of(request)
    rooms = house.rooms
    visit = enter(request, rooms, Deed.OPERATE, DATA_SET)
    source, _ = read_saved(rooms, name)
    if source.door != "upload":
        raise BadRequestData(f"Source {name} enters by {source.door}, not by upload")
    target = rooms.settings.data / "uploads" / name / safe_name(filename)
    size = await keep(request.stream(), target)
    house.looks.forget(name)
    if source.enabled:
        await rooms.runs.ask(name, by=visit.actor.id)
    next_page = f"/connect/{name}" if source.mappings else f"/connect/{name}/look"
    return {"file": target.name, "bytes": size, "next": next_page}


def safe_name(filename: str) -> str:
    """A file's own name without a path; BadRequestData for a kind nobody reads here."""
    plain = UNSAFE.sub("_", Path(filename.replace("\\", "/")).name).strip(". ")[-120:]
    if not plain.lower().endswith(ENDINGS):
        raise BadRequestData(f"File {plain[:60]!r} is none of {', '.join(ENDINGS)}")
    return plain


async def keep(parts: AsyncIterator[bytes], target: Path) -> int:
    """Write what comes to `target`, whole or not at all, durable; its size in bytes.

    Raises TooLarge, DiskFull.
    """
    # a name of its own: the same file may be handed in twice at once
    partial = target.with_name(f".{token_hex(8)}.partial")
    size = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            async for part in parts:
                size += len(part)
                if size > LARGEST_FILE:
                    raise TooLarge(f"A file is at most {LARGEST_FILE} bytes large")
                file.write(part)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())  # the loop does not wait for a disk
        partial.replace(target)
    except OSError as error:
        raise DiskFull(f"{target.name} cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return size
