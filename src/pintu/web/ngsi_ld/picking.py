"""pick and omit as trees: `name,locatedAt{id,name}` reaches into linked entities (4.21)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from pintu.kernel.context.render import View
from pintu.kernel.context.scalars import check_name
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import Terms
from pintu.web.ngsi_ld.asking import split_names

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


def read_tree(params: dict[str, Any]) -> Tree:
    """The pick and omit of a request; raises BadRequestData."""
    if "pick" not in params and "omit" not in params:
        return WHOLE
    pick = _branches(params["pick"], "pick", 0) if "pick" in params else None
    omit = _branches(params["omit"], "omit", 0) if "omit" in params else None
    both = (pick or {}).keys() & (omit or {}).keys()
    if any((pick or {})[name] is None and (omit or {})[name] is None for name in both):
        raise BadRequestData(f"pick and omit both name {', '.join(sorted(both))[:200]}")
    return Tree(pick, omit)


def _branches(text: Any, what: str, depth: int) -> Branches:
    if depth > _DEPTH:
        raise BadRequestData(f"{what} is nested deeper than {_DEPTH}")
    found: Branches = {}
    for member in split_names(text, what):
        name, brace, rest = member.partition("{")
        if brace and not rest.endswith("}"):
            raise BadRequestData(f"{what} has an unclosed brace after {name[:50]}")
        check_name(name, f"A member of {what}")
        found[name] = _branches(rest[:-1], what, depth + 1) if brace else None
    return found


def _stored(names: Any, terms: Terms) -> frozenset[str]:
    return frozenset(name if name in _HEAD else terms.stored(name) for name in names)
