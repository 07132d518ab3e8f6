"""What many rows share, numbered and kept in memory: tenants, sources, kinds, shapes, indexed
paths.

A write meets something new in memory first, without a number; `number` gives it one in short
statements of their own before the group that needs it. A number whose group failed is harmless:
nothing has it, and the next that meets the same thing finds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from pintu.kernel.errors import BadRequestData
from pintu.kernel.store.kinds import IndexPath, KindRow, Shape, path_of
from pintu.kernel.store.named import Named

LONGEST_NAME = 2_000
"""Bytes of an id or a name that an index of PostgreSQL surely takes."""

SEEN = "SELECT names, paths FROM head"
_TOLD = "WITH told AS (UPDATE head SET names = names + 1) "
_TOLD_PATH = "WITH told AS (UPDATE head SET names = names + 1, paths = paths + 1) "
_DIGEST = "sha256(replace({}, '\\', '\\\\')::bytea)"
_KIND = ("kind", "tenant", "types", "tenant = u.a AND t.types = u.b")
_SHAPE = ("shape", "kind", "attributes", "kind = u.a AND t.attributes = u.b")


class Names(Named):
    """Every numbered thing of one city; used on the loop only."""

    def __init__(self) -> None:
        super().__init__()
        self._new_kinds: dict[tuple[int, tuple[str, ...]], KindRow] = {}
        self._new_shapes: list[Shape] = []
        self._new_paths: dict[tuple[int, str, str], IndexPath] = {}
        self._new_sources: set[str] = set()
        self.shared = False  # others number things, too
        self.follows = False  # another broker builds and drops learned indexes
        self.seen = (0, 0)  # `head.names` and `head.paths` as they were before what is known

    def forget(self) -> None:
        """Nothing is known any more; `load` comes next."""
        for known in (
            self.tenants,
            self.sources,
            self.source_names,
            self.kinds,
            self.by_types,
            self.by_tenant,
            self.shapes,
            self.paths,
            self._shape_cache,
            self._new_kinds,
            self._new_paths,
        ):
            known.clear()
        self._new_shapes.clear()
        self._new_sources.clear()
        self.seen = (0, 0)

    async def load(self, connection: Any) -> None:
        """Read what is numbered; again, to learn what others numbered and counted since."""
        fetch = connection.fetch
        seen = tuple(await connection.fetchrow(SEEN)) if self.shared else (0, 0)
        # what is named by others is read after them: somebody may be numbering meanwhile
        columns = "n, kind, form, path, state, built, entries, used"
        paths = await fetch(f"SELECT {columns} FROM path")
        shapes = await fetch("SELECT n, kind, attributes, count FROM shape")
        kinds = await fetch("SELECT n, tenant, types FROM kind ORDER BY n")
        self.tenants.update((name, n) for n, name in await fetch("SELECT n, name FROM tenant"))
        for n, name in await fetch("SELECT n, name FROM source"):
            self.sources[name], self.source_names[n] = n, name
        for n, tenant, types in kinds:
            if n not in self.kinds:
                key = (tenant, tuple(orjson.loads(types)))
                met = self._new_kinds.pop(key, None) or KindRow(n, *key)
                met.n = n
                self.keep_kind(met)
        for n, kind, attributes, count in shapes:
            if n not in self.shapes:
                owner = self.kinds[kind]
                pairs = tuple((name, form) for name, form in orjson.loads(attributes))
                shape = owner.shapes.get(pairs) or Shape(n, owner, pairs, count)
                shape.n = n
                self.keep_shape(shape)
            self.shapes[n].count = count
        for n, kind, form, text, state, *figures in paths:
            if n not in self.paths:
                owner = self.kinds[kind]
                new = self._new_paths.pop((id(owner), form, text), None)
                path = new or IndexPath(n, owner, form, text)
                path.n, path.state = n, state
                path.built, path.entries, path.used = figures
                self.keep_path(path)
            elif self.follows:
                self._follow(self.paths[n], state)
        if self.follows:
            there = {row[0] for row in paths}
            for path in [one for one in self.paths.values() if one.n not in there]:
                self.drop_path(path)
        self.version += 1
        self.seen = max(self.seen, seen)  # now, not before: others take it for all being known

    def _follow(self, path: IndexPath, state: str) -> None:
        """Whoever builds an index says how far it is."""
        before, path.state = path.state, state
        if state == "dropping" and before != state:
            self.unlearn(path)

    async def recount(self, connection: Any) -> None:
        """How many entities each shape has by now."""
        for n, number in await connection.fetch("SELECT n, count FROM shape"):
            shape = self.shapes.get(n)
            if shape is not None and shape.count != number:
                if shape.count.bit_length() != number.bit_length():
                    self.version += 1
                shape.count = number

    # --- what a write meets ----------------------------------------------------------------------
    def meet_source(self, name: str) -> None:
        """A write comes from there: it needs a number."""
        if name not in self.sources:
            self._new_sources.add(name)

    def kind_of(self, tenant: int, types: tuple[str, ...]) -> KindRow:
        """The kind of a tenant's entities with these sorted types; a new one has no number yet."""
        key = (tenant, types)
        kind = self.by_types.get(key) or self._new_kinds.get(key)
        if kind is None:
            orjson.dumps(types)  # what cannot be stored breaks here, alone
            kind = self._new_kinds[key] = KindRow(0, tenant, types)
        return kind

    def shape_in(self, kind: KindRow, pairs: tuple[tuple[str, str], ...]) -> Shape:
        """The shape of a kind with these pairs; a new one has no number yet."""
        shape = kind.shapes.get(pairs)
        if shape is None:
            orjson.dumps(pairs)
            if any(form == "GeoProperty" and "\0" in name for name, form in pairs):
                raise BadRequestData("The name of a GeoProperty holds a NUL character")
            shape = kind.shapes[pairs] = Shape(0, kind, pairs, 0)
            self._new_shapes.append(shape)
        return shape

    def path(self, kind: KindRow, form: str, text: str, state: str = "ready") -> IndexPath:
        """An indexed path of a kind; a new one has no number yet and nobody sees it."""
        found = kind.geo.get((form, text)) if form != "value" else kind.learned.get(path_of(text))
        if found is None:
            key = (id(kind), form, text)
            found = self._new_paths.get(key)
            if found is None:
                found = self._new_paths[key] = IndexPath(0, kind, form, text)
                found.state = state
        return found

    # --- numbering -------------------------------------------------------------------------------
    @property
    def unnumbered(self) -> bool:
        """Is there something without a number?"""
        return bool(self._new_sources or self._new_kinds or self._new_shapes or self._new_paths)

    async def number(self, connection: Any) -> None:
        """Give everything new its number, each lasting at once."""
        for name in sorted(self._new_sources):
            n = await self._named(connection, "source", name)
            self.sources[name], self.source_names[n] = n, name
        self._new_sources.clear()
        if self._new_kinds:
            kinds = list(self._new_kinds.values())
            rows = [(one.tenant, orjson.dumps(one.types).decode()) for one in kinds]
            numbers = await _numbered(connection, _KIND, rows, self._telling)
            for kind, n in zip(kinds, numbers, strict=True):
                kind.n = n
                self.keep_kind(kind)
            self._new_kinds.clear()
        self._new_shapes = [one for one in self._new_shapes if not one.n]
        if self._new_shapes:
            shapes = list(self._new_shapes)
            rows = [(one.kind.n, orjson.dumps(one.attributes).decode()) for one in shapes]
            numbers = await _numbered(connection, _SHAPE, rows, self._telling)
            for shape, n in zip(shapes, numbers, strict=True):
                shape.n = n
                self.keep_shape(shape)
            del self._new_shapes[: len(shapes)]
        for path in list(self._new_paths.values()):
            telling = _TOLD_PATH if self.shared else ""
            path.n, path.state = await _numbered_path(connection, path, telling)
            self.keep_path(path)
        self._new_paths.clear()
        self.version += 1

    async def tenant(self, connection: Any, name: str) -> int:
        """The number of a tenant, made when it is new; who calls notes it once it is lasting."""
        if "\0" in name or len(name.encode()) > LONGEST_NAME:
            raise BadRequestData(f"The tenant's name is over {LONGEST_NAME} bytes or holds NUL")
        return self.tenants.get(name) or await self._named(connection, "tenant", name)

    async def _named(self, connection: Any, table: str, name: str) -> int:
        telling = self._telling if table == "tenant" else ""
        made = f"{telling}INSERT INTO {table}(name) VALUES($1) ON CONFLICT DO NOTHING"
        await connection.execute(made, name)
        return int(await connection.fetchval(f"SELECT n FROM {table} WHERE name = $1", name))

    @property
    def _telling(self) -> str:
        """What makes a statement tell others that something is numbered, in one with it."""
        return _TOLD if self.shared else ""

    def counted(self, deltas: Mapping[Shape, int]) -> None:
        """A group is durable: so many entities more have each shape.

        A plan depends on which kinds and shapes have entities, and roughly on how many.
        """
        for shape, by in deltas.items():
            before, shape.count = shape.count, shape.count + by
            if before.bit_length() != shape.count.bit_length():
                self.version += 1


