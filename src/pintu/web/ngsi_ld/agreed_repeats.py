"""The short way of reads under an agreement: what is there of stored documents, sent as it was
made before, once its row of the log is durable.

A page is made anew only where a stored document changed: the documents read are compared with
those the page was made of, byte by byte, which costs less than anything else about it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from pintu.kernel.access import Actor, Projection, Seen
from pintu.kernel.context.selection import Selection
from pintu.kernel.errors import PintuError
from pintu.kernel.exchange.gate import ExchangeGate
from pintu.kernel.jsonld import CORE
from pintu.kernel.store.port import Page
from pintu.web.ngsi_ld.agreed import cut
from pintu.web.ngsi_ld.answers import JSON, Pairs, data_headers
from pintu.web.ngsi_ld.asking import NARROWING, ORDER_PARAMS, SELECT_PARAMS, read_selection
from pintu.web.ngsi_ld.consumption import follow, stored_as_shown
from pintu.web.ngsi_ld.entering import Entered, Entering, Telling
from pintu.web.ngsi_ld.paging import PAGE_PARAMS, Window, page_headers, window
from pintu.web.ngsi_ld.wire import header_lines

if TYPE_CHECKING:
    from pintu.web.ngsi_ld.operation import Call
    from pintu.web.ngsi_ld.repeated import Standing
    from pintu.web.rooms import Rooms

PLAIN_PARAMS = (SELECT_PARAMS - {"attrs", "csf", "datasetId"}) | ORDER_PARAMS | PAGE_PARAMS
_KEPT = 512
_KEPT_DIGESTS = 8_192


class _Made(msgspec.Struct, gc=False):
    """A query under one projection, the documents its newest page was made of, and that page."""

    projection: Projection
    selection: Selection
    part: Window
    read: list[bytes]
    heads: dict[tuple[bool, Pairs], bytes]  # by whether more follow, and the tenant said again
    body: bytes = b""
    answer: str = ""  # the keyed digest of the body
    rows: int = 0


class AgreedRepeats:
    """Answers repeated reads under agreements; None wherever the ordinary way must be gone."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._made: dict[tuple[bytes, str, int], _Made] = {}
        self._entering = Entering(rooms)
        self._digests: dict[bytes, str] = {}
        self.targets: set[bytes] = set()  # that were read without a mistake

    def entity(
        self, standing: Standing, actor: Actor, id: str, decided: tuple[Projection, int]
    ) -> Entered | None:
        """One entity as it is there."""
        projection, tenant = decided
        seen = projection.seen
        document = self._rooms.store.document(tenant, id) if seen is not None else None
        if seen is None or document is None:
            return None
        body = seen(document)
        if body is None:
            return None
        telling = self._telling(standing, actor, projection)
        if telling is None:
            return None
        digest = self._digests.get(body)  # what is seen of a document is the same bytes again
        if digest is None:
            if not stored_as_shown(body):
                return None
            if len(self._digests) >= _KEPT_DIGESTS:
                self._digests.clear()
            digest = self._digests[body] = telling.rows.digest(body)
        return self._entering.enter(telling, standing.lines, (body, digest, 1))

    def query(
        self,
        standing: Standing,
        actor: Actor,
        target: bytes,
        decided: tuple[Projection, int],
        called: Callable[[], Call],
    ) -> Entered | None:
        """A page of what is there of entities; `called` reads the call when it is a new one."""
        projection, tenant = decided
        seen = projection.seen
        if seen is None:
            return None
        made = self._made.get((target, projection.agreement, tenant))
        if made is None or made.projection is not projection:
            made = self._asked(target, called())
            if made is None:
                return None
        page = self._rooms.store.select(made.selection)
        if not isinstance(page, Page):
            if isinstance(page, asyncio.Future):
                page.cancel()
            return None
        read = page.bodies
        if read is None:
            read = [record.body for record in page.records]
        if read != made.read and not self._make(made, read, seen):
            return None
        more = follow(made.part, page)
        heads = made.heads.get((more, standing.echo))
        if heads is None or made.part.count:
            count = page.count if made.part.count else None
            path, _, query = target.partition(b"?")
            pages = page_headers(path, query, made.part, more=more, count=count)
            pairs = (*data_headers(JSON, CORE), *pages, *standing.echo)
            heads = made.heads[more, standing.echo] = header_lines(pairs)
        telling = self._telling(standing, actor, projection)
        if telling is None:
            return None
        return self._entering.enter(telling, heads, (made.body, made.answer, made.rows))

    def _asked(self, target: bytes, call: Call) -> _Made | None:
        """What a query selects; remembered while its agreement is compiled as it is."""
        params = call.params
        if not params.keys() <= PLAIN_PARAMS or params.keys().isdisjoint(NARROWING):
            return None
        try:
            part = cut(call, window(params))
            part = Window(part.limit, part.offset, part.count, bodies=True, kind=JSON)
            selection = read_selection(params, CORE, call.tenant, call.projection, part)
        except PintuError:
            return None  # the ordinary way says what is wrong
        if len(self._made) >= _KEPT:
            self._made.clear()
            self.targets.clear()
        self.targets.add(target)
        made = _Made(call.projection, selection, part, [b""], {})
        self._made[target, call.projection.agreement, call.tenant] = made
        return made

    def _make(self, made: _Made, read: list[bytes], seen: Seen) -> bool:
        """The page of these documents; False when some have to be rendered."""
        shown = [seen(body) for body in read]
        there = [body for body in shown[: made.part.limit] if body is not None]
        body = b"[" + b",".join(there) + b"]"
        gate = self._rooms.gate
        if not stored_as_shown(body) or not isinstance(gate, ExchangeGate):
            return False
        made.read, made.body, made.rows = read, body, len(there)
        made.answer = gate.recorder.digest(body)
        return True

    def _telling(self, standing: Standing, actor: Actor, projection: Projection) -> Telling | None:
        """What answers to this caller have in common; None where the ordinary way must be gone."""
        known = standing.telling
        if known is not None and known.projection is projection and known.actor is actor:
            return known
        gate = self._rooms.gate
        if not isinstance(gate, ExchangeGate):
            return None
        found = gate.under(projection)
        if found is None or found.limits.rows_a_day:
            return None  # what may be refused yet is refused where refusals are written down
        rows = gate.recorder.rows((actor, standing.act), projection, found)
        if rows is None:
            return None
        made = Telling(projection, actor, rows, found, gate.kept, standing.echo)
        standing.telling = made
        return made
