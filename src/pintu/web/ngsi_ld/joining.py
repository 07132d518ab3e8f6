"""Linked entities: following relationships and showing them flat or inline (4.5.23, 5.7.1.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from pintu.kernel.context.record import Record
from pintu.kernel.context.render import View, render
from pintu.kernel.errors import BadRequestData, TooComplex
from pintu.kernel.store.port import settled
from pintu.web.ngsi_ld.agreed import there
from pintu.web.ngsi_ld.asking import split_names
from pintu.web.ngsi_ld.operation import Call
from pintu.web.ngsi_ld.params import number
from pintu.web.ngsi_ld.picking import Tree

JOIN_PARAMS = frozenset(("join", "joinLevel", "containedBy"))
_MOST_LINKED = 2000
_MOST_LEVELS = 16


@dataclass(slots=True)
class Join:
    """How far to follow relationships and how to show what is found; one for each call."""

    call: Call
    inline: bool
    levels: int
    visited: frozenset[str]
    tree: Tree
    view: View
    known: dict[str, tuple[Record, dict[str, Any]] | None] = field(default_factory=dict)

    async def find(self, id: str) -> tuple[Record, dict[str, Any]] | None:
        """A linked entity and its document, or None when it is not here or not for the caller."""
        if id in self.known:
            return self.known[id]
        if len(self.known) >= _MOST_LINKED:
            raise TooComplex(f"join reaches more than {_MOST_LINKED} linked entities")
        record = await settled(self.call.rooms.store.retrieve(self.call.tenant, id))
        record = there(self.call, record)
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
        view = tree.applied(self.view, self.call.terms)
        out: dict[str, Any] = render(record, self.call.terms, view)
        if level >= self.levels:
            return out
        path = path | {record.id}
        place = out.get("properties", out) if out.get("type") == "Feature" else out
        for name, attribute in relationships(document):
            shown = self.call.terms.shown(name)
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
                    shown = self.call.terms.shown(name)
                    if not tree.has(shown):
                        continue
                    child = tree.child(shown)
                    for target in targets(attribute):
                        linked = None if target in seen else await self.find(target)
                        if linked is not None:
                            seen.add(target)
                            view = child.applied(self.view, self.call.terms)
                            found.append(render(linked[0], self.call.terms, view))
                            following.append((linked[1], child))
            layer = following
        return found


def read_join(call: Call, params: dict[str, Any], view: View, tree: Tree) -> Join | None:
    """The join a request asks for, or None; raises BadRequestData."""
    kind = params.get("join")
    if kind is None or kind == "@none":
        if "joinLevel" in params and kind is None:
            raise BadRequestData("joinLevel is only read together with join")
        return None
    if kind not in ("flat", "inline"):
        raise BadRequestData(f"join is {str(kind)[:50]!r}, not flat, inline or @none")
    levels = params.get("joinLevel", "1")
    if isinstance(levels, int):
        levels = str(levels)
    depth = number({"joinLevel": str(levels)}, "joinLevel", 1, least=1, most=_MOST_LEVELS)
    contained = params.get("containedBy")
    visited = frozenset(split_names(contained, "containedBy")) if contained else frozenset()
    return Join(call, kind == "inline", depth, visited, tree, view)


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
