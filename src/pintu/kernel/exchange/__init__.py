"""The thin exchange: a register of data sets with their providers; agreements come on top of it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pintu.kernel.exchange.catalogue import read_data_set, write_data_set
from pintu.kernel.exchange.words import (
    Column,
    Condition,
    DataSet,
    DataSets,
    Question,
    Rows,
    Sample,
)

if TYPE_CHECKING:
    from pintu.kernel.exchange.exchange import Exchange, Readable

__all__ = [
    "Column",
    "Condition",
    "DataSet",
    "DataSets",
    "Exchange",
    "Question",
    "Readable",
    "Rows",
    "Sample",
    "read_data_set",
    "write_data_set",
]


def __getattr__(name: str) -> Any:
    # who reads what pieces declare needs the words alone: 30 MB that a small process saves
    if name in ("Exchange", "Readable"):
        return getattr(importlib.import_module(f"{__name__}.exchange"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