async def _numbered(
    connection: Any,
    table: tuple[str, str, str, str],
    rows: Iterable[tuple[int, str]],
    telling: str,
) -> list[int]:
    """The numbers of rows of `kind` or `shape`, those that are missing made."""
    name, owner, text, same = table
    owners, texts = (list(column) for column in zip(*rows, strict=True))
    count, zero = (", count", ", 0") if name == "shape" else ("", "")
    await connection.execute(
        f"{telling}INSERT INTO {name}({owner}, {text}{count}) "
        f"SELECT a, b{zero} FROM unnest($1::int[], $2::text[]) u(a, b) ON CONFLICT DO NOTHING",
        owners,
        texts,
    )
    found = await connection.fetch(
        f"SELECT t.n FROM unnest($1::int[], $2::text[]) WITH ORDINALITY u(a, b, o) "
        f"JOIN {name} t ON t.{same} AND {_DIGEST.format('t.' + text)} = {_DIGEST.format('u.b')} "
        "ORDER BY u.o",
        owners,
        texts,
    )
    return [row[0] for row in found]


async def _numbered_path(connection: Any, path: IndexPath, telling: str) -> tuple[int, str]:
    """(number, state) of an indexed path, made when it is missing."""
    key = (path.kind.n, path.form, path.text)
    await connection.execute(
        f"{telling}INSERT INTO path(kind, form, path, state, built, entries, used) "
        "VALUES($1, $2, $3, $4, 0, 0, 0) ON CONFLICT DO NOTHING",
        *key,
        path.state,
    )
    row = await connection.fetchrow(
        "SELECT n, state FROM path WHERE kind = $1 AND form = $2 AND path = $3", *key
    )
    return row[0], row[1]
