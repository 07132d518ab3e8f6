"""The @contexts a city has met: hosted, fetched once and kept, or made for somebody (5.13)."""

from __future__ import annotations

import asyncio
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import orjson

from pintu.kernel.clock import CityClock, Clock, iso
from pintu.kernel.egress import Egress
from pintu.kernel.errors import (
    BadRequestData,
    LdContextNotAvailable,
    PintuError,
    ResourceNotFound,
    TooLarge,
)
from pintu.kernel.jsonld.compile import (
    DEPTH_LIMIT,
    PART_LIMIT,
    compile_context,
    normal_parts,
    remote_parts,
)
from pintu.kernel.jsonld.core import CORE_URLS, core_document
from pintu.kernel.jsonld.fetching import SIZE_LIMIT, Fetcher
from pintu.kernel.jsonld.shelf import Kind, Shelf, Stored
from pintu.kernel.jsonld.terms import CORE, Terms

DEADLINE_S: Final = 10.0
COMPILED_LIMIT: Final = 256
COMPILED_WEIGHT: Final = 200_000
"""Terms, and parts of 50 bytes of their @contexts, that are kept compiled at a time."""
REFUSED_LIMIT: Final = 256
LOOK_EVERY_US: Final = 1_000_000
"""How long a use of what `pintu context` changed may still see the old."""
HOSTED_PATH: Final = "/ngsi-ld/v1/jsonldContexts/"


