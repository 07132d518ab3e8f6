"""Narrowing only: whoever passes something on may take away from it and never add; pure."""

from __future__ import annotations

from pintu.kernel.access import Mask
from pintu.kernel.errors import Forbidden
from pintu.kernel.exchange.agreements.words import Limits, Terms
from pintu.kernel.exchange.conditions import group_of
from pintu.kernel.exchange.words import Question

_WEAKER = {"plain": 0, "truncate": 1, "generalise": 1, "pseudonym": 1, "yes_no": 2, "drop": 3}


def widenings(outer: Terms, inner: Terms) -> list[str]:
    """What inner terms would let through that outer ones do not, in words; [] when they only
    narrow."""
    found = []
    if inner.data_set != outer.data_set:
        found.append(f"data set {inner.data_set!r} is another")
    if inner.deed != outer.deed:
        found.append("another deed")
    if inner.purpose != outer.purpose:
        found.append(f"purpose {inner.purpose!r} is not {outer.purpose!r}")
    for name, mask in inner.fields.items():
        has = outer.fields.get(name)
        if has is None:
            found.append(f"field {name!r} is not in it")
        elif not _as_strong(has, mask):
            found.append(f"field {name!r} would be shown more openly")
    missing = [one for one in outer.where if one not in inner.where]
    if missing:
        found.append(f"its condition on {missing[0].column!r} is missing")
    if outer.subject and inner.subject != outer.subject:
        found.append("it is asked one person at a time")
    if outer.k and inner.k < outer.k:
        found.append(f"counts below {outer.k} would be told")
    if outer.until_us and not 0 < inner.until_us <= outer.until_us:
        found.append("its term would be longer")
    if inner.from_us < outer.from_us:
        found.append("it would begin earlier")
    if inner.retention_days > outer.retention_days:
        found.append("copies would be kept longer")
    if inner.onward and not outer.onward:
        found.append("it may not be passed on")
    return found + _more(outer.limits, inner.limits)


def _as_strong(outer: Mask, inner: Mask) -> bool:
    if inner == outer or inner.kind == "drop" or outer.kind == "plain":
        return True
    if inner.kind == outer.kind == "truncate":
        return inner.keep <= outer.keep
    return inner.kind == "yes_no" and _WEAKER[outer.kind] < 2


def _more(outer: Limits, inner: Limits) -> list[str]:
    found = []
    for name in outer.__struct_fields__:
        most, told = getattr(outer, name), getattr(inner, name)
        if most and not 0 < told <= most:
            found.append(f"limit {name} would be wider")
    return found


def require_narrower(outer: Terms, inner: Terms) -> None:
    """Forbidden when a hop would add anything."""
    wider = widenings(outer, inner)
    if wider:
        raise Forbidden("Passing on may only narrow: " + "; ".join(wider))


def narrowed(question: Question, terms: Terms) -> Question:
    """The question as these terms let it be asked of another node: no column outside of them, no
    more rows, their conditions added. Forbidden names what is too much."""
    shown = tuple(name for name, mask in terms.fields.items() if mask.kind != "drop")
    asked = {one.removeprefix("-") for one in (*question.columns, *question.order)}
    asked |= {group_of(one)[0] for one in question.group}
    asked |= {question.measure} if question.measure else set()
    asked |= {one.column for one in question.where if one.column != terms.subject}
    outside = sorted(asked - set(shown) - ({"count"} if question.adds_up else set()))
    if outside:
        raise Forbidden(f"Column {outside[0]!r} is not in the agreement")
    if terms.subject and not any(
        one.column == terms.subject and one.comparison == "=" for one in question.where
    ):
        raise Forbidden(f"One person is looked up at a time: ask {terms.subject!r} for one value")
    most = terms.limits.rows_a_call
    limit = min(question.limit, most) if most else question.limit
    columns = question.columns or (() if question.adds_up else shown)
    return Question(
        columns=columns,
        where=question.where,
        order=question.order,
        limit=limit,
        offset=question.offset,
        count=question.count,
        group=question.group,
        aggregate=question.aggregate,
        measure=question.measure,
    )
