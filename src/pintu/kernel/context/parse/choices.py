"""Types and scopes: names joined by `;` (and), `,` or `|` (or), as a list of conjunctions."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from pintu.kernel.context.parse.reader import PARTS_LIMIT, Reader, decoded
from pintu.kernel.context.selection import ScopeSelection, TypeSelection
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import Terms

REMEMBERED_CHARACTERS = 256
Conjunctions = list[tuple[str, ...]]

_TYPE = re.compile(r"[^\s;|,()\"<>{}\[\]\\^`]+")
_SCOPE = re.compile(r"/?(?:[^\s;|,()/\"<>#+]+|\+)(?:/(?:[^\s;|,()/\"<>#+]+|\+))*(?:/#)?|/?#")


def parse_types(text: str, terms: Terms) -> TypeSelection | None:
    """An entity type selection (4.17) with stored names; None for `*`, which is every type.

    Raises BadRequestData naming the character.
    """
    if text.__class__ is str and len(text) <= REMEMBERED_CHARACTERS:
        return _remembered(text, terms)
    return _read(text, terms)


def _read(text: str, terms: Terms) -> TypeSelection | None:
    reader = Reader(text, "type")
    if text.strip() == "*":
        return None

    def one() -> str:
        name = reader.match(_TYPE)
        if name is None or name == "*":
            reader.fail("an entity type")
        return terms.stored(decoded(name))

    sets: list[frozenset[str]] = []
    for names in _whole(reader, one):
        if frozenset(names) not in sets:
            sets.append(frozenset(names))
    return TypeSelection(tuple(sets))


_remembered = lru_cache(maxsize=256)(_read)
"""Clients ask the same again and again; only short texts are kept, and no failures."""


def parse_scope(text: str) -> ScopeSelection:
    """A scope query (4.19): `+` is one level, a last `#` any below. Raises BadRequestData."""
    reader = Reader(text, "scopeQ")

    def one() -> str:
        pattern = reader.match(_SCOPE)
        if pattern is None:
            reader.fail("a scope such as /a/b, /a/+ or /a/#")
        return pattern if pattern.startswith("/") else f"/{pattern}"

    return ScopeSelection(tuple(_whole(reader, one)))


def _whole(reader: Reader, one: Callable[[], str]) -> Conjunctions:
    found = _any(reader, one)
    if not reader.ended:
        reader.fail("';', ',', '|' or the end")
    return found


def _any(reader: Reader, one: Callable[[], str]) -> Conjunctions:
    found = _all(reader, one)
    while reader.take(",") or reader.take("|"):
        found = found + _all(reader, one)
    return found


def _all(reader: Reader, one: Callable[[], str]) -> Conjunctions:
    found = _factor(reader, one)
    while reader.take(";"):
        right = _factor(reader, one)
        if len(found) * len(right) > PARTS_LIMIT:
            raise BadRequestData(f"{reader.what} stands for more than {PARTS_LIMIT} combinations")
        found = [(*a, *b) for a in found for b in right]
    return found


def _factor(reader: Reader, one: Callable[[], str]) -> Conjunctions:
    if not reader.take("("):
        reader.count()
        return [(one(),)]
    reader.deeper()
    found = _any(reader, one)
    reader.need(")", "';', ',', '|' or ')'")
    reader.depth -= 1
    return found
