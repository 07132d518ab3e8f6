"""Neighbours as sources of context: what each offers becomes a registration here, what we offer is
told to them, and both end with the neighbourhood.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pintu.kernel.access import Actor
from pintu.kernel.errors import BadRequestData, Forbidden, PintuError, Unavailable
from pintu.kernel.exchange.nodes import Node
from pintu.kernel.exchange.nodes.receiving import From, Received
from pintu.kernel.exchange.nodes.signing import signed_request
from pintu.kernel.exchange.nodes.words import Call
from pintu.kernel.federation import Registration
from pintu.kernel.federation.offers import Offer
from pintu.kernel.federation.reading import read

if TYPE_CHECKING:
    from pintu.kernel.exchange.nodes import Nodes
    from pintu.kernel.federation import Federation
    from pintu.web.ngsi_ld.message import Request
    from pintu.web.rooms import Rooms

log = logging.getLogger("pintu.neighbours")

OFFERS: Final = "/api/v1/exchange/offers"
NEWS: Final = "/api/v1/exchange/offers/news"
EVERY_S: Final = 60.0
TIMEOUT_MS: Final = 5_000
LOOK_US: Final = 1_000_000
"""How often the catalogue is looked at for types that tell of persons."""
READS: Final = (
    "retrieveOps", "queryBatch", "retrieveEntityTypes", "retrieveEntityTypeDetails",
    "retrieveEntityTypeInfo", "retrieveAttrTypes", "retrieveAttrTypeDetails",
    "retrieveAttrTypeInfo",
)  # fmt: skip
"""What a neighbour's registration is for: reading alone."""
_SIGNED: Final = ("content-digest", "signature-input", "signature")


class Offered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One tenant's offer as it goes between nodes; stored names, which need no @context."""

    tenant: str = ""
    types: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


