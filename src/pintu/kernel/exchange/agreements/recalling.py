"""Copies that consumers keep: counted while they come, asked back when an agreement ends.

Nothing here can delete what another organisation keeps. It asks, sets a deadline and records what
was answered; who does not answer is shown as overdue, to the auditor too.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pintu.kernel.access import Actor
from pintu.kernel.errors import BadRequestData, Forbidden, ResourceNotFound, StateConflict
from pintu.kernel.exchange.agreements import signing
from pintu.kernel.exchange.agreements.deeds import CLOCK, Rules, recall_entry
from pintu.kernel.exchange.agreements.ledger import Change, Notice
from pintu.kernel.exchange.agreements.words import Agreement, Deletion, Held, Recall, Signature
from pintu.kernel.identity.words import CITY

ANSWERS = frozenset(("officer", "owner", "steward"))
LONGEST_ANSWER = 2_000


class Copies:
    """What went out since it was written down last; adding costs a dictionary's look-up."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str], Held] = {}

    def add(self, agreement: Agreement, rows: int, now_us: int, *, to: str = "") -> None:
        """Rows that a consumer may keep, or passed on `to` another organisation."""
        holder = to or agreement.terms.consumer
        key = (agreement.id, holder)
        known = self._counted.get(key)
        self._counted[key] = Held(
            agreement=agreement.id,
            version=agreement.version,
            holder=holder,
            data_set=agreement.terms.data_set,
            via=agreement.terms.consumer if to else "",
            first_us=known.first_us if known is not None else now_us,
            last_us=now_us,
            rows=rows + (known.rows if known is not None else 0),
        )

    def take(self) -> list[Held]:
        """What is to be written down; whoever cannot gives it back."""
        found = list(self._counted.values())
        self._counted.clear()
        return found

    def give_back(self, counted: list[Held]) -> None:
        """What could not be written down."""
        for one in counted:
            key = (one.agreement, one.holder)
            newer = self._counted.get(key)
            self._counted[key] = (
                one
                if newer is None
                else msgspec.structs.replace(
                    newer, first_us=one.first_us, rows=one.rows + newer.rows
                )
            )

    def of(self, agreement: str) -> list[Held]:
        """What is counted and not written down yet of one agreement."""
        return [one for one in self._counted.values() if one.agreement == agreement]


def answered(
    actor: Actor, told: Deletion, rules: Rules, given: Signature | None
) -> Callable[[list[Agreement], list[Held], list[Recall]], Change]:
    """The plan of a holder's answer; signed here, or `given` by the holder's own node."""
    id = told.recall

    def plan(known: list[Agreement], _: list[Held], recalls: list[Recall]) -> Change:
        recall = next((one for one in recalls if one.id == id), None)
        if recall is None:
            raise ResourceNotFound(f"Recall {id[:40]} does not exist")
        if actor.organisation != recall.holder or not actor.roles & ANSWERS:
            raise Forbidden(f"Only an officer, owner or steward of {recall.holder} may answer")
        if not recall.open:
            raise StateConflict(f"Recall {id} is answered already")
        now_us = max(rules.now_us, recall.asked_us)
        deletion = msgspec.structs.replace(told, at_us=told.at_us or now_us)
        message = signing.canonical_deletion(deletion)
        signature = given or rules.sign(recall.holder, message, now_us)
        done = msgspec.structs.replace(recall, answer=deletion, answered=signature)
        return _change(done, known, actor, "answer_recall", rules)

    return plan


def passed(id: str, rules: Rules) -> Callable[[list[Agreement], list[Held], list[Recall]], Change]:
    """The plan of a deadline that passed without an answer."""

    def plan(known: list[Agreement], _: list[Held], recalls: list[Recall]) -> Change:
        recall = next((one for one in recalls if one.id == id), None)
        if recall is None or not recall.open or recall.overdue or rules.now_us < recall.due_us:
            raise StateConflict(f"Recall {id} is not overdue")
        done = msgspec.structs.replace(recall, overdue=True)
        return _change(done, known, CLOCK, "recall_overdue", rules)

    return plan


def _change(
    recall: Recall, known: list[Agreement], actor: Actor, deed: str, rules: Rules
) -> Change:
    version = int(recall.agreement.partition("/")[2])
    about = next(one for one in known if one.version == version)
    overdue = deed == "recall_overdue"
    tells = [(recall.provider, "owner")]
    if overdue:
        tells += [(CITY, "auditor"), (recall.holder, "owner"), (recall.holder, "officer")]
    return Change(
        agreements=(about,),
        recalls=(recall,),
        entries=(recall_entry(recall, about, actor, "overdue" if overdue else "answer"),),
        notices=tuple(
            Notice(
                key=f"{recall.id}/{deed}/{organisation}/{role}",
                organisation=organisation,
                role=role,
                deed=deed,
                agreement=recall.agreement,
                data_set=recall.data_set,
                recall=recall.id,
            )
            for organisation, role in tells
        ),
    )


def check_deletion(told: Deletion, bases: frozenset[str]) -> None:
    """BadRequestData for an answer that says nothing."""
    if not 0 <= told.rows <= 10**12:
        raise BadRequestData("A deletion record says how many rows were deleted, from 0 on")
    if not told.what.strip() or len(told.what) > LONGEST_ANSWER:
        raise BadRequestData(
            f"A deletion record says what was deleted, in at most {LONGEST_ANSWER} signs"
        )
    if told.kept_by_law and told.kept_by_law not in bases:
        raise BadRequestData(f"{told.kept_by_law[:40]!r} is no legal basis of the city's list")
    if told.kept_by_law and not told.why.strip():
        raise BadRequestData("Who must keep copies says by which law", member="why")
