"""The short way of reads under an agreement: what is there of stored documents, sent as it was
made before, once its row of the log is durable.

A page is made anew only where a stored document changed: the documents read are compared with
those the page was made of, byte by byte, which costs less than anything else about it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from pintu.kernel.access import Actor, Projection, Seen
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import Selection
from pintu.kernel.errors import PintuError
from pintu.kernel.exchange.gate import ExchangeGate, Told
from pintu.kernel.jsonld import CORE
from pintu.kernel.store.port import Op, Outcome, Page
from pintu.web.ngsi_ld.agreed import cut
from pintu.web.ngsi_ld.answers import JSON, Deferred, Pairs, data_headers, problem
from pintu.web.ngsi_ld.asking import NARROWING, ORDER_PARAMS, SELECT_PARAMS, read_selection
from pintu.web.ngsi_ld.consumption import follow, stored_as_shown
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.paging import PAGE_PARAMS, Window, page_headers, window
from pintu.web.why import receipt_line

if TYPE_CHECKING:
    from pintu.web.ngsi_ld.operation import Call
    from pintu.web.ngsi_ld.repeated import Standing
    from pintu.web.rooms import Rooms

PLAIN_PARAMS = (SELECT_PARAMS - {"attrs", "csf", "datasetId"}) | ORDER_PARAMS | PAGE_PARAMS
_KEPT = 512


class _Made(msgspec.Struct, gc=False):
    """A query under one projection, the documents its newest page was made of, and that page."""

    projection: Projection
    selection: Selection
    part: Window
    read: list[bytes]
    heads: dict[bool, Pairs]  # by whether more follow
    body: bytes = b""
    answer: str = ""  # the keyed digest of the body
    rows: int = 0


class AgreedRepeats:
    """Answers repeated reads under agreements; None wherever the ordinary way must be gone."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._made: dict[tuple[bytes, str, int], _Made] = {}
        self._rows: list[tuple[Op, asyncio.Future[Outcome]]] = []
        self.targets: set[bytes] = set()  # that were read without a mistake

    def entity(
        self, standing: Standing, actor: Actor, id: str, decided: tuple[Projection, int]
    ) -> Deferred | None:
        """One entity as it is there."""
        projection, tenant = decided
        seen = projection.seen
        record = self._rooms.store.retrieve(tenant, id) if seen is not None else None
        if seen is None or record.__class__ is not Record:
            if isinstance(record, asyncio.Future):
                record.cancel()  # the ordinary way asks again, in the same statement
            return None
        body = seen(record.body)
        if body is None or not stored_as_shown(body):
            return None
        told = Told(body=body, rows=1)
        return self._answer(standing, actor, projection, told, data_headers(JSON, CORE))

    def query(
        self,
        standing: Standing,
        actor: Actor,
        target: bytes,
        decided: tuple[Projection, int],
        called: Callable[[], Call],
    ) -> Deferred | None:
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
        heads = made.heads.get(more)
        if heads is None or made.part.count:
            count = page.count if made.part.count else None
            path, _, query = target.partition(b"?")
            pages = page_headers(path, query, made.part, more=more, count=count)
            heads = made.heads[more] = (*data_headers(JSON, CORE), *pages)
        told = Told(answer=made.answer, rows=made.rows, body=made.body)
        return self._answer(standing, actor, projection, told, heads)

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

    def _answer(
        self,
        standing: Standing,
        actor: Actor,
        projection: Projection,
        told: Told,
        headers: Pairs,
    ) -> Deferred | None:
        """The answer, once the row of it is durable."""
        gate, act = self._rooms.gate, standing.act
        if not isinstance(gate, ExchangeGate):
            return None
        found = gate.under(projection)
        if found is None or found.limits.rows_a_day:
            return None  # what may be refused yet is refused where refusals are written down
        begun = gate.recorder.begin((actor, act), projection, told, found)
        if begun is None:
            return None
        gate.limits.rows(found, told.rows)
        op, seal = begun
        body, echo = told.body, standing.echo

        def finish(outcome: Outcome) -> Response:
            receipt = seal(outcome)
            gate.kept(found, told.rows)
            line = (b"pintu-receipt", receipt_line(receipt).encode())
            return Response(200, body, (*headers, *echo, line))

        return Deferred(self._entered(op), finish, partial(problem, echo=echo))

    def _entered(self, op: Op) -> asyncio.Future[Outcome]:
        """The outcome of a row; the rows of one turn of the loop are one call of the store."""
        loop = asyncio.get_running_loop()
        if not self._rows:
            loop.call_soon(self._hand_over)
        future: asyncio.Future[Outcome] = loop.create_future()
        self._rows.append((op, future))
        return future

    def _hand_over(self) -> None:
        rows, self._rows = self._rows, []
        waiting = [future for _, future in rows]
        try:
            told = self._rooms.store.submit([op for op, _ in rows])
        except PintuError as error:
            _failed(waiting, error)
            return
        asyncio.ensure_future(told).add_done_callback(partial(_settled, waiting))


def _settled(waiting: list[asyncio.Future[Outcome]], told: asyncio.Future[list[Outcome]]) -> None:
    error = told.exception()
    if error is not None:
        _failed(waiting, error)
        return
    for future, outcome in zip(waiting, told.result(), strict=True):
        if not future.done():
            future.set_result(outcome)


def _failed(waiting: list[asyncio.Future[Outcome]], error: BaseException) -> None:
    for future in waiting:
        if not future.done():
            future.set_exception(error)
