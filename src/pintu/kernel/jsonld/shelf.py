"""Where @context documents are kept: one JSON file each in `contexts/`, all of them in memory."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

Kind = Literal["Hosted", "Cached", "ImplicitlyCreated"]

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


class Shelf:
    """Stored @contexts by local id and by URL; with a folder they survive a restart."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._by_id: dict[str, Stored] = {}
        self._by_url: dict[str, Stored] = {}
        self._hits_kept: dict[str, int] = {}  # what the files say, to know what is worth writing
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.glob("*.json")):
                self._load(path)

    def _load(self, path: Path) -> None:
        try:
            stored = msgspec.json.decode(path.read_bytes(), type=Stored)
        except (OSError, msgspec.MsgspecError) as error:
            _log.warning("kept @context %s cannot be read and is left alone: %s", path.name, error)
            return
        self._hits_kept[stored.id] = stored.hits
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
        if self._folder is None:
            return
        path = self._folder / f"{stored.id}.json"
        part = path.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(stored))
        os.replace(part, path)
        self._hits_kept[stored.id] = stored.hits

    def save_counters(self) -> None:
        """Write those that served since they were written; one that cannot be is left and told."""
        for stored in self:
            if stored.hits == self._hits_kept.get(stored.id):
                continue
            try:
                self.save(stored)
            except OSError as error:
                _log.warning("the counters of @context %s are not kept: %s", stored.id, error)

    def drop(self, stored: Stored) -> None:
        """Forget."""
        self._by_id.pop(stored.id, None)
        self._hits_kept.pop(stored.id, None)
        if stored.url:
            self._by_url.pop(stored.url, None)
        if self._folder is not None:
            (self._folder / f"{stored.id}.json").unlink(missing_ok=True)
