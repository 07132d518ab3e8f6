"""Where @context documents are kept: one JSON file each in `contexts/`, all of them in memory."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

Kind = Literal["Hosted", "Cached", "ImplicitlyCreated"]

COUNT_LIMIT: Final = 10_000
BYTES_LIMIT: Final = 100_000_000
"""Of all that is kept: strangers send ever new URLs, and each may lead to a large document."""

_log = logging.getLogger(__name__)


class Stored(msgspec.Struct):
    """One kept @context: a document `{"@context": …}`, where it is from, and how often it
    served."""

    id: str  # local: the last part of /jsonldContexts/ID
    kind: Kind
    body: Any
    created_us: int
    url: str = ""  # where it was fetched from; empty when it is ours
    last_us: int = 0
    hits: int = 0
    tenant: str | None = None  # whose it is; None: everybody's (what was fetched)
    bundled: bool = False  # brought by hand for a city without internet: never forgotten


class Shelf:
    """Stored @contexts by local id and by URL; with a folder they survive a restart, and what
    another process puts into it or takes out of it is seen by `refresh`.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._by_id: dict[str, Stored] = {}
        self._by_url: dict[str, Stored] = {}
        self._hits_kept: dict[str, int] = {}  # what the files say, to know what is worth writing
        self._sizes: dict[str, int] = {}  # bytes of their files
        self._seen: dict[str, int] = {}  # file name → when it was written, as of the last look
        self._looked_ns = 0
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self.refresh()

    def refresh(self) -> bool:
        """Take up files that are new, other or gone since the last look; whether there were any."""
        if self._folder is None:
            return False
        try:
            looked_ns = self._folder.stat().st_mtime_ns
            if looked_ns == self._looked_ns:
                return False
            with os.scandir(self._folder) as entries:
                found = {
                    one.name: one.stat().st_mtime_ns
                    for one in entries
                    if one.name.endswith(".json")
                }
        except OSError as error:
            _log.warning("the kept @contexts cannot be looked at: %s", error)
            return False
        self._looked_ns = looked_ns
        changed = [name for name in sorted(found) if found[name] != self._seen.get(name)]
        gone = self._seen.keys() - found.keys()
        for name in gone:
            self._forget(name.removesuffix(".json"))
        for name in changed:
            self._load(self._folder / name)
        self._seen = found
        return bool(changed or gone)

    def _load(self, path: Path) -> None:
        try:
            text = path.read_bytes()
            stored = msgspec.json.decode(text, type=Stored)
        except (OSError, msgspec.MsgspecError) as error:
            _log.warning("kept @context %s cannot be read and is left alone: %s", path.name, error)
            return
        self._hits_kept[stored.id] = stored.hits
        self._sizes[stored.id] = len(text)
        self._by_id[stored.id] = stored
        if stored.url:
            self._by_url[stored.url] = stored

    def __iter__(self) -> Iterator[Stored]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def by_id(self, id: str) -> Stored | None:
        """The @context with a local id."""
        return self._by_id.get(id)

    def by_url(self, url: str) -> Stored | None:
        """The @context that was fetched from a URL."""
        return self._by_url.get(url)

    def put(self, stored: Stored) -> None:
        """Keep; replaces one of the same id."""
        self._by_id[stored.id] = stored
        if stored.url:
            self._by_url[stored.url] = stored
        self.save(stored)

    def save(self, stored: Stored) -> None:
        """Write to the folder, whole or not at all."""
        text = msgspec.json.encode(stored)
        self._sizes[stored.id] = len(text)
        if self._folder is None:
            return
        path = self._folder / f"{stored.id}.json"
        part = path.with_suffix(".part")
        part.write_bytes(text)
        os.replace(part, path)
        self._hits_kept[stored.id] = stored.hits
        self._seen[path.name] = path.stat().st_mtime_ns

    def save_counters(self) -> None:
        """Write those that served since they were written; one that cannot be is left and told."""
        for stored in self:
            if stored.hits == self._hits_kept.get(stored.id):
                continue
            try:
                self.save(stored)
            except OSError as error:
                _log.warning("the counters of @context %s are not kept: %s", stored.id, error)

    def make_room(self, newest: Stored) -> None:
        """Forget what was fetched and is longest unused until what is kept is within its limits;
        what was brought by hand, hosted or made for somebody stays.
        """
        while len(self._by_id) > COUNT_LIMIT or sum(self._sizes.values()) > BYTES_LIMIT:
            fetched = [one for one in self if one.kind == "Cached" and not one.bundled]
            if not fetched or fetched == [newest]:
                return
            oldest = min(fetched, key=lambda one: (one is newest, one.last_us or one.created_us))
            self.drop(oldest)

    def drop(self, stored: Stored) -> None:
        """Forget."""
        self._forget(stored.id)
        if self._folder is not None:
            self._seen.pop(f"{stored.id}.json", None)
            (self._folder / f"{stored.id}.json").unlink(missing_ok=True)

    def _forget(self, id: str) -> None:
        stored = self._by_id.pop(id, None)
        self._hits_kept.pop(id, None)
        self._sizes.pop(id, None)
        if stored is not None and stored.url:
            self._by_url.pop(stored.url, None)
