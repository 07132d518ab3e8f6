"""From what is known of an agreement and a deed to what comes of it; pure but for the keys."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, cast

import msgspec

from pintu.kernel.access import Actor, Entry
from pintu.kernel.errors import Forbidden, ResourceNotFound, StateConflict
from pintu.kernel.exchange.agreements import signing
from pintu.kernel.exchange.agreements.deadlines import Deadlines
from pintu.kernel.exchange.agreements.ledger import Change, Notice
from pintu.kernel.exchange.agreements.states import (
    IN_FORCE,
    TABLE,
    UNDECIDED,
    Due,
    Move,
    What,
    move_of,
)
from pintu.kernel.exchange.agreements.words import Agreement, Held, Recall, Signature, State, Terms
from pintu.kernel.identity.words import CITY

CLOCK: Final = Actor(id="clock", kind="service", organisation=CITY)
GATE: Final = Actor(id="gate", kind="service", organisation=CITY)
DECISIONS: Final = frozenset(("refuse", "suspend", "break", "revoke", "withdraw"))
ID: Final = re.compile(r"(ag|rc)-[a-z0-9]{10}")
ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A deed somebody wants to do. Version 0: the one it fits."""

    actor: Actor
    deed: What | Literal["answer_recall", "recall_overdue"]  # the last two are not of the table
    id: str
    version: int = 0
    why: str = ""
    signature: Signature | None = None  # made at the consumer's own node

    @property
    def what(self) -> What:
        """The deed of the state table."""
        return cast("What", self.deed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a plan may ask: the time, deadlines, signatures of organisations, who stands for
    whom (person ids that are one with a person: itself, who it acts for, who acts for it)."""

    now_us: int
    deadlines: Deadlines
    sign: Callable[[str, bytes, int], Signature]
    same_person: Callable[[Actor], frozenset[str]]
    unsigned: Callable[[Agreement], str]  # whose signature does not verify; "" when both do


def new_id(prefix: str, once: str = "") -> str:
    """`ag-` or `rc-` and ten signs that nobody mistakes for each other; the same for the same
    `once`, else a new one."""
    raw = hashlib.sha256(once.encode()).digest() if once else secrets.token_bytes(32)
    return prefix + "".join(ALPHABET[one % len(ALPHABET)] for one in raw[:10])


def asked_for(terms: Terms, asked: Asked, rules: Rules, known: list[Agreement]) -> Change:
    """A request: the first version of an agreement, or the next one of one that is in force."""
    move = move_of("", "request")
    _permitted(asked.actor, move, terms)
    before = [one for one in known if one.state in IN_FORCE]
    if known and not before:
        raise StateConflict(f"Agreement {asked.id} is over: ask for a new one")
    if any(one.state in UNDECIDED for one in known):
        raise StateConflict(f"Agreement {asked.id} has a next version already that is not decided")
    if before and (before[-1].terms.provider, before[-1].terms.consumer) != (
        terms.provider,
        terms.consumer,
    ):
        raise StateConflict(f"Agreement {asked.id} is one between other organisations")
    now_us = _later(rules.now_us, known)
    made = Agreement(
        id=asked.id,
        version=max((one.version for one in known), default=0) + 1,
        terms=terms,
        state=move.after,
        requested_by=asked.actor.person,
        reason=asked.why,
        due_us=_due(move.due, rules.deadlines, now_us),
        requested_us=now_us,
        changed_us=now_us,
        previous=before[-1].version if before else 0,
    )
    signing.canonical(made)  # refused now rather than when it is to be signed
    return Change(
        agreements=(made,),
        entries=(entry_of(made, asked),),
        notices=_notices(made, asked.what, move),
    )


def done(asked: Asked, rules: Rules, known: list[Agreement], held: list[Held]) -> Change:
    """Any other deed of the table. Raises what the table and the rules about persons say."""
    before = chosen(known, asked)
    move = move_of(before.state, asked.what)
    _permitted(asked.actor, move, before.terms)
    _another_person(asked.actor, move, before, rules)
    now_us = _later(rules.now_us, known)
    until_us = before.terms.until_us
    if until_us and now_us >= until_us and asked.deed in ("approve", "sign", "resume"):
        raise StateConflict(f"The term of agreement {before.name} is over")
    after = _after(before, asked, move, rules, now_us)
    rest = tuple(_with_it(one, after, now_us) for one in _carried(known, after, asked.what))
    ended = _ends(before, move, known)
    recalls = recalls_of(after, held, rules, now_us) if ended else ()
    return Change(
        agreements=(after, *rest),
        recalls=recalls,
        entries=(
            entry_of(after, asked),
            *(entry_of(one, asked) for one in rest),
            *(recall_entry(one, after, asked.actor, "ask") for one in recalls),
        ),
        notices=_notices(after, asked.what, move) + asking(recalls),
    )


def chosen(known: list[Agreement], asked: Asked) -> Agreement:
    """The version a deed is about; ResourceNotFound without one."""
    if asked.version:
        known = [one for one in known if one.version == asked.version]
    if not known:
        raise ResourceNotFound(f"Agreement {asked.id} does not exist")
    fitting = [one for one in known if (one.state, asked.deed) in TABLE]
    if asked.deed == "revoke":  # who ends an agreement means what is in force
        fitting = [one for one in fitting if one.state in IN_FORCE] or fitting
    return (fitting or known)[-1]


def _permitted(actor: Actor, move: Move, terms: Terms) -> None:
    if move.side == "city":
        if actor.id not in (CLOCK.id, GATE.id):
            raise Forbidden("The city itself does this, at its time")
        return
    organisation = terms.consumer if move.side == "consumer" else terms.provider
    if not organisation:
        raise Forbidden(f"Data set {terms.data_set!r} has no owner: nobody can decide")
    if not actor.person:
        raise Forbidden("A person decides on agreements; this is a program")
    if actor.organisation != organisation or not actor.roles & move.roles:
        who = " or ".join(sorted(move.roles))
        raise Forbidden(f"Only an {who} of {organisation} may do this")


def _another_person(actor: Actor, move: Move, before: Agreement, rules: Rules) -> None:
    mine = rules.same_person(actor) | {actor.person}
    if "other_person" in move.needs and before.requested_by in mine:
        raise Forbidden("Who requested an agreement cannot approve it, whatever the role")
    if "not_approver" in move.needs and before.approved_by in mine:
        raise Forbidden("Who approved an agreement cannot sign it for the other side")


def _after(before: Agreement, asked: Asked, move: Move, rules: Rules, now_us: int) -> Agreement:
    changed: dict[str, object] = {
        "state": move.after,
        "due_us": _due(move.due, rules.deadlines, now_us),
        "changed_us": now_us,
    }
    if asked.deed in DECISIONS:
        changed["decision"] = asked.why
    if asked.deed in ("approve", "sign"):
        side = before.terms.provider if asked.deed == "approve" else before.terms.consumer
        own = asked.signature or rules.sign(side, signing.canonical(before), now_us)
        others = tuple(one for one in before.signatures if one.organisation != side)
        changed["signatures"] = (*others, own)
    if asked.deed == "approve":
        changed["approved_by"] = asked.actor.person
    after = msgspec.structs.replace(before, **changed)
    wrong = rules.unsigned(after) if after.state == "active" else ""
    if wrong:
        raise StateConflict(f"The signature of {wrong} is not of these terms: ask for new ones")
    return after


def _carried(known: list[Agreement], after: Agreement, deed: What) -> list[Agreement]:
    """The other versions that a deed ends as well: what a newer one replaces; what was to follow
    one that was ended."""
    others = [one for one in known if one.version != after.version]
    if deed == "sign":
        return [one for one in others if one.state in IN_FORCE]
    if deed in ("revoke", "withdraw", "expire") and after.state != "active":
        was = next(one for one in known if one.version == after.version)
        if was.state in IN_FORCE:
            return [one for one in others if one.state in UNDECIDED]
    return []


def _with_it(one: Agreement, after: Agreement, now_us: int) -> Agreement:
    state: State = "superseded" if after.state == "active" else after.state
    return msgspec.structs.replace(
        one, state=state, due_us=0, changed_us=now_us, decision=one.decision or after.decision
    )


def _ends(before: Agreement, move: Move, known: list[Agreement]) -> bool:
    """Whether a deed ends the agreement as a whole, so that copies are asked back."""
    others = [one for one in known if one.version != before.version]
    return (
        move.recalls
        and not any(one.state in IN_FORCE for one in others)
        and before.state in IN_FORCE
    )


# --- recalls ------------------------------------------------------------------------------------
def recalls_of(ended: Agreement, held: list[Held], rules: Rules, now_us: int) -> tuple[Recall, ...]:
    """One for each holder of copies, signed by the provider."""
    due_us = rules.deadlines.after(now_us, rules.deadlines.recall_days)
    found = []
    for one in held:
        recall = Recall(
            id=new_id("rc-"),
            agreement=ended.name,
            data_set=one.data_set,
            provider=ended.terms.provider,
            holder=one.holder,
            via=one.via,
            rows=one.rows,
            why=ended.state,
            asked_us=now_us,
            due_us=due_us,
        )
        signature = rules.sign(recall.provider, signing.canonical_recall(recall), now_us)
        found.append(msgspec.structs.replace(recall, request=signature))
    return tuple(found)


def recall_entry(recall: Recall, agreement: Agreement, actor: Actor, deed: str) -> Entry:
    """The log's row of a recall."""
    return Entry(
        what="recall",
        deed=deed,
        actor=actor.id,
        person=actor.person,
        organisation=actor.organisation,
        data_set=recall.data_set,
        owner=recall.provider,
        purpose=agreement.terms.purpose,
        agreement=recall.agreement,
        basis=recall.why,
        rows=recall.rows,
        detail={"recall": recall.id, "holder": recall.holder},
    )


def asking(recalls: tuple[Recall, ...]) -> tuple[Notice, ...]:
    """Who hears that copies are to be deleted."""
    return tuple(
        Notice(
            key=f"{one.id}/ask/{role}",
            organisation=one.holder,
            role=role,
            deed="recall",
            agreement=one.agreement,
            data_set=one.data_set,
            recall=one.id,
        )
        for one in recalls
        for role in ("officer", "owner")
    )


# --- parts --------------------------------------------------------------------------------------
def entry_of(one: Agreement, asked: Asked) -> Entry:
    """The log's row of a deed."""
    terms, actor = one.terms, asked.actor
    return Entry(
        what="agreement",
        deed=asked.deed,
        actor=actor.id,
        person=actor.person,
        organisation=actor.organisation,
        data_set=terms.data_set,
        owner=terms.provider,
        purpose=terms.purpose,
        reason=asked.why,
        agreement=one.name,
        basis=one.state,
        fields=tuple(terms.fields),
        detail={"consumer": terms.consumer},
    )


def _notices(one: Agreement, deed: What, move: Move) -> tuple[Notice, ...]:
    sides = {"consumer": one.terms.consumer, "provider": one.terms.provider, "city": CITY}
    return tuple(
        Notice(
            key=f"{one.name}/{deed}/{one.changed_us}/{side}/{role}",
            organisation=sides[side],
            role=role,
            deed=deed,
            agreement=one.name,
            data_set=one.terms.data_set,
        )
        for side, role in move.tells
    )


def _due(due: Due, deadlines: Deadlines, now_us: int) -> int:
    days = {
        "owner": deadlines.owner_days,
        "deputy": deadlines.deputy_days,
        "signature": deadlines.signature_days,
    }
    return deadlines.after(now_us, days[due]) if due else 0


def _later(now_us: int, known: list[Agreement]) -> int:
    """The time of a deed: never before what was done already, though a clock jumped back."""
    return max([now_us, *(one.changed_us for one in known)])
