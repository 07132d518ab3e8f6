"""q compiled: a tree becomes one closure over stored documents, plain attributes the short way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pintu.kernel.context.match.compare import HeldTest, LeafTest, held_test, leaf_test
from pintu.kernel.context.match.values import SYSTEM_TIMES, Doc, found_at
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import (
    Absent,
    And,
    Compare,
    Linked,
    Or,
    Path,
    Q,
)
from pintu.kernel.errors import TooComplex

Lookup = Callable[[str], Doc | None]
"""The stored document of an entity id, for queries that follow relationships."""


FOLLOW_LIMIT = 256
"""Entities looked up for one entity; relationships that fan out at each level would multiply."""


class Test(Protocol):
    """Whether a stored document matches. Without the record, system times do not exist; without the
    look-up, no relationship leads anywhere."""

    def __call__(
        self, doc: Doc, record: Record | None = None, lookup: Lookup | None = None, /
    ) -> bool:
        """True when the document matches."""
        ...


_NOT_ATTRIBUTES = frozenset({"id", "type", "scope", "expiresAt", *SYSTEM_TIMES})


def compile_q(q: Q) -> Test:
    """The test of a query tree (4.9). A term about something that is not there does not match,
    whatever its operator; of several instances (datasetId) one must match.
    """
    if isinstance(q, And):
        return _every(tuple(compile_q(part) for part in q.parts))
    if isinstance(q, Or):
        return _some(tuple(compile_q(part) for part in q.parts))
    if isinstance(q, Compare):
        return _compare(q)
    if isinstance(q, Linked):
        return _linked(q)
    exists = _exists(q.path)
    if isinstance(q, Absent):
        return lambda doc, record=None, lookup=None: not exists(doc, record, lookup)
    return exists


def match_q(entity: Doc, q: Q, record: Record | None = None, lookup: Lookup | None = None) -> bool:
    """Whether one document matches; compile once instead where there are many."""
    return compile_q(q)(entity, record, lookup)


def linked_depth(q: Q | None) -> int:
    """How many relationships the query follows, one inside the other; 0 for plain queries."""
    if isinstance(q, (And, Or)):
        return max(linked_depth(part) for part in q.parts)
    return 1 + linked_depth(q.inner) if isinstance(q, Linked) else 0


def attributes_of(q: Q | None) -> frozenset[str]:
    """The attributes of the entity itself that a query looks at, by stored name: what a caller who
    asks it learns something about.
    """
    if q is None:
        return frozenset()
    if isinstance(q, (And, Or)):
        return frozenset().union(*(attributes_of(part) for part in q.parts))
    return frozenset((q.path.attribute,))


def _every(tests: tuple[Test, ...]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda doc, record=None, lookup=None: (
            first(doc, record, lookup) and second(doc, record, lookup)
        )

    def test(doc: Doc, record: Record | None = None, lookup: Lookup | None = None, /) -> bool:
        for part in tests:  # noqa: SIM110 — a generator would cost as much as the tests
            if not part(doc, record, lookup):
                return False
        return True

    return test


def _some(tests: tuple[Test, ...]) -> Test:
    def test(doc: Doc, record: Record | None = None, lookup: Lookup | None = None, /) -> bool:
        for part in tests:  # noqa: SIM110 — a generator would cost as much as the tests
            if part(doc, record, lookup):
                return True
        return False

    return test


def _exists(path: Path) -> Test:
    if not path.subs and not path.trail and path.attribute not in SYSTEM_TIMES:
        name = path.attribute
        return lambda doc, record=None, lookup=None: name in doc
    return lambda doc, record=None, lookup=None: bool(found_at(doc, path, record))


def _compare(q: Compare) -> Test:
    path = q.path
    held = held_test(q)
    if path.subs or path.trail or path.attribute in _NOT_ATTRIBUTES:
        return lambda doc, record=None, lookup=None: any(
            held(kind, value) for kind, value in found_at(doc, path, record)
        )
    if q.op in ("!=", "!~="):
        return lambda doc, record=None, lookup=None: _any_instance(doc, path, held)
    return _plain(path, leaf_test(q.op, q.value), held, equality=q.op == "==")


def _any_instance(doc: Doc, path: Path, held: HeldTest) -> bool:
    return any(held(kind, value) for kind, value in found_at(doc, path))


def _plain(path: Path, leaf: LeafTest, held: HeldTest, *, equality: bool) -> Test:
    """One attribute by name: a Property or Relationship of one scalar is tested at once."""
    name = path.attribute

    def test(doc: Doc, record: Record | None = None, lookup: Lookup | None = None, /) -> bool:
        attribute: Any = doc.get(name)
        if attribute is None:
            return False
        if type(attribute) is dict:
            kind = attribute.get("type")
            if kind == "Property" or (equality and kind == "Relationship"):
                value = attribute.get("value" if kind == "Property" else "object")
                shape = type(value)
                if shape is not list and shape is not dict:
                    return leaf(value)
        return _any_instance(doc, path, held)

    return test


class _Counted:
    """A look-up that ends a document which leads to more entities than a query may follow."""

    __slots__ = ("find", "left")

    def __init__(self, find: Lookup) -> None:
        self.find = find
        self.left = FOLLOW_LIMIT

    def __call__(self, id: str) -> Doc | None:
        self.left -= 1
        if self.left < 0:
            raise TooComplex(f"A query may follow {FOLLOW_LIMIT} relationships of one entity")
        return self.find(id)


def _linked(q: Linked) -> Test:
    inner = compile_q(q.inner)
    path = q.path
    types = frozenset(q.types)

    def test(doc: Doc, record: Record | None = None, lookup: Lookup | None = None, /) -> bool:
        if lookup is None:
            return False
        if type(lookup) is not _Counted:
            lookup = _Counted(lookup)
        for kind, value in found_at(doc, path, record):
            for target in _targets(kind, value):
                entity = lookup(target)
                if entity is None or (types and types.isdisjoint(types_of(entity))):
                    continue
                if inner(entity, None, lookup):
                    return True
        return False

    return test


def _targets(kind: str, value: Any) -> list[str]:
    if kind not in ("Relationship", "ListRelationship"):
        return []
    found = [
        one.get("object") if type(one) is dict else one
        for one in (value if type(value) is list else [value])
    ]
    return [one for one in found if type(one) is str]


def types_of(doc: Doc) -> tuple[str, ...]:
    """The stored types of a document, as a tuple."""
    held = doc["type"]
    return tuple(held) if type(held) is list else (held,)
