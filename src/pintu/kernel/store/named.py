"""What a store numbers, in memory: tenants, sources, kinds, shapes, indexed paths by their numbers.

Who numbers what is new, and when that is lasting, is each store's own (`sqlite/names.py`,
`postgres/names.py`); looking things up needs no lock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from pintu.kernel.context.selection import TypeSelection
from pintu.kernel.store.kinds import MEMBERS, Doc, IndexPath, KindRow, Shape
from pintu.kernel.store.port import VERBS, Change

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
"""The members of a payload, their values not read."""

SHAPE_CACHE = 20_000
"""Forms of documents whose shape is found without sorting their attributes."""


class Named(ABC):
    """Every numbered thing of one city."""

    def __init__(self) -> None:
        self.tenants: dict[str, int] = {}
        self.sources: dict[str, int] = {}
        self.source_names: dict[int, str] = {}
        self.kinds: dict[int, KindRow] = {}
        self.by_types: dict[tuple[int, tuple[str, ...]], KindRow] = {}
        self.by_tenant: dict[int, list[KindRow]] = {}
        self.shapes: dict[int, Shape] = {}
        self.paths: dict[int, IndexPath] = {}
        self.version = 0  # another one when a plan made before may no longer be the right one
        self.never: frozenset[str] = frozenset()  # what no document ever had, as far as is known
        self._shape_cache: dict[tuple[int, tuple[str, ...], tuple[Any, ...]], Shape] = {}

    @abstractmethod
    def kind_of(self, tenant: int, types: tuple[str, ...]) -> KindRow:
        """The kind of a tenant's entities with these sorted types, made when it is new."""

    @abstractmethod
    def shape_in(self, kind: KindRow, pairs: tuple[tuple[str, str], ...]) -> Shape:
        """The shape of a kind with these (attribute, type) pairs in order, made when it is new."""

    def shape_of(self, tenant: int, doc: Doc) -> Shape:
        """The shape of a stored document, made when it is new."""
        types = doc["type"]
        forms = [
            value["type"]
            if value.__class__ is dict
            else None
            if value.__class__ is str or name in MEMBERS
            else value[0]["type"]
            for name, value in doc.items()
        ]
        key = (tenant, tuple(doc), (types if type(types) is str else tuple(types), *forms))
        shape = self._shape_cache.get(key)
        if shape is None:
            kind = self.kind_of(tenant, (types,) if type(types) is str else tuple(sorted(types)))
            pairs = sorted(
                (name, form) for name, form in zip(doc, forms, strict=True) if form is not None
            )
            shape = self.shape_in(kind, tuple(pairs))
            if len(self._shape_cache) >= SHAPE_CACHE:
                self._shape_cache.clear()
            self._shape_cache[key] = shape
        return shape

    def keep_kind(self, kind: KindRow) -> None:
        """Find the kind by its number and by its types."""
        if self.kinds.get(kind.n) is kind:
            return
        self.kinds[kind.n] = kind
        self.by_types[kind.tenant, kind.types] = kind
        self.by_tenant[kind.tenant] = [*self.by_tenant.get(kind.tenant, ()), kind]

    def keep_shape(self, shape: Shape) -> None:
        """Find the shape by its number and in its kind."""
        self.shapes[shape.n] = shape
        shape.kind.shapes[shape.attributes] = shape

    def keep_path(self, path: IndexPath) -> None:
        """Let the path be maintained by writes and seen by the planner."""
        self.paths[path.n] = path
        if path.form == "value":
            if path.state != "dropping":
                path.kind.learned = {**path.kind.learned, path.path: path}
        else:
            path.kind.geo[path.form, path.text] = path
        path.kind.watch()
        self.version += 1

    def drop_path(self, path: IndexPath) -> None:
        """Forget a path."""
        self.paths.pop(path.n, None)
        if path.form == "value":
            self.unlearn(path)
        else:
            path.kind.geo.pop((path.form, path.text), None)
            path.kind.watch()
            self.version += 1

    def unlearn(self, path: IndexPath) -> None:
        """Writes no longer maintain a learned path, queries no longer use it."""
        kept = {key: one for key, one in path.kind.learned.items() if one is not path}
        path.kind.learned = kept
        path.kind.watch()
        self.version += 1

    def ready(self, path: IndexPath) -> None:
        """A learned path is complete: queries may use it."""
        path.state = "ready"
        self.version += 1

    def kinds_for(self, tenant: int, types: TypeSelection) -> list[KindRow]:
        """The kinds of a tenant that a selection of types names."""
        return [
            kind
            for kind in self.by_tenant.get(tenant, ())
            if any(wanted <= kind.types_set for wanted in types.any_of)
        ]

    def change(self, row: Sequence[Any]) -> Change:
        """A row of the log: position, kind, id, verb, at, source, previous, changed, payload."""
        position, kind_n, id, verb_number, at, source, previous, changed, payload = row
        kind, verb = self.kinds[kind_n], VERBS[verb_number]
        listed: tuple[str, ...] | None = None
        if changed is not None:
            listed = tuple(orjson.loads(changed))
        elif verb == "updated":
            listed = tuple(_members(payload))
        return Change(
            position,
            kind.tenant,
            id,
            kind.types,
            verb,
            at,
            self.source_names[source],
            listed,
            payload,
            previous,
        )