class Neighbourhood:
    """Between the room of nodes and that of context sources, which do not know each other."""

    def __init__(self, rooms: Rooms, nodes: Nodes, federation: Federation) -> None:
        self._rooms, self._nodes, self._federation = rooms, nodes, federation
        self._task: asyncio.Task[None] | None = None
        self._changed: set[asyncio.Task[None]] = set()
        self._personal: set[tuple[str, str]] = set()
        self._looked_us = -LOOK_US
        nodes.joining.listeners.append(self.heard)
        if federation.sources is not None:
            federation.sources.sign = self.sign
        if federation.offers is not None:
            federation.offers.personal = self.tells_of_persons

    async def start(self) -> None:
        """Look each minute at what neighbours offer."""
        self._task = asyncio.create_task(self._minutes(), name="neighbours")

    async def stop(self) -> None:
        """Nobody is looked at any more."""
        tasks = [one for one in (self._task, *self._changed) if one is not None]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    # --- what we offer --------------------------------------------------------------------------
    async def offer(self, actor: Actor, node: str, told: Offered) -> Offer:
        """Offer types of a tenant to a neighbour, to be read; none: nothing of it any more. It is
        written down, and the neighbour is told.

        Raises ResourceNotFound for a node nobody knows, Forbidden for types that tell of persons.
        """
        offers = self._federation.offers
        if offers is None:
            raise Unavailable("This city offers nothing to neighbours")
        found = self._nodes.register.get(node)
        if found.state == "left":
            raise Forbidden(f"Node {node} has left")
        kept = await offers.put(
            Offer(
                node=node, tenant=told.tenant, types=frozenset(told.types),
                names=frozenset(told.names), by=actor.id,
            )
        )  # fmt: skip
        what = ", ".join(sorted(kept.types)) or "nothing"
        await self._nodes.joining.noted(
            "offered", actor, node=node, tenant=told.tenant, types=what[:2_000]
        )
        await self._nodes.register.tell(node, "offers", NEWS, b"{}")
        return kept

    def offered_to(self, asked: From) -> list[Offered]:
        """What the calling neighbour may read here."""
        offers = self._federation.offers
        return [
            Offered(
                tenant=one.tenant, types=tuple(sorted(one.types)), names=tuple(sorted(one.names))
            )
            for one in (() if offers is None else offers.of(asked.node.name))
        ]

    def tells_of_persons(self, tenant: str, type: str) -> bool:
        """Whether any data set that names the type has columns that tell of persons."""
        now_us = self._rooms.clock.now_us()
        if not self._looked_us <= now_us < self._looked_us + LOOK_US:
            self._looked_us = now_us
            self._personal = {
                (one.tenant, one.type)
                for one in self._rooms.exchange.described()
                if one.persons and one.type
            }
        return not self._personal.isdisjoint(((tenant, type), ("", type)))

    # --- what they offer ------------------------------------------------------------------------
    async def look(self, node: Node) -> list[Registration]:
        """Ask a neighbour what it offers, and keep its registrations in step with it.

        Raises what the call raises; BadRequestData for an offer that cannot be read.
        """
        reply = await self._nodes.parts.call(node, OFFERS, Call())
        try:
            told = msgspec.json.decode(reply.body, type=list[Offered])
        except (msgspec.MsgspecError, RecursionError) as error:
            raise BadRequestData(f"Node {node.name} offers what cannot be read") from error
        registry = self._federation.registry
        wanted = {one.tenant: one for one in told if one.types}
        known = {one.tenant: one for one in registry if one.node == node.name}
        for tenant in known.keys() - wanted.keys():
            await registry.remove(tenant, known[tenant].id)
        kept = []
        for tenant, one in wanted.items():
            kept.append(await self._keep(node, one, known.get(tenant)))
        return kept

    async def _keep(self, node: Node, told: Offered, before: Registration | None) -> Registration:
        made = _registration(node, told, self._rooms.clock.now_us())
        registry = self._federation.registry
        if before is None:
            await self._rooms.store.open_tenant(told.tenant)
            return await registry.add(made)
        if before.document == made.document:
            return before
        return await registry.replace(dataclasses.replace(made, paused=before.paused))

    async def forget(self, name: str) -> None:
        """A neighbour has left: what it offered is asked no more, what we offered is over."""
        for one in [one for one in self._federation.registry if one.node == name]:
            with contextlib.suppress(PintuError):
                await self._federation.registry.remove(one.tenant, one.id)
        if self._federation.offers is not None:
            await self._federation.offers.remove(name)

    def heard(self, node: Node) -> None:
        """A neighbour came, went, or offers something else: it is seen to, and nobody waits."""
        task = asyncio.get_running_loop().create_task(self._follow(node))
        self._changed.add(task)
        task.add_done_callback(self._changed.discard)

    async def _follow(self, node: Node) -> None:
        try:
            if node.state == "left":
                await self.forget(node.name)
            elif node.state == "joined":
                await self.look(node)
        except PintuError as error:
            log.info("what node %s offers is looked at later: %s", node.name, error.detail)

    async def _minutes(self) -> None:
        while True:
            await self.each_minute()
            await asyncio.sleep(EVERY_S)

    async def each_minute(self) -> None:
        """Look at every neighbour; one that is away is looked at in the next minute."""
        for node in self._nodes.joined():
            await self._follow(node)
        names = {one.node for one in self._federation.registry if one.node}
        for name in names - {one.name for one in self._nodes.register.list_nodes()}:
            await self.forget(name)

    # --- calls ----------------------------------------------------------------------------------
    async def sign(
        self, registration: Registration, method: str, url: str, headers: Any, body: bytes
    ) -> tuple[tuple[bytes, bytes], ...]:
        """The marks of our node on a forwarded request; raises Forbidden for a neighbour that is
        not joined.
        """
        parts = self._nodes.parts
        parts.neighbour(registration.node)
        marks = signed_request(parts.keys, parts.clock, method, url, body)
        parts.kept(registration.node).calls_out += 1
        return tuple((name.encode(), value.encode()) for name, value in marks.items())

    async def caller_of(self, request: Request) -> Actor:
        """The neighbour's node that signed an NGSI-LD request; raises Unauthorized, Forbidden,
        TooManyRequests as every call between nodes.
        """
        query = b"?" + request.query if request.query else b""
        headers = {
            name: request.headers.get(name.encode(), b"").decode("latin-1") for name in _SIGNED
        }
        received = Received(
            method=request.method, path=(request.path + query).decode("latin-1"),
            headers=headers, body=request.body, peer=request.peer,
        )  # fmt: skip
        try:
            node = await self._nodes.parts.receiving.known(received)
        except PintuError:
            log.info("a signed request from %s is refused", request.peer)
            raise
        kept = self._nodes.kept(node.name)
        kept.calls_in += 1
        kept.last_us = self._rooms.clock.now_us()
        return Actor(id=f"node:{node.name}", kind="node")


def _registration(node: Node, told: Offered, now_us: int) -> Registration:
    """What a neighbour offers, as a registration: inclusive, to be read, signed."""
    information: dict[str, Any] = {"entities": [{"type": one} for one in told.types]}
    if told.names:
        information["propertyNames"] = list(told.names)
    document = {
        "id": f"urn:ngsi-ld:ContextSourceRegistration:node:{node.name}",
        "type": "ContextSourceRegistration",
        "registrationName": node.name,
        "information": [information],
        "operations": list(READS),
        "endpoint": node.document.url,
        "management": {"timeout": TIMEOUT_MS},
    }
    if told.tenant:
        document["tenant"] = told.tenant
    made = read(document, tenant=told.tenant, now_us=now_us)
    return dataclasses.replace(made, node=node.name)


def open_neighbourhood(rooms: Rooms) -> Neighbourhood | None:
    """The neighbourhood of a city that has nodes and registrations."""
    if rooms.nodes is None or rooms.federation is None:
        return None
    return Neighbourhood(rooms, rooms.nodes, rooms.federation)