class ContextLibrary:
    """Hands out compiled `Terms`; fetches what is remote once, keeps it in `folder`, counts its
    use.

    `now` answers without waiting when everything is known; `terms` fetches what is missing.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        egress: Egress | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock: Clock = clock or CityClock()
        self._shelf = Shelf(folder)
        self._fetcher = Fetcher(self._shelf, egress or Egress(), self._clock)
        self._compiled: dict[str | bytes, tuple[Terms, tuple[Stored, ...]]] = {}
        self._weight = 0
        self._refused: dict[str | bytes, PintuError] = {}
        self._looked_us = 0

    # --- reading with a @context ---------------------------------------------------------------
    def now(self, context: Any) -> Terms | None:
        """The compiled @context, or None when a part of it must first be fetched (then await
        `terms`).

        Raises BadRequestData for what is not a @context at all.
        """
        if context is None:
            return CORE
        key = _key(context)
        entry = self._compiled.get(key)
        if entry is None:
            return self._compile(context, key)
        terms, used = entry
        if used:
            self._count(used)
        return terms

    async def terms(self, context: Any) -> Terms:
        """The compiled @context; LdContextNotAvailable when a remote part cannot be had in time."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await self._fetched_terms(context)
        except TimeoutError as error:
            raise LdContextNotAvailable(
                f"The parts of a @context could not be fetched within {DEADLINE_S:g} s"
            ) from error

    async def _fetched_terms(self, context: Any) -> Terms:
        for _ in range(DEPTH_LIMIT * PART_LIMIT):
            found = self.now(context)
            if found is not None:
                return found
            missing = self._missing(context)
            if not missing:
                raise LdContextNotAvailable("A @context is larger than the city can keep")
            if self._look_again():
                continue
            await asyncio.gather(*(self._fetcher.fetch(url) for url in missing))
            self._refused.clear()  # what was fetched anew may be better than what it was
        raise TooLarge(f"@context refers to others more than {DEPTH_LIMIT} deep")

    def _compile(self, context: Any, key: str | bytes) -> Terms | None:
        """Compile and remember, also that a @context cannot be: reading it again costs as much."""
        before = self._refused.get(key)
        if before is not None:
            raise type(before)(before.detail) from before
        try:
            return self._compile_anew(context, key)
        except PintuError as error:
            if len(self._refused) >= REFUSED_LIMIT:
                self._refused.clear()
            self._refused[key] = error
            raise

    def _compile_anew(self, context: Any, key: str | bytes) -> Terms | None:
        documents, missing = self._documents(context)
        if missing:
            return None
        parts = normal_parts(context)
        if not parts:
            terms = CORE
        else:
            bodies = {url: stored.body for url, stored in documents.items()}
            source = parts[0] if len(parts) == 1 else parts
            terms = Terms(compile_context(context, bodies), source)
        used = tuple(documents.values())
        self._keep(key, terms, used)
        self._count(used)
        return terms

    def _keep(self, key: str | bytes, terms: Terms, used: tuple[Stored, ...]) -> None:
        """Remember a compiled @context, forgetting the oldest ones: strangers send many."""
        self._compiled[key] = (terms, used)
        self._weight += terms.weight
        while len(self._compiled) > COMPILED_LIMIT or (
            self._weight > COMPILED_WEIGHT and len(self._compiled) > 1
        ):
            oldest, _ = self._compiled.pop(next(iter(self._compiled)))
            self._weight -= oldest.weight

    def _forget_compiled(self) -> None:
        self._compiled.clear()
        self._refused.clear()
        self._weight = 0

    def _missing(self, context: Any) -> list[str]:
        return self._documents(context)[1]

    def _documents(self, context: Any) -> tuple[dict[str, Stored], list[str]]:
        """Every remote document a @context leads to that is here, and the URLs that are not."""
        found: dict[str, Stored] = {}
        missing: list[str] = []
        level = list(remote_parts(context))
        for _ in range(DEPTH_LIMIT + 1):
            following: list[str] = []
            for url in level:
                if url in found or url in missing:
                    continue
                stored = self._find(url)
                if stored is None:
                    missing.append(url)
                else:
                    found[url] = stored
                    following += remote_parts(stored.body, url)
            if len(found) + len(missing) > PART_LIMIT:
                raise TooLarge(f"A @context leads to more than {PART_LIMIT} documents")
            if not following:
                return found, missing
            level = following
        raise TooLarge(f"@context refers to others more than {DEPTH_LIMIT} deep")

    def _find(self, url: str) -> Stored | None:
        stored = self._shelf.by_url(url)
        if stored is None and HOSTED_PATH in url:
            return self._shelf.by_id(urlsplit(url).path.rpartition("/")[2])
        if stored is None and ":" not in url:
            return self._shelf.by_id(url)
        return stored

    def _look_again(self) -> bool:
        """Take up what a command put into the folder or took out of it meanwhile; whether it did
        either."""
        changed = self._shelf.refresh()
        if changed:
            self._forget_compiled()
        return changed

    def _count(self, used: tuple[Stored, ...]) -> None:
        now = self._clock.now_us()
        if abs(now - self._looked_us) > LOOK_EVERY_US:
            self._looked_us = now
            self._look_again()
        for stored in used:
            stored.hits += 1
            stored.last_us = now

    # --- /jsonldContexts (5.13) ----------------------------------------------------------------
    def add(self, document: Any, *, kind: Kind = "Hosted", tenant: str = "") -> str:
        """Keep a document `{"@context": …}` for a tenant; returns its local id (5.13.2).

        Raises BadRequestData when it is no such document, TooLarge over the limit.
        """
        if not isinstance(document, dict) or "@context" not in document:
            raise BadRequestData("The document has no @context")
        body = {"@context": document["@context"]}
        if len(orjson.dumps(body)) > SIZE_LIMIT:
            raise TooLarge(f"A @context may have {SIZE_LIMIT} bytes")
        if not list(remote_parts(body)):
            compile_context(body)
        now = self._clock.now_us()
        stored = Stored(id=str(uuid4()), kind=kind, body=body, created_us=now, tenant=tenant)
        self._shelf.put(stored)
        self._shelf.make_room(stored)
        return stored.id

    def list(self, kind: Kind | None = None, *, tenant: str = "") -> list[dict[str, Any]]:
        """The metadata of every @context a tenant may see, oldest first; `get` has the members."""
        self._look_again()
        found = [
            stored
            for stored in self._shelf
            if kind in (None, stored.kind) and stored.tenant in (None, tenant)
        ]
        return [_metadata(stored) for stored in sorted(found, key=lambda stored: stored.created_us)]

    def get(self, id: str, *, tenant: str = "") -> dict[str, Any]:
        """URL (empty when it is ours), localId, kind, createdAt, lastUsage, numberOfHits (5.13.4).

        `id` is a local id or the URL it was fetched from. Raises ResourceNotFound.
        """
        return _metadata(self._known(id, tenant))

    def document(self, id: str, *, tenant: str = "") -> dict[str, Any]:
        """The document itself, by local id or URL; core @contexts too. Counts as a use.

        Raises ResourceNotFound. Whether a Cached one is served at all is the caller's to say.
        """
        version = CORE_URLS.get(id)
        if version is not None:
            return core_document(version)
        stored = self._known(id, tenant)
        self._count((stored,))
        body: dict[str, Any] = stored.body
        return body

    def delete(self, id: str, *, tenant: str = "") -> None:
        """Forget a @context (5.13.5). Raises BadRequestData for a core one, ResourceNotFound."""
        if id in CORE_URLS:
            raise BadRequestData("A core @context cannot be deleted")
        self._shelf.drop(self._known(id, tenant))
        self._forget_compiled()

    async def reload(self, id: str, *, tenant: str = "") -> None:
        """Fetch a Cached @context again and then replace it (5.13.5, reload=true).

        Raises BadRequestData for one that is not Cached, LdContextNotAvailable (the old one stays).
        """
        if id in CORE_URLS:
            return
        stored = self._known(id, tenant)
        if stored.kind != "Cached":
            raise BadRequestData(
                f"@context {id} is {stored.kind}: only a Cached one can be reloaded"
            )
        stored.body = await self._fetcher.document(stored.url)
        stored.created_us = self._clock.now_us()
        self._shelf.save(stored)
        self._forget_compiled()

    def _known(self, id: str, tenant: str) -> Stored:
        self._look_again()
        stored = self._shelf.by_id(id) or self._find(id)
        if stored is None or stored.tenant not in (None, tenant):
            raise ResourceNotFound(f"@context {id} does not exist")
        return stored

    def save(self) -> None:
        """Write the counters down, at the end of the process; never raises for a disk."""
        self._shelf.save_counters()


def _key(context: Any) -> str | bytes:
    """What a @context is remembered by: a URL itself, anything else by its content."""
    if isinstance(context, str):
        return context
    try:
        text = orjson.dumps(context)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise BadRequestData(f"@context cannot be read: {error}") from error
    if len(text) > SIZE_LIMIT:
        raise TooLarge(f"A @context may have {SIZE_LIMIT} bytes")
    return text if len(text) <= 256 else blake2b(text, digest_size=32).digest()


def _metadata(stored: Stored) -> dict[str, Any]:
    found: dict[str, Any] = {
        "URL": stored.url,
        "localId": stored.id,
        "kind": stored.kind,
        "createdAt": iso(stored.created_us),
        "numberOfHits": stored.hits,
    }
    if stored.last_us:
        found["lastUsage"] = iso(stored.last_us)
    return found
