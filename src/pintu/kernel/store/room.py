"""How many operations may wait for the disk: one rule for who hands them in and who asks before."""

from __future__ import annotations

from pintu.kernel.errors import Unavailable


def check_room(waiting: int, ops: int, limit: int) -> None:
    """Raise Unavailable when `ops` more would be over the limit; alone any number is taken."""
    if waiting + ops > limit and waiting:
        raise Unavailable(
            f"The store's queue is full: {waiting} of {limit} operations wait", retry_after=1
        )
