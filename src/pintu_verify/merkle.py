"""The tree of RFC 6962 as a verifier needs it: grown leaf by leaf, and checked by proofs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def leaf_of(row: bytes) -> bytes:
    """The hash of a row."""
    return hashlib.sha256(b"\x00" + row).digest()


def parent_of(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Growing:
    """Roots of perfect subtrees, the largest first, as the bits of the size say."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """One leaf more."""
        left, found = self.size, leaf
        while left & 1:
            found = parent_of(self._subtrees.pop(), found)
            left >>= 1
        self._subtrees.append(found)
        self.size += 1

    def root(self) -> bytes:
        """The root over all leaves."""
        if not self._subtrees:
            return hashlib.sha256(b"").digest()
        found = self._subtrees[-1]
        for subtree in reversed(self._subtrees[:-1]):
            found = parent_of(subtree, found)
        return found


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a leaf's audit path leads to; None when the path is too short or too long.

    From the leaf up: the border of the tree has no right neighbours, so some levels take no step.
    """
    steps = iter(path)
    found, at, last = leaf, index, size - 1
    while last:
        if at % 2 or at < last:
            step = next(steps, None)
            if step is None:
                return None
            found = parent_of(step, found) if at % 2 else parent_of(found, step)
        at, last = at // 2, last // 2
    return found if next(steps, None) is None else None


def is_beginning(old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]) -> bool:
    """Does the proof show that the tree (size, root) `old` is the beginning of `new`?

    The proof is replayed as RFC 6962 (2.1.2) makes it, from its end: both roots are rebuilt.
    """
    (old_size, old_root), (size, root) = old, new
    if old_size == size:
        return old_root == root and not proof
    if not 0 < old_size < size:
        return False
    left = list(proof)

    def rebuild(part: int, whole: int, same: bool) -> tuple[bytes, bytes]:
        """(root of the old part, root of all) of a subtree of which `part` leaves are old."""
        if part == whole:
            found = old_root if same else left.pop(0)
            return found, found
        half = 1 << ((whole - 1).bit_length() - 1)
        if part <= half:
            olds, all_left = rebuild(part, half, same)
            return olds, parent_of(all_left, left.pop(0))
        olds, all_right = rebuild(part - half, whole - half, False)
        before = left.pop(0)
        return parent_of(before, olds), parent_of(before, all_right)

    try:
        rebuilt = rebuild(old_size, size, True)
    except IndexError:
        return False
    return not left and rebuilt == (old_root, root)
