"""One picture for a mayor: departments, what they hold, what flows, what is held twice; laid out as
a list with arcs beside it, which is read as well on a telephone as on a wall. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

import msgspec

from pintu.kernel.exchange.finding.words import Twin, Use
from pintu.kernel.exchange.words import DataSet

MOST_NODES: Final = 40
MOST_ARCS: Final = 120
ROW: Final = 26
HEAD: Final = 34
GAP: Final = 12
TOP: Final = 10

Place = Callable[[str], "int | None"]
"""Where a data set's line begins."""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A department, or one of its data sets beneath it. `y` is its middle."""

    kind: Literal["department", "data_set"]
    id: str
    y: int
    title: dict[str, str] = {}
    sets: int = 0  # of a department
    uses: int = 0
    twins: int = 0


class Arc(msgspec.Struct, frozen=True, kw_only=True):
    """A line between two nodes: `flow` leads to the consumer, `twin` leads nowhere."""

    kind: Literal["flow", "twin"]
    start: int  # y
    end: int
    id: str  # of the twin or agreement; empty when several are one line
    names: tuple[str, str]
    count: int = 1
    differ: float | None = None


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """Everything drawn. `grouped`: only departments, because there is too much to show all."""

    nodes: tuple[Node, ...]
    arcs: tuple[Arc, ...]
    height: int
    grouped: bool


def picture_of(
    data_sets: Sequence[DataSet], twins: Sequence[Twin], uses: Sequence[Use], most: int = MOST_NODES
) -> Picture:
    """The same picture for the same city: departments by name, those with the most in common do not
    move when something else changes."""
    held: dict[str, list[DataSet]] = defaultdict(list)
    for one in sorted(data_sets, key=lambda one: one.name):
        held[one.owner].append(one)
    consumers = {one.consumer for one in uses if one.kind == "agreement" and one.consumer}
    owners = sorted(set(held) | consumers, key=lambda one: (one == "", one))
    grouped = len(owners) + len(data_sets) > most
    nodes = _nodes(owners, held, (Counter(one.data_set for one in uses), _twinned(twins)), grouped)
    places: dict[tuple[str, str], int] = {(one.kind, one.id): one.y for one in nodes}
    owner_of = {one.name: one.owner for one in data_sets}

    def place(name: str) -> int | None:
        if grouped:
            return places.get(("department", owner_of.get(name, "")))
        return places.get(("data_set", name))

    arcs = [*_flows(uses, place, places), *_twins(twins, place)]
    merged = _merged(arcs)[:MOST_ARCS]
    height = (nodes[-1].y if nodes else 0) + ROW
    return Picture(nodes=tuple(nodes), arcs=tuple(merged), height=height, grouped=grouped)


def _nodes(
    owners: Iterable[str],
    held: dict[str, list[DataSet]],
    counted: tuple[Counter[str], Counter[str]],
    grouped: bool,
) -> list[Node]:
    used, twinned = counted
    nodes = []
    y = TOP
    for owner in owners:
        sets = held.get(owner, [])
        nodes.append(Node(
            kind="department", id=owner, y=y + HEAD // 2, sets=len(sets),
            uses=sum(1 for one in sets if used[one.name]),
            twins=sum(1 for one in sets if twinned[one.name]),
        ))  # fmt: skip
        y += HEAD
        for one in () if grouped else sets:
            nodes.append(Node(
                kind="data_set", id=one.name, y=y + ROW // 2, title=one.title,
                uses=used[one.name], twins=twinned[one.name],
            ))  # fmt: skip
            y += ROW
        y += GAP
    return nodes


def _twinned(twins: Iterable[Twin]) -> Counter[str]:
    return Counter(name for one in twins for name in (one.left, one.right))


def _flows(uses: Iterable[Use], place: Place, places: dict[tuple[str, str], int]) -> list[Arc]:
    found = []
    for one in uses:
        if one.kind != "agreement":
            continue
        start = place(one.data_set)
        end = places.get(("department", one.consumer))
        if start is not None and end is not None and start != end:
            found.append(Arc(
                kind="flow", start=start, end=end, id=one.id, names=(one.data_set, one.consumer)
            ))  # fmt: skip
    return found


def _twins(twins: Iterable[Twin], place: Place) -> list[Arc]:
    found = []
    for one in twins:
        start, end = place(one.left), place(one.right)
        if start is not None and end is not None and start != end:
            found.append(Arc(
                kind="twin", start=min(start, end), end=max(start, end), id=one.id,
                names=(one.left, one.right), differ=one.differ,
            ))  # fmt: skip
    return found


def _merged(arcs: Iterable[Arc]) -> list[Arc]:
    """Several lines between the same two nodes as one that says how many."""
    found: dict[tuple[str, int, int], list[Arc]] = defaultdict(list)
    for one in arcs:
        found[one.kind, one.start, one.end].append(one)
    merged = [
        group[0]
        if len(group) == 1
        else msgspec.structs.replace(group[0], id="", count=len(group), differ=None)
        for group in found.values()
    ]
    return sorted(merged, key=lambda one: (one.kind, one.start, one.end))
