"""/api/v1/push: messages that devices send by themselves, through a mapping, answered once they
are kept."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Response, post

from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import (
    BadInput,
    BadRequestData,
    ConfigurationError,
    InvalidRequest,
    PintuError,
    ResourceNotFound,
    StateConflict,
    TooLarge,
    TooManyRequests,
    Unavailable,
)
from pintu.kernel.intake.doors.mapped import Mapped, TableRows, compile_source, read_source
from pintu.kernel.intake.doors.push import most_a_second, payload_of
from pintu.kernel.intake.doors.words import SourceFile
from pintu.kernel.intake.words import Batch, Envelope, SourceReport, Unreadable, Update
from pintu.web.api.reading import as_json
from pintu.web.house import house_of
from pintu.web.visit import AnyRequest, raw_headers

if TYPE_CHECKING:
    from pintu.kernel.exchange.arriving import Lands
    from pintu.web.rooms import Rooms

log = logging.getLogger("pintu.web")
LARGEST_BODY: Final = 1_000_000
SLOW_BODY: Final = 50_000  # more is read beside the loop
LONGEST_KEY: Final = 200
MOST_KEYS: Final = 5_000  # of one source, kept in mind
LOOK_S: Final = 1.0
REPORT_EVERY_S: Final = 3.0
AT_ONCE: Final = 64
GIVEN: Final = "given "  # before an Idempotency-Key in a batch's key


@dataclass(slots=True)
class _Open:
    """One push source: compiled, or the sentence why it is not."""

    source: SourceFile
    fingerprint: bytes
    mapped: Mapped | None = None
    lands: Lands | None = None  # of rows of table data sets
    trouble: str = ""
    rate: float = 1.0
    level: float = 0.0
    filled_s: float = 0.0
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    digests: OrderedDict[str, str] | None = None  # Idempotency-Key → digest of its body
    messages: int = 0
    bytes: int = 0
    unreadable: int = 0
    last_us: int = 0

    def take(self) -> float:
        """Take one message of the rate; 0, or the seconds to wait before the next one."""
        now_s = time.monotonic()
        most = max(1.0, 5 * self.rate)
        self.level = min(most, self.level + (now_s - self.filled_s) * self.rate)
        self.filled_s = now_s
        if self.level < 1:
            return (1 - self.level) / self.rate
        self.level -= 1
        return 0.0


class Desk:
    """The push sources of a city, compiled again when the configuration changes."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._open: dict[str, _Open] = {}
        self._seen: object = None
        self._looked_s = float("-inf")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to tell how the sources are."""
        self._task = asyncio.create_task(self._run(), name="push")

    async def close(self) -> None:
        """Stop telling."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                self.follow()
                for one in self._open.values():
                    self._rooms.intake.report(_report(one))
            except Exception:  # a loop's edge: the next look may find the files whole again
                log.exception("The push sources could not be followed")
            await asyncio.sleep(REPORT_EVERY_S)

    def follow(self) -> None:
        """Read the configuration again when it changed; at most once a second."""
        if time.monotonic() - self._looked_s < LOOK_S:
            return
        self._looked_s = time.monotonic()
        configuration = self._rooms.configuration
        seen = configuration.signature()
        if seen == self._seen:
            return
        mappings = {one.name: one.content for one in configuration.list_saved("mappings")}
        found: dict[str, _Open] = {}
        for saved in configuration.list_saved("sources"):
            if saved.content.get("door") != "push":
                continue
            try:
                source = read_source(saved.name, saved.content)
            except ConfigurationError as error:
                source = SourceFile(name=saved.name, door="push")
                found[saved.name] = _Open(source=source, fingerprint=b"", trouble=error.detail)
                continue
            if source.enabled:
                contents = {one: mappings[one] for one in source.mappings if one in mappings}
                found[saved.name] = self._opened(source, contents)
        for name in self._open.keys() - found.keys():
            self._rooms.intake.report(_report(self._open[name], off=True))
        self._open, self._seen = found, seen

    def _opened(self, source: SourceFile, contents: dict[str, dict[str, Any]]) -> _Open:
        told = msgspec.json.encode((source, contents), enc_hook=str)
        before = self._open.get(source.name)
        if before is not None and before.fingerprint == told:
            return before
        made = _Open(source=source, fingerprint=told)
        if before is not None:
            made.digests, made.messages, made.bytes = before.digests, before.messages, before.bytes
            made.last_us, made.unreadable = before.last_us, before.unreadable
        try:
            from pintu.vocabulary.mapping_words import mapping_words

            made.rate = most_a_second(source)
            made.level, made.filled_s = max(1.0, 5 * made.rate), time.monotonic()
            made.mapped = compile_source(source, payload_of(source), contents, mapping_words())
            if any(one.words.target == "table" for one in made.mapped.ways):
                made.lands = self._rooms.exchange.arrivals(source.name)
        except ConfigurationError as error:
            made.trouble = "; ".join(error.mistakes)[:1500]
        return made

    def find(self, name: str) -> _Open | None:
        """The source of that name, as the configuration is by now."""
        self.follow()
        return self._open.get(name)

    async def take(self, one: _Open, given: str, body: bytes, kind: str) -> dict[str, Any]:
        """Read one message and keep it; what became of it. Raises as the handler says."""
        if one.mapped is None:
            raise Unavailable(f"Source {one.source.name} cannot take messages now: {one.trouble}")
        wait_s = one.take()
        if wait_s:
            raise TooManyRequests(
                f"Source {one.source.name} takes {one.rate:g} messages a second",
                retryAfter=max(1, round(wait_s)),
            )
        digest = hashlib.blake2b(body, digest_size=16).hexdigest()
        key = f"{GIVEN}{given} {digest}" if given else uuid.uuid4().hex
        fresh = self._remember(one, given, digest)
        try:
            async with one.room:
                return await self._keep(one, one.mapped, key, body, kind)
        except PintuError as error:
            if fresh and isinstance(error, Unavailable | BadInput):
                # Nothing was kept under this key: its sender may say it again, and better.
                self._digests(one).pop(given, None)
            raise

    async def _keep(
        self, one: _Open, mapped: Mapped, key: str, body: bytes, kind: str
    ) -> dict[str, Any]:
        rooms, source = self._rooms, f"doors/{one.source.name}"
        now_us = rooms.clock.now_us()
        meta = {"topic": one.source.name, "contentType": kind[:100]}
        envelope = Envelope(source, key, now_us, body, meta)
        one.messages, one.bytes, one.last_us = one.messages + 1, one.bytes + len(body), now_us
        try:
            if len(body) > SLOW_BODY:
                found = await asyncio.to_thread(mapped.normalise, envelope)
            else:
                found = mapped.normalise(envelope)
        except BadInput as error:
            one.unreadable += 1
            # Held once, however often its sender tries.
            digest = hashlib.blake2b(body, digest_size=16).hexdigest()
            held = Envelope(source, f"unreadable {digest}", now_us, body, meta)
            await rooms.intake.hold(one.source.tenant, held, error.detail)
            raise BadRequestData(
                f"The message cannot be read and is kept in quarantine: {error.detail}"
            ) from error
        updates = [item for item in found if isinstance(item, Update)]
        bad = [item for item in found if isinstance(item, Unreadable)]
        rows = [item for item in found if isinstance(item, TableRows)]
        for item in rows:
            assert one.lands is not None
            await one.lands(item, key)
        batch = Batch(source, one.source.tenant, key, updates, bad)
        receipt = await rooms.intake.accept(batch)
        one.unreadable += receipt.quarantined if not receipt.repeated else 0
        return {
            "source": one.source.name,
            "accepted": receipt.accepted + sum(len(item.rows) for item in rows),
            "quarantined": receipt.quarantined,
            "repeated": receipt.repeated,
            "errors": receipt.errors,
        }

    def _remember(self, one: _Open, given: str, digest: str) -> bool:
        """Note which body came under a key; StateConflict when another one did before."""
        if not given:
            return False
        digests = self._digests(one)
        before = digests.get(given)
        if before is not None and before != digest:
            raise StateConflict(f"Idempotency-Key {given[:60]!r} came with another body before")
        digests[given] = digest
        digests.move_to_end(given)
        while len(digests) > MOST_KEYS:
            digests.popitem(last=False)
        return before is None

    def _digests(self, one: _Open) -> OrderedDict[str, str]:
        """By key what its body was, also of what was answered before this process began."""
        if one.digests is None:
            one.digests = OrderedDict()
            for key in self._rooms.intake.answered(f"doors/{one.source.name}"):
                if key.startswith(GIVEN):
                    given, _, digest = key.removeprefix(GIVEN).rpartition(" ")
                    one.digests[given] = digest
        return one.digests


