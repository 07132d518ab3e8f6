"""Conditions as terms of NGSI-LD's query language, where those say exactly the same; pure."""

from __future__ import annotations

import re
from typing import Final

from pintu.kernel.context.selection import (
    Absent,
    Compare,
    CompareOp,
    OneOf,
    OrderKey,
    Path,
    Q,
)
from pintu.kernel.exchange.words import Column, Condition

NOT_ATTRIBUTES: Final = frozenset(("id", "type", "scope", "expiresAt", "observedAt"))
OPERATORS: Final[dict[str, CompareOp]] = {
    "=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=",
}  # fmt: skip


def term_of(condition: Condition, shape: str) -> Q | None:
    """The term of a fitted condition on an attribute of an NGSI-LD attribute type; None where it
    would not mean the same, so that rows must be tested one by one."""
    if condition.column in NOT_ATTRIBUTES or not shape:
        return None
    path, what, value = Path(condition.column), condition.comparison, condition.value
    if what == "filled":
        return None  # an attribute may be there with an empty text
    if what == "empty":
        return None if shape == "Property" else Absent(path)
    if shape == "Relationship":
        if what in ("=", "!="):
            return Compare(path, OPERATORS[what], value)
        return Compare(path, "==", OneOf(tuple(value))) if what == "in" and value else None
    if shape != "Property":
        return None
    if what == "contains":
        pattern = f"(?i){re.escape(value)}"
        return Compare(path, "~=", pattern) if len(pattern.encode()) <= 500 else None
    if what == "in":
        return Compare(path, "==", OneOf(tuple(value))) if value else None
    return Compare(path, OPERATORS[what], value)


def order_of(one: str, known: dict[str, Column]) -> OrderKey:
    """A column to sort by; texts as the Chinese dictionary does, by pinyin."""
    name = one.removeprefix("-")
    texts = known[name].kind in ("text", "code")
    return OrderKey(Path(name), one.startswith("-"), collation="zh" if texts else None)
