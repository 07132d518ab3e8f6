"""Batches take turns: those of more than one slice are read one after the other, so that between
two slices everybody else is answered, however many batches came at once. What there is no room for
is refused before it is read.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from pintu.kernel.errors import Unavailable

if TYPE_CHECKING:
    from pintu.kernel.store.port import Store

AGAIN_OPS: Final = 5_000
"""Room there must be before batches are read again once one was refused: a queue that is full to
the brim would have each body parsed to find that it does not fit."""


class BatchTurns:
    """Whose turn it is to be read, and whether reading is of any use."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self._wanted = 1

    def check_room(self, store: Store, ops: int = 1) -> None:
        """Raise Unavailable when the store would refuse so many operations, or refused a batch and
        is nearly as full still."""
        try:
            store.check_room(max(ops, self._wanted))
        except Unavailable:
            self._wanted = AGAIN_OPS
            raise
        self._wanted = 1
