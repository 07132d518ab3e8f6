"""What became of entities over time, from rows of the log: pure (4.5.6 to 4.5.9, 4.11, 4.5.19)."""

from pintu.kernel.context.temporal.asked import Asked, read_asked
from pintu.kernel.context.temporal.choosing import (
    Chosen,
    Range,
    choose,
    cut_page,
    keep_last,
    keep_scoped,
)
from pintu.kernel.context.temporal.durations import Period, parse_period
from pintu.kernel.context.temporal.folding import Folding, fold, where
from pintu.kernel.context.temporal.showing import Look, show
from pintu.kernel.context.temporal.words import Evolution, Instance, Series

__all__ = [
    "Asked",
    "Chosen",
    "Evolution",
    "Folding",
    "Instance",
    "Look",
    "Period",
    "Range",
    "Series",
    "choose",
    "cut_page",
    "fold",
    "keep_last",
    "keep_scoped",
    "parse_period",
    "read_asked",
    "show",
    "where",
]
