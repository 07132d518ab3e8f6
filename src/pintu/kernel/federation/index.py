"""Which registrations of one tenant may have what is wanted: found by id, type or name, so that ten
thousand cost little more than ten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pintu.kernel.context.match.pattern import compile_pattern
from pintu.kernel.federation.literals import Literals
from pintu.kernel.federation.words import Information, Registration, Selector, Wanted


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One selector of one registration (None: entities of any kind), its pattern compiled."""

    registration: Registration
    information: Information
    selector: Selector | None = None
    test: Callable[[str], bool] | None = None


Bucket = dict[Entry, None]  # a set that keeps its order


class Index:
    """The registrations of one tenant."""

    def __init__(self) -> None:
        self.registrations: dict[str, Registration] = {}
        self._entries: dict[str, list[Entry]] = {}
        self._by_id: dict[str, Bucket] = {}
        self._fixed: dict[str, Bucket] = {}  # type → those with an id
        self._loose: dict[str, Literals[Entry]] = {}  # type → those without
        self._untyped: Literals[Entry] = Literals()  # the same, for who tells no type
        self._named: dict[str, Bucket] = {}  # attribute → those of any entity
        self._any: Bucket = {}  # any entity, every attribute

    def add(self, registration: Registration) -> None:
        """Put one in, instead of one with its id."""
        self.remove(registration.id)
        self.registrations[registration.id] = registration
        entries = self._entries[registration.id] = list(_entries(registration))
        for entry in entries:
            for bucket in self._buckets(entry):
                bucket[entry] = None
            for literals in self._literals(entry):
                literals.add(_pattern(entry), entry)

    def remove(self, id: str) -> None:
        """Take one out, if it is there."""
        self.registrations.pop(id, None)
        for entry in self._entries.pop(id, ()):
            for bucket in self._buckets(entry):
                bucket.pop(entry, None)
            for literals in self._literals(entry):
                literals.remove(_pattern(entry), entry)
        for table in (self._by_id, self._fixed, self._loose, self._named):
            if len(table) > 2 * len(self._entries) + 64:
                for name in [name for name, held in table.items() if not held]:
                    del table[name]

    def _buckets(self, entry: Entry) -> Iterable[Bucket]:
        selector = entry.selector
        if selector is None:
            names = entry.information.names
            return [self._named.setdefault(one, {}) for one in names] if names else [self._any]
        if not selector.id:
            return []
        typed = [self._fixed.setdefault(one, {}) for one in selector.types]
        return [self._by_id.setdefault(selector.id, {}), *typed]

    def _literals(self, entry: Entry) -> Iterable[Literals[Entry]]:
        selector = entry.selector
        if selector is None or selector.id:
            return []
        typed = [self._loose.setdefault(one, Literals()) for one in selector.types]
        return [self._untyped, *typed]

    def candidates(self, wanted: Wanted) -> Iterable[Entry]:
        """Entries that may match: a superset, each once."""
        ways = [bucket for bucket in self._ways(wanted) if bucket]
        if len(ways) == 1:
            return ways[0]
        found: Bucket = {}
        for bucket in ways:
            found.update(bucket)
        return found

    def _ways(self, wanted: Wanted) -> Iterable[Bucket]:
        ids = wanted.ids
        if wanted.types is not None:
            for clause in wanted.types.any_of:
                for name in clause:
                    if not ids:
                        yield self._fixed.get(name, _NOTHING)
                    loose = self._loose.get(name)
                    if loose is not None:
                        yield from loose.about(ids) if ids else loose.every()
        elif ids:
            yield from self._untyped.about(ids)
        else:
            yield from self._by_id.values()
            yield from self._untyped.every()
        for id in ids:
            yield self._by_id.get(id, _NOTHING)
        if not wanted.names:
            yield from self._named.values()
        elif self._named:
            for name in wanted.names:
                yield self._named.get(name, _NOTHING)
        yield self._any


def _pattern(entry: Entry) -> str:
    return "" if entry.selector is None else entry.selector.id_pattern


_NOTHING: Bucket = {}


def entries_of(registration: Registration, information: Information) -> Iterable[Entry]:
    """One entry for each selector of an information, or one for entities of any kind."""
    if not information.selectors:
        yield Entry(registration, information)
    for selector in information.selectors:
        pattern = selector.id_pattern
        test = compile_pattern(pattern) if pattern and not selector.id else None
        yield Entry(registration, information, selector, test)


def _entries(registration: Registration) -> Iterable[Entry]:
    for information in registration.information:
        yield from entries_of(registration, information)
