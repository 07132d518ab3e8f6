"""Whether one value satisfies `op value` of a query term (4.9), compiled to small tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pintu.kernel.context.match.pattern import compile_pattern
from pintu.kernel.context.match.text import text_key
from pintu.kernel.context.match.values import leaves
from pintu.kernel.context.selection import Compare, OneOf, Range

LeafTest = Callable[[Any], bool]
HeldTest = Callable[[str, Any], bool]

_RELATIONSHIPS = frozenset({"Relationship", "ListRelationship"})


def leaf_test(op: str, value: Any) -> LeafTest:
    """A test of one scalar for `==`, an ordering operator or `~=`; negations are made of these.

    Numbers never equal texts, and true never equals 1: data that differ in type do not match.
    """
    if op == "==":
        return _equal(value)
    if op == "~=":
        found = compile_pattern(value)
        return lambda leaf: type(leaf) is str and found(leaf)
    if isinstance(value, str):
        return _ordered_text(op, text_key(value))
    return _ordered_number(op, value)


def held_test(compare: Compare) -> HeldTest:
    """A test of what one attribute instance holds: (kind, value) → matches.

    A list matches when any element does; `!=` and `!~=` are the negation of that, for one instance.
    Relationships know only == and !=.
    """
    negated = compare.op in ("!=", "!~=")
    op = {"!=": "==", "!~=": "~="}.get(compare.op, compare.op)
    test = leaf_test(op, compare.value)
    if op == "==":
        if negated:
            return lambda kind, value: not any(map(test, leaves(kind, value)))
        return lambda kind, value: any(map(test, leaves(kind, value)))
    if not negated:
        return lambda kind, value: (
            kind not in _RELATIONSHIPS and any(map(test, leaves(kind, value)))
        )

    def escapes(kind: str, value: Any) -> bool:
        texts = [leaf for leaf in leaves(kind, value) if type(leaf) is str]
        return bool(texts) and kind not in _RELATIONSHIPS and not any(map(test, texts))

    return escapes


def _equal(value: Any) -> LeafTest:
    if isinstance(value, OneOf):
        return _one_of(value)
    if isinstance(value, Range):
        return _between(value.low, value.high)
    if isinstance(value, bool):
        return lambda leaf: leaf is value
    if isinstance(value, str):
        key = text_key(value)
        if key == value and value[10:11] != "T":
            return lambda leaf: leaf == value
        return lambda leaf: type(leaf) is str and text_key(leaf) == key
    return lambda leaf: leaf == value and type(leaf) is not bool


def _one_of(choice: OneOf) -> LeafTest:
    """Texts and numbers by look-up, whatever the length of the list."""
    texts = frozenset(text_key(one) for one in choice.values if isinstance(one, str))
    numbers = frozenset(
        one for one in choice.values if isinstance(one, (int, float)) and not isinstance(one, bool)
    )
    others = [_equal(one) for one in choice.values if isinstance(one, (bool, Range))]

    def test(leaf: Any) -> bool:
        shape = type(leaf)
        if shape is str:
            hit = text_key(leaf) in texts
        elif shape is int or shape is float:
            hit = leaf in numbers
        else:
            hit = False
        return hit or any(other(leaf) for other in others)

    return test


def _between(low: Any, high: Any) -> LeafTest:
    if isinstance(low, str):
        first, last = text_key(low), text_key(high)
        return lambda leaf: type(leaf) is str and first <= text_key(leaf) <= last
    return lambda leaf: (type(leaf) is int or type(leaf) is float) and low <= leaf <= high


def _ordered_text(op: str, key: str) -> LeafTest:
    if op == "<":
        return lambda leaf: type(leaf) is str and text_key(leaf) < key
    if op == "<=":
        return lambda leaf: type(leaf) is str and text_key(leaf) <= key
    if op == ">":
        return lambda leaf: type(leaf) is str and text_key(leaf) > key
    return lambda leaf: type(leaf) is str and text_key(leaf) >= key


def _ordered_number(op: str, limit: Any) -> LeafTest:
    if op == "<":
        return lambda leaf: (type(leaf) is int or type(leaf) is float) and leaf < limit
    if op == "<=":
        return lambda leaf: (type(leaf) is int or type(leaf) is float) and leaf <= limit
    if op == ">":
        return lambda leaf: (type(leaf) is int or type(leaf) is float) and leaf > limit
    return lambda leaf: (type(leaf) is int or type(leaf) is float) and leaf >= limit
