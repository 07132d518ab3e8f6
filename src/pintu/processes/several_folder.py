"""The small files of a city that every broker needs before it may lead: keys, what people decided,
@contexts. Whoever leads puts them into the store, sealed with a key made of the log's own, which
never goes there: whoever reads the store reads none of them. The others take them out.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import secrets
from collections.abc import Iterable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pintu.kernel.errors import ConfigurationError
from pintu.kernel.store.postgres.store import PostgresStore

FOLDERS: Final = ("keys", "config", "contexts")
OWN: Final = "keys/log.pem"
"""The key everything else is sealed with: it is brought by hand, once."""

SEEN: Final = "kept.seen"
"""Up to which change this folder has what the store keeps."""

MOST_BYTES: Final = 4_000_000
MOST_FILES: Final = 20_000
NONCE: Final = 12

log = logging.getLogger("pintu.brokers")
Stamp = tuple[int, int, int]


class Folder:
    """One broker's copy of them. `push` and `pull` are cheap where nothing changed."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._stamps: dict[str, Stamp] = {}
        self._digests: dict[str, str] = {}
        self._pushed: dict[str, str] | None = None  # what the store has, while we lead
        self._seen: int | None = None  # the newest change in the store that is also here
        self._own: tuple[Stamp, str] | None = None

    def own(self) -> str:
        """The digest of the log's key; "" before there is one. Costs a look at a file's times."""
        try:
            stamp = _stamp(self._data / OWN)
            if self._own is None or self._own[0] != stamp:
                told = hashlib.sha256((self._data / OWN).read_bytes()).hexdigest()
                self._own = (stamp, told)
            return self._own[1]
        except OSError:
            return ""

    async def push(self, store: PostgresStore) -> int:
        """Put what changed since the last time into the store; how many files."""
        loop = asyncio.get_running_loop()
        if self._pushed is None:
            rows = await store.connections.fetch("SELECT name, digest FROM kept WHERE body != ''")
            self._pushed = {row["name"]: row["digest"] for row in rows}
        here = await loop.run_in_executor(None, self._look)
        changed = [name for name, digest in here.items() if self._pushed.get(name) != digest]
        gone = [name for name in self._pushed if name not in here]
        if not changed and not gone:
            return 0
        sealed = await loop.run_in_executor(None, self._sealed, changed)
        rows = [(name, here[name], body) for name, body in sealed.items()]
        await store.task(partial(_keep, rows=[*rows, *((name, "", b"") for name in gone)]))
        self._pushed = here
        await self._saw(store, (await self._newest(store))[1])
        return len(rows) + len(gone)

    async def pull(self, store: PostgresStore) -> int:
        """Take out what others put in since this folder last had it all, in this life or one
        before; how many files here are other ones now. What was edited here meanwhile stays
        where others changed nothing.
        """
        self._pushed = None
        if self._seen is None:
            self._seen = self._marked(*await self._newest(store))
        asked = "SELECT name, digest, body, change FROM kept WHERE change > $1 ORDER BY change"
        rows = await store.connections.fetch(asked, self._seen)
        if rows:
            loop = asyncio.get_running_loop()
            told = [tuple(row) for row in rows]
            changed = await loop.run_in_executor(None, self._take_out, told)
            await self._saw(store, rows[-1]["change"])
            return changed
        return 0

    async def _newest(self, store: PostgresStore) -> tuple[str, int]:
        """Which city's store it is, and the newest change in it; -1: none."""
        asked = "SELECT (SELECT secret FROM lead) AS city, coalesce(max(change), -1) AS n FROM kept"
        row = (await store.connections.fetch(asked))[0]
        return hashlib.sha256((row["city"] or "").encode()).hexdigest()[:16], int(row["n"])

    def _marked(self, city: str, newest: int) -> int:
        """What this folder saw in an earlier life; -1 when that was another store's, or a later
        one's than this, which came out of a backup."""
        try:
            told, seen = (self._data / SEEN).read_text("ascii").split()
        except (OSError, ValueError):
            return -1
        return int(seen) if told == city and seen.isdigit() and int(seen) <= newest else -1

    async def _saw(self, store: PostgresStore, change: int) -> None:
        city, _ = await self._newest(store)
        self._seen = change
        told = f"{city} {change}".encode()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, partial(_write, self._data / SEEN, told, private=False))

    # --- files ------------------------------------------------------------------------------------
    def _look(self) -> dict[str, str]:
        """Every file there is, by its digest: read again when its times changed."""
        found: dict[str, str] = {}
        for name, path in self._files():
            try:
                stamp = _stamp(path)
                if self._stamps.get(name) != stamp:
                    self._digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
                    self._stamps[name] = stamp
                found[name] = self._digests[name]
            except FileNotFoundError:  # gone, or being replaced: the next look sees it
                self._stamps.pop(name, None)
        return found

    def _files(self) -> Iterable[tuple[str, Path]]:
        number = 0
        for folder in FOLDERS:
            for path in sorted((self._data / folder).rglob("*")):
                name = path.relative_to(self._data).as_posix()
                if name == OWN or path.name.startswith(".") or not path.is_file():
                    continue
                if path.stat().st_size > MOST_BYTES or number >= MOST_FILES:
                    log.warning("%s is not kept for the other brokers: it is too large", name)
                    continue
                number += 1
                yield name, path

    def _sealed(self, names: list[str]) -> dict[str, bytes]:
        box = AESGCM(self._key())
        found = {}
        for name in names:
            nonce = secrets.token_bytes(NONCE)
            body = (self._data / name).read_bytes()
            found[name] = nonce + box.encrypt(nonce, body, name.encode())
        return found

    def _take_out(self, rows: list[tuple[str, str, bytes, int]]) -> int:
        box, changed = AESGCM(self._key()), 0
        for name, _, body, _ in rows:
            path = self._data / _checked(name)
            if not body:
                changed += path.exists()
                path.unlink(missing_ok=True)
                continue
            try:
                opened = box.decrypt(body[:NONCE], body[NONCE:], name.encode())
            except InvalidTag as error:
                told = f"{name} in the store was sealed with another key than {OWN}"
                raise ConfigurationError([told]) from error
            if not path.exists() or path.read_bytes() != opened:
                _write(path, opened, private=name.startswith("keys/"))
                changed += 1
        return changed

    def _key(self) -> bytes:
        own = (self._data / OWN).read_bytes()
        return HKDF(SHA256(), 32, salt=None, info=b"pintu brokers folder").derive(own)


def _stamp(path: Path) -> Stamp:
    told = path.stat()
    return told.st_mtime_ns, told.st_size, told.st_ino


def _checked(name: str) -> str:
    """A name that stays in the folders it is for; raises ConfigurationError."""
    parts = PurePosixPath(name).parts
    if len(parts) < 2 or parts[0] not in FOLDERS or ".." in parts or name == OWN:
        raise ConfigurationError([f"The store keeps a file {name!r}, which is none of a city"])
    return name


def _write(path: Path, body: bytes, *, private: bool) -> None:
    """Whole or not at all."""
    path.parent.mkdir(mode=0o700 if private else 0o755, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if private else 0o644)
    with os.fdopen(handle, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


async def _keep(connection: Any, rows: list[tuple[str, str, bytes]]) -> None:
    await connection.executemany(
        "INSERT INTO kept(name, digest, body) VALUES($1, $2, $3) ON CONFLICT (name) DO UPDATE "
        "SET digest = excluded.digest, body = excluded.body, change = nextval('kept_change')",
        rows,
    )
