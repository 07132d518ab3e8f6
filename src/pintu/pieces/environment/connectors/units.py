"""(1) Which unit each station tells concentrations in: its own line of the list, or the setting for
all."""

from __future__ import annotations

from typing import Any

import msgspec

from pintu.pieces.environment.settings import UNITS


class StationUnits:
    """Units by station, as the newest list says; a line that says none, or nothing that is a unit,
    leaves its station to the setting."""

    def __init__(self, default: str) -> None:
        self._default = default
        self._told: dict[str, str] = {}

    def of(self, mn: str) -> str:
        """`ug/m3` or `mg/m3`."""
        return self._told.get(mn, self._default)

    def take(self, body: bytes) -> None:
        """The list as it is now; one that cannot be read changes nothing."""
        try:
            told: Any = msgspec.json.decode(body)
            lines = told["stations"]
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
            return
        found: dict[str, str] = {}
        for one in lines if isinstance(lines, list) else ():
            unit = UNITS.get(str(one.get("unit"))) if isinstance(one, dict) else None
            if unit is not None:
                found[str(one.get("mn"))] = unit
        self._told = found
