"""Brings a file from an HTTPS address into a folder: only when it changed, on from where an earlier
attempt broke off, never larger or longer than it may be."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx

from pintu.kernel.clock import Clock
from pintu.kernel.egress import Asking, Egress
from pintu.kernel.errors import DiskFull, TooLarge, Unavailable
from pintu.kernel.intake.doors.files_ledger import find_mark, keep_mark
from pintu.kernel.tables import OpenTables

STALL_S: Final = 30.0
TOTAL_S: Final = 3_600.0
_UNSAFE: Final = re.compile(r"[^\w.()\- ]+")
_ENDS: Final = {
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/json": ".json",
    "application/geo+json": ".geojson",
    "application/x-ndjson": ".ndjson",
    "application/zip": ".zip",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """Where to, how much, how long, and what is remembered from last time."""

    source: str
    folder: Path
    largest: int
    egress: Egress
    clock: Clock
    ledger: OpenTables
    stall_s: float = STALL_S
    total_s: float = TOTAL_S


async def fetch_https(work: Fetching, url: str, *, user: str = "", secret: str = "") -> list[str]:
    """Bring what an address holds; the names of new files, none when it is what it was.

    Raises Forbidden (address), TooLarge, DiskFull, Unavailable in words; what came stays for the
    next attempt.
    """
    mark = await find_mark(work.ledger, work.source, url)
    part = work.folder / f".{safe_name(url)}.part"
    come = await asyncio.to_thread(size_of, part)
    begun = await find_mark(work.ledger, work.source, f"part {url}") if come else {}
    headers = _headers(mark, begun, come, _authorization(user, secret))
    asking = Asking(headers=tuple(headers.items()), timeout_s=work.stall_s)
    try:
        async with (
            asyncio.timeout(work.total_s),
            work.egress.stream(url, accept="*/*", asking=asking) as (found, answer),
        ):
            if answer.status_code == 304:
                return []
            if answer.status_code == 416:
                part.unlink(missing_ok=True)
            at = _begins(answer, url, come)
            new = _mark(answer)
            await keep_mark(work.ledger, work.source, f"part {url}", new, work.clock.now_us())
            await write_parts(part, at, answer.aiter_bytes(), work.largest)
            _whole(answer, url, size_of(part))
    except TimeoutError as error:
        raise lost(url, size_of(part), f"{work.total_s:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise lost(url, size_of(part), str(error) or type(error).__name__) from error
    name = _file_name(url, found, answer)
    await asyncio.to_thread(appear, part, work.folder / name)
    await keep_mark(work.ledger, work.source, url, new, work.clock.now_us())
    return [name]


def _authorization(user: str, secret: str) -> dict[str, str]:
    if user:
        told = base64.b64encode(f"{user}:{secret}".encode()).decode()
        return {"Authorization": f"Basic {told}"}
    return {"Authorization": f"Bearer {secret}"} if secret else {}


def _headers(
    mark: dict[str, str], begun: dict[str, str], come: int, who: dict[str, str]
) -> dict[str, str]:
    """Conditions of RFC 9110: the whole if it changed, else the rest of what came."""
    headers = dict(who)
    etag = begun.get("etag", "")
    if come and etag and not etag.startswith("W/"):
        headers |= {"Range": f"bytes={come}-", "If-Range": etag, "Accept-Encoding": "identity"}
    elif mark.get("etag"):
        headers["If-None-Match"] = mark["etag"]
    elif mark.get("last_modified"):
        headers["If-Modified-Since"] = mark["last_modified"]
    return headers


def _begins(answer: httpx.Response, url: str, come: int) -> int:
    """The byte at which the body begins."""
    if answer.status_code == 206:
        found = re.match(r"bytes (\d+)-", answer.headers.get("content-range", ""))
        if found and int(found[1]) == come:
            return come
        raise Unavailable(f"{url} answered with another part than was asked for")
    if answer.status_code != 200:
        raise Unavailable(
            f"{url} answered {answer.status_code}", zh=f"{url} 返回 {answer.status_code}"
        )
    return 0


def _whole(answer: httpx.Response, url: str, size: int) -> None:
    """A body that ended before its length was told whole is not taken for whole."""
    told = answer.headers.get("content-length", "")
    encoded = answer.headers.get("content-encoding", "identity")
    if answer.status_code == 200 and told.isdigit() and encoded == "identity" and int(told) != size:
        raise lost(url, size, f"{told} bytes were announced")


def _mark(answer: httpx.Response) -> dict[str, str]:
    found = {
        "etag": answer.headers.get("etag", "")[:300],
        "last_modified": answer.headers.get("last-modified", "")[:100],
    }
    return {name: value for name, value in found.items() if value}


async def write_parts(part: Path, at: int, parts: AsyncIterator[bytes], largest: int) -> None:
    """Write what comes behind byte `at`, durable; TooLarge, DiskFull. What came stays."""
    size = at
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("r+b" if part.exists() else "wb") as file:
            file.truncate(at)
            file.seek(at)
            async for piece in parts:
                size += len(piece)
                if size > largest:
                    break
                file.write(piece)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
    except OSError as error:
        raise DiskFull(f"{part.name} cannot be written: {error.strerror}") from error
    if size > largest:
        part.unlink(missing_ok=True)
        raise TooLarge(
            f"What is fetched is larger than {largest} bytes, the limit of this source",
            zh=f"取回的文件超过该来源的上限 {largest} 字节",
        )


def appear(part: Path, target: Path) -> None:
    """A file that came whole takes its name, in one step; DiskFull."""
    try:
        os.replace(part, target)
    except OSError as error:
        raise DiskFull(f"{target.name} cannot be written: {error.strerror}") from error


def lost(url: str, size: int, why: str) -> Unavailable:
    """The other side let go."""
    return Unavailable(
        f"{url} was lost after {size} bytes: {why}; the next attempt goes on there if it can",
        zh=f"从 {url} 取文件中断，已收到 {size} 字节：{why}；下次尽量从断点继续",
    )


def size_of(path: Path) -> int:
    """Bytes of a file, 0 when it is not there."""
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def safe_name(url: str) -> str:
    """A file name from an address, without anything that could lead elsewhere."""
    last = unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2])
    return _UNSAFE.sub("_", last).strip(". ")[-100:] or "file"


def _file_name(url: str, found: str, answer: httpx.Response) -> str:
    name = safe_name(url)
    if "." in name:
        return name
    other = safe_name(found)
    if "." in other:
        return other
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return name + _ENDS.get(kind, "")
