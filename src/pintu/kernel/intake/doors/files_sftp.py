"""Brings files from an SFTP server into a folder: its host key must be the one that was told, and
a server that hangs, dies or never ends costs a bounded time and no more than the limit of bytes."""

from __future__ import annotations

import asyncio
import fnmatch
import posixpath
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import asyncssh

from pintu.kernel.errors import BadRequestData, Forbidden, TooLarge, Unavailable
from pintu.kernel.intake.doors.files_fetching import (
    Fetching,
    appear,
    lost,
    safe_name,
    size_of,
    write_parts,
)
from pintu.kernel.intake.doors.files_ledger import find_mark, keep_mark

CONNECT_S: Final = 15.0
MOST_LISTED: Final = 20_000
MOST_FILES: Final = 500  # new ones of one visit; the rest next time
PIECE: Final = 1 << 18


async def fetch_sftp(
    work: Fetching, url: str, *, user: str, secret: str, keys: list[str]
) -> list[str]:
    """Bring what is new or changed at `sftp://HOST[:PORT]/PATH`; the last part of the path may
    hold `*` and `?`. The names of new files.

    Raises Forbidden (address, host key), TooLarge, DiskFull, Unavailable in words; what came of a
    broken file stays, and the next attempt goes on there while the file is the same.
    """
    parts = urlsplit(url)
    host, port, path = parts.hostname or "", parts.port or 22, unquote(parts.path)
    address = await work.egress.reach(host, port)
    pins = _fingerprints(keys)
    seen: list[str] = []
    try:
        async with asyncio.timeout(work.total_s):
            async with asyncio.timeout(CONNECT_S):
                connection = await _connect(address, port, (user, secret), pins, seen)
            try:
                async with asyncio.timeout(work.stall_s):
                    client = await connection.start_sftp_client()
                return await _files(work, client, (host, port, path))
            finally:
                connection.abort()  # a server that hangs would make a polite goodbye hang too
    except TimeoutError as error:
        raise Unavailable(
            f"{host} did not answer in time; what came stays, the next attempt goes on there",
            zh=f"{host} 没有按时应答；已收到的部分保留，下次从断点继续",
        ) from error
    except asyncssh.HostKeyNotVerifiable as error:
        raise unknown_key(host, seen, pins) from error
    except asyncssh.PermissionDenied as error:
        raise Unavailable(
            f"{host} does not let {user!r} in: {error.reason[:200]}",
            zh=f"{host} 拒绝用户 {user!r} 登录：{error.reason[:200]}",
        ) from error
    except (asyncssh.Error, OSError) as error:
        said = str(error)[:200] or type(error).__name__
        raise Unavailable(f"{host}: {said}", zh=f"{host}：{said}") from error


def unknown_key(host: str, seen: list[str], pins: frozenset[str]) -> Forbidden:
    """The server shows a key nobody told us, or another than was told."""
    key = seen[0] if seen else "?"
    if pins:
        return Forbidden(
            f"{host} shows host key {key}, not the one that was told: it may be another machine; "
            "ask its owner before changing the setting",
            zh=f"{host} 出示的主机密钥 {key} 与设置的不同，可能不是同一台机器；请先向对方确认",
        )
    return Forbidden(
        f"{host} shows host key {key}; ask its owner whether that is right, then write it into "
        "the setting host_key",
        zh=f"{host} 出示的主机密钥是 {key}；请向对方确认后填入“主机密钥”",
    )


def _fingerprints(keys: list[str]) -> frozenset[str]:
    """Fingerprints of keys told as `SHA256:…` or as lines of OpenSSH; BadRequestData."""
    found = set()
    for one in keys:
        if one.startswith("SHA256:"):
            found.add(one.rstrip("="))
            continue
        try:
            found.add(asyncssh.import_public_key(one).get_fingerprint("sha256"))
        except (asyncssh.KeyImportError, ValueError) as error:
            raise BadRequestData(
                f"Host key {one[:40]!r} is neither SHA256:… nor a line of OpenSSH",
                zh=f"主机密钥 {one[:40]!r} 既不是 SHA256:… 也不是 OpenSSH 公钥行",
            ) from error
    return frozenset(found)


class _Client(asyncssh.SSHClient):
    """Believes the told host keys and no other."""

    def __init__(self, pins: frozenset[str], seen: list[str]) -> None:
        self._pins, self._seen = pins, seen

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        """Called with the server's key before anything secret is sent."""
        found = key.get_fingerprint("sha256")
        self._seen.append(found)
        return found in self._pins


