"""The broker's door: one request in, one answer out; what every operation has in common is
decided here.
"""

from __future__ import annotations

from collections.abc import Container
from functools import partial
from typing import TYPE_CHECKING, Any

from pintu.kernel.access import Act, Actor, Deed
from pintu.kernel.errors import (
    BadRequestData,
    InvalidRequest,
    LengthRequired,
    NonexistentTenant,
    PintuError,
    UnsupportedMediaType,
)
from pintu.kernel.jsonld import CORE, Terms
from pintu.web.metrics.meter import Meter
from pintu.web.ngsi_ld import preferring, snapshots
from pintu.web.ngsi_ld.answers import LD_JSON, Deferred, Pairs, problem
from pintu.web.ngsi_ld.documents import read_json, take_context
from pintu.web.ngsi_ld.info import started
from pintu.web.ngsi_ld.message import Answer, Request, Response
from pintu.web.ngsi_ld.negotiation import accepted, content_type, linked_context
from pintu.web.ngsi_ld.operation import Call, Operation, Result
from pintu.web.ngsi_ld.params import NO_PARAMS, known, read_params
from pintu.web.ngsi_ld.relayed import NOTIFIED, notified
from pintu.web.ngsi_ld.relaying import open_relaying
from pintu.web.ngsi_ld.repeated import Repeats
from pintu.web.ngsi_ld.repeated_writes import RepeatedWrites
from pintu.web.ngsi_ld.routes import ROUTES
from pintu.web.ngsi_ld.writing_down import written
from pintu.web.why import AGREEMENT, PURPOSE, REASON, spoken

if TYPE_CHECKING:
    from pintu.web.rooms import Rooms

_TOLD = NOTIFIED.encode()
LARGE_BODY = 32 * 1024
"""Bytes of a batch that is parsed at once, between two turns of the loop."""
_NOBODYS = -1  # the number of no tenant, for operations that need none
_TENANT_LIMIT = 128
_KEPT_ACTS = 1024
SIGNED = b"signature-input"
"""The header of a request that a neighbour's node signed (RFC 9421)."""
Key = tuple[Deed, bytes] | tuple[Deed, bytes, tuple[bytes, bytes, bytes]]