@post(
    "/push/{name:str}",
    status_code=200,
    summary="Hand in what a device measured, through the mapping of its source",
)
async def push(request: AnyRequest, name: str) -> Response[bytes]:
    """200 after commit with a receipt: accepted, quarantined (kept, with the reasons in `errors`),
    repeated (the same Idempotency-Key and body came before).

    400 nothing of it can be read (it is kept in quarantine), 401 and 403 no token with `push:NAME`
    or more, 404 no such source, 409 the Idempotency-Key came with another body, 413, 429, 503.
    """
    rooms = house_of(request).rooms
    headers = raw_headers(request)
    peer = request.client.host if request.client else ""
    desk: Desk = request.app.state["push"]
    one = desk.find(name)
    tenant = one.source.tenant if one is not None else ""
    actor = rooms.identity.actor(headers, peer)
    rooms.gate.decide(actor, Act(deed=Deed.WRITE, tenant=tenant, data_set=f"push:{name}"))
    rooms.identity.check_csrf(headers)
    if one is None:
        raise ResourceNotFound(f"There is no running source {name[:70]!r} that takes pushes")
    given = headers.get(b"idempotency-key", b"").decode("latin-1").strip().strip('"')
    if len(given) > LONGEST_KEY or not given.isprintable():
        raise InvalidRequest(f"Idempotency-Key is longer than {LONGEST_KEY} signs, or unprintable")
    body = await request.body()
    if len(body) > LARGEST_BODY:
        raise TooLarge(f"A message is at most {LARGEST_BODY} bytes long")
    if not body:
        raise InvalidRequest("The message is empty")
    kind = request.headers.get("content-type", "")
    return as_json(await desk.take(one, given, body, kind))


def _report(one: _Open, *, off: bool = False) -> SourceReport:
    return SourceReport(
        source=f"doors/{one.source.name}",
        piece="doors",
        messages=one.messages,
        bytes=one.bytes,
        unreadable=one.unreadable,
        last_us=one.last_us,
        lag_us=0,
        state="stopped" if off else ("down" if one.trouble else "up"),
        detail=one.trouble,
        expected_interval_s=one.source.expected_interval_s,
        tenant=one.source.tenant,
    )
