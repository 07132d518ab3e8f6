"""The thin exchange: a register of data sets with their providers; agreements come on top of it."""

from pintu.kernel.exchange.catalogue import read_data_set, write_data_set
from pintu.kernel.exchange.exchange import Exchange, Readable
from pintu.kernel.exchange.words import (
    Column,
    Condition,
    DataSet,
    DataSets,
    Question,
    Rows,
    Sample,
)

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
