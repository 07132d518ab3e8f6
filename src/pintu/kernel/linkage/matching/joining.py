"""Links to clusters: the most certain first, and none that breaks a rule; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pintu.kernel.linkage.matching.words import Doubt


@dataclass(slots=True)
class Joining:
    """Grows clusters of records 0 to n-1.

    `ids`: for each record a number that stands for its valid id number, -1 without; two in one
    cluster never differ. `alone`: for each record the source in which nobody is twice, -1 for
    others. `largest`: more records are not joined without a person looking: placeholders and
    harvests that copy each other show as clusters that grow and grow.
    """

    ids: Sequence[int]
    alone: Sequence[int]
    largest: int
    apart: dict[int, set[int]] = field(default_factory=dict)
    _root: list[int] = field(init=False)
    _members: dict[int, list[int]] = field(init=False, default_factory=dict)
    _id: dict[int, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._root = list(range(len(self.ids)))

    def keep_apart(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Records that somebody said are different."""
        for one, two in pairs:
            self.apart.setdefault(one, set()).add(two)
            self.apart.setdefault(two, set()).add(one)

    def start(self, clusters: Iterable[Sequence[int]]) -> list[list[int]]:
        """Clusters that are there already; those of two valid id numbers are cut into single
        records and returned."""
        cut = []
        for one in clusters:
            ids = {self.ids[n] for n in one} - {-1}
            if len(ids) > 1:
                cut.append(list(one))
                continue
            for n in one[1:]:
                self._join(self.root(one[0]), self.root(n))
        return cut

    def root(self, n: int) -> int:
        """The record that stands for a record's cluster."""
        root = self._root
        while root[n] != n:
            root[n] = root[root[n]]
            n = root[n]
        return n

    def link(self, left: int, right: int) -> str:
        """Join two records' clusters; empty when they are one now, else why they are not: `ids`,
        `apart`, `unique`, `size`."""
        one, two = self.root(left), self.root(right)
        if one == two:
            return ""
        first, second = self.members(one), self.members(two)
        ids = self._id_of(one), self._id_of(two)
        if -1 not in ids and ids[0] != ids[1]:
            return "ids"
        if self.apart and any(self.apart.get(n, set()) & set(second) for n in first):
            return "apart"
        if self._twice(first, second):
            return "unique"
        if len(first) + len(second) > self.largest:
            return "size"
        self._join(one, two)
        return ""

    def members(self, root: int) -> list[int]:
        """The records of the cluster that a root stands for."""
        return self._members.get(root) or [root]

    def clusters(self) -> list[list[int]]:
        """Every cluster of two records or more, in the order of their first record."""
        return sorted(sorted(one) for one in self._members.values() if len(one) > 1)

    def _id_of(self, root: int) -> int:
        return self._id.get(root, self.ids[root])

    def _twice(self, first: Sequence[int], second: Sequence[int]) -> bool:
        there = {self.alone[n] for n in first} - {-1}
        return bool(there) and any(self.alone[n] in there for n in second)

    def _join(self, one: int, two: int) -> None:
        if one == two:
            return
        first, second = self.members(one), self.members(two)
        if len(first) < len(second):
            one, two, first, second = two, one, second, first
        id = max(self._id_of(one), self._id_of(two))
        self._members[one] = [*first, *second]
        self._members.pop(two, None)
        self._root[two] = one
        self._id[one] = id


def join_all(joining: Joining, links: Iterable[tuple[int, int, float]]) -> tuple[int, list[Doubt]]:
    """Join every link, the most certain first (ties by record); (how many held, those that a person
    has to look at because of the cluster they would make)."""
    linked, doubts = 0, []
    for left, right, score in links:
        why = joining.link(left, right)
        if not why:
            linked += 1
        elif why in ("ids", "size"):
            doubts.append(Doubt(left, right, score, why))
    return linked, doubts
