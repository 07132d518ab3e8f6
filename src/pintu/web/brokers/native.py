"""NGSI-LD on one of several brokers: what any of them answers right from the common store is
answered here; what takes the memory of the one that leads is handed on to it.

Answered by any: writing and asking for entities in the core context, types and attributes. Handed
on: what stands in tables that the leader keeps in memory (subscriptions, registrations and every
request of a tenant that has some, snapshots, entity maps), in its folder (hosted and fetched
@contexts, the past), or counts what somebody may (agreements, persons, joined nodes).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.access import Actor
from pintu.kernel.errors import PintuError
from pintu.kernel.jsonld.compile import remote_parts
from pintu.web.brokers.forwarding import HEADER, MISDIRECTED, Asked, Forwarder, Lead, whole
from pintu.web.ngsi_ld.answers import from_error, problem
from pintu.web.ngsi_ld.broker import SIGNED, Broker, _Members
from pintu.web.ngsi_ld.message import Answer, Request, Response
from pintu.web.ngsi_ld.operation import Call, Operation, Result
from pintu.web.ngsi_ld.params import read_params
from pintu.web.ngsi_ld.repeated import Repeat, Repeats, Standing
from pintu.web.ngsi_ld.repeated_writes import Lines, RepeatedWrites
from pintu.web.ngsi_ld.routes import ROUTES
from pintu.web.why import AGREEMENT

if TYPE_CHECKING:
    from pintu.kernel.federation.registry import Registry
    from pintu.web.rooms import Rooms

Fresh = Callable[[], Awaitable[None] | None]
_BY_POST: Final = "queryEntitiesByPost"
_TENANT: Final = b"ngsild-tenant"
_LEADERS: Final = frozenset((AGREEMENT, SIGNED, b"cookie", b"ngsild-snapshot", b"ngsild-entitymap"))
"""Headers whose requests are the leader's."""

_LEADERS_PARAMS: Final = frozenset(
    ("at", "entityMap", "entityMapLifetime", "entityMapRetainDuration", "splitEntities")
)
_COUNTED: Final = frozenset(
    ("listEntityTypes", "retrieveEntityType", "listAttributes", "retrieveAttribute")
)
NATIVE: Final = _COUNTED | {
    "queryEntities", "createEntity", "purgeEntities", "retrieveEntity", "replaceEntity",
    "mergeEntity", "deleteEntity", "appendEntityAttributes", "updateEntityAttributes",
    "partialAttributeUpdate", "replaceEntityAttribute", "deleteEntityAttribute",
    "createEntityBatch", "upsertEntityBatch", "updateEntityBatch", "mergeEntityBatch",
    "deleteEntityBatch", "queryEntitiesByPost", "retrieveSourceIdentity",
}  # fmt: skip
"""Operations that any broker answers."""

LONGEST_ANSWER: Final = 256 * 1024 * 1024


