"""Which playbooks are for a cause, by themselves. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from pintu.kernel.operations.playbooks.putting_back import value_of
from pintu.kernel.operations.playbooks.words import Fit

DUSK, DAWN = 18, 6
BEGINS: Final = frozenset({"opened", "raised", "reopened"})
ENDS: Final = frozenset({"closed"})
"""Deeds of an incident: after which it is looked at, and after which its plans are taken back."""


def is_night(now_us: int, zone: str) -> bool:
    """Whether lamps are wanted by the clock of the town: from 18 to 6."""
    local = datetime.fromtimestamp(now_us / 1e6, UTC).astimezone(ZoneInfo(zone))
    return local.hour >= DUSK or local.hour < DAWN


def fits(fit: Fit, kind: str, entity: dict[str, Any], *, night: bool) -> bool:
    """Whether a playbook is proposed by itself for such a cause; a detector's flood is none."""
    if kind not in fit.kinds or (fit.night and not night) or value_of(entity, "flood"):
        return False
    category, severity = value_of(entity, "category"), value_of(entity, "severity")
    return (not fit.categories or category in fit.categories) and (
        not fit.severities or severity in fit.severities
    )
