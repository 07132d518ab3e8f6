"""The room of nodes: neighbours, their calls and ours, what is told to them, heads each minute."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pintu.kernel.access import Actor
from pintu.kernel.clock import CityClock, Clock
from pintu.kernel.egress import Egress
from pintu.kernel.errors import PintuError, TooManyRequests, Unavailable
from pintu.kernel.exchange.agreements.words import Agreement, Recall
from pintu.kernel.exchange.nodes.calling import Calling
from pintu.kernel.exchange.nodes.consuming import Consuming
from pintu.kernel.exchange.nodes.heads import Heads
from pintu.kernel.exchange.nodes.holding import Holding
from pintu.kernel.exchange.nodes.joining import ROOT, Joining
from pintu.kernel.exchange.nodes.own import Own
from pintu.kernel.exchange.nodes.parts import Parts, with_body
from pintu.kernel.exchange.nodes.providing import Providing
from pintu.kernel.exchange.nodes.receiving import From, Received, Receiving
from pintu.kernel.exchange.nodes.register import Nonces, Register
from pintu.kernel.exchange.nodes.schema import TABLES
from pintu.kernel.exchange.nodes.shelf import Shelf
from pintu.kernel.exchange.nodes.words import Call, Fetched, Kept, Node, Told
from pintu.kernel.exchange.words import Question
from pintu.kernel.identity.keys import Keys
from pintu.kernel.tables import CityTables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pintu.kernel.identity.words import Organisation

log = logging.getLogger("pintu.nodes")

EVERY_S: Final = 60.0
TELL_S: Final = 1.0
"""How soon a neighbour hears of an agreement that changed."""


class Nodes:
    """Every neighbour of this node. There is no middle: each has its own store, keys and log."""

    def __init__(
        self,
        tables: CityTables,
        clock: Clock,
        keys: Keys,
        egress: Egress,
        *,
        name: str = "",
        url: str,
        log_name: str = "",
        organisations: Callable[[], Iterable[Organisation]] = tuple,
        total_s: float = 10.0,
        every_s: float = EVERY_S,
    ) -> None:
        """`url` is where neighbours reach us; `log_name` the name our log's heads carry."""
        clock = CityClock() if getattr(clock, "rate", 1.0) != 1.0 else clock
        file = tables.register(TABLES)
        register = Register(file, clock)
        own = Own(
            keys, clock, register, name=name, url=url, log=log_name, organisations=organisations
        )
        nonces = Nonces(file, clock.now_us() // 1_000_000)
        self.parts = Parts(
            file=file,
            clock=clock,
            keys=keys,
            register=register,
            own=own,
            calling=Calling(egress, keys, clock, total_s=total_s),
            receiving=Receiving(url, register, nonces, clock),
        )
        self.own, self.register = own, register
        self.shelf = Shelf(file, clock)
        self.joining = Joining(self.parts)
        self.parts.receiving.refresh = self.joining.refresh
        self.providing = Providing(self.parts)
        self.consuming = Consuming(self.parts, self.shelf)
        self.holding = Holding(self.parts, self.shelf)
        self.heads = Heads(self.parts)
        self._every_s = every_s
        self._tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()

    def use(
        self,
        *,
        agreements: Any = None,
        exchange: Any = None,
        audit: Any = None,
        gate: Any = None,
        notices: Any = None,
    ) -> None:
        """The city's other rooms."""
        parts = self.parts
        if agreements is not None:
            parts.agreements = agreements
            agreements.know_keys(self.key_of)
            agreements.listen(self._changed)
        if audit is not None:
            parts.audit = audit
            parts.witness = getattr(audit, "witness", None)
        parts.exchange = exchange if exchange is not None else parts.exchange
        parts.gate = gate if gate is not None else parts.gate
        parts.notices = notices if notices is not None else parts.notices

    # --- life ---------------------------------------------------------------------------------
    async def start(self) -> None:
        """Tell neighbours what they wait for; show heads and look for news each minute."""
        self._tasks = [
            asyncio.create_task(self._telling(), name="nodes-telling"),
            asyncio.create_task(self._minutes(), name="nodes-minutes"),
        ]

    async def stop(self) -> None:
        """Nothing goes out any more."""
        waiting = [*self._tasks, *self.parts.tasks]
        for task in waiting:
            task.cancel()
        for task in waiting:
            with contextlib.suppress(asyncio.CancelledError, PintuError):
                await task
        self._tasks = []
        await self.parts.calling.close()

    # --- who is who -----------------------------------------------------------------------------
    def joined(self) -> list[Node]:
        """Neighbours, by name."""
        return [one for one in self.register.list_nodes() if one.state == "joined"]

    def kept(self, name: str) -> Kept:
        """What was counted of a neighbour since the start."""
        return self.parts.kept(name)

    def key_of(self, organisation: str) -> str:
        """The public key (base64) of `ID@NODE`, as its node vouches for it; "" for nobody's."""
        id, _, name = organisation.partition("@")
        node = self.register.find(name)
        if node is None or node.state != "joined":
            return ""
        return next((one.public for one in node.document.organisations if one.id == id), "")

    async def receive(self, received: Received) -> From:
        """A call from a neighbour, checked and counted; refusals are written down."""
        try:
            asked = await self.parts.receiving.check(received)
        except PintuError as error:
            self._refused(received, error)
            raise
        kept = self.parts.kept(asked.node.name)
        kept.calls_in += 1
        kept.last_us = self.parts.clock.now_us()
        self.parts.calling.wake(asked.node.document.url)
        return asked

    async def told(self, node: Node, told: Told) -> None:
        """A provider's node tells what changed there."""
        if told.agreement is not None:
            await self.consuming.told(node, told.agreement)
        if told.recall is not None:
            await self.holding.take_recall(node, told.recall)

    def refused(self, name: str) -> None:
        """A neighbour's call was refused after it was known whose it is."""
        self.parts.kept(name).refused += 1

    def _refused(self, received: Received, error: PintuError) -> None:
        from pintu.kernel.access import Act, Deed

        recorder = getattr(self.parts.gate, "recorder", None)
        if recorder is not None:
            actor = Actor(id=f"node at {received.peer}"[:80], kind="node")
            recorder.refused(actor, Act(deed=Deed.READ, data_set="exchange"), error)

    # --- asking ---------------------------------------------------------------------------------
    async def ask(
        self, actor: Actor, name: str, question: Question, *, purpose: str, reason: str
    ) -> Fetched:
        """Rows under an agreement of another node (`ag-…@NODE`): see `Consuming.ask`."""
        return await self.consuming.ask(actor, name, question, purpose=purpose, reason=reason)

    async def rotate(self, actor: Actor) -> tuple[str, str]:
        """A new key for this node; neighbours are told. The fingerprints, the old one first."""
        found = await self.own.rotate()
        body = msgspec.json.encode(self.own.document())
        for node in self.joined():
            await self.register.tell(node.name, "keys", f"{ROOT}/keys", body)
        self._news.set()
        await self.joining.noted("key rotated", actor, old=found[0], new=found[1])
        return found

    # --- telling ----------------------------------------------------------------------------------
    def _changed(self, agreement: Agreement) -> None:
        """An agreement with a consumer of another node changed: its node hears of it."""
        _, _, node = agreement.terms.consumer.partition("@")
        if node and self.register.find(node) is not None:
            self.parts.spawn(lambda: self._queue(node, agreement), "nodes-queue")

    async def _queue(self, node: str, agreement: Agreement) -> None:
        agreements = self.parts.agreements
        if agreements is None:
            return
        try:
            whole = agreements.find(agreement.id, agreement.version) or agreement
            await self._tell(node, f"agreement/{whole.name}", Told(agreement=whole))
            for one in await agreements.recalls(agreement.id):
                if one.holder.endswith(f"@{node}"):
                    await self.tell_recall(node, one)
        except PintuError as error:
            log.warning("What node %s should hear is not kept now: %s", node, error.detail)
        self._news.set()

    async def tell_recall(self, node: str, recall: Recall) -> None:
        """A holder's node hears that copies are asked back."""
        await self._tell(node, f"recall/{recall.id}", Told(recall=recall))

    async def _tell(self, node: str, key: str, told: Told) -> None:
        body = msgspec.json.encode(with_body(Call(), told))
        await self.register.tell(node, key, f"{ROOT}/told", body)

    async def _telling(self) -> None:
        """What is still to be told, each second; who is away hears it when it is back."""
        while True:
            try:
                left = await self.tell_all()
            except PintuError as error:
                log.warning("Neighbours are not told now: %s", error.detail)
                left = True
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), TELL_S * (5 if left else 30))

    async def tell_all(self) -> bool:
        """Tell everything that waits; True when something is left."""
        away: set[str] = set()
        # much that waits for a node that is away keeps nothing from the others
        while waiting := await self.register.untold(away):
            for one in waiting:
                if one[0] not in away and not await self._told_one(one):
                    away.add(one[0])
        return bool(away)

    async def _told_one(self, one: tuple[str, str, str, bytes, int]) -> bool:
        """Tell one thing; False while its node is away."""
        name, key, path, body, at_us = one
        node = self.register.find(name)
        if node is None or (node.state not in ("joined", "suspended") and key != "leave"):
            await self.register.told(name, key, at_us)
            return True
        publics = (node.document.public, *(public for public, _ in node.keys))
        try:
            await self.parts.calling.call(node.document.url, path, body, publics)
        except (Unavailable, TooManyRequests, TimeoutError):
            return False
        except PintuError as error:
            # it was heard and refused: to say it again helps nobody
            self.parts.kept(name).last_failure = error.detail[:300]
        await self.register.told(name, key, at_us)
        return True

    # --- each minute --------------------------------------------------------------------------
    async def _minutes(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.each_minute()
            except PintuError as error:
                log.warning("Neighbours are not looked at now: %s", error.detail)

    async def each_minute(self) -> None:
        """Show heads, take what neighbours tell of themselves, look for what we were not told."""
        self.register.look()
        for node in self.register.list_nodes():
            if node.state not in ("joined", "invited"):
                continue
            try:
                if node.state == "invited":
                    await self.joining.knock(node.name)
                    continue
                node = await self.joining.refresh(node)
            except PintuError as error:
                self.parts.kept(node.name).last_failure = error.detail[:300]
        await self.heads.show_all(self.joined())
        for node in self.joined():
            await self._news_of(node)

    async def _news_of(self, node: Node) -> None:
        """Agreements and recalls of our organisations there, when they were not told."""
        ours = {one.agreement.terms.consumer.partition("@")[0]
                for one in self.shelf.agreements() if one.node == node.name}  # fmt: skip
        for organisation in sorted(ours):
            call = Call(organisation=organisation)
            try:
                reply = await self.parts.call(node, f"{ROOT}/agreements", call)
                for one in msgspec.json.decode(reply.body, type=list[Agreement]):
                    if self._newest(node.name, one):
                        await self.consuming.told(node, one)
                reply = await self.parts.call(node, f"{ROOT}/recalls", call)
                for recall in msgspec.json.decode(reply.body, type=list[Recall]):
                    await self.holding.take_recall(node, recall)
            except (PintuError, msgspec.MsgspecError) as error:
                self.parts.kept(node.name).last_failure = str(error)[:300]

    def _newest(self, node: str, told: Agreement) -> bool:
        known = self.shelf.agreement(node, told.id)
        if known is None:
            return True
        old = known.agreement
        return (told.version, told.changed_us) > (old.version, old.changed_us)