async def _connect(
    address: str,
    port: int,
    login: tuple[str, str],
    pins: frozenset[str],
    seen: list[str],
) -> asyncssh.SSHClientConnection:
    user, secret = login
    try:
        keys = [asyncssh.import_private_key(secret)] if "PRIVATE KEY" in secret else None
    except (asyncssh.KeyImportError, ValueError) as error:
        raise BadRequestData(
            "The private key of this source cannot be read", zh="来源的私钥无法读取"
        ) from error
    return await asyncssh.connect(
        address,
        port,
        client_factory=lambda: _Client(pins, seen),
        known_hosts=([], [], []),
        username=user,
        password=None if keys else secret,
        client_keys=keys,
        config=None,
        agent_path=None,
        agent_forwarding=False,
        gss_host=None,
        keepalive_interval=15,
        keepalive_count_max=2,
        login_timeout=CONNECT_S,
        connect_timeout=CONNECT_S,
        compression_algs=None,  # a peer could send what unpacks to anything
        encoding=None,
    )


async def _files(
    work: Fetching, client: asyncssh.SFTPClient, where: tuple[str, int, str]
) -> list[str]:
    host, port, path = where
    found = []
    for one in await _listed(work, client, path):
        url = f"sftp://{host}:{port}{one}"
        name = await _one(work, client, url, one)
        found += [name] if name else []
        if len(found) >= MOST_FILES:
            break
    return found


async def _listed(work: Fetching, client: asyncssh.SFTPClient, path: str) -> list[str]:
    folder, _, pattern = path.rpartition("/")
    if not any(sign in pattern for sign in "*?["):
        return [path]
    found = []
    seen = 0
    async with asyncio.timeout(work.stall_s):
        async for entry in client.scandir(folder or "/"):
            seen += 1
            name = entry.filename if isinstance(entry.filename, str) else ""
            if name not in (".", "..") and "/" not in name and fnmatch.fnmatch(name, pattern):
                found.append(posixpath.join(folder or "/", name))
            if seen >= MOST_LISTED:
                break
    return sorted(found)


async def _one(work: Fetching, client: asyncssh.SFTPClient, url: str, path: str) -> str:
    """Fetch one file when it is not what it was; its name, or nothing."""
    mark = await _state(work, client, path)
    size = int(mark["size"])
    if mark == await find_mark(work.ledger, work.source, url):
        return ""
    if size > work.largest:
        raise TooLarge(
            f"{url} has {size} bytes; at most {work.largest} are fetched",
            zh=f"{url} 有 {size} 字节，上限是 {work.largest}",
        )
    name = safe_name(url)
    part = work.folder / f".{name}.part"
    begun = await find_mark(work.ledger, work.source, f"part {url}")
    at = min(size_of(part), size) if begun == mark else 0
    await keep_mark(work.ledger, work.source, f"part {url}", mark, work.clock.now_us())
    try:
        async with asyncio.timeout(work.stall_s):
            file = await client.open(path, "rb", encoding=None, block_size=0)
        await write_parts(part, at, _pieces(work, file, at, size), work.largest)
        async with asyncio.timeout(work.stall_s):
            await file.close()  # after a failure nobody waits for it: the connection is cut
    except (asyncssh.Error, OSError, TimeoutError) as error:
        said = str(error)[:200] or "no answer"
        raise lost(url, size_of(part), said) from error
    if size_of(part) != size or mark != await _state(work, client, path):
        raise lost(url, size_of(part), "the file is being written")
    await asyncio.to_thread(appear, part, work.folder / name)
    await keep_mark(work.ledger, work.source, url, mark, work.clock.now_us())
    return name


async def _state(work: Fetching, client: asyncssh.SFTPClient, path: str) -> dict[str, str]:
    async with asyncio.timeout(work.stall_s):
        found = await client.stat(path)
    return {"size": str(found.size or 0), "modified": str(found.mtime or 0)}


async def _pieces(
    work: Fetching, file: asyncssh.SFTPClientFile, at: int, size: int
) -> AsyncIterator[bytes]:
    """What was there when it was asked for its size; a file that never ends is left at that."""
    while at < size:
        async with asyncio.timeout(work.stall_s):
            piece: Any = await file.read(min(PIECE, size - at), at)
        if not piece:
            return
        at += len(piece)
        yield piece
