"""Is it one log? Heads of two sources, a city's and a witness's, are held against each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pintu_verify.merkle import Growing, leaf_of
from pintu_verify.notes import Head, Key
from pintu_verify.sources import Piece
from pintu_verify.times import told


class Side:
    """One source: its heads, and its rows when it has them."""

    def __init__(self, name: str, pieces: Iterable[Piece]) -> None:
        self.name = name
        self.heads: list[Head] = []
        self.leaves: list[bytes] = []
        for one in pieces:
            if isinstance(one, Head):
                self.heads.append(one)
            else:
                self.leaves.append(leaf_of(one[1]))


def check_heads(a: Side, b: Side, keys: Sequence[Key]) -> tuple[list[str], list[str], int]:
    """(what is wrong, what was seen, how many comparisons there were)."""
    wrong: list[str] = []
    for side in (a, b):
        wrong += _own(side, keys)
    compared = 0
    for side, other in ((a, b), (b, a)):
        more, count = _against(side, other)
        wrong += [one for one in more if one not in wrong]
        compared += count
    seen = [
        f"{side.name}: {len(side.heads)} heads up to {max((h.size for h in side.heads), default=0)}"
        f" rows{f', {len(side.leaves)} rows' if side.leaves else ''}."
        for side in (a, b)
    ]
    seen.append(f"{compared} heads could be compared.")
    return wrong, seen, compared


def _own(side: Side, keys: Sequence[Key]) -> list[str]:
    """A source's heads by themselves: signed, and one root a size."""
    wrong = []
    roots: dict[tuple[str, int], Head] = {}
    for head in side.heads:
        if keys and not any(head.signed_by(key) for key in keys):
            wrong.append(f"{side.name}: the head over {head.size} rows is not signed by the key")
        first = roots.setdefault((head.origin, head.size), head)
        if first.root != head.root:
            wrong.append(_forked(head, (side.name, side.name), (first.at_us, head.at_us)))
    return wrong


def _forked(head: Head, names: tuple[str, str], at: tuple[int | None, int | None]) -> str:
    return (
        f"FORK: two different logs of {head.origin!r} have {head.size} rows: {names[0]} says one "
        f"(signed {told(at[0])}), {names[1]} another (signed {told(at[1])})"
    )


def _against(side: Side, other: Side) -> tuple[list[str], int]:
    """The heads of one source against the heads and the rows of the other."""
    wrong: list[str] = []
    compared = 0
    roots = {(head.origin, head.size): head for head in other.heads}
    sizes = {head.size for head in side.heads}
    rebuilt = _roots(other.leaves, sizes)
    for head in side.heads:
        there = roots.get((head.origin, head.size))
        if there is not None:
            compared += 1
            if there.root != head.root:
                names = sorted((side.name, other.name))
                at = (
                    (head.at_us, there.at_us)
                    if names[0] == side.name
                    else (there.at_us, head.at_us)
                )
                wrong.append(_forked(head, (names[0], names[1]), at))
        elif head.size in rebuilt:
            compared += 1
            if rebuilt[head.size] != head.root:
                wrong.append(
                    f"FORK: the first {head.size} rows in {other.name} are not those of the head "
                    f"that {side.name} has (signed {told(head.at_us)})"
                )
        elif other.leaves and head.size > len(other.leaves):
            compared += 1
            wrong.append(
                f"REWOUND: {side.name} has a head over {head.size} rows (signed "
                f"{told(head.at_us)}), {other.name} has {len(other.leaves)} rows"
            )
    return wrong, compared


def _roots(leaves: list[bytes], sizes: set[int]) -> dict[int, bytes]:
    """The roots over the first rows, for each size that is asked for."""
    found: dict[int, bytes] = {}
    tree = Growing()
    for leaf in leaves:
        tree.add(leaf)
        if tree.size in sizes:
            found[tree.size] = tree.root()
    return found
