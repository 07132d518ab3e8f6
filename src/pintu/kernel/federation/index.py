"""Which registrations of one tenant may have what is wanted: found by id, type or name, so that ten
thousand cost little more than ten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pintu.kernel.context.match.pattern import compile_pattern
from pintu.kernel.federation.words import Information, Registration, Selector, Wanted


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One selector of one registration (None: entities of any kind), its pattern compiled."""

    registration: Registration
    information: Information
    selector: Selector | None = None
    test: Callable[[str], bool] | None = None


Bucket = dict[Entry, None]  # a set in the order of registration


class Index:
    """The registrations of one tenant."""

    def __init__(self) -> None:
        self.registrations: dict[str, Registration] = {}
        self._entries: dict[str, list[Entry]] = {}
        self._by_id: dict[str, Bucket] = {}
        self._fixed: dict[str, Bucket] = {}  # type → those with an id
        self._loose: dict[str, Bucket] = {}  # type → those without
        self._named: dict[str, Bucket] = {}  # attribute → those of any entity
        self._any: Bucket = {}  # any entity, every attribute
        self._untyped: Bucket = {}  # every loose one, for a request that tells no type

    def add(self, registration: Registration) -> None:
        """Put one in, instead of one with its id."""
        self.remove(registration.id)
        self.registrations[registration.id] = registration
        entries = self._entries[registration.id] = list(_entries(registration))
        for entry in entries:
            for bucket in self._buckets(entry):
                bucket[entry] = None

    def remove(self, id: str) -> None:
        """Take one out, if it is there."""
        self.registrations.pop(id, None)
        for entry in self._entries.pop(id, ()):
            for bucket in self._buckets(entry):
                bucket.pop(entry, None)
        for table in (self._by_id, self._fixed, self._loose, self._named):
            if len(table) > 2 * len(self._entries) + 64:
                for name in [name for name, bucket in table.items() if not bucket]:
                    del table[name]

    def _buckets(self, entry: Entry) -> Iterable[Bucket]:
        selector = entry.selector
        if selector is None:
            names = entry.information.names
            if not names:
                return [self._any]
            return [self._named.setdefault(name, {}) for name in names]
        if selector.id:
            typed = [self._fixed.setdefault(one, {}) for one in selector.types]
            return [self._by_id.setdefault(selector.id, {}), *typed]
        loose = [self._loose.setdefault(one, {}) for one in selector.types]
        return [self._untyped, *loose]

    def candidates(self, wanted: Wanted) -> Bucket:
        """Entries that may match: a superset, each once, in the order of registration of each
        way in.
        """
        found: Bucket = {}
        types = () if wanted.types is None else frozenset().union(*wanted.types.any_of)
        for id in wanted.ids:
            found.update(self._by_id.get(id, ()))
        if not wanted.ids and not types:
            for bucket in self._by_id.values():
                found.update(bucket)
        for name in types:
            if not wanted.ids:
                found.update(self._fixed.get(name, ()))
            found.update(self._loose.get(name, ()))
        if not types:
            found.update(self._untyped)
        if wanted.names:
            for name in wanted.names:
                found.update(self._named.get(name, ()))
        else:
            for bucket in self._named.values():
                found.update(bucket)
        found.update(self._any)
        return found


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