class Broker:
    """NGSI-LD under `/ngsi-ld/v1`, over the rooms it is handed; adapters call `handle` alone."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self._acts: dict[Key, tuple[Act, Pairs]] = {}
        federation = getattr(rooms, "federation", None)  # a door may be built over fewer rooms
        self.registered: Container[str] = () if federation is None else federation.registry.tenants
        """Tenants that have registrations: their requests may concern other sources, too."""
        self.relaying = open_relaying(rooms)
        self.meter: Meter = getattr(rooms, "meter", None) or Meter()
        self.limits: Any = getattr(rooms, "limits", None)
        self.limited: Container[str] = () if self.limits is None else self.limits.tenants
        self.repeats = Repeats(self)
        self.writes = RepeatedWrites(self)
        started(rooms)

    def handle(self, request: Request, actor: Actor | None = None) -> Answer:
        """Answer one request: at once when nothing has to be waited for. Never raises. `actor`:
        who asks, where that is known already.
        """
        echo: Pairs = ()
        try:
            operation, parts = ROUTES.find(request.method, request.path)
            request.operation = operation.name
            headers, rooms = request.headers, self.rooms
            act, echo = self.act(operation.deed, headers)
            if act.tenant in self.limited:
                self.limits.ask(act.tenant, operation.name)
            media_type = self._media_type(operation, headers) if operation.body != "none" else b""
            accept = accepted(headers.get(b"accept"), operation.offer)
            params = NO_PARAMS
            if request.query:
                params = read_params(request.query)
                known(params, operation.params, operation.name)
            if actor is None:
                if SIGNED in headers and getattr(rooms, "neighbours", None) is not None:
                    return self._signed(request, echo)
                actor = rooms.identity.actor(headers, request.peer)
            projection = rooms.gate.decide(actor, act)
            tenant = self.tenant(act.tenant, operation) if act.tenant else 1
            call = Call(
                operation, request, parts, params, rooms, act.tenant, tenant, projection, CORE,
                accept, echo, actor.id, None, b"", None, actor, act,
            )  # fmt: skip
            return self.with_body(call, media_type, linked_context(headers.get(b"link")))
        except Exception as error:
            if request.path == _TOLD and self.relaying is not None:
                return notified(self.relaying, request)
            return problem(error, echo)

    def with_body(self, call: Call, media_type: bytes, link: str | None) -> Answer:
        """Read the body where there is one, and perform; raises PintuError for what is wrong with
        it.
        """
        if call.operation.body == "many":
            if len(call.request.body) > LARGE_BODY:
                return self.waiting(self._in_turn(call, media_type, link), call)
            self._check_room(call)
        return self._with_body(call, media_type, link)

    def _check_room(self, call: Call) -> None:
        """Raise Unavailable for a batch that would be parsed and then be refused."""
        if call.tenant_name not in self.registered:
            call.rooms.batches.check_room(call.rooms.store)

    async def _in_turn(self, call: Call, media_type: bytes, link: str | None) -> Response:
        """A large batch is parsed when it is its turn: of many that came at once one after the
        other, and others are answered between them."""
        async with call.rooms.batches.turn:
            self._check_room(call)
            answer = self._with_body(call, media_type, link)
        return answer if isinstance(answer, Response) else await answer

    def _with_body(self, call: Call, media_type: bytes, link: str | None) -> Answer:
        context = link if not media_type else _take_body(call, media_type, link)
        if call.projection.recorded:
            return _awaited(written(self._in_context, call, context), call)
        if context is None and call.tenant:
            return self.perform(call)
        return self.waiting(self._in_context(call, context), call)

    async def _signed(self, request: Request, echo: Pairs) -> Response:
        """Answer a neighbour's node, once its signature is checked."""
        neighbours = self.rooms.neighbours
        assert neighbours is not None
        try:
            actor = await neighbours.caller_of(request)
        except PintuError as error:
            return problem(error, echo)
        found = self.handle(request, actor)
        return found if isinstance(found, Response) else await found

    # --- what every call has ------------------------------------------------------------------
    def act(self, deed: Deed, headers: dict[bytes, bytes]) -> tuple[Act, Pairs]:
        """What is asked for, and the header that says the tenant again; raises BadRequestData."""
        tenant = headers.get(b"ngsild-tenant", b"")
        if AGREEMENT in headers:
            said = headers[AGREEMENT], headers.get(PURPOSE, b""), headers.get(REASON, b"")
            key: Key = (deed, tenant, said)
        else:
            key = (deed, tenant)
        return self._acts.get(key) or self._act(key)

    def _act(self, key: Key) -> tuple[Act, Pairs]:
        """The act and the echoed header of a tenant as it is spelled; raises BadRequestData."""
        deed, tenant = key[:2]
        name = tenant.decode("latin-1").strip()
        if not name.isascii() or not all(c.isalnum() or c in "_-./:" for c in name):
            raise BadRequestData("NGSILD-Tenant has others than ASCII letters, digits and _-./:")
        if len(name) > _TENANT_LIMIT:
            raise BadRequestData(f"NGSILD-Tenant is longer than {_TENANT_LIMIT} characters")
        echo: Pairs = ((b"ngsild-tenant", tenant),) if name else ()
        if len(self._acts) >= _KEPT_ACTS:
            self._acts.clear()
        agreement, purpose, reason = map(spoken, key[2] if len(key) == 3 else (b"", b"", b""))
        act = Act(
            deed=deed, tenant=name, agreement=agreement, purpose=purpose or None,
            reason=reason or None,
        )  # fmt: skip
        found = self._acts[key] = (act, echo)
        return found

    def _media_type(self, operation: Operation, headers: dict[bytes, bytes]) -> bytes:
        """JSON or LD_JSON of a request with a body, whose length must be announced (6.3.4)."""
        if b"content-length" not in headers:
            raise LengthRequired()
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise UnsupportedMediaType("Content-Encoding: send the body as it is")
        return content_type(headers.get(b"content-type"), merge=operation.merge_patch)

    def tenant(self, name: str, operation: Operation) -> int:
        """The number of a tenant, 0 when it has yet to be made; raises NonexistentTenant."""
        number = self.rooms.store.tenant(name)
        if number is not None:
            return number
        if operation.opens_tenant:
            return 0
        if operation.any_tenant:
            return _NOBODYS
        raise NonexistentTenant(f"Tenant {name} does not exist")

    # --- performing ----------------------------------------------------------------------------
    def perform(self, call: Call) -> Answer:
        """Perform a call in the core context, for a tenant there is."""
        if call.projection.recorded:
            return _awaited(written(self._in_context, call, None), call)
        return self.waiting(self._handled(call), call)

    def _handled(self, call: Call) -> Result:
        """What its operation makes of a call, as the caller's version of the standard has it."""
        if preferring.HEADER in call.request.headers and call.operation.offer == "entity":
            version = preferring.preferred(call.request.headers[preferring.HEADER])
            if version is not None:
                return preferring.amended(self._done(call), version)
        return self._done(call)

    def _done(self, call: Call) -> Result:
        """The same, over all sources where there are others."""
        operation = call.operation
        if snapshots.HEADER in call.request.headers and operation.name not in snapshots.BESIDE:
            return snapshots.within(call)
        if (
            call.tenant_name in self.registered
            and operation.distributed is not None
            and call.params.get("local") != "true"
        ):
            return operation.distributed(call)
        return operation.handler(call)

    def waiting(self, result: Result, call: Call) -> Answer:
        """An answer that is there, or one that waits, given its way to turn into a problem."""
        if type(result) is Response:
            return result
        if type(result) is Deferred:
            if call.echo:
                result.failed = partial(problem, echo=call.echo)
            return result
        return _awaited(result, call)

    def _in_context(self, call: Call, context: Any) -> Result:
        """Perform with the caller's @context, now when it is at hand."""
        if context is not None:
            library = self.rooms.library
            members = isinstance(context, _Members)
            terms = context.now(library) if members else library.now(context)
            if terms is None:
                return self._later(call, context)
            call.terms = terms
        if not call.tenant:
            return self._later(call, None)
        return self._handled(call)

    async def _later(self, call: Call, context: Any) -> Response:
        """The slow way in: a @context must be fetched first, or the tenant be made."""
        if isinstance(context, _Members):
            call.terms = await context.terms(self.rooms.library)
        elif context is not None:
            call.terms = await self.rooms.library.terms(context)
        if not call.tenant:
            call.tenant = await self.rooms.store.open_tenant(call.tenant_name)
        result = self._handled(call)
        return result if isinstance(result, Response) else await result


