"""Everything a city knows of other sources of context, in one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pintu.kernel.clock import iso
from pintu.kernel.federation.registry import Registry
from pintu.kernel.federation.sources import Sources
from pintu.kernel.federation.words import Registration


@dataclass(slots=True, kw_only=True)
class Federation:
    """The registrations of every tenant, and how their sources are asked."""

    registry: Registry
    sources: Sources | None = None  # None: nobody is asked, only known

    def doing(self, registration: Registration) -> dict[str, Any]:
        """How the source of a registration does, as 5.2.9 shows it; empty before it was asked."""
        health = (
            None
            if self.sources is None
            else self.sources.healths.find(registration.tenant, registration.id)
        )
        if health is None or not health.asked:
            return {}
        told = {
            "status": "failed" if health.in_a_row else "ok",
            "timesSent": health.asked,
            "timesFailed": health.failed,
        }
        if health.last_answered_us:
            told["lastSuccess"] = iso(health.last_answered_us)
        if health.last_failed_us:
            told["lastFailure"] = iso(health.last_failed_us)
        return told
