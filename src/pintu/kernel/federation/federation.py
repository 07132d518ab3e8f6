"""Everything a city knows of other sources of context, in one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pintu.kernel.federation.registry import Registry


@dataclass(slots=True, kw_only=True)
class Federation:
    """The registrations of every tenant, and how their sources are asked."""

    registry: Registry
    sources: Any = None  # forwarding: set by city.py when it is there
