"""Bringing remote @contexts: once for everybody who waits, within bounds, and kept (5.5.6)."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import urljoin
from uuid import uuid4

import orjson

from pintu.kernel.clock import Clock
from pintu.kernel.egress import Egress
from pintu.kernel.errors import BadRequestData, LdContextNotAvailable, PintuError
from pintu.kernel.jsonld.compile import normal_parts
from pintu.kernel.jsonld.shelf import Shelf, Stored

SIZE_LIMIT: Final = 1_000_000
FAILED_S: Final = 5.0
"""How long a @context that could not be had is not asked for again: every request would wait."""
FAILED_LIMIT: Final = 1_000
_ACCEPT: Final = "application/ld+json, application/json;q=0.9, */*;q=0.1"


class Fetcher:
    """Fetches what is remote and puts it on the shelf as Cached; one request a URL at a time."""

    def __init__(self, shelf: Shelf, egress: Egress, clock: Clock) -> None:
        self._shelf = shelf
        self._egress = egress
        self._clock = clock
        self._fetching: dict[str, asyncio.Task[Stored]] = {}
        self._failed: dict[str, tuple[float, PintuError]] = {}

    async def fetch(self, url: str) -> Stored:
        """The @context at a URL, kept from now on.

        Raises LdContextNotAvailable when it cannot be had, BadRequestData when what was had is no
        @context (5.5.6); for a moment the same again without asking.
        """
        task = self._fetching.get(url)
        if task is None:
            self._refuse_failed(url)
            task = asyncio.ensure_future(self._download(url))
            self._fetching[url] = task
            task.add_done_callback(lambda done: self._fetched(url, done))
        return await asyncio.shield(task)

    async def document(self, url: str) -> dict[str, Any]:
        """The document at a URL with its references made absolute; raises as `fetch` does."""
        try:
            fetched = await self._egress.fetch(url, accept=_ACCEPT, limit=SIZE_LIMIT)
        except PintuError as error:
            raise LdContextNotAvailable(
                f"@context {url} is not available: {error.detail}"
            ) from error
        return read_document(fetched.body, url, fetched.url)

    def _fetched(self, url: str, task: asyncio.Task[Stored]) -> None:
        self._fetching.pop(url, None)
        if task.cancelled():
            return
        error = task.exception()  # seen, even when everybody who waited has gone
        if isinstance(error, PintuError):
            if len(self._failed) >= FAILED_LIMIT:
                del self._failed[next(iter(self._failed))]
            self._failed[url] = (asyncio.get_running_loop().time() + FAILED_S, error)

    def _refuse_failed(self, url: str) -> None:
        """Raise again what a fetch of a moment ago raised."""
        until, error = self._failed.get(url, (0.0, None))
        if error is not None and asyncio.get_running_loop().time() < until:
            raise type(error)(error.detail) from error
        self._failed.pop(url, None)

    async def _download(self, url: str) -> Stored:
        body = await self.document(url)
        kept = self._shelf.by_url(url)
        stored = Stored(
            id=kept.id if kept else str(uuid4()),
            kind="Cached",
            body=body,
            created_us=self._clock.now_us(),
            url=url,
        )
        self._shelf.put(stored)
        self._shelf.make_room(stored)
        return stored


def read_document(text: bytes, url: str, base: str) -> dict[str, Any]:
    """A document `{"@context": …}` from its bytes; `base` is what its references are relative to.

    Raises BadRequestData naming `url` when it is no @context, TooLarge over a limit.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequestData(f"@context {url} is not JSON: {error}") from error
    if not isinstance(document, dict) or "@context" not in document:
        raise BadRequestData(f"@context {url} is a document without @context")
    body = {"@context": _absolute(document["@context"], base)}
    normal_parts(body)
    return body


def _absolute(context: Any, base: str) -> Any:
    """Relative references of a fetched document, made absolute while its address is known."""
    if isinstance(context, str):
        return urljoin(base, context)
    if isinstance(context, list):
        return [_absolute(part, base) for part in context]
    if isinstance(context, dict) and isinstance(context.get("@import"), str):
        return {**context, "@import": urljoin(base, context["@import"])}
    return context
