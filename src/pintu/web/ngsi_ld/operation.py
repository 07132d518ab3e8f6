"""What an operation is: its clause, what it may be told, what it does; and one call of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from pintu.kernel.access import Act, Actor, Deed, Projection
from pintu.kernel.jsonld import Terms
from pintu.web.ngsi_ld.answers import Deferred, Pairs
from pintu.web.ngsi_ld.message import Request, Response

if TYPE_CHECKING:
    from pintu.web.rooms import Rooms

Body = Literal["none", "one", "many", "context"]
"""none; one entity, fragment, attribute or query; a list of entities; a @context document."""

Result = Response | Deferred | Coroutine[Any, Any, Response]
Handler = Callable[["Call"], Result]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of the standard, as data: `handler` is called when all that is said here
    holds.
    """

    name: str
    clause: str
    handler: Handler
    deed: Deed = Deed.READ
    params: frozenset[str] = frozenset()
    body: Body = "none"
    offer: Literal["none", "data", "entity"] = "none"  # what Accept may ask for
    merge_patch: bool = False  # application/merge-patch+json is read too
    opens_tenant: bool = False  # a write that makes its tenant (5.5.10)
    any_tenant: bool = False  # answers for a tenant that does not exist too
    distributed: Handler | None = None
    """Called instead of `handler` in a tenant that has registrations, unless local=true (4.3.6)."""


class Call(msgspec.Struct, gc=False):
    """One call of an operation: all that was decided before its handler runs."""

    operation: Operation
    request: Request
    parts: tuple[str, ...]  # the decoded variable parts of the path
    params: dict[str, str]
    rooms: Rooms
    tenant_name: str
    tenant: int
    projection: Projection
    terms: Terms
    accept: bytes
    echo: Pairs = ()  # headers every answer of this call carries
    actor_id: str = ""
    document: Any = None  # the body, @context taken out
    encoded: bytes = b""  # the same as JSON bytes
    contexts: list[Terms | BaseException] | None = None  # of a list: one for each member
    actor: Actor | None = None
    act: Act | None = None
    rows: int = 0  # entities told, for the row of the log
    fields: tuple[str, ...] = ()  # and the attributes that could be
    at_us: int | None = None  # the moment it is asked for; None: now
