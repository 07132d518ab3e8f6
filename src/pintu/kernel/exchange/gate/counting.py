"""Counts that tell of nobody: agreements of which only numbers of k or more are told; pure.

Counts under a threshold k: an agreement that lets only counts be told declares by its fields the
one grouping there is. A question names exactly those fields as groups, adds no condition, and
counts; groups of fewer than k are left out, the others are rounded down to a multiple of k. So no
two answers of one day can be subtracted from each other, a change by one person shows at most once
in k times, and what is left out cannot be had from a total. Least, greatest, sums and means of so
few would tell a person's value: they are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from pintu.kernel.access import Mask, Projection, masked
from pintu.kernel.errors import Forbidden
from pintu.kernel.exchange.rows import ordered
from pintu.kernel.exchange.words import Column, Question, Rows


def counted(question: Question, projection: Projection) -> Question:
    """The one question a k-agreement answers; see the module's docstring."""
    fields = sorted(projection.attributes or ())
    named = ", ".join(fields)
    if not question.group or question.aggregate != "count" or question.measure:
        raise Forbidden(f"This agreement tells counts of {projection.k} or more, by {named}")
    if question.where:
        raise Forbidden("Counts under this agreement take no further conditions")
    if sorted(question.group) != fields:
        raise Forbidden(f"Counts under this agreement are grouped by all of {named}")
    return msgspec.structs.replace(question, order=(), offset=0)


def folded(pages: Sequence[Rows], question: Question, projection: Projection) -> Rows:
    """Counts by masked groups: of k or more, rounded down to a multiple of k."""
    first, k = pages[0], projection.k
    names = [one.name for one in first.columns[:-1]]
    masks = projection.masks if projection.seen is None else {}
    put: list[tuple[str, Callable[[Any], Any]]] = [
        (name, _masking(masks.get(name), projection.key)) for name in names
    ]
    counts: dict[tuple[Any, ...], int] = {}
    for page in pages:
        for row in page.rows:
            group = tuple(turn(row[name]) for name, turn in put)
            counts[group] = counts.get(group, 0) + row["count"]
    found = [
        {**dict(zip(names, group, strict=True)), "count": count - count % k}
        for group, count in counts.items()
        if count >= k
    ]
    found = ordered(found, names)
    kinds = [as_masked(one, projection.masks.get(one.name)) for one in first.columns[:-1]]
    cut = found[: question.limit]
    total = len(found) if question.count else None
    return Rows(columns=[*kinds, first.columns[-1]], rows=cut, total=total, as_of_us=first.as_of_us)


def _masking(mask: Mask | None, key: bytes) -> Callable[[Any], Any]:
    def turn(value: Any) -> Any:
        told = value if mask is None else masked(mask, value, key)
        return repr(told) if isinstance(told, dict | list) else told

    return turn


def as_masked(column: Column, mask: Mask | None) -> Column:
    """A column as it is described when its values are shown through a mask."""
    if mask is None:
        return column
    kind = column.kind
    if mask.kind == "yes_no":
        kind = "yes_no"
    elif mask.kind != "generalise" or kind not in ("number", "whole", "point"):
        kind = "text"
    return msgspec.structs.replace(column, kind=kind, codes={})
