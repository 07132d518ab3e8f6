"""One agreement as a page tells it: sentence, terms, steps, signatures, what passed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.errors import Missing
from pintu.kernel.exchange.agreements.words import CLOSED
from pintu.kernel.identity.keys import verified
from pintu.web.pages.agreements_parties import DONE, organisation_name, person_name
from pintu.web.pages.agreements_said import in_chinese
from pintu.web.pages.agreements_words import (
    code_said,
    example_of,
    list_said,
    said_condition,
    said_limits,
    said_mask,
    said_retention,
    shown_example,
    title_of_column,
    titles_of,
)
from pintu.web.words import mark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pintu.kernel.exchange.agreements.words import Agreement, Step, Terms
    from pintu.kernel.exchange.words import DataSet
    from pintu.web.visit import Visit
    from pintu.web.words import Words


CITYS: Final = {
    "its deadline passed": mark("its deadline passed"),
    "its term ended": mark("its term ended"),
}
"""Why the city itself did something, as it is written down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSeen:
    """A field and how it is shown."""

    name: str
    title: str
    person: str
    mask: str
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsSeen:
    """Terms in words."""

    title: str
    sentence: str
    data_set: str
    data_set_name: str
    provider: str
    consumer: str
    purpose: str
    basis: str
    rows: list[str]
    way: str
    limits: list[str]
    retention: str
    onward: str
    since: str
    until: str
    fields: list[FieldSeen]
    hidden: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSeen:
    """One step of the time line; `sort` is done, bad or next."""

    title: str
    sort: str = "done"
    at_us: int = 0
    who: str = ""
    why: str = ""
    row: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What passed."""

    answers: int = 0
    rows: int = 0
    refused: int = 0
    last_us: int = 0
    receipts: list[dict[str, Any]] = field(default_factory=list)


def find_set(visit: Visit, name: str) -> DataSet | None:
    """A data set by name, or None: it may be another node's, or gone."""
    try:
        return visit.rooms.exchange.get(name)
    except Missing:
        return None


def terms_seen(terms: Terms, visit: Visit) -> TermsSeen:
    """Terms in the visitor's language."""
    words = visit.words
    found = find_set(visit, terms.data_set)
    titles = titles_of(found, words)
    columns = {one.name: one for one in found.columns} if found is not None else {}
    provider = organisation_name(visit, terms.provider)
    consumer = organisation_name(visit, terms.consumer)
    title = words.pick(found.title) or found.name if found is not None else terms.data_set
    purpose = code_said("purpose", terms.purpose, words)
    seen = []
    for name, mask in terms.fields.items():
        column = columns.get(name)
        example = shown_example(mask, example_of(column), words) if column is not None else ""
        told = titles.get(name, name)
        person = column.person if column is not None else ""
        seen.append(
            FieldSeen(
                name=name, title=told, person=person, mask=said_mask(mask, words), example=example
            )
        )
    hidden = [told for name, told in titles.items() if name not in terms.fields]
    sentence = words.text("%(who)s sees %(n)s of %(owner)s's fields, for: %(purpose)s") % {
        "who": consumer, "n": len(terms.fields), "owner": provider, "purpose": purpose,
    }  # fmt: skip
    return TermsSeen(
        title=words.text("%(what)s for %(who)s") % {"what": title, "who": consumer},
        sentence=sentence,
        data_set=title,
        data_set_name=terms.data_set if found is not None else "",
        provider=provider,
        consumer=consumer,
        purpose=purpose,
        basis=code_said("legalBasis", terms.basis, words),
        rows=[said_condition(one, titles, words) for one in terms.where],
        way=_way(terms, titles, visit),
        limits=said_limits(terms.limits, words),
        retention=said_retention(terms.retention_days, words),
        onward=words.text("allowed, narrowed") if terms.onward else words.text("not allowed"),
        since=words.time(terms.from_us) if terms.from_us else words.text("when both have signed"),
        until=words.time(terms.until_us) if terms.until_us else words.text("no end"),
        fields=seen,
        hidden=list_said(hidden, words),
    )


def _way(terms: Terms, titles: dict[str, str], visit: Visit) -> str:
    words = visit.words
    if terms.subject:
        told = words.text("one person at a time, asked by %(field)s")
        return told % {"field": titles.get(terms.subject, terms.subject)}
    if terms.k:
        return words.text("only counts, of %(k)s or more") % {"k": terms.k}
    return words.text("rows")


def steps_seen(steps: Sequence[Step], agreement: Agreement, visit: Visit) -> list[StepSeen]:
    """What was done, and what is next."""
    words = visit.words
    told = []
    for one in steps:
        sort = "bad" if one.deed in ("escalate", "overdue", "break", "revoke", "refuse") else "done"
        who = [person_name(visit, one.person), organisation_name(visit, one.organisation)]
        people = who if one.person else []
        told.append(
            StepSeen(
                title=words.text(DONE.get(one.deed, one.deed)),
                sort=sort,
                at_us=one.at_us,
                who=" · ".join(one for one in people if one) or words.text("the city itself"),
                why=words.text(CITYS.get(one.why, "")) or _said(one.why, words),
                row=one.receipt,
            )
        )
    coming = {
        "requested": words.text("The owner decides"),
        "escalated": words.text("The owner or the deputy decides"),
        "approved": words.text("The consumer signs"),
        "suspended": words.text("The owner lets it pass again or revokes it"),
        "active": words.text("It ends by itself"),
    }.get(agreement.state, "")
    at_us = agreement.due_us if agreement.state != "active" else agreement.terms.until_us
    if coming and agreement.state not in CLOSED:
        told.append(StepSeen(title=coming, sort="next", at_us=at_us))
    return told


def _said(why: str, words: Words) -> str:
    """What somebody wrote as it is; what the gate wrote, in the visitor's language."""
    return in_chinese(why) if words.lang == "zh-CN" else why


def signatures_seen(
    agreement: Agreement, signed: bytes | None, visit: Visit
) -> list[dict[str, Any]]:
    """Each side's, checked against what was signed when that is known."""
    return [
        {
            "organisation": organisation_name(visit, one.organisation),
            "at_us": one.at_us,
            "key_id": one.key_id,
            "signature": one.signature,
            "holds": None if signed is None else _holds(one, signed),
        }
        for one in agreement.signatures
    ]


def _holds(signature: Any, signed: bytes) -> bool:
    import base64
    import binascii

    try:
        raw = base64.b64decode(signature.signature, validate=True)
    except (ValueError, binascii.Error):
        return False
    return verified(signature.public, raw, signed)


def union_said(union: dict[str, tuple[str, ...]], terms: Terms, visit: Visit) -> str:
    """The fields of one person that a consumer can put together; "" when this is all of it."""
    others = {name: fields for name, fields in union.items() if fields}
    if set(others) <= {terms.data_set} and set(others.get(terms.data_set, ())) <= set(terms.fields):
        return ""
    told = []
    for name, fields in others.items():
        found = find_set(visit, name)
        titles = titles_of(found, visit.words)
        title = visit.words.pick(found.title) if found is not None else name
        told.append(
            f"{title or name}: " + list_said([titles.get(one, one) for one in fields], visit.words)
        )
    return "; ".join(told)


__all__ = [
    "Flow",
    "StepSeen",
    "TermsSeen",
    "find_set",
    "signatures_seen",
    "steps_seen",
    "terms_seen",
    "title_of_column",
    "union_said",
]
