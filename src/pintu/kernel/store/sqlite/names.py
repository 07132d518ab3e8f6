"""What many rows share, numbered and kept in memory: tenants, sources, kinds, shapes, indexed
paths.

The writer thread adds to it inside a transaction; `commit` makes the additions lasting,
`rollback` forgets them. Other threads only look things up, which needs no lock.
"""

from __future__ import annotations

from typing import Any

import apsw
import orjson

from pintu.kernel.store.kinds import IndexPath, KindRow, Shape, path_of
from pintu.kernel.store.named import Named


class Names(Named):
    """Every numbered thing of one city.db."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        super().__init__()
        self._deltas: dict[Shape, int] = {}
        self._new: list[tuple[str, Any]] = []
        self._never: set[str] = set()  # as city.db has it
        self._seen: set[str] = set()  # in this transaction
        self._load()

    def _load(self) -> None:
        run = self._db.execute
        self.tenants = {name: n for n, name in run("SELECT n, name FROM tenant")}
        for n, name in run("SELECT n, name FROM source"):
            self.sources[name], self.source_names[n] = n, name
        for n, tenant, types in run("SELECT n, tenant, types FROM kind ORDER BY n"):
            self.keep_kind(KindRow(n, tenant, tuple(orjson.loads(types))))
        for n, kind, attributes, count in run("SELECT n, kind, attributes, count FROM shape"):
            pairs = tuple((name, form) for name, form in orjson.loads(attributes))
            self.keep_shape(Shape(n, self.kinds[kind], pairs, count))
        columns = "n, kind, form, path, state, built, entries, used"
        for n, kind, form, text, state, built, entries, used in run(f"SELECT {columns} FROM path"):
            path = IndexPath(n, self.kinds[kind], form, text)
            path.state, path.built, path.entries, path.used = state, built, entries, used
            self.keep_path(path)
        keys = [key for (key,) in run("SELECT key FROM meta WHERE substr(key, 1, 6) = 'never '")]
        self._never = {key[6:] for key in keys}
        self.never = frozenset(self._never)

    # --- the writer's side, inside a transaction -------------------------------------------------
    def tenant(self, name: str) -> int:
        """The number of a tenant, made when it is new."""
        found = self.tenants.get(name)
        if found is None:
            found = self._insert("INSERT INTO tenant(name) VALUES(?)", (name,))
            self.tenants[name] = found
            self._new.append(("tenant", name))
        return found

    def source(self, name: str) -> int:
        """The number of a source of writes, made when it is new."""
        found = self.sources.get(name)
        if found is None:
            found = self._insert("INSERT INTO source(name) VALUES(?)", (name,))
            self.sources[name], self.source_names[found] = found, name
            self._new.append(("source", name))
        return found

    def kind_of(self, tenant: int, types: tuple[str, ...]) -> KindRow:
        """The kind of a tenant's entities with these sorted types, made when it is new."""
        kind = self.by_types.get((tenant, types))
        if kind is None:
            text = orjson.dumps(types).decode()
            n = self._insert("INSERT INTO kind(tenant, types) VALUES(?, ?)", (tenant, text))
            kind = KindRow(n, tenant, types)
            self.keep_kind(kind)
            self._new.append(("kind", kind))
        return kind

    def shape_in(self, kind: KindRow, pairs: tuple[tuple[str, str], ...]) -> Shape:
        """The shape of a kind with these pairs, made when it is new."""
        shape = kind.shapes.get(pairs)
        if shape is None:
            text = orjson.dumps(pairs).decode()
            n = self._insert(
                "INSERT INTO shape(kind, attributes, count) VALUES(?, ?, 0)", (kind.n, text)
            )
            shape = Shape(n, kind, pairs, 0)
            self.keep_shape(shape)
            self._new.append(("shape", shape))
        return shape

    def path(self, kind: KindRow, form: str, text: str, state: str = "ready") -> IndexPath:
        """The number of an indexed path of a kind, made when it is new."""
        found = kind.geo.get((form, text)) if form != "value" else kind.learned.get(path_of(text))
        if found is None:
            n = self._insert(
                "INSERT INTO path(kind, form, path, state, built, entries, used) "
                "VALUES(?,?,?,?,0,0,0)",
                (kind.n, form, text, state),
            )
            found = IndexPath(n, kind, form, text)
            found.state = state
            self.keep_path(found)
            self._new.append(("path", found))
        return found

    def count(self, shape: Shape, by: int) -> None:
        """Note that so many entities more have this shape."""
        self._deltas[shape] = self._deltas.get(shape, 0) + by

    def see(self, what: str) -> None:
        """A document has what none had before: others know it before it can be read, city.db with
        this transaction. After a rollback it stays so for others, and is told to city.db anew.
        """
        if what in self._never:
            self.never -= {what}
            self._seen.add(what)

    def flush(self) -> None:
        """Write the counts of this transaction; call it right before COMMIT."""
        for shape, by in self._deltas.items():
            if by:
                self._db.execute("UPDATE shape SET count = count + ? WHERE n = ?", (by, shape.n))
        for what in self._seen:
            self._db.execute("DELETE FROM meta WHERE key = ?", (f"never {what}",))

    def commit(self) -> None:
        """The transaction is durable: its additions stay.

        A plan depends on which kinds and shapes have entities, and roughly on how many.
        """
        known = not self._new
        for shape, by in self._deltas.items():
            before, shape.count = shape.count, shape.count + by
            known = known and before.bit_length() == shape.count.bit_length()
        if not known:
            self.version += 1
        self._deltas.clear()
        self._new.clear()
        if self._seen:
            self._never -= self._seen
            self._seen.clear()

    def rollback(self) -> None:
        """The transaction is gone: forget what it added."""
        self._deltas.clear()
        self._seen.clear()
        if not self._new:
            return
        self._shape_cache.clear()
        for what, thing in reversed(self._new):
            if what == "tenant":
                del self.tenants[thing]
            elif what == "source":
                self.source_names.pop(self.sources.pop(thing), None)
            elif what == "kind":
                del self.kinds[thing.n], self.by_types[thing.tenant, thing.types]
                self.by_tenant[thing.tenant] = [
                    one for one in self.by_tenant[thing.tenant] if one is not thing
                ]
            elif what == "shape":
                del self.shapes[thing.n], thing.kind.shapes[thing.attributes]
            else:
                self.drop_path(thing)
        self._new.clear()
        self.version += 1

    def _insert(self, sql: str, values: tuple[Any, ...]) -> int:
        self._db.execute(sql, values)
        return self._db.last_insert_rowid()
