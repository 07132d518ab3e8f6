"""What a neighbour may ask of us: what we offer, agreements about it, rows under them; always
decided by our own gate and written to our own log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from pintu.kernel.access import Act, Actor, Deed
from pintu.kernel.clock import iso
from pintu.kernel.errors import (
    BadRequestData,
    Forbidden,
    ResourceNotFound,
    Unavailable,
)
from pintu.kernel.exchange.agreements.words import Agreement, Recall, Terms
from pintu.kernel.exchange.nodes.receiving import From
from pintu.kernel.exchange.nodes.words import Answering, Asking, Offer, Signing
from pintu.kernel.exchange.words import Answer, DataSet, Question, Rows, Why

if TYPE_CHECKING:
    from pintu.kernel.exchange.agreements import Agreements
    from pintu.kernel.exchange.nodes.parts import Parts

OFFERED: Final = frozenset(("conditional", "unconditional"))
MOST_ROWS: Final = 10_000


class Providing:
    """Answers neighbours."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @property
    def _agreements(self) -> Agreements:
        if self._parts.agreements is None:
            raise Unavailable("This node keeps no agreements")
        return self._parts.agreements

    # --- the catalogue ------------------------------------------------------------------------
    def catalogue(self, asked: From) -> list[Offer]:
        """Data sets that are offered to others, and those the asking organisation has agreements
        about; core metadata and columns, never a row nor a measure of one."""
        exchange = self._parts.exchange
        if exchange is None:
            raise Unavailable("This node has no catalogue")
        own = asked.actor.organisation
        agreed = {one.terms.data_set for one in self._agreements.of_consumer(own)} if own else set()
        return [
            offer_of(one)
            for one in exchange.described()
            if one.owner and (one.sharing in OFFERED or one.name in agreed)
        ]

    # --- agreements ---------------------------------------------------------------------------
    def agreements_of(self, asked: From) -> list[Agreement]:
        """Every agreement of the asking organisation, closed ones too."""
        return self._agreements.list_for(_somebody(asked), closed=True)

    def agreement(self, asked: From, id: str) -> Agreement:
        """One, with its signatures; ResourceNotFound for another's."""
        return self._agreements.get(_somebody(asked), id)

    async def request(self, asked: From) -> Agreement:
        """A request from afar, decided here like any other. The consumer is the organisation that
        the calling node speaks for, whatever the terms say."""
        told = _body(asked, Asking)
        actor = _somebody(asked)
        if told.terms.consumer != actor.organisation:
            raise Forbidden(
                f"Node {asked.node.name} asks for {actor.organisation}, "
                f"not for {told.terms.consumer[:60]!r}"
            )
        self._offered(told.terms, actor)
        return await self._agreements.request(
            actor, told.terms, reason=asked.call.reason, amends=told.amends, key=told.key
        )

    def _offered(self, terms: Terms, actor: Actor) -> None:
        exchange = self._parts.exchange
        found = exchange.catalogue.get(terms.data_set) if exchange is not None else None
        known = {one.terms.data_set for one in self._agreements.of_consumer(actor.organisation)}
        if found is None or not (found.sharing in OFFERED or found.name in known):
            raise ResourceNotFound(f"Data set {terms.data_set[:80]!r} is not offered to nodes")

    async def sign(self, asked: From, id: str) -> Agreement:
        """The consumer's organisation signed at its own node."""
        told = _body(asked, Signing)
        actor = _somebody(asked)
        return await self._agreements.sign_remote(
            actor, id, told.signature, version=told.version, key=told.signature.signature[:80]
        )

    async def withdraw(self, asked: From, id: str) -> Agreement:
        """The consumer takes a request back or gives the agreement up."""
        return await self._agreements.withdraw(_somebody(asked), id, reason=asked.call.reason)

    # --- rows ---------------------------------------------------------------------------------
    async def rows(self, asked: From, id: str) -> Answer:
        """Rows under an agreement: our gate decides, our log keeps the row before they go."""
        exchange, actor = self._parts.exchange, asked.actor
        if exchange is None:
            raise Unavailable("This node has no data sets")
        why = Why(agreement=id, purpose=asked.call.purpose, reason=asked.call.reason)
        found = self._agreements.active(id.partition("/")[0])
        if found is None:
            self._refuse(actor, why)
        assert found is not None
        question = _body(asked, Question)
        if question.limit > MOST_ROWS:
            raise BadRequestData(f"A call between nodes asks for at most {MOST_ROWS:,} rows")
        answer = await exchange.answer(actor, found.terms.data_set, question, why, form=as_told)
        kept = self._parts.kept(asked.node.name)
        kept.rows_out += len(answer.rows.rows)
        return answer

    def _refuse(self, actor: Actor, why: Why) -> None:
        """The gate says no in its own words, and writes it down."""
        gate = self._parts.gate
        act = Act(
            deed=Deed.READ,
            data_set="",
            agreement=why.agreement[:60],
            purpose=why.purpose,
            reason=why.reason,
        )
        if gate is not None:
            gate.decide(actor, act)
        raise Forbidden(f"{actor.id} has no agreement {why.agreement[:60]!r} in force")

    # --- recalls ------------------------------------------------------------------------------
    async def recalls_of(self, asked: From) -> list[Recall]:
        """What the asking organisation was asked to delete."""
        actor = _somebody(asked)
        found = await self._agreements.list_recalls(actor)
        return [one for one in found if one.holder == actor.organisation]

    async def answer_recall(self, asked: From, recall: str) -> Recall:
        """What a holder says it deleted, signed at its own node."""
        told = _body(asked, Answering)
        actor = _somebody(asked)
        if told.told.recall != recall or told.told.person != actor.person:
            raise Forbidden("The answer is one to another recall, or of another person")
        return await self._agreements.answer_remote(
            actor, told.told, told.signature, key=told.signature.signature[:80]
        )


_TOLD: Final = (
    "name",
    "title",
    "summary",
    "owner",
    "theme",
    "frequency",
    "sharing",
    "licence",
    "area",
)


def offer_of(one: DataSet) -> Offer:
    """A data set as a neighbour may know it: nothing of where it lies and what fills it."""
    told = {name: getattr(one, name) for name in _TOLD}
    return Offer(**told, persons=one.persons, columns=tuple(one.columns))


def as_told(rows: Rows) -> bytes:
    """Rows as the bytes that are sent, whose digest the log keeps."""
    told: dict[str, Any] = msgspec.to_builtins(rows)
    told["asOf"] = iso(told.pop("as_of_us", 0))
    return msgspec.json.encode(told)


def _somebody(asked: From) -> Actor:
    actor = asked.actor
    if not actor.organisation:
        raise Forbidden("A call about agreements names the organisation it is for")
    return actor


def _body(asked: From, kind: Any) -> Any:
    try:
        return msgspec.json.decode(asked.call.body, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadRequestData(f"What the call carries cannot be read: {error}") from error
