"""What many entities share, numbered: their kind, their shape, the paths indexed for them.

Plain values in memory; each store loads them from its own small tables and numbers new ones.
"""

from __future__ import annotations

from typing import Any

import orjson

from pintu.kernel.context.record import Put
from pintu.kernel.context.selection import Path

Doc = dict[str, Any]
MEMBERS = frozenset({"id", "type", "scope", "expiresAt"})
"""Members of a stored document that are no attributes."""


class Shape:
    """A kind with one set of (attribute, NGSI-LD attribute type) pairs, and how many entities
    have it.
    """

    __slots__ = ("attributes", "by_name", "count", "geo", "kind", "n")

    def __init__(
        self, n: int, kind: KindRow, attributes: tuple[tuple[str, str], ...], count: int
    ) -> None:
        self.n = n
        self.kind = kind
        self.attributes = attributes
        self.by_name = dict(attributes)
        self.geo = tuple(name for name, form in attributes if form == "GeoProperty")
        self.count = count


class IndexPath:
    """One thing indexed for one kind: a geoproperty's points or shapes, or a learned value path."""

    __slots__ = ("built", "entries", "form", "kind", "n", "path", "state", "text", "used")

    def __init__(self, n: int, kind: KindRow, form: str, text: str) -> None:
        self.n = n
        self.kind = kind
        self.form = form  # point | area | value
        self.text = text
        self.path = path_of(text) if form == "value" else Path(text)
        self.state = "ready"  # building | ready | dropping
        self.built = 0
        self.entries = 0
        self.used = 0


class KindRow:
    """Entities of one tenant with one set of types."""

    __slots__ = ("geo", "learned", "n", "shapes", "tenant", "types", "types_set", "watched")

    def __init__(self, n: int, tenant: int, types: tuple[str, ...]) -> None:
        self.n = n
        self.tenant = tenant
        self.types = types
        self.types_set = frozenset(types)
        self.shapes: dict[tuple[tuple[str, str], ...], Shape] = {}
        self.geo: dict[tuple[str, str], IndexPath] = {}  # (form, attribute)
        self.learned: dict[Path, IndexPath] = {}  # replaced, never changed: others iterate over it
        self.watched: frozenset[str] = frozenset()  # attributes whose change touches an index

    @property
    def count(self) -> int:
        """How many entities are of this kind."""
        return sum(shape.count for shape in list(self.shapes.values()))

    def watch(self) -> None:
        """Recompute which attributes an index depends on."""
        names = {attribute for _, attribute in self.geo}
        names.update(path.attribute for path in self.learned)
        self.watched = frozenset(names)


def path_text(path: Path) -> str:
    """A value path as the `path` table holds it."""
    return orjson.dumps((path.attribute, path.subs, path.trail)).decode()


def path_of(text: str) -> Path:
    """The value path that `path_text` wrote."""
    attribute, subs, trail = orjson.loads(text)
    return Path(attribute, tuple(subs), tuple(trail))


def keeps_indexes(shape: Shape, put: Put) -> bool:
    """Does a write leave kind, shape, expiry and every indexed value of an entity as they are?"""
    changed = put.changed
    if changed is None or put.verb != "updated":
        return False
    doc, by_name, watched = put.entity, shape.by_name, shape.kind.watched
    for name in changed:
        if name in watched:
            return False
        value = doc.get(name)
        form = value.get("type") if type(value) is dict else None
        if form is None or form == "GeoProperty" or by_name.get(name) != form:
            return False
    types = doc["type"]
    return shape.kind.types == ((types,) if type(types) is str else tuple(sorted(types)))
