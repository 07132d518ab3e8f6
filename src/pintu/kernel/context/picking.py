"""pick and omit as trees: `name,locatedAt{id,name}` reaches into linked entities (4.21)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from pintu.kernel.context.render import View
from pintu.kernel.context.scalars import check_name
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import Terms

_DEPTH = 16
_HEAD = frozenset(("id", "type", "scope"))
Branches = dict[str, "Branches | None"]


@dataclass(frozen=True, slots=True)
class Tree:
    """What to pick and omit at one level, by the caller's names; a name leads to its linked
    entities' tree.
    """

    pick: Branches | None = None
    omit: Branches | None = None

    def has(self, name: str) -> bool:
        """Whether an attribute is shown at this level."""
        if self.pick is not None and name not in self.pick:
            return False
        return not (self.omit is not None and self.omit.get(name, self) is None)

    def attributes(self, terms: Terms) -> tuple[str, ...]:
        """The attributes of which an entity must have one to be picked at all; none when any
        will do.
        """
        if not self.pick or not _HEAD.isdisjoint(self.pick):
            return ()
        return tuple(terms.stored(name) for name in self.pick)

    @property
    def depth(self) -> int:
        """How many relationships lead to the deepest linked entity that is spoken of."""
        return max(_depth(self.pick), _depth(self.omit))

    def child(self, name: str) -> Tree:
        """The tree of the entities an attribute leads to."""
        pick = self.pick.get(name) if self.pick else None
        omit = self.omit.get(name) if self.omit else None
        return Tree(pick, omit) if pick or omit else WHOLE

    def applied(self, view: View, terms: Terms) -> View:
        """The view of this level."""
        pick = None if self.pick is None else _stored(self.pick, terms)
        gone = [name for name, inner in (self.omit or {}).items() if inner is None]
        omit = _stored(gone, terms) if gone else None
        if pick is None and omit is None and view.pick is None and view.omit is None:
            return view
        return dataclasses.replace(view, pick=pick, omit=omit)


WHOLE = Tree()


def parse_tree(picked: Any, omitted: Any) -> Tree:
    """The tree of pick and omit, each a text or a list of names (None: not given); raises
    BadRequestData."""
    if picked is None and omitted is None:
        return WHOLE
    pick = None if picked is None else _branches(picked, "pick", 0)
    omit = None if omitted is None else _branches(omitted, "omit", 0)
    both = (pick or {}).keys() & (omit or {}).keys()
    if any((pick or {})[name] is None and (omit or {})[name] is None for name in both):
        raise BadRequestData(f"pick and omit both name {', '.join(sorted(both))[:200]}")
    return Tree(pick, omit)


def split_names(text: Any, what: str) -> tuple[str, ...]:
    """Names separated by commas, or a list of names; commas inside braces do not separate."""
    if isinstance(text, list):
        members = text
    else:
        members, depth, start = [], 0, 0
        for index, character in enumerate(text):
            depth += (character == "{") - (character == "}")
            if character == "," and depth == 0:
                members.append(text[start:index])
                start = index + 1
        members.append(text[start:])
    found = tuple(member.strip() if isinstance(member, str) else "" for member in members)
    if not all(found):
        raise BadRequestData(f"{what} has an empty member")
    return found


def _commas(text: Any) -> Any:
    """A bar and a comma are two spellings of `or` (4.21)."""
    return text.replace("|", ",") if isinstance(text, str) else text


def _depth(branches: Branches | None) -> int:
    inner = [one for one in (branches or {}).values() if one is not None]
    return 1 + max(_depth(one) for one in inner) if inner else 0


def _branches(text: Any, what: str, depth: int) -> Branches:
    if depth > _DEPTH:
        raise BadRequestData(f"{what} is nested deeper than {_DEPTH}")
    found: Branches = {}
    for member in split_names(_commas(text), what):
        name, brace, rest = member.partition("{")
        if brace and not rest.endswith("}"):
            raise BadRequestData(f"{what} has an unclosed brace after {name[:50]}")
        check_name(name, f"A member of {what}")
        found[name] = _branches(rest[:-1], what, depth + 1) if brace else None
    return found


def _stored(names: Any, terms: Terms) -> frozenset[str]:
    return frozenset(name if name in _HEAD else terms.stored(name) for name in names)
