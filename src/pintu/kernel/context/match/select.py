"""A whole selection compiled: the cheap questions first, the geometry last."""

from __future__ import annotations

import re
from typing import Any

from pintu.kernel.context.match.geometry import GeometryTest, geometry_test
from pintu.kernel.context.match.pattern import compile_pattern
from pintu.kernel.context.match.query import Lookup, Test, compile_q, types_of
from pintu.kernel.context.match.values import Doc
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import (
    GeoSelection,
    ScopeSelection,
    Selection,
    TypeSelection,
)


def compile_selection(selection: Selection) -> Test:
    """The test of everything in a selection that narrows down entities (5.7.2): ids, idPattern,
    types, at least one of the attributes, scope, q, geo. Not its business: tenant, data sets, page.
    """
    tests: list[Test] = []
    if selection.ids:
        ids = frozenset(selection.ids)
        tests.append(lambda doc, record=None, lookup=None: doc["id"] in ids)
    if selection.types is not None:
        tests.append(_types(selection.types))
    if selection.attributes:
        names = frozenset(selection.attributes)
        tests.append(lambda doc, record=None, lookup=None: not names.isdisjoint(doc))
    if selection.id_pattern is not None and not selection.ids:  # ids take precedence (5.2.33)
        found = compile_pattern(selection.id_pattern)
        tests.append(lambda doc, record=None, lookup=None: found(doc["id"]))
    if selection.scope is not None:
        tests.append(_scope(selection.scope))
    if selection.q is not None:
        tests.append(compile_q(selection.q))
    if selection.geo is not None:
        tests.append(_geo(selection.geo))
    if len(tests) == 1:
        return tests[0]

    def test(doc: Doc, record: Record | None = None, lookup: Lookup | None = None, /) -> bool:
        for part in tests:  # noqa: SIM110 — a generator would cost as much as the tests
            if not part(doc, record, lookup):
                return False
        return True

    return test


class _Latest:
    """The selection compiled last: callers ask for one selection many times over."""

    __slots__ = ("pair",)

    def __init__(self) -> None:
        self.pair: tuple[Selection, Test] | None = None


_latest = _Latest()


def matches(
    entity: Doc, selection: Selection, record: Record | None, lookup: Lookup | None = None
) -> bool:
    """Whether a stored document satisfies the selection; see `compile_selection`.

    Asking again with the same selection object costs no compilation.
    """
    pair = _latest.pair
    if pair is None or pair[0] is not selection:
        pair = (selection, compile_selection(selection))
        _latest.pair = pair
    return pair[1](entity, record, lookup)


def _types(selection: TypeSelection) -> Test:
    singles = frozenset(next(iter(one)) for one in selection.any_of if len(one) == 1)
    several = [one for one in selection.any_of if len(one) > 1]

    def test(doc: Doc, record: Record | None = None, lookup: Lookup | None = None, /) -> bool:
        held = doc["type"]
        if type(held) is str:
            return held in singles
        types = types_of(doc)
        return not singles.isdisjoint(types) or any(one.issubset(types) for one in several)

    return test


def _scope(selection: ScopeSelection) -> Test:
    any_of = [tuple(_scope_pattern(pattern) for pattern in every) for every in selection.any_of]

    def test(doc: Doc, record: Record | None = None, lookup: Lookup | None = None, /) -> bool:
        held: Any = doc.get("scope")
        if not held:
            return False
        scopes = held if type(held) is list else [held]
        return any(
            all(any(pattern.fullmatch(scope) for scope in scopes) for pattern in every)
            for every in any_of
        )

    return test


def _scope_pattern(pattern: str) -> re.Pattern[str]:
    """A scope pattern as an expression without repetition inside repetition: linear in time."""
    levels = pattern.strip("/").split("/")
    deep = levels[-1] == "#"
    fixed = levels[:-1] if deep else levels
    path = "/".join("[^/]+" if level == "+" else re.escape(level) for level in fixed)
    if not fixed:
        return re.compile("/?.+", re.DOTALL)
    return re.compile(f"/?{path}(?:/.*)?" if deep else f"/?{path}", re.DOTALL)


def _geo(selection: GeoSelection) -> Test:
    name = selection.geoproperty
    matched: GeometryTest = geometry_test(selection)

    def test(doc: Doc, record: Record | None = None, lookup: Lookup | None = None, /) -> bool:
        attribute: Any = doc.get(name)
        if type(attribute) is dict:
            return _is_geo(attribute) and matched(attribute["value"])
        if type(attribute) is list:
            return any(_is_geo(one) and matched(one["value"]) for one in attribute)
        return False

    return test


def _is_geo(instance: Any) -> bool:
    return (
        type(instance) is dict
        and instance.get("type") == "GeoProperty"
        and type(instance.get("value")) is dict
    )
