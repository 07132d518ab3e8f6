"""Warnings to the public, after CAP 1.2: what an authority says, from its first message to the
all-clear, and what the city does because of it.

Messages come in through `Warnings.take`; what they change is `judging` (pure), how it is written
down `taking`, what others do because of it `following`. The kernel reads no XML: doors decode.
"""

from pintu.kernel.operations.warnings.warnings import Warnings
from pintu.kernel.operations.warnings.words import (
    Area,
    Info,
    Message,
    Pair,
    PublicWarning,
    Reference,
    Resource,
    Taken,
)

__all__ = [
    "Area",
    "Info",
    "Message",
    "Pair",
    "PublicWarning",
    "Reference",
    "Resource",
    "Taken",
    "Warnings",
]
