"""Moving a city from one store to the other: read in pieces, written with where the move stands,
caught up by the log, compared row by row. Read `rows`, `deriving`, a side, `carrying`, `comparing`.
"""

from __future__ import annotations

from pintu.kernel.store.moving.carrying import Carrier
from pintu.kernel.store.moving.comparing import compare, compare_small
from pintu.kernel.store.moving.rows import Figure, Side, Sum, Target, Told

__all__ = ["Carrier", "Figure", "Side", "Sum", "Target", "Told", "compare", "compare_small"]
