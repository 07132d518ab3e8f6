"""What the rooms of nodes share: the register, the wire, the city's other rooms as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from pintu.kernel.access import Actor, AuditLog
from pintu.kernel.clock import Clock
from pintu.kernel.errors import Forbidden, PintuError
from pintu.kernel.exchange.nodes.words import Call, Kept, Node

if TYPE_CHECKING:
    from pintu.kernel.exchange.agreements import Agreements
    from pintu.kernel.exchange.exchange import Exchange
    from pintu.kernel.exchange.nodes.calling import Calling, Reply
    from pintu.kernel.exchange.nodes.own import Own
    from pintu.kernel.exchange.nodes.receiving import Receiving
    from pintu.kernel.exchange.nodes.register import Register
    from pintu.kernel.identity.keys import Keys
    from pintu.kernel.tables import OpenTables


@dataclass(slots=True, kw_only=True)
class Parts:
    """Handed to every part; what is None is not there in this city."""

    file: OpenTables
    clock: Clock
    keys: Keys
    register: Register
    own: Own
    calling: Calling
    receiving: Receiving
    agreements: Agreements | None = None
    exchange: Exchange | None = None
    audit: AuditLog | None = None
    witness: Any = None  # audit's countersigning, as a Protocol in `heads`
    notices: Any = None
    gate: Any = None
    counted: dict[str, Kept] = field(default_factory=dict)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    def kept(self, name: str) -> Kept:
        """What is counted of a neighbour."""
        return self.counted.setdefault(name, Kept())

    def neighbour(self, name: str) -> Node:
        """A joined neighbour; ResourceNotFound, Forbidden for one that is not joined."""
        node = self.register.find(name)
        if node is None:
            self.register.look()
            node = self.register.get(name)
        if node.state != "joined":
            raise Forbidden(f"Node {name} is not joined: it is {node.state}")
        return node

    async def call(self, node: Node, path: str, call: Call) -> Reply:
        """Call a neighbour, and count it; what its own node refused is raised."""
        kept = self.kept(node.name)
        kept.calls_out += 1
        publics = (node.document.public, *(public for public, _ in node.keys))
        body = msgspec.json.encode(call)
        try:
            found = await self.calling.call(node.document.url, path, body, publics)
        except PintuError as error:
            kept.failures += 1
            kept.last_failure = error.detail[:300]
            raise
        kept.last_us = self.clock.now_us()
        return found

    def as_told(self, actor: Actor, node: str, *, purpose: str = "", reason: str = "") -> Call:
        """Somebody of ours as we name them to another node."""
        return Call(
            organisation=actor.organisation,
            person=self.own.pseudonym(node, actor.person),
            roles=tuple(sorted(actor.roles & {"officer", "owner", "deputy", "steward", "clerk"})),
            purpose=purpose,
            reason=reason,
        )

    async def notify(self, to: str, text: dict[str, str], *, key: str = "") -> None:
        """Tell somebody of ours, where there are notices."""
        if self.notices is not None:
            await self.notices.tell(to, "node", text, link="/nodes", key=key)

    def spawn(self, work: Callable[[], Coroutine[Any, Any, Any]], name: str) -> None:
        """Something that nobody waits for."""
        task = asyncio.create_task(work(), name=name)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def with_body(call: Call, body: Any) -> Call:
    """A call with what it carries."""
    return msgspec.structs.replace(call, body=msgspec.Raw(msgspec.json.encode(body)))
