"""What our own people ask of other nodes: agreements, rows under them, answers to recalls.

Our gate's rules hold first: an agreement abroad is used only by its consumer, for its purpose, with
a reason; a hop may only narrow. The provider's node decides again, at each call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from pintu.kernel.access import Act, Actor, Deed, Entry, masked
from pintu.kernel.access.reasons import check_reason
from pintu.kernel.clock import Clock
from pintu.kernel.errors import (
    BadRequestData,
    Forbidden,
    PintuError,
    Refused,
    ResourceNotFound,
    StateConflict,
    Unavailable,
)
from pintu.kernel.exchange.agreements import signing
from pintu.kernel.exchange.agreements.words import (
    CLOSED,
    Agreement,
    Terms,
)
from pintu.kernel.exchange.nodes.narrowing import narrowed, require_narrower
from pintu.kernel.exchange.nodes.out import Out, read
from pintu.kernel.exchange.nodes.words import (
    Abroad,
    Asking,
    Fetched,
    Node,
    Offer,
    Signing,
)
from pintu.kernel.exchange.words import Column, Question

if TYPE_CHECKING:
    from pintu.kernel.exchange.nodes.calling import Reply
    from pintu.kernel.exchange.nodes.parts import Parts
    from pintu.kernel.exchange.nodes.shelf import Shelf

ANSWERS: Final = frozenset(("officer", "owner", "steward"))
DECIDES: Final = frozenset(("officer", "owner"))
READ: Final = "read"


class _Rows(msgspec.Struct):
    columns: tuple[Column, ...]
    rows: list[dict[str, Any]]
    total: int | None = None
    asOf: str = ""


class Consuming:
    """The consumer's side."""

    def __init__(self, parts: Parts, shelf: Shelf) -> None:
        self._parts, self._shelf, self._out = parts, shelf, Out(parts)

    # --- looking ------------------------------------------------------------------------------
    async def catalogue(self, actor: Actor, node: str) -> list[Offer]:
        """What a neighbour offers to the actor's organisation."""
        reply = await self._out.call(actor, node, "/catalogue", None)
        return read(reply, list[Offer])

    def find(self, actor: Actor, name: str) -> Abroad:
        """An agreement abroad by `ID@NODE`; ResourceNotFound also for another organisation's."""
        id, _, node = name.partition("@")
        found = self._shelf.agreement(node, id.partition("/")[0])
        if found is None or not self._ours(actor, found):
            raise ResourceNotFound(f"Agreement {name[:80]} is not known here")
        return found

    def list_for(self, actor: Actor) -> list[Abroad]:
        """The agreements abroad of the actor's organisation; all for an auditor of the city."""
        return [one for one in self._shelf.agreements() if self._ours(actor, one)]

    def _ours(self, actor: Actor, one: Abroad) -> bool:
        auditor = actor.organisation == "city" and "auditor" in actor.roles
        return auditor or bool(actor.organisation and consumer_of(one) == actor.organisation)

    # --- agreeing -----------------------------------------------------------------------------
    async def request(
        self, actor: Actor, node: str, terms: Terms, *, reason: str, key: str, amends: str = ""
    ) -> Abroad:
        """Ask the owner of a data set of another node. Terms' consumer is the actor's organisation
        at our node, whatever they say."""
        self._out.needs(actor, DECIDES, "request data")
        why = check_reason(reason)
        consumer = f"{actor.organisation}@{self._parts.own.name}"
        told = Asking(
            terms=msgspec.structs.replace(terms, consumer=consumer), key=key, amends=amends
        )
        await self._out.note(actor, "request", node, terms.data_set, why)
        reply = await self._out.call(actor, node, "/agreements/request", told, reason=why)
        return await self.take(node, read(reply, Agreement))

    async def sign(self, actor: Actor, name: str) -> Abroad:
        """Sign, here and with our organisation's key, what the provider signed; it is in force when
        the provider has our signature. Forbidden when its own signature does not hold."""
        self._out.needs(actor, DECIDES, "sign")
        known = self.find(actor, name)
        fresh = await self.refresh(actor, known)
        agreement = fresh.agreement
        if agreement.state != "approved":
            raise StateConflict(f"Agreement {name} is {agreement.state}, there is nothing to sign")
        self._provider_signed(fresh)
        signature = self._out.signed(actor.organisation, agreement.terms.consumer,
                                 signing.canonical(agreement))  # fmt: skip
        told = Signing(version=agreement.version, signature=signature)
        await self._out.note(actor, "sign", known.node, agreement.terms.data_set, agreement.name)
        path = f"/agreements/{agreement.id}/sign"
        return await self.take(
            known.node, read(await self._out.call(actor, known.node, path, told), Agreement)
        )

    async def withdraw(self, actor: Actor, name: str, *, reason: str) -> Abroad:
        """Take a request back, or give an agreement up."""
        self._out.needs(actor, DECIDES, "withdraw")
        known, why = self.find(actor, name), check_reason(reason)
        await self._out.note(actor, "withdraw", known.node, known.agreement.terms.data_set, why)
        path = f"/agreements/{known.agreement.id}/withdraw"
        reply = await self._out.call(actor, known.node, path, None, reason=why)
        return await self.take(known.node, read(reply, Agreement))

    async def narrow(self, actor: Actor, name: str, terms: Terms | None) -> Abroad:
        """What our own people may have of an agreement abroad: Forbidden for terms that add
        anything to it. None: all of it again."""
        self._out.needs(actor, frozenset(("owner",)), "narrow an agreement")
        known = self.find(actor, name)
        if terms is not None:
            require_narrower(known.agreement.terms, terms)
        await self._out.note(
            actor, "narrow", known.node, known.agreement.terms.data_set, known.agreement.name
        )
        return await self._shelf.put(msgspec.structs.replace(known, narrowed=terms))

    async def refresh(self, actor: Actor, known: Abroad) -> Abroad:
        """An agreement as the provider has it now."""
        path = f"/agreements/{known.agreement.id}"
        return await self.take(
            known.node, read(await self._out.call(actor, known.node, path, None), Agreement)
        )

    async def take(self, node: str, agreement: Agreement) -> Abroad:
        """Keep what a provider's node told of an agreement; an older word replaces no newer one."""
        consumer, _, ours = agreement.terms.consumer.partition("@")
        if ours != self._parts.own.name or not consumer:
            raise Forbidden(f"Agreement {agreement.id} is not one of an organisation of ours")
        known = self._shelf.agreement(node, agreement.id)
        if known is not None:
            old = known.agreement
            if (old.version, old.changed_us) > (agreement.version, agreement.changed_us):
                return known
        inner = known.narrowed if known is not None else None
        if inner is not None and (known is None or known.agreement.terms != agreement.terms):
            inner = None  # it was made for other terms: the owner narrows anew
        told = Abroad(
            node=node, agreement=agreement, narrowed=inner, seen_us=self._parts.clock.now_us()
        )
        return await self._shelf.put(told)

    async def told(self, node: Node, agreement: Agreement) -> None:
        """A provider's node says that an agreement changed."""
        await self._announce(await self.take(node.name, agreement))

    def _provider_signed(self, one: Abroad) -> None:
        agreement = one.agreement
        provider = agreement.terms.provider
        node = self._parts.register.get(one.node)
        key = next((p.public for p in node.document.organisations if p.id == provider), "")
        message = signing.canonical(agreement)
        for signature in agreement.signatures:
            same = signature.organisation == provider and signature.public == key
            if key and same and signing.holds(signature, message):
                return
        raise Forbidden(f"{provider} of node {one.node} has not signed these terms")

    # --- rows ---------------------------------------------------------------------------------
    async def ask(
        self, actor: Actor, name: str, question: Question, *, purpose: str, reason: str
    ) -> Fetched:
        """Rows under an agreement abroad (`ID@NODE`), never from a cache.

        Our rules are asked, then the provider; both write a row, and the provider's receipt is kept
        beside ours. Raises what either refuses with, Unavailable for a provider that is away.
        """
        act = Act(deed=Deed.READ, data_set=name[:80], agreement=name[:80],
                  purpose=purpose, reason=reason)  # fmt: skip
        try:
            known = self.find(actor, name)
            terms = permitted(known, self._parts.clock, purpose)
            why = check_reason(reason)
            inner = narrowed(question, terms)
        except (Refused, BadRequestData, ResourceNotFound) as error:
            self._refused(actor, act, error)
            raise
        extra = tuple(one for one in terms.where if one not in known.agreement.terms.where)
        inner = msgspec.structs.replace(inner, where=(*inner.where, *extra))
        path = f"/agreements/{known.agreement.id}/rows"
        try:
            reply = await self._out.call(
                actor, known.node, path, inner, purpose=purpose, reason=why
            )
        except PintuError as error:
            if isinstance(error, Refused):
                self._refused(actor, act, error)
                self._parts.spawn(lambda: self._look_again(actor, known), "nodes-refresh")
            raise
        return await self._kept(actor, known, (terms, why), reply)

    async def _kept(
        self, actor: Actor, known: Abroad, why: tuple[Terms, str], reply: Reply
    ) -> Fetched:
        terms, reason = why
        told = read(reply, _Rows)
        names = {one.name.partition("@")[0] for one in told.columns}
        outside = sorted(names - set(terms.fields) - {"count"})
        if any(set(row) - {one.name for one in told.columns} for row in told.rows):
            raise Unavailable("The provider's rows have members that are no columns")
        if outside:
            raise Unavailable(f"The provider sent column {outside[0]!r}, which is not agreed")
        rows = self._masked(terms, known, told.rows)
        own = await self._enter(actor, known, (terms, reason), (reply, told))
        kept = self._parts.kept(known.node)
        kept.rows_in += len(rows)
        return Fetched(
            columns=told.columns,
            rows=rows,
            total=told.total,
            as_of=told.asOf,
            agreement=f"{known.agreement.name}@{known.node}",
            receipt=reply.receipt,
            own=own,
        )

    def _masked(self, terms: Terms, known: Abroad, rows: list[dict[str, Any]]) -> list[Any]:
        """Masks of our own, on top of the provider's."""
        outer = known.agreement.terms.fields
        more = {name: mask for name, mask in terms.fields.items() if outer.get(name) != mask}
        if not more:
            return rows
        key = self._parts.keys.secret("node-people") or b""
        return [
            {
                name: masked(more[name], value, key) if name in more else value
                for name, value in row.items()
            }
            for row in rows
        ]

    async def _enter(
        self, actor: Actor, known: Abroad, why: tuple[Terms, str], came: tuple[Reply, _Rows]
    ) -> int:
        """Our row of the log, and the provider's receipt beside it; then the rows may be shown."""
        audit = self._parts.audit
        if audit is None:
            raise Unavailable("The log is not there: what must be written down is not answered")
        (terms, reason), (reply, told) = why, came
        name = f"{known.agreement.name}@{known.node}"
        entry = Entry(
            what="read",
            deed=READ,
            actor=actor.id,
            person=actor.person,
            organisation=actor.organisation,
            data_set=f"{terms.data_set}@{known.node}",
            owner=f"{terms.provider}@{known.node}",
            purpose=terms.purpose,
            reason=reason,
            agreement=name,
            basis=f"agreement {name}",
            fields=tuple(one.name for one in told.columns),
            rows=len(told.rows),
            answer=audit.digest(reply.body),
            detail={"node": known.node, "receipt": reply.receipt},
        )
        receipt = await audit.enter(entry)
        await self._shelf.keep_receipt(receipt.number, (known.node, name), reply)
        return receipt.number

    async def _look_again(self, actor: Actor, known: Abroad) -> None:
        """A call was refused: the agreement may be over."""
        try:
            await self._announce(await self.refresh(actor, known))
        except PintuError:
            return

    def _refused(self, actor: Actor, act: Act, error: PintuError) -> None:
        recorder = getattr(self._parts.gate, "recorder", None)
        if recorder is not None:
            recorder.refused(actor, act, error)

    # --- parts --------------------------------------------------------------------------------
    async def _announce(self, one: Abroad) -> None:
        agreement = one.agreement
        if agreement.state not in ("approved", "active", "suspended") and (
            agreement.state not in CLOSED
        ):
            return
        text = {
            "en": f"Agreement {agreement.id}@{one.node} is {agreement.state}",
            "zh": f"协议 {agreement.id}@{one.node}：{_SAID[agreement.state]}",
        }
        key = f"{agreement.id}@{one.node}/{agreement.version}/{agreement.state}"
        await self._parts.notify(f"officer@{consumer_of(one)}", text, key=key)


_SAID: Final = {
    "approved": "已批准，待签署",
    "active": "已生效",
    "suspended": "已暂停",
    "refused": "未获批准",
    "withdrawn": "已撤回",
    "revoked": "已撤销",
    "expired": "已到期",
    "superseded": "已被新版本取代",
}


def consumer_of(one: Abroad) -> str:
    """Our organisation in an agreement abroad."""
    return one.agreement.terms.consumer.partition("@")[0]


def permitted(known: Abroad, clock: Clock, purpose: str) -> Terms:
    """The terms that hold for our people; Forbidden when none do now, or not for this purpose."""
    agreement, terms = known.agreement, known.narrowed or known.agreement.terms
    name, now_us = f"{agreement.id}@{known.node}", clock.now_us()
    if agreement.state != "active":
        raise Forbidden(f"Agreement {name} is {agreement.state}")
    if now_us < terms.from_us or (terms.until_us and now_us >= terms.until_us):
        raise Forbidden(f"Agreement {name} is not in force at this time")
    if purpose != terms.purpose:
        raise Forbidden(f"Agreement {name} is for purpose {terms.purpose!r}, not {purpose[:60]!r}")
    return terms
