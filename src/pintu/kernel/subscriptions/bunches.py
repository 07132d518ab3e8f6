"""Those who wait at one place, found by the first thing their condition asks.

Ten thousand limits on one attribute are a sorted list, ten thousand values a look-up, ten thousand
places cells of a grid: only those whose condition may hold are asked. What is found here is never
less than who is concerned; the condition itself decides.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from typing import Any, Final, Literal

from pintu.kernel.context.match import compile_selection, linked_depth, search_boxes, text_key
from pintu.kernel.context.match.query import Test
from pintu.kernel.context.selection import (
    And,
    Compare,
    GeoSelection,
    OneOf,
    Or,
    Q,
    Range,
    Selection,
)
from pintu.kernel.store.rows import cell_ranges, cells_of
from pintu.kernel.subscriptions.events import Event
from pintu.kernel.subscriptions.words import Selector, Subscription

MOST_CELLS: Final = 256
"""Cells of the grid one condition may lie in and still be found by them."""

MOST_ENTRIES: Final = 4_096
"""Entries of the index that one selector of one subscription may take, beside its places."""

_NO_ATTRIBUTES: Final = frozenset({"id", "type", "scope", "expiresAt", "createdAt", "modifiedAt"})
Kind = Literal["values", "above", "below", "cells"]
Anchor = tuple[Kind, str, tuple[Any, ...]]
"""How a group is found: by values or cells of an attribute, or by a limit that it must pass."""


class Group:
    """Subscriptions that wait for the same: triggers, attributes, a selector and conditions."""

    __slots__ = (
        "_source", "_test", "anchors", "asked", "by_name", "key", "linked", "members", "triggers",
        "watched",
    )  # fmt: skip
    asked: bool
    """Whether its condition has to be asked each time something happens at its place."""

    def __init__(self, key: Any, subscription: Subscription, selector: Selector | None) -> None:
        self.key = key
        self.triggers = subscription.triggers
        self.watched = subscription.watched
        self.linked = linked_depth(subscription.q) > 0
        self._source: tuple[Subscription, Selector | None] | None = (subscription, selector)
        self._test: Test | None = None
        self.anchors = anchors_of(subscription.q, subscription.geo)
        self.by_name = subscription.watched is not None
        parts = (subscription.q, subscription.geo, subscription.scope)
        asks = any(part is not None for part in parts)
        self.asked = not self.anchors and (asks or bool(selector and selector.id_pattern))
        self.members: dict[str, Subscription] = {}

    def spread(self, places: int) -> None:
        """Keep to few entries of the index, however many places, attributes and values one
        subscription names: what is not indexed is asked."""
        watched = len(self.watched) if self.watched else 1
        if places * watched > MOST_ENTRIES:
            self.by_name, watched = False, 1
        entries = sum(len(keys) for _, _, keys in self.anchors)
        if places * watched * entries > MOST_ENTRIES:
            self.anchors, self.asked = (), True

    @property
    def test(self) -> Test | None:
        """The condition, compiled when somebody first asks: most wait for years."""
        if self._source is not None:
            self._test, self._source = _test(*self._source), None
        return self._test


Groups = dict[Any, Group]
_NOBODY: Final[Groups] = {}


def _test(one: Subscription, selector: Selector | None) -> Test | None:
    """All conditions of a group that its place does not answer, or None."""
    pattern, types = None, None
    if selector is not None:
        types = selector.types
        pattern = None if selector.ids else selector.id_pattern
        if types is not None and not selector.ids and all(len(e) == 1 for e in types.any_of):
            types = None  # its places are these types
    if all(part is None for part in (pattern, types, one.q, one.geo, one.scope)):
        return None
    return compile_selection(
        Selection(tenant=0, id_pattern=pattern, types=types, q=one.q, geo=one.geo, scope=one.scope)
    )


# --- what a condition asks first ------------------------------------------------------------------
def anchors_of(q: Q | None, geo: GeoSelection | None) -> tuple[Anchor, ...]:
    """The part of a condition that excludes most: values, else a place, else limits; of
    alternatives one each. Nothing when there is no such part.
    """
    found = [] if q is None else _choices(q)
    if geo is not None and (place := _placed(geo)) is not None:
        found.append((place,))
    return min(found, key=_worth, default=())


def _choices(q: Q) -> list[tuple[Anchor, ...]]:
    """Each a way to find a condition by: one of them is true whenever the condition is."""
    if isinstance(q, And):
        return [one for part in q.parts for one in _choices(part)]
    if isinstance(q, Or):
        best = [min(_choices(part), key=_worth, default=()) for part in q.parts]
        return [tuple(one for some in best for one in some)] if all(best) else []
    one = _compared(q) if isinstance(q, Compare) else None
    return [] if one is None else [(one,)]


_ORDER: Final = ("values", "cells", "above", "below")


def _worth(anchors: tuple[Anchor, ...]) -> tuple[int, int]:
    return max(_ORDER.index(kind) for kind, _, _ in anchors), len(anchors)


def _compared(part: Compare) -> Anchor | None:
    path, value = part.path, part.value
    if path.subs or path.trail or path.attribute in _NO_ATTRIBUTES:
        return None
    if part.op == "==":
        values = value.values if isinstance(value, OneOf) else (value,)
        if any(isinstance(one, Range) for one in values):
            return None
        return "values", path.attribute, tuple(leaf_key(one) for one in values)
    if isinstance(value, str) or part.op not in (">", ">=", "<", "<="):
        return None
    return "above" if part.op[0] == ">" else "below", path.attribute, (value,)


def _placed(geo: GeoSelection) -> Anchor | None:
    boxes = search_boxes(geo)
    if boxes is None:
        return None
    many = 0
    for box in boxes:
        first_row, last_row, first_column, last_column = cell_ranges(box)
        many += (last_row - first_row + 1) * (last_column - first_column + 1)
    if many > MOST_CELLS:
        return None
    return "cells", geo.geoproperty, tuple({cell for box in boxes for cell in cells_of(box)})


def leaf_key(value: Any) -> Any:
    """Equal for scalars that compare as equal."""
    return text_key(value) if value.__class__ is str else value


class Ladder:
    """Groups by a limit that a number must pass."""

    __slots__ = ("_limits", "_steps")

    def __init__(self) -> None:
        self._limits: list[Any] = []
        self._steps: dict[Any, Groups] = {}

    def __bool__(self) -> bool:
        return bool(self._limits)

    def put(self, limit: Any, group: Group) -> None:
        """Put one in."""
        step = self._steps.get(limit)
        if step is None:
            step = self._steps[limit] = {}
            insort(self._limits, limit)
        step[group.key] = group

    def take(self, limit: Any, group: Group) -> None:
        """Take one out."""
        step = self._steps.get(limit)
        if step is not None and step.pop(group.key, None) is not None and not step:
            del self._steps[limit]
            del self._limits[bisect_left(self._limits, limit)]

    def up_to(self, number: Any) -> Iterable[Groups]:
        """Those whose limit is not above a number."""
        return [self._steps[one] for one in self._limits[: bisect_right(self._limits, number)]]

    def down_to(self, number: Any) -> Iterable[Groups]:
        """Those whose limit is not below a number."""
        return [self._steps[one] for one in self._limits[bisect_left(self._limits, number) :]]


class Bunch:
    """Groups that wait at one place, under one attribute or under any."""

    __slots__ = ("_above", "_below", "_by_value", "_cells", "_plain")

    def __init__(self) -> None:
        self._plain: Groups = {}
        self._by_value: dict[str, dict[Any, Groups]] = {}
        self._cells: dict[str, dict[Any, Groups]] = {}
        self._above: dict[str, Ladder] = {}
        self._below: dict[str, Ladder] = {}

    def __bool__(self) -> bool:
        return bool(self._plain or self._by_value or self._cells or self._above or self._below)

    def put(self, group: Group) -> None:
        """Let a group wait here."""
        if not group.anchors:
            self._plain[group.key] = group
        for kind, name, keys in group.anchors:
            if kind in ("values", "cells"):
                table = self._by_value if kind == "values" else self._cells
                by_value = table.setdefault(name, {})
                for key in keys:
                    by_value.setdefault(key, {})[group.key] = group
            else:
                ladders = self._above if kind == "above" else self._below
                ladders.setdefault(name, Ladder()).put(keys[0], group)

    def take(self, group: Group) -> None:
        """Let it wait here no more."""
        self._plain.pop(group.key, None)
        for kind, name, keys in group.anchors:
            if kind in ("values", "cells"):
                _take_values(self._by_value if kind == "values" else self._cells, name, keys, group)
            else:
                ladders = self._above if kind == "above" else self._below
                ladder = ladders.get(name)
                if ladder is not None:
                    ladder.take(keys[0], group)
                    if not ladder:
                        del ladders[name]

    def collect(self, event: Event, found: Groups) -> None:
        """Add those whose condition may hold."""
        found.update(self._plain)
        for name, by_value in self._by_value.items():
            for leaf in event.leaves(name):
                kept = by_value.get(leaf_key(leaf))
                if kept is not None:
                    found.update(kept)
        for name, ladder in self._above.items():
            numbers = event.numbers(name)
            for groups in ladder.up_to(max(numbers)) if numbers else ():
                found.update(groups)
        for name, ladder in self._below.items():
            numbers = event.numbers(name)
            for groups in ladder.down_to(min(numbers)) if numbers else ():
                found.update(groups)
        for name, by_cell in self._cells.items():
            cells = event.cells(name)
            for cell in by_cell if cells is None else cells:
                found.update(by_cell.get(cell, _NOBODY))


def _take_values(
    tables: dict[str, dict[Any, Groups]], name: str, keys: tuple[Any, ...], group: Group
) -> None:
    by_value = tables.get(name, {})
    for key in keys:
        kept = by_value.get(key)
        if kept is not None and kept.pop(group.key, None) is not None and not kept:
            del by_value[key]
    if not by_value:
        tables.pop(name, None)