class Registered:
    """The tenants that have registrations, as the tables have them by now: another broker writes
    them."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._version = -1
        self._tenants: frozenset[str] = frozenset()

    def __contains__(self, tenant: object) -> bool:
        version = self._registry.data_version()
        if version != self._version:
            self._tenants = self._registry.kept_tenants()
            self._version = version
        return tenant in self._tenants


class NativeBroker(Broker):
    """One object for the life of a process, whichever rooms it stands over: `adopt` gives it those
    of a city that leads, or of one that does not."""

    def __init__(self, rooms: Rooms, lead: Lead, fresh: Fresh) -> None:
        super().__init__(rooms)
        self.lead = lead
        self.forwarder = Forwarder(lead)
        self._fresh = fresh
        self._short = self.repeats, self.writes
        self.repeats, self.writes = _Repeats(self), _Writes(self)
        self._leads = False
        self.stand_down()

    def adopt(self, rooms: Rooms, *, leads: bool, fresh: Fresh) -> None:
        """Stand over these rooms from the next request on."""
        kept = self.repeats, self.writes
        super().__init__(rooms)
        self._short = self.repeats, self.writes
        self.repeats, self.writes = kept
        self._leads, self._fresh = leads, fresh
        if not leads:
            self.stand_down()

    def stand_down(self) -> None:
        """These rooms lead no more: what is the leader's is handed on."""
        self._leads = False
        federation = self.rooms.federation
        if federation is not None:
            self.registered = Registered(federation.registry)

    def short(self, tenant: str) -> tuple[Repeats, RepeatedWrites] | None:
        """The short ways of reads and of writes, while this broker leads; None also for a tenant
        that another broker may have made."""
        if not self._leads or (tenant and self.rooms.store.tenant(tenant) is None):
            return None
        return self._short

    # --- one request ------------------------------------------------------------------------------
    def handle(self, request: Request, actor: Actor | None = None) -> Answer:
        """Answer one request: here, or by whoever leads. Never raises."""
        if HEADER in request.headers:
            refusal = self._taken_over(request)
            if refusal is not None:
                return refusal
        try:
            operation, _ = ROUTES.find(request.method, request.path)
        except PintuError:
            return super().handle(request, actor)
        if not self._leads:
            try:
                if self._is_leaders(operation, request):
                    return self.forward(request)
            except PintuError as error:
                return problem(error)
        unknown = self._unknown_tenant(request)
        if unknown or operation.name in _COUNTED:
            return self._when_fresh(request, actor)
        return super().handle(request, actor)

    def _taken_over(self, request: Request) -> Response | None:
        """What another broker handed on is asked by whoever asked that one."""
        vouched = self.forwarder.vouched(request.headers[HEADER])
        if vouched is None:
            return from_error(403, "No broker of this city says so")
        if not self._leads:
            return from_error(MISDIRECTED, "This broker does not lead the city")
        headers = {name: one for name, one in request.headers.items() if name != HEADER}
        if vouched.host:
            headers[b"host"] = vouched.host
        else:
            headers.pop(b"host", None)
        request.headers, request.peer = headers, vouched.peer
        return None

    def _is_leaders(self, operation: Operation, request: Request) -> bool:
        headers = request.headers
        if operation.name not in NATIVE or not _LEADERS.isdisjoint(headers):
            return True
        if request.query and not _LEADERS_PARAMS.isdisjoint(read_params(request.query)):
            return True
        tenant = headers.get(_TENANT, b"").decode("latin-1").strip()
        if tenant in self.registered:
            return True
        actor = self.rooms.identity.actor(headers, request.peer)
        return bool(actor.person or actor.organisation or actor.kind == "node")

    def _unknown_tenant(self, request: Request) -> bool:
        tenant = request.headers.get(_TENANT)
        if not tenant:
            return False
        return self.rooms.store.tenant(tenant.decode("latin-1").strip()) is None

    async def _when_fresh(self, request: Request, actor: Actor | None) -> Response:
        """Others may have made a tenant, or counted entities: looked at before it is answered."""
        try:
            waited = self._fresh()
            if waited is not None:
                await waited
        except PintuError as error:
            return problem(error)
        found = super().handle(request, actor)
        return found if isinstance(found, Response) else await found

    def _in_context(self, call: Call, context: Any) -> Result:
        """A @context that has to be looked up is the leader's: all brokers read it alike."""
        if not self._leads and context is not None and not _by_itself(context):
            return self.forward(call.request)
        return super()._in_context(call, context)

    def _done(self, call: Call) -> Result:
        """An entity map may be asked for in the body of a query, too."""
        document = call.document
        asks = not self._leads and call.operation.name == _BY_POST
        if asks and isinstance(document, dict) and not _LEADERS_PARAMS.isdisjoint(document):
            return self.forward(call.request)
        return super()._done(call)

    # --- handing on -------------------------------------------------------------------------------
    async def forward(self, request: Request) -> Response:
        """The leader's answer."""
        target = request.path + (b"?" + request.query if request.query else b"")
        asked = Asked(
            method=request.method,
            target=target,
            headers=list(request.headers.items()),
            peer=request.peer,
            body=request.body,
        )
        try:
            told = await self.forwarder.ask(asked)
            body = await whole(told, LONGEST_ANSWER)
        except PintuError as error:
            return problem(error)
        headers = tuple(one for one in told.headers if one[0] not in _OURS)
        return Response(told.status, body, headers)


_OURS: Final = frozenset((b"content-length", b"date", b"server"))


def _by_itself(context: Any) -> bool:
    """Does it say everything itself, core @contexts aside?"""
    many = context.contexts if isinstance(context, _Members) else [context]
    return not any(
        True
        for one in many
        if one is not None and not isinstance(one, BaseException)
        for _ in remote_parts(one)
    )


class _Repeats(Repeats):
    """The short way of reads of a broker whose rooms change: what it decides is asked of the rooms
    there are, and not at all while this broker does not lead."""

    def __init__(self, broker: NativeBroker) -> None:
        super().__init__(broker)
        self._native = broker

    def learn(self, data: bytes, request: Request) -> Repeat | None:
        """What to remember of a read."""
        short = self._native.short("")
        return None if short is None or HEADER in request.headers else short[0].learn(data, request)

    def answer(self, standing: Standing, target: bytes) -> Any:
        """Its answer, or None."""
        short = self._native.short(standing.act.tenant)
        return None if short is None else short[0].answer(standing, target)


class _Writes(RepeatedWrites):
    """The same for writes."""

    def __init__(self, broker: NativeBroker) -> None:
        super().__init__(broker)
        self._native = broker

    def learn(self, data: bytes, request: Request) -> Lines | None:
        """What to remember of a write."""
        short = self._native.short("")
        return None if short is None or HEADER in request.headers else short[1].learn(data, request)

    def answer(self, lines: Lines, asked: tuple[bytes, bytes, bytes]) -> Any:
        """Its answer, or None."""
        tenants = {act.tenant for act, _ in lines.acts.values()}
        short = self._native.short(next(iter(tenants), ""))
        return None if short is None else short[1].answer(lines, asked)
