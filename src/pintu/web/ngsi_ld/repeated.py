"""The short way of reads: what the header lines of a connection decided once holds while they stay
the same.

A client that reads a thousand entities sends the same lines a thousand times; only the target
differs. Parsing them and deciding tenant, media type and caller anew was most of what a retrieval
cost (docs/decisions/0010). Who asks is looked at and the gate is asked for every call; what is not
a plain read of what is stored is handed to the operation as on the ordinary way.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from pintu.kernel.access import WHOLE, Act, Actor, Deed, Projection
from pintu.kernel.context.selection import Selection
from pintu.kernel.errors import PintuError
from pintu.kernel.identity.peer import between_brokers, is_local
from pintu.kernel.jsonld import CORE
from pintu.kernel.store.port import Page, settled
from pintu.web.ngsi_ld.agreed_repeats import PLAIN_PARAMS, AgreedRepeats
from pintu.web.ngsi_ld.answers import JSON, Pairs, data_headers, problem
from pintu.web.ngsi_ld.asking import NARROWING, read_selection
from pintu.web.ngsi_ld.blanks import Form, Lifted, form_of, holds, lifted
from pintu.web.ngsi_ld.consumption import (
    follow,
    joined,
    plain_query,
    shown,
    stored_as_shown,
)
from pintu.web.ngsi_ld.entering import Entered, Telling
from pintu.web.ngsi_ld.message import Answer, Prepared, Request
from pintu.web.ngsi_ld.negotiation import accepted, linked_context
from pintu.web.ngsi_ld.operation import Call
from pintu.web.ngsi_ld.paging import Window, page_headers, window
from pintu.web.ngsi_ld.params import NO_PARAMS, known, read_params
from pintu.web.ngsi_ld.routes import ROUTES
from pintu.web.ngsi_ld.wire import header_lines

if TYPE_CHECKING:
    from pintu.web.ngsi_ld.broker import Broker

_START = b"GET "
_VERSION = b" HTTP/1.1\r\n"
_END = b"\r\n\r\n"
_ENTITY = b"/ngsi-ld/v1/entities/"
_URN = _ENTITY + b"urn:"
_QUERY = b"/ngsi-ld/v1/entities?"
_IN_ID = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@"
"""RFC 3986 `pchar` without `%`."""
IN_TARGET = _IN_ID + b"/?%[]"
"""Nothing in here ends the request line: between `GET ` and known lines it is a target."""
LONGEST = 1_024  # bytes of a target; longer ones go the ordinary way
_KEPT_QUERIES = 1_024
_KEPT_FORMS = 256
_KEPT_PEERS = 256
EVER_NEW = frozenset(
    (b"cookie", b"ngsild-entitymap", b"ngsild-snapshot", b"prefer", b"signature-input")
)
"""Headers that want to be seen at every request."""
_READING, _ = ROUTES.find("GET", _URN)


class Standing(msgspec.Struct, gc=False):
    """What the header lines of a connection decided; `raw` is who it says it is."""

    headers: dict[bytes, bytes]
    peer: str
    raw: bytes | None
    local: bool
    act: Act
    echo: Pairs
    lines: bytes  # of an answer that shows a stored entity as it is
    telling: Telling | None = None  # under an agreement


class Repeat(msgspec.Struct, gc=False):
    """All that followed the target of a GET that came alone and whole, and what it decided."""

    block: bytes
    standing: Standing
    retrieving: Request  # what the meter counts
    querying: Request

    def asked(self, target: bytes) -> Request:
        """What the meter counts for a target."""
        return self.retrieving if target.startswith(_URN) else self.querying

    def target(self, data: bytes) -> bytes | None:
        """The target when `data` is one GET with the same lines, else None."""
        if data.startswith(_START) and data.endswith(self.block):
            target = data[4 : -len(self.block)]
            if len(target) <= LONGEST and not target.translate(None, IN_TARGET):
                return target
        return None


class _Asked(msgspec.Struct, gc=False):
    """A query that was read before: what it selects, and the header lines of a page of it by
    whether more follow.
    """

    selection: Selection
    part: Window
    lines: dict[bool, bytes]


class Repeats:
    """Answers repeated requests over the rooms of one broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._rooms = broker.rooms
        self._asked: dict[tuple[bytes, bytes], _Asked] = {}
        self._forms: dict[tuple[bytes, bytes], Form] = {}
        self._agreed = AgreedRepeats(broker.rooms)
        self.newest: dict[str, Repeat] = {}
        """What was learned last of whoever connects from an address: their next connection begins
        with it. It holds for who sends the same lines from there, and for nobody else."""

    # --- learning -----------------------------------------------------------------------------
    def learn(self, data: bytes, request: Request) -> Repeat | None:
        """What to remember of a GET that came as `data`; None when it did not come alone and
        whole, or its header lines ask for anything but JSON in the core context.
        """
        start, version, rest = data.partition(_VERSION)
        if not start.startswith(_START) or not rest.endswith(_END) or rest.count(_END) != 1:
            return None
        headers = request.headers
        try:
            if not EVER_NEW.isdisjoint(headers):
                return None
            if b"via" in headers and not between_brokers(headers[b"via"]):
                return None  # a name that is known today may be a stranger's tomorrow
            if linked_context(headers.get(b"link")) is not None:
                return None
            if accepted(headers.get(b"accept"), "entity") != JSON:
                return None
            act, echo = self._broker.act(Deed.READ, headers)
        except PintuError:
            return None
        standing = Standing(
            headers,
            request.peer,
            headers.get(b"authorization"),
            is_local(headers, request.peer),
            act,
            echo,
            header_lines((*data_headers(JSON, CORE), *echo)),
        )
        asked = (
            Request("GET", b"", b"", headers, b"", "", operation)
            for operation in ("retrieveEntity", "queryEntities")
        )
        if len(self.newest) >= _KEPT_PEERS:
            self.newest.clear()
        found = self.newest[request.peer] = Repeat(version + rest, standing, *asked)
        return found

    # --- answering ----------------------------------------------------------------------------
    def answer(self, standing: Standing, target: bytes) -> Prepared | Entered | Answer | None:
        """What `Broker.handle` would answer to this target; None when that has to be asked."""
        entity = target.startswith(_URN)
        if entity:
            if target[len(_ENTITY) :].translate(None, _IN_ID) or len(target) == len(_URN):
                return None
        elif not target.startswith(_QUERY):
            return None
        tenant = standing.act.tenant
        if tenant in self._broker.registered or tenant in self._broker.limited:
            return None
        actor = self._rooms.identity.recall(standing.raw, standing.local)
        if actor is None:
            return None
        try:
            if entity:
                return self._entity(standing, actor, target)
            return self._query(standing, actor, target)
        except Exception as error:
            return problem(error, standing.echo)

    def _entity(
        self, standing: Standing, actor: Actor, target: bytes
    ) -> Prepared | Entered | Answer:
        decided = self._decided(standing, actor)
        projection, tenant = decided
        if projection is WHOLE or projection.whole:
            store = self._rooms.store
            body = store.document(tenant, target[len(_ENTITY) :].decode())
            if body is not None and stored_as_shown(body, store.scoped()):
                return Prepared(standing.lines, body)
        elif projection.seen is not None:
            id = target[len(_ENTITY) :].decode()
            answer = self._agreed.entity(standing, actor, id, decided)
            if answer is not None:
                return answer
        return self._broker.perform(self._call(standing, actor, target, decided))

    def _query(
        self, standing: Standing, actor: Actor, target: bytes
    ) -> Prepared | Entered | Answer:
        call = decided = None
        lift = lifted(target)
        form = None if lift is None else self._forms.get((standing.lines, lift.key))
        if lift is not None and form is not None:
            decided = self._decided(standing, actor)
            if decided[0] is WHOLE or decided[0].whole:
                formed = form.answer(lift, self._rooms.store)
                if formed is not None:
                    return formed
        asked = self._asked.get((standing.lines, target))
        if asked is None and target not in self._agreed.targets:
            call = self._call(standing, actor, target, decided)
            decided = call.projection, call.tenant
            asked = self._read(standing, call, target, lift)
        decided = decided or self._decided(standing, actor)
        if decided[0].seen is not None:
            known = partial(self._call, standing, actor, target, decided)
            answer = self._agreed.query(standing, actor, target, decided, known)
            if answer is not None:
                return answer
        if asked is None or not (decided[0] is WHOLE or decided[0].whole):
            return self._broker.perform(call or self._call(standing, actor, target, decided))
        store, selection = self._rooms.store, asked.selection
        page = store.select(selection)
        if isinstance(page, Page):
            body = joined(page, asked.part, store.scoped())
            if body is not None:
                return Prepared(self._lines(standing, target, asked, page), body)
            if page.bodies is not None:  # to be rendered, which takes whole records
                page = store.select(replace(selection, bodies=False))
        else:
            page = self._renderable(page, asked)
        call = call or self._call(standing, actor, target, decided)
        return self._broker.waiting(shown(plain_query(call, asked.part), page), call)

    async def _renderable(self, later: Awaitable[Page], asked: _Asked) -> Page:
        """A page that came later, with whole records when its bodies have to be rendered."""
        page = await later
        if page.bodies is None or joined(page, asked.part) is not None:
            return page
        return await settled(self._rooms.store.select(replace(asked.selection, bodies=False)))

    def _read(
        self, standing: Standing, call: Call, target: bytes, lift: Lifted | None
    ) -> _Asked | None:
        """Remember a query whose pages are joined from what is stored; None for others."""
        params = call.params
        if not call.projection.whole or not params.keys() <= PLAIN_PARAMS:
            return None
        if params.keys().isdisjoint(NARROWING):
            return None
        part = window(params)
        part = Window(part.limit, part.offset, part.count, bodies=True, kind=JSON)
        selection = read_selection(params, CORE, call.tenant, call.projection, part)
        if lift is not None and holds(selection, lift.blank):
            self._form(standing, selection, part, lift)
        if len(self._asked) >= _KEPT_QUERIES:
            self._asked.clear()
        asked = self._asked[standing.lines, target] = _Asked(selection, part, {})
        return asked

    def _form(self, standing: Standing, selection: Selection, part: Window, lift: Lifted) -> None:
        """Remember how all queries are asked that differ from this one by its number or place."""
        key = standing.lines, lift.key
        statement = None if key in self._forms else self._rooms.store.prepare(selection)
        if statement is not None:
            if len(self._forms) >= _KEPT_FORMS:
                self._forms.clear()
            self._forms[key] = form_of(statement, lift.key, part, standing.echo)

    def _lines(self, standing: Standing, target: bytes, asked: _Asked, page: Page) -> bytes:
        more = follow(asked.part, page)
        lines = asked.lines.get(more)
        if lines is None or asked.part.count:
            path, _, query = target.partition(b"?")
            pages = page_headers(path, query, asked.part, more=more, count=page.count)
            lines = header_lines((*data_headers(JSON, CORE), *pages, *standing.echo))
            asked.lines[more] = lines
        return lines

    def _decided(self, standing: Standing, actor: Actor) -> tuple[Projection, int]:
        """What the gate says, and the number of the tenant: both anew for every call."""
        act = standing.act
        projection = self._rooms.gate.decide(actor, act)
        return projection, self._broker.tenant(act.tenant, _READING) if act.tenant else 1

    def _call(
        self,
        standing: Standing,
        actor: Actor,
        target: bytes,
        decided: tuple[Projection, int] | None = None,
    ) -> Call:
        """The call an operation gets; mistakes are found in the order of the ordinary way."""
        path, _, query = target.partition(b"?")
        operation, parts = ROUTES.find("GET", path)
        params = read_params(query) if query else NO_PARAMS
        known(params, operation.params, operation.name)
        projection, tenant = decided or self._decided(standing, actor)
        act = standing.act
        request = Request("GET", path, query, standing.headers, b"", standing.peer)
        return Call(
            operation, request, parts, params, self._rooms, act.tenant, tenant, projection, CORE,
            JSON, standing.echo, actor.id, None, b"", None, actor, act,
        )  # fmt: skip
