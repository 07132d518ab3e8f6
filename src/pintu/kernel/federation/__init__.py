"""Context from other sources: who is registered, what each may be asked, how they are asked."""

from pintu.kernel.federation.federation import Federation
from pintu.kernel.federation.registry import Happened, Registry
from pintu.kernel.federation.words import (
    Information,
    Management,
    Mode,
    Registration,
    Selector,
    Share,
    Wanted,
)

__all__ = [
    "Federation",
    "Happened",
    "Information",
    "Management",
    "Mode",
    "Registration",
    "Registry",
    "Selector",
    "Share",
    "Wanted",
]