def _take_body(call: Call, media_type: bytes, link: str | None) -> Any:
    """Read the body into the call and return the caller's @context as it is written."""
    body = call.operation.body
    call.document, call.encoded = read_json(call.request.body, many=body == "many")
    if body == "many":
        return _Members(call, media_type, link)
    if body == "context":
        return None
    document = call.document
    if not isinstance(document, dict):
        raise InvalidRequest("The body is not a JSON object")
    if "@context" in document:
        call.encoded = b""
    return take_context(document, media_type, link)


async def _awaited(result: Any, call: Call) -> Response:
    try:
        found: Response | Deferred = await result
        return found if isinstance(found, Response) else await found
    except Exception as error:
        return problem(error, call.echo)


class _Members:
    """The @contexts of a list of entities: each its own in ld+json, all the Link header's in
    json.
    """

    def __init__(self, call: Call, kind: bytes, link: str | None) -> None:
        if not isinstance(call.document, list):
            raise InvalidRequest("The body is not a JSON array")
        if kind == LD_JSON and link is not None:
            raise BadRequestData(
                "A body of application/ld+json forbids a Link header with a @context"
            )
        self.call = call
        self.contexts: list[Any] = []
        for member in call.document:
            try:
                found = take_context(member, kind, link) if isinstance(member, dict) else None
                self.contexts.append(found)
            except PintuError as error:
                self.contexts.append(error)

    def now(self, library: Any) -> Terms | None:
        """Resolve all without waiting, or return None when one has to be fetched."""
        if all(context is None for context in self.contexts):
            return CORE
        found: list[Terms | BaseException] = []
        for context in self.contexts:
            if isinstance(context, PintuError):
                found.append(context)
                continue
            try:
                terms = library.now(context)
            except PintuError as error:
                found.append(error)
                continue
            if terms is None:
                return None
            found.append(terms)
        self.call.contexts = found
        return CORE

    async def terms(self, library: Any) -> Terms:
        """Resolve all, fetching; a member whose @context cannot be had fails alone."""
        found: list[Terms | BaseException] = []
        failed: dict[str, PintuError] = {}
        for context in self.contexts:
            if isinstance(context, PintuError):
                found.append(context)
                continue
            key = repr(context)
            try:
                if key in failed:
                    raise failed[key]
                found.append(await library.terms(context))
            except PintuError as error:
                failed[key] = error
                found.append(error)
        self.call.contexts = found
        return CORE
