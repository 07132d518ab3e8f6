"""The broker's door: one request in, one answer out; what every operation has in common is decided here."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pintu.kernel.access import Act, Actor, Deed, Projection
from pintu.kernel.errors import (
    BadRequestData,
    InvalidRequest,
    LengthRequired,
    NonexistentTenant,
    PintuError,
)
from pintu.kernel.jsonld import CORE, Terms
from pintu.web.ngsi_ld.answers import LD_JSON, Deferred, Pairs, problem
from pintu.web.ngsi_ld.documents import read_json, take_context
from pintu.web.ngsi_ld.message import Answer, Request, Response
from pintu.web.ngsi_ld.negotiation import accepted, content_type, linked_context
from pintu.web.ngsi_ld.operation import Call, Operation, Result
from pintu.web.ngsi_ld.params import known, read_params
from pintu.web.ngsi_ld.routes import ROUTES

if TYPE_CHECKING:
    from pintu.web.rooms import Rooms

_CALLER_PROBLEM = "The parameters or headers of this request cannot be read"
_TENANT_LIMIT = 128
_KEPT_ACTS = 1024


class Broker:
    """NGSI-LD under `/ngsi-ld/v1`, over the rooms it is handed; both adapters call `handle` alone."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self._acts: dict[tuple[Deed, bytes], tuple[Act, Pairs]] = {}

    def handle(self, request: Request) -> Answer:
        """Answer one request: at once when nothing has to be waited for. Never raises."""
        echo: Pairs = ()
        try:
            operation, parts = ROUTES.find(request.method, request.path)
            headers = request.headers
            act, echo = self._act(operation.deed, headers.get(b"ngsild-tenant", b""))
            kind = b""
            if operation.body != "none":
                if b"content-length" not in headers:
                    raise LengthRequired()
                kind = content_type(headers.get(b"content-type"), merge=operation.merge_patch)
            accept = accepted(headers.get(b"accept"), operation.offer)
            params = read_params(request.query) if request.query else {}
            if params:
                known(params, operation.params, operation.name)
            actor = self.rooms.identity.actor(headers, request.peer)
            projection = self.rooms.gate.decide(actor, act)
            call = self._call(
                operation, request, parts, params, act, actor, projection, accept, echo
            )
            context = self._take_body(call, kind)
            return self._perform(call, context)
        except Exception as error:
            return problem(error, echo)

    # --- what every call has ------------------------------------------------------------------
    def _act(self, deed: Deed, tenant: bytes) -> tuple[Act, Pairs]:
        found = self._acts.get((deed, tenant))
        if found is None:
            try:
                name = tenant.decode("ascii").strip()
            except UnicodeDecodeError as error:
                raise BadRequestData("The NGSILD-Tenant header is not ASCII") from error
            if len(name) > _TENANT_LIMIT or not all(c.isalnum() or c in "_-./:" for c in name):
                raise BadRequestData(
                    "NGSILD-Tenant is longer than 128 characters or has others than letters, digits, _-./:"
                )
            echo: Pairs = ((b"ngsild-tenant", tenant),) if name else ()
            found = (Act(deed=deed, tenant=name), echo)
            if len(self._acts) >= _KEPT_ACTS:
                self._acts.clear()
            self._acts[(deed, tenant)] = found
        return found

    def _call(
        self, operation: Operation, request: Request, parts: tuple[str, ...],
        params: dict[str, str], act: Act, actor: Actor, projection: Projection,
        accept: bytes, echo: Pairs,
    ) -> Call:
        name = act.tenant
        tenant = 1 if not name else self.rooms.store.tenant(name)
        if tenant is None:
            if not operation.opens_tenant and not operation.any_tenant:
                raise NonexistentTenant(f"Tenant {name} does not exist")
            tenant = -1 if operation.any_tenant else 0
        return Call(
            operation, request, parts, params, self.rooms, name, tenant, projection, CORE,
            accept, echo, actor.id,
        )

    def _take_body(self, call: Call, kind: bytes) -> Any:
        """Read the body into the call and return the caller's @context as it is written."""
        body = call.operation.body
        link = linked_context(call.request.headers.get(b"link"))
        if body == "none":
            return link
        call.document, call.encoded = read_json(call.request.body)
        if body == "one":
            if not isinstance(call.document, dict):
                raise InvalidRequest("The body is not a JSON object")
            if "@context" in call.document or kind != b"application/json":
                call.encoded = b""
            return take_context(call.document, kind, link)
        if body == "many":
            return _Members(call, kind, link)
        return link

    # --- performing ----------------------------------------------------------------------------
    def _perform(self, call: Call, context: Any) -> Answer:
        if context is not None:
            terms = (
                context.now(self.rooms.library)
                if isinstance(context, _Members)
                else self.rooms.library.now(context)
            )
            if terms is None:
                return self._later(call, context)
            call.terms = terms
        if not call.tenant:
            return self._later(call, None)
        return _guarded(call.operation.handler(call), call)

    async def _later(self, call: Call, context: Any) -> Response:
        """The slow way in: a @context must be fetched first, or the tenant be made."""
        try:
            if isinstance(context, _Members):
                call.terms = await context.terms(self.rooms.library)
            elif context is not None:
                call.terms = await self.rooms.library.terms(context)
            if not call.tenant:
                call.tenant = await self.rooms.store.open_tenant(call.tenant_name)
            result = call.operation.handler(call)
            return result if isinstance(result, Response) else await result
        except Exception as error:
            return problem(error, call.echo)


def _guarded(result: Result, call: Call) -> Answer:
    """Give an answer that waits its way to turn into a problem document."""
    if type(result) is Response:
        return result
    if type(result) is Deferred:
        result.failed = partial(problem, echo=call.echo)
        return result
    return _awaited(result, call)  # type: ignore[arg-type]


async def _awaited(result: Any, call: Call) -> Response:
    try:
        found = await result
        return found if isinstance(found, Response) else await found
    except Exception as error:
        return problem(error, call.echo)


class _Members:
    """The @contexts of a list of entities: each its own in ld+json, all the Link header's in json."""

    def __init__(self, call: Call, kind: bytes, link: str | None) -> None:
        if not isinstance(call.document, list):
            raise InvalidRequest("The body is not a JSON array")
        if kind == LD_JSON and link is not None:
            raise BadRequestData("A body of application/ld+json forbids a Link header with a @context")
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
