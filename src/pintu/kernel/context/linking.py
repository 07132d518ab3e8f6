"""Linked entities: following relationships and showing them flat or inline (4.5.23, 5.7.1.4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from pintu.kernel.context.picking import Tree
from pintu.kernel.context.record import Record
from pintu.kernel.context.render import View, render
from pintu.kernel.errors import TooComplex
from pintu.kernel.jsonld import Terms

MOST_LINKED = 2000
MOST_LEVELS = 16

Look = Callable[[str], Awaitable[Record | None]]
"""An entity by its id as it is there for whoever is shown it, or None."""


@dataclass(slots=True, kw_only=True)
class Links:
    """How far to follow relationships and how to show what is found; one for each answer."""

    terms: Terms
    inline: bool
    levels: int
    view: View
    tree: Tree
    look: Look
    visited: frozenset[str] = frozenset()
    known: dict[str, tuple[Record, dict[str, Any]] | None] = field(default_factory=dict)

    async def find(self, id: str) -> tuple[Record, dict[str, Any]] | None:
        """A linked entity and its document, or None when it is not here or not for the caller."""
        if id in self.known:
            return self.known[id]
        if len(self.known) >= MOST_LINKED:
            raise TooComplex(f"join reaches more than {MOST_LINKED} linked entities")
        record = await self.look(id)
        found = None if record is None else (record, orjson.loads(record.body))
        self.known[id] = found
        return found

    # --- inline ---------------------------------------------------------------------------------
    async def shown_inline(
        self, record: Record, document: dict[str, Any], tree: Tree, level: int, path: frozenset[str]
    ) -> dict[str, Any]:
        """The entity, with linked entities inside of its relationships down to the level asked
        for.
        """
        view = tree.applied(self.view, self.terms)
        out: dict[str, Any] = render(record, self.terms, view)
        return await self.placed_inline(out, document, tree, level, path | {record.id})

    async def placed_inline(
        self,
        out: dict[str, Any],
        document: dict[str, Any],
        tree: Tree,
        level: int,
        path: frozenset[str],
    ) -> dict[str, Any]:
        """What is shown of an entity, linked entities put into it; `path` leads to it and ends
        there.
        """
        if level >= self.levels:
            return out
        place = out.get("properties", out) if out.get("type") == "Feature" else out
        for name, attribute in relationships(document):
            shown = self.terms.shown(name)
            if shown in place:
                child = tree.child(shown)
                found: dict[str, Any] = {}
                for target in targets(attribute):
                    linked = None if target in path else await self.find(target)
                    if linked is not None:
                        found[target] = await self.shown_inline(*linked, child, level + 1, path)
                place[shown] = _placed(place[shown], found)
        return out

    # --- flat -----------------------------------------------------------------------------------
    async def linked_flat(self, roots: list[tuple[Record, dict[str, Any]]]) -> list[dict[str, Any]]:
        """The linked entities of some entities, each once, nearest first."""
        seen = {record.id for record, _ in roots} | self.visited
        layer = [(document, self.tree) for _, document in roots]
        found: list[dict[str, Any]] = []
        for _ in range(self.levels):
            following: list[tuple[dict[str, Any], Tree]] = []
            for document, tree in layer:
                for name, attribute in relationships(document):
                    shown = self.terms.shown(name)
                    if not tree.has(shown):
                        continue
                    child = tree.child(shown)
                    for target in targets(attribute):
                        linked = None if target in seen else await self.find(target)
                        if linked is not None:
                            seen.add(target)
                            view = child.applied(self.view, self.terms)
                            found.append(render(linked[0], self.terms, view))
                            following.append((linked[1], child))
            layer = following
        return found


def relationships(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The relationship attributes of a stored document, by stored name."""
    for name, attribute in document.items():
        first = attribute[0] if isinstance(attribute, list) and attribute else attribute
        if isinstance(first, dict) and first.get("type") in ("Relationship", "ListRelationship"):
            yield name, attribute


def targets(attribute: Any) -> Iterator[str]:
    """The ids a stored relationship leads to, in order."""
    instances = attribute if isinstance(attribute, list) else [attribute]
    for instance in instances:
        if not isinstance(instance, dict):
            continue
        one = instance.get("object", instance.get("objectList", ()))
        for member in one if isinstance(one, list) else [one]:
            target = member.get("object") if isinstance(member, dict) else member
            if isinstance(target, str):
                yield target


def _placed(shown: Any, found: dict[str, Any]) -> Any:
    """A shown relationship with the linked entities put in."""
    if not found:
        return shown
    if isinstance(shown, str):
        return found.get(shown, shown)
    if isinstance(shown, list):
        return [_placed(member, found) for member in shown]
    if not isinstance(shown, dict):
        return shown
    if "dataset" in shown and len(shown) == 1 and isinstance(shown["dataset"], dict):
        return {"dataset": {key: _placed(one, found) for key, one in shown["dataset"].items()}}
    one = shown.get("object")
    if isinstance(one, str):
        return {**shown, "entity": found[one]} if one in found else shown
    many = one if isinstance(one, list) else shown.get("objectList")
    if not isinstance(many, list):
        return shown
    ids = [member.get("object") if isinstance(member, dict) else member for member in many]
    entities = [found[id] for id in ids if id in found]
    member = "entity" if isinstance(one, list) else "entityList"
    return {**shown, member: entities} if entities else shown
