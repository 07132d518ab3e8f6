"""The Merkle tree of RFC 6962 (RFC 9162, 2.1): hashes in tiles of 256, roots, proofs, their checks.

Pure. A tile (L, i) holds up to 256 hashes of the tree's level 8 L, those from 256 i on, as C2SP's
tlog-tiles does: a tile that is full never changes, and any proof needs a few tiles only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

WIDTH: Final = 256
"""Hashes of a full tile."""

HASH: Final = 32
EMPTY: Final = sha256(b"").digest()
"""The root of a tree without rows."""

Tiles = Callable[[int, int], bytes]
"""(level, index) of a tile → its hashes, as many as there are."""


def leaf_hash(row: bytes) -> bytes:
    """The hash of a row as a leaf."""
    return sha256(b"\x00" + row).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """The root over 2^n hashes."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]


def parted(tile: bytes) -> list[bytes]:
    """The hashes of a tile."""
    return [tile[at : at + HASH] for at in range(0, len(tile), HASH)]


class Tree:
    """The right edge of a growing tree: on each level the tile that is not full."""

    def __init__(self, size: int = 0, edges: Sequence[bytes] = ()) -> None:
        """`edges`: the hashes of each level's last tile, [] on a level whose tile is just full."""
        self.size = size
        self.edges = [bytearray(one) for one in edges]
        self.filled: list[tuple[int, int, bytes]] = []  # (level, index, hashes), not yet kept

    @classmethod
    def load(cls, size: int, tiles: Tiles) -> Tree:
        """The tree of that size; tiles may hold more than it has by now."""
        edges, level = [], 0
        while (count := size >> (8 * level)) > 0:
            width = count % WIDTH
            edges.append(tiles(level, count // WIDTH)[: width * HASH] if width else b"")
            level += 1
        return cls(size, edges)

    def copy(self) -> Tree:
        """The same, to be grown apart."""
        return Tree(self.size, [bytes(one) for one in self.edges])

    def add(self, leaf: bytes) -> None:
        """One leaf more."""
        level, hashed = 0, leaf
        while True:
            if level == len(self.edges):
                self.edges.append(bytearray())
            edge = self.edges[level]
            edge += hashed
            if len(edge) < WIDTH * HASH:
                break
            tile = bytes(edge)
            self.filled.append((level, (self.size >> (8 * (level + 1))), tile))
            edge.clear()
            hashed = perfect_root(parted(tile))
            level += 1
        self.size += 1

    def changed(self) -> list[tuple[int, int, bytes]]:
        """Tiles to be kept: those filled since the last time, and those of the edge."""
        filled, self.filled = self.filled, []
        edge = [
            (level, self.size >> (8 * (level + 1)), bytes(hashes))
            for level, hashes in enumerate(self.edges)
            if hashes
        ]
        return [*filled, *edge]

    def root(self) -> bytes:
        """MTH of all leaves."""
        found: bytes | None = None
        for edge in self.edges:
            hashes = parted(bytes(edge))
            while hashes:
                width = len(hashes) & -len(hashes)
                subtree = perfect_root(hashes[-width:])
                found = subtree if found is None else node_hash(subtree, found)
                hashes = hashes[:-width]
        return EMPTY if found is None else found


# --- proofs ---------------------------------------------------------------------------------------
def _split(count: int) -> int:
    """The largest power of two below a count of two or more."""
    return 1 << ((count - 1).bit_length() - 1)


def subtree(tiles: Tiles, first: int, end: int) -> bytes:
    """MTH(D[first:end]) of leaves that the tree's own splits delimit."""
    count = end - first
    if count & (count - 1) == 0:
        height = count.bit_length() - 1
        level, below = divmod(height, 8)
        at = (first >> height) << below  # the first hash of the tile's level under it
        tile = tiles(level, at // WIDTH)
        begin = at % WIDTH * HASH
        return perfect_root(parted(tile[begin : begin + (HASH << below)]))
    middle = first + _split(count)
    return node_hash(subtree(tiles, first, middle), subtree(tiles, middle, end))


def inclusion(tiles: Tiles, index: int, size: int) -> list[bytes]:
    """PATH(index, D[0:size]): the proof that a leaf (from 0) is in the tree of that size."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    proof: list[bytes] = []
    first, end = 0, size
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            proof.append(subtree(tiles, middle, end))
            end = middle
        else:
            proof.append(subtree(tiles, first, middle))
            first = middle
    proof.reverse()
    return proof


def consistency(tiles: Tiles, old: int, size: int) -> list[bytes]:
    """PROOF(old, D[0:size]): that the tree of size `old` is the beginning of the other one."""
    if not 0 < old <= size:
        raise ValueError(f"there is no proof from {old} to {size}")
    if old == size:
        return []
    proof: list[bytes] = []
    first, end, whole = 0, size, True
    while end != old:
        middle = first + _split(end - first)
        if old <= middle:
            proof.append(subtree(tiles, middle, end))
            end = middle
        else:
            proof.append(subtree(tiles, first, middle))
            first, whole = middle, False
    if not whole:
        proof.append(subtree(tiles, first, end))
    proof.reverse()
    return proof


def included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Does the proof lead from a leaf to the root (RFC 9162, 2.1.3.2)?"""
    if not 0 <= index < size:
        return False
    position, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            found = node_hash(step, found)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            found = node_hash(found, step)
        position, last = position >> 1, last >> 1
    return last == 0 and found == root


def consistent(old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]) -> bool:
    """Is the tree (size, root) `old` the beginning of `new` (RFC 9162, 2.1.4.2)?"""
    (old_size, old_root), (size, root) = old, new
    if old_size == size:
        return old_root == root and not proof
    if not 0 < old_size < size or not proof:
        return False
    steps = list(proof)
    if old_size & (old_size - 1) == 0:
        steps.insert(0, old_root)
    position, last = old_size - 1, size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    found_old = found = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            found_old, found = node_hash(step, found_old), node_hash(step, found)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            found = node_hash(found, step)
        position, last = position >> 1, last >> 1
    return last == 0 and found_old == old_root and found == root
