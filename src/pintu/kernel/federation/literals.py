"""Patterns of ids by the text they begin with: which of thousands may match one id, without running
them.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from typing import Final, Generic, TypeVar

T = TypeVar("T", bound=Hashable)
HEAD: Final = 4
"""Characters by which a literal is found; a pattern that begins with fewer is always tried."""
_LITERAL = re.compile(r"\^?((?:[^\\.^$*+?{}\[\]|()]|\\[.\-/:])*)")
_QUANTIFIERS = frozenset("*+?{")


def literal_of(pattern: str) -> str:
    """Text that every match of a pattern holds from its beginning; "" when there is none to rely
    on.
    """
    if "|" in pattern:
        return ""
    found = _LITERAL.match(pattern)
    assert found is not None
    text = found[1]
    if found.end() < len(pattern) and pattern[found.end()] in _QUANTIFIERS:
        # the last one may be there any number of times, or not at all
        text = text[:-2] if text[-2:-1] == "\\" else text[:-1]
    return text.replace("\\", "")


class Literals(Generic[T]):
    """Members, each with the pattern it stands for ("": any id)."""

    def __init__(self) -> None:
        self._always: dict[T, None] = {}
        self._heads: dict[str, dict[int, dict[str, dict[T, None]]]] = {}

    def add(self, pattern: str, member: T) -> None:
        """Put a member in."""
        self._place(literal_of(pattern))[member] = None

    def remove(self, pattern: str, member: T) -> None:
        """Take a member out."""
        literal = literal_of(pattern)
        place = self._place(literal)
        place.pop(member, None)
        if not place and place is not self._always:
            lengths = self._heads[literal[:HEAD]]
            del lengths[len(literal)][literal]
            if not lengths[len(literal)]:
                del lengths[len(literal)]
            if not lengths:
                del self._heads[literal[:HEAD]]

    def _place(self, literal: str) -> dict[T, None]:
        if len(literal) < HEAD:
            return self._always
        lengths = self._heads.setdefault(literal[:HEAD], {})
        return lengths.setdefault(len(literal), {}).setdefault(literal, {})

    def __bool__(self) -> bool:
        return bool(self._always or self._heads)

    def every(self) -> Iterable[dict[T, None]]:
        """All members."""
        yield self._always
        for lengths in self._heads.values():
            for table in lengths.values():
                yield from table.values()

    def about(self, ids: Iterable[str]) -> Iterable[dict[T, None]]:
        """Those whose pattern may match one of the ids: never too few."""
        yield self._always
        heads = self._heads
        if not heads:
            return
        for id in ids:
            for start in range(len(id) - HEAD + 1):
                lengths = heads.get(id[start : start + HEAD])
                if lengths is not None:
                    for length, table in lengths.items():
                        found = table.get(id[start : start + length])
                        if found is not None:
                            yield found
