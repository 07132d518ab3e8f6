"""The tree is RFC 6962's, whatever its size: against a naive one and against known roots."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pintu.kernel.audit import tree as ours
from pintu.kernel.audit.tree import Tiles, Tree
from pintu_verify import merkle as theirs

from . import naive

ROWS = (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)  # fmt: skip
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
"""Rows and roots that implementations of RFC 6962 have agreed on since 2013."""


def leaves_of(count: int) -> list[bytes]:
    """Leaves that are all different."""
    return [sha256(b"%d" % n).digest() for n in range(count)]


class Kept:
    """Tiles as a table would keep them."""

    def __init__(self) -> None:
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.tree = Tree()

    def grow(self, leaves: Sequence[bytes]) -> None:
        """Leaves come, tiles are kept."""
        for leaf in leaves:
            self.tree.add(leaf)
        for level, place, hashes in self.tree.changed():
            self.tiles[level, place] = hashes

    @property
    def read(self) -> Tiles:
        """As the tree asks for them."""
        return lambda level, place: self.tiles[level, place]


def kept(count: int) -> Kept:
    """A tree of so many leaves."""
    made = Kept()
    made.grow(leaves_of(count))
    return made


@pytest.mark.parametrize("count", range(1, 9))
def test_known_roots(count: int) -> None:
    """Those of the eight rows that everybody tests with; nothing at all has SHA-256 of nothing."""
    tree, growing = Tree(), theirs.Growing()
    assert sha256(b"").digest() == tree.root() == growing.root()
    for row in ROWS[:count]:
        tree.add(ours.leaf_hash(bytes.fromhex(row)))
        growing.add(theirs.leaf_of(bytes.fromhex(row)))
    assert ROOTS[count - 1] == tree.root().hex() == growing.root().hex()


def test_every_small_tree_proves_every_row_and_every_beginning() -> None:
    """Proofs are the naive ones; both checkers accept them, and nothing else."""
    made = Kept()
    all_leaves = leaves_of(34)
    for size in range(1, 35):
        made.grow(all_leaves[size - 1 : size])
        leaves = all_leaves[:size]
        root = naive.root(leaves)
        assert root == made.tree.root()
        for index in range(size):
            proof = ours.inclusion(made.read, index, size)
            assert naive.path(index, leaves) == proof
            assert ours.included(leaves[index], index, size, proof, root)
            assert root == theirs.root_from_path(leaves[index], index, size, proof)
        for old in range(1, size + 1):
            proof = ours.consistency(made.read, old, size)
            assert naive.proof(old, leaves) == proof
            pair = (old, naive.root(leaves[:old])), (size, root)
            assert ours.consistent(*pair, proof)
            assert theirs.is_beginning(*pair, proof)


@given(st.integers(1, 70_000), st.data())
@settings(max_examples=25, deadline=None)
def test_large_trees_over_several_tiles(size: int, data: st.DataObject) -> None:
    """Proofs of any older size are read from tiles that have grown since."""
    leaves = BIG[:size]
    old = data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, old - 1))
    roots = {n: _fast_root(leaves[:n]) for n in {old, size}}
    proof = ours.inclusion(GROWN.read, index, old)
    assert ours.included(leaves[index], index, old, proof, roots[old])
    assert roots[old] == theirs.root_from_path(leaves[index], index, old, proof)
    steps = ours.consistency(GROWN.read, old, size)
    assert ours.consistent((old, roots[old]), (size, roots[size]), steps)
    assert theirs.is_beginning((old, roots[old]), (size, roots[size]), steps)
    assert roots[old] == Tree.load(old, GROWN.read).root()


@given(st.integers(2, 300), st.data())
@settings(max_examples=150, deadline=None)
def test_no_proof_fits_anything_else(size: int, data: st.DataObject) -> None:
    """A flipped bit, another row, place, size or root, a step more or less: refused by both."""
    made = kept(size)
    leaves, root = leaves_of(size), made.tree.root()
    index = data.draw(st.integers(0, size - 1))
    proof = ours.inclusion(made.read, index, size)
    other = data.draw(st.integers(0, size - 1).filter(lambda n: n != index))
    assert not ours.included(leaves[other], index, size, proof, root)
    assert not ours.included(leaves[index], other, size, proof, root)
    spoiled = _spoil(proof, data)
    assert not ours.included(leaves[index], index, size, spoiled, root)
    assert root != theirs.root_from_path(leaves[index], index, size, spoiled)
    old = data.draw(st.integers(1, size - 1))
    pair = (old, naive.root(leaves[:old])), (size, root)
    steps = _spoil(ours.consistency(made.read, old, size), data)
    assert not ours.consistent(*pair, steps)
    assert not theirs.is_beginning(*pair, steps)


@given(st.lists(st.integers(1, 600), min_size=1, max_size=6))
@settings(max_examples=20, deadline=None)
def test_a_tree_grows_on_from_its_tiles(steps: list[int]) -> None:
    """However it was cut into pieces, and killed between them."""
    made = Kept()
    done = 0
    for step in steps:
        made.tree = Tree.load(done, made.read)
        made.grow(BIG[done : done + step])
        done += step
    assert _fast_root(BIG[:done]) == made.tree.root()


def _spoil(proof: list[bytes], data: st.DataObject) -> list[bytes]:
    steps = list(proof)
    how = data.draw(st.sampled_from(("flip", "more", "less", "swap")))
    if how == "more" or not steps:
        return [*steps, sha256(b"more").digest()]
    at = data.draw(st.integers(0, len(steps) - 1))
    if how == "less":
        del steps[at]
    elif how == "swap" and len(steps) > 1:
        steps[at], steps[at - 1] = steps[at - 1], steps[at]
    else:
        bit = data.draw(st.integers(0, 255))
        steps[at] = bytes(
            byte ^ (1 << bit % 8 if n == bit // 8 else 0) for n, byte in enumerate(steps[at])
        )
    return steps


def _fast_root(leaves: Sequence[bytes]) -> bytes:
    """The root by levels, an odd one carried up: the same tree, made another way."""
    level = list(leaves)
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        odd = level[-1:] if len(level) % 2 else []
        level = [sha256(b"\x01" + left + right).digest() for left, right in pairs] + odd
    return level[0]


BIG = leaves_of(70_000)
GROWN = Kept()
GROWN.grow(BIG)
