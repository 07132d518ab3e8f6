"""The short way of writes: what the header lines of a connection decided once holds while they stay
the same.

A gateway sends the same lines with every reading; only target, length and body differ. What they
decide (tenant, media type, `@context`, who it says it is) is remembered like that of reads
(`repeated`). Who asks is looked at and the gate is asked for every call, the body is read and the
operation done as on the ordinary way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pintu.kernel.access import Act, Actor, Deed
from pintu.kernel.errors import PintuError
from pintu.kernel.identity.peer import between_brokers, is_local
from pintu.kernel.jsonld import CORE
from pintu.web.ngsi_ld.answers import JSON, Pairs, problem
from pintu.web.ngsi_ld.documents import read_json
from pintu.web.ngsi_ld.message import Answer, Request
from pintu.web.ngsi_ld.negotiation import linked_context
from pintu.web.ngsi_ld.operation import Call, Operation
from pintu.web.ngsi_ld.params import NO_PARAMS, known, read_params
from pintu.web.ngsi_ld.repeated import EVER_NEW, IN_TARGET, LONGEST
from pintu.web.ngsi_ld.routes import ROUTES
from pintu.web.why import AGREEMENT

if TYPE_CHECKING:
    from pintu.web.ngsi_ld.broker import Broker

_ROOT = b"/ngsi-ld/v1/entit"
"""Entities and batches of them: of all else little is written."""
_VERSION = b" HTTP/1.1\r\n"
_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"
_DIGITS = 8
_UNLIKE = EVER_NEW | {
    AGREEMENT,
    b"content-encoding",
    b"expect",
    b"transfer-encoding",
    b"upgrade",
    b"connection",
}
"""Headers that decide something at each request, or how it is framed."""
_NAMES = {b"POST": "POST", b"PATCH": "PATCH", b"PUT": "PUT"}


class Lines(msgspec.Struct, gc=False):
    """The header lines of a write, without its length, and what they decided."""

    before: bytes  # from the version to the blank before the length
    after: bytes  # from the end of that line through the empty one
    headers: dict[bytes, bytes]
    peer: str
    raw: bytes | None  # who it says it is
    local: bool
    acts: dict[Deed, tuple[Act, Pairs]]

    def split(self, data: bytes) -> tuple[bytes, bytes, bytes] | None:
        """(method, target, body) when `data` is one write with the same lines, whole; else None."""
        at = data.find(_VERSION, 0, LONGEST)
        if at < 0 or not data.startswith(self.before, at):
            return None
        start = at + len(self.before)
        end = data.find(b"\r\n", start, start + _DIGITS + 2)
        length = data[start:end]
        begins = end + len(self.after)
        if end < 0 or not length.isdigit() or not data.startswith(self.after, end):
            return None
        if len(data) - begins != int(length):
            return None
        method, _, target = data[:at].partition(b" ")
        if method not in _NAMES or target.translate(None, IN_TARGET):
            return None
        return method, target, data[begins:]


class RepeatedWrites:
    """Answers writes with known lines over the rooms of one broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._rooms = broker.rooms

    def learn(self, data: bytes, request: Request) -> Lines | None:
        """What to remember of a write that came as `data`; None when it did not come alone and
        whole, or its lines ask for anything but JSON in the core context.
        """
        headers = request.headers
        at = data.find(_VERSION, 0, LONGEST)
        head = data.find(_END)
        length = headers.get(b"content-length", b"")
        if at < 0 or head < at or len(data) - head - len(_END) != len(request.body):
            return None
        lines = data[at : head + len(_END)]
        low = lines.lower()
        if not length.isdigit() or low.count(_LENGTH) != 1:
            return None
        start = low.index(_LENGTH) + len(_LENGTH)
        start += 1 if low[start : start + 1] == b" " else 0
        if lines[start : start + len(length) + 2] != length + b"\r\n":
            return None
        try:
            if not _UNLIKE.isdisjoint(headers) or headers.get(b"content-type") != JSON:
                return None
            if b"via" in headers and not between_brokers(headers[b"via"]):
                return None  # a name that is known today may be a stranger's tomorrow
            if linked_context(headers.get(b"link")) is not None:
                return None
            acts = {deed: self._broker.act(deed, headers) for deed in (Deed.WRITE, Deed.DELETE)}
        except PintuError:
            return None
        local = is_local(headers, request.peer)
        return Lines(
            lines[:start],
            lines[start + len(length) :],
            headers,
            request.peer,
            headers.get(b"authorization"),
            local,
            acts,
        )

    def answer(self, lines: Lines, asked: tuple[bytes, bytes, bytes]) -> Any:
        """(request, what `Broker.handle` would answer to it); None when that has to be asked."""
        method, target, body = asked
        if not body or not target.startswith(_ROOT):
            return None
        broker = self._broker
        path, _, query = target.partition(b"?")
        try:
            operation, parts = ROUTES.find(_NAMES[method], path)
        except PintuError:
            return None
        found = lines.acts.get(operation.deed)
        if found is None or operation.offer != "none":
            return None
        act = found[0]
        tenant = act.tenant
        if tenant in broker.registered or tenant in broker.limited:
            return None
        actor = self._rooms.identity.recall(lines.raw, lines.local)
        if actor is None:
            return None
        request = Request(
            _NAMES[method], path, query, lines.headers, body, lines.peer, operation.name
        )
        return request, self._done(found, actor, request, (operation, parts))

    def _done(
        self,
        decided: tuple[Act, Pairs],
        actor: Actor,
        request: Request,
        found: tuple[Operation, tuple[str, ...]],
    ) -> Answer:
        """As `Broker.handle` goes on. In the core context, where headers ask for nothing else and
        no other source has a part (`_UNLIKE`, `registered`), one object goes to its operation.
        """
        (act, echo), (operation, parts) = decided, found
        broker, rooms = self._broker, self._rooms
        try:
            params = NO_PARAMS
            if request.query:
                params = read_params(request.query)
                known(params, operation.params, operation.name)
            projection = rooms.gate.decide(actor, act)
            number = broker.tenant(act.tenant, operation) if act.tenant else 1
            call = Call(
                operation, request, parts, params, rooms, act.tenant, number, projection, CORE,
                JSON, echo, actor.id, None, b"", None, actor, act,
            )  # fmt: skip
            if operation.body == "one" and number and not projection.recorded:
                document, encoded = read_json(request.body, many=False)
                if document.__class__ is dict and "@context" not in document:
                    call.document, call.encoded = document, encoded
                    return broker.waiting(operation.handler(call), call)
            return broker.with_body(call, JSON, None)
        except Exception as error:
            return problem(error, echo)
