"""Rows of a made-up log, for tests of histories."""

from __future__ import annotations

from typing import Any

import orjson

from pintu.kernel.store.port import Change

SECOND = 1_000_000
NOON = 1_767_268_800 * SECOND  # 2026-01-01T12:00:00Z
ID = "urn:ngsi-ld:Lamp:1"


class Log:
    """Rows of one entity, a second apart; each call appends one and gives the log back."""

    def __init__(self) -> None:
        self.rows: list[Change] = []
        self.types = ("Lamp",)

    def _row(self, verb: Any, payload: Any, changed: tuple[str, ...] | None) -> Log:
        position = len(self.rows) + 1
        data = b"" if payload is None else orjson.dumps(payload)
        at_us = NOON + position * SECOND
        previous = position - 1
        row = Change(position, 1, ID, self.types, verb, at_us, "", changed, data, previous)
        self.rows.append(row)
        return self

    def created(self, **attributes: Any) -> Log:
        """A new life."""
        return self._row("created", {"id": ID, "type": "Lamp", **attributes}, None)

    def replaced(self, **attributes: Any) -> Log:
        """Another document."""
        return self._row("replaced", {"id": ID, "type": "Lamp", **attributes}, None)

    def updated(self, **attributes: Any) -> Log:
        """Attributes as they are from now on."""
        return self._row("updated", attributes, tuple(attributes))

    def deleted(self) -> Log:
        """The end of a life."""
        return self._row("deleted", None, None)

    def recorded(self, **attributes: Any) -> Log:
        """Told of the past."""
        return self._row("recorded", attributes, tuple(attributes))

    def amended(self, name: str, id: str, instance: Any, **more: Any) -> Log:
        """One instance changed, or gone."""
        told = {"attribute": name, "instanceId": id, "instance": instance, "created": NOON}
        return self._row("amended", {**told, **more}, (name,))

    def erased(self, name: str = "", datasets: Any = None) -> Log:
        """An attribute's past is gone, or everything."""
        if not name:
            return self._row("erased", None, None)
        return self._row("erased", {name: datasets}, (name,))


def prop(value: Any, at: str = "", dataset: str = "") -> dict[str, Any]:
    """A stored Property."""
    found: dict[str, Any] = {"type": "Property", "value": value}
    if at:
        found["observedAt"] = at if "T" in at else f"2026-01-01T{at}Z"
    if dataset:
        found["datasetId"] = dataset
    return found
