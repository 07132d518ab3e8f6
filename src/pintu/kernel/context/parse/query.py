"""The query language q (4.9): text to tree."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from functools import lru_cache
from math import isfinite
from typing import Any

from pintu.kernel.context.match.pattern import compile_pattern
from pintu.kernel.context.parse.path import read_name, read_path
from pintu.kernel.context.parse.reader import Reader, decoded
from pintu.kernel.context.selection import (
    Absent,
    And,
    Compare,
    CompareOp,
    Exists,
    Linked,
    OneOf,
    Or,
    Path,
    Q,
    Range,
)
from pintu.kernel.jsonld import Terms

_OPERATOR = re.compile(r"!~=|~=|==|!=|>=|<=|>|<")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_BARE = re.compile(r"(?:(?!\.\.)[^\s;|()\",])+")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
REMEMBERED_CHARACTERS = 256
_EQUALITY = ("==", "!=")
_PATTERN = ("~=", "!~=")
_OPERATORS: dict[str, CompareOp] = {
    "==": "==", "!=": "!=", ">": ">", ">=": ">=", "<": "<", "<=": "<=", "~=": "~=", "!~=": "!~=",
}  # fmt: skip


def parse_q(text: str, terms: Terms, *, expand_values: Collection[str] = ()) -> Q:
    """The tree of a query text, names as stored names (4.9).

    Names and quoted values may be percent-encoded, also in a body; a `%` of its own is `%25`.
    `expand_values` are attribute names (as the caller writes them) whose values in q are vocabulary
    terms to expand with the caller's @context first. Raises BadRequestData naming the character and
    what was expected.
    """
    expanding = frozenset(terms.stored(name) for name in expand_values)
    if text.__class__ is str and len(text) <= REMEMBERED_CHARACTERS:
        return _remembered(text, terms, expanding)
    return _read(text, terms, expanding)


def _read(text: str, terms: Terms, expanding: frozenset[str]) -> Q:
    reader = Reader(text, "q")
    q = _Query(reader, terms, expanding).alternatives()
    if not reader.ended:
        reader.fail("';', '|' or the end")
    return q


_remembered = lru_cache(maxsize=256)(_read)
"""Clients ask the same again and again; only short texts are kept, and no failures."""


class _Query:
    """Recursive descent: `;` binds closer than `|`."""

    def __init__(self, reader: Reader, terms: Terms, expanding: frozenset[str]) -> None:
        self.reader = reader
        self.terms = terms
        self.expanding = expanding

    def alternatives(self) -> Q:
        parts = [self.conjunction()]
        while self.reader.take("|"):
            parts.append(self.conjunction())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def conjunction(self) -> Q:
        parts = [self.term()]
        while self.reader.take(";"):
            parts.append(self.term())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def term(self) -> Q:
        reader = self.reader
        if reader.take("("):
            reader.deeper()
            q = self.alternatives()
            reader.need(")", "';', '|' or ')'")
            reader.depth -= 1
            return q
        reader.count()
        if reader.sees("!") and not reader.sees("!="):
            reader.take("!")
            return Absent(read_path(reader, self.terms))
        return self.linked_or_plain(None)

    def linked_or_plain(self, first: str | None) -> Q:
        """A path with its comparison; `rel{…}` wraps the comparison that follows the last brace."""
        around: list[tuple[Path, tuple[str, ...]]] = []
        reader = self.reader
        path = read_path(reader, self.terms, first)
        while reader.take("{"):
            reader.deeper()
            types, name = self.hints()
            around.append((path, types))
            path = read_path(reader, self.terms, name)
        for _ in around:
            reader.need("}", "'}' after the path of the linked entity")
            reader.depth -= 1
        q: Q = self.comparison(path)
        for relationship, types in reversed(around):
            q = Linked(relationship, types, q)
        return q

    def hints(self) -> tuple[tuple[str, ...], str]:
        """`Type1,Type2:name` → the stored types and the name; `name` alone has no types."""
        names = [read_name(self.reader)]
        while self.reader.take(","):
            names.append(read_name(self.reader))
            self.reader.count()
        hint, name = self.split_hint(names[-1], certain=len(names) > 1)
        types = [*names[:-1], hint] if hint else names[:-1]
        return tuple(self.terms.stored(one) for one in types), name

    def split_hint(self, token: str, *, certain: bool) -> tuple[str, str]:
        """`Building:name` is type and name; `ex:name` is one name where ex is a known prefix."""
        if token.startswith(("http://", "https://")):
            if certain:
                self.reader.fail("':' and an attribute name after the entity types")
            return "", token
        parts = token.split(":")
        if len(parts) == 1:
            if certain:
                self.reader.fail("':' and an attribute name after the entity types")
            return "", token
        two = ":".join(parts[-2:])
        if self.terms.stored(two) != two:
            return ":".join(parts[:-2]), two
        return ":".join(parts[:-1]), parts[-1]

    def comparison(self, path: Path) -> Q:
        reader = self.reader
        written = reader.match(_OPERATOR)
        if written is None:
            if reader.ended or reader.text[reader.place] in ";|)":
                return Exists(path)
            reader.fail("an operator, ';', '|' or the end")
        op = _OPERATORS[written]
        if op in _PATTERN:
            return Compare(path, op, self.pattern())
        start = reader.place
        value = self.values()
        if op not in _EQUALITY and isinstance(value, (OneOf, Range, bool)):
            reader.fail(f"one number, text, date or time after {op}", start)
        if path.attribute in self.expanding and op in _EQUALITY:
            value = self.expanded(value)
        return Compare(path, op, value)

    def values(self) -> Any:
        values = [self.one_value()]
        while self.reader.take(","):
            self.reader.count()
            values.append(self.one_value())
        return values[0] if len(values) == 1 else OneOf(tuple(values))

    def one_value(self) -> Any:
        start = self.reader.place
        low = self.scalar()
        if not self.reader.take(".."):
            return low
        high = self.scalar()
        same = isinstance(low, str) == isinstance(high, str)
        if isinstance(low, bool) or isinstance(high, bool) or not same:
            self.reader.fail("a range of two numbers or of two texts, dates or times", start)
        return Range(low, high)

    def scalar(self) -> str | int | float | bool:
        reader = self.reader
        start = reader.place
        if reader.sees('"'):
            quoted = reader.match(_QUOTED)
            if quoted is None:
                reader.fail("a closing quotation mark")
            try:
                text: str = json.loads(quoted, strict=False)
            except ValueError:
                reader.fail("a text with JSON escapes", start)
            return decoded(text)
        bare = reader.match(_BARE)
        if bare is None:
            reader.fail("a value")
        if bare in ("true", "false"):
            return bare == "true"
        number = _NUMBER.fullmatch(bare)
        if number is None:
            return decoded(bare) if ":" not in bare and "%3a" in bare.lower() else bare
        if number[1] is None and number[2] is None:
            return int(bare)
        value = float(bare)
        if not isfinite(value):
            reader.fail("a number that is finite", start)
        return value

    def pattern(self) -> str:
        """A quoted pattern, or a bare one up to a `;`, `|` or `)` outside its own brackets."""
        reader = self.reader
        start = reader.place
        if reader.sees('"'):
            quoted = reader.match(_QUOTED)
            if quoted is None:
                reader.fail("a closing quotation mark")
            pattern = quoted[1:-1].replace('\\"', '"')
        else:
            reader.place = _end_of_pattern(reader.text, start)
            pattern = reader.text[start : reader.place]
        if not pattern:
            reader.fail("a pattern", start)
        compile_pattern(pattern)
        return pattern

    def expanded(self, value: Any) -> Any:
        if isinstance(value, OneOf):
            return OneOf(tuple(self.expanded(one) for one in value.values))
        return self.terms.expanded(self.terms.stored(value)) if isinstance(value, str) else value


def _end_of_pattern(text: str, place: int) -> int:
    depth = 0
    in_class = False
    while place < len(text):
        char = text[place]
        if char == "\\":
            place += 1
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        elif char == "(":
            depth += 1
        elif depth and char == ")":
            depth -= 1
        elif not depth and char in ";|)":
            return place
        place += 1
    return min(place, len(text))
