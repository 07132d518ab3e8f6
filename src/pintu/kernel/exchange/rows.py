"""One entity as one row: values without their wrapping, points as [lon, lat]; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

MEMBERS: Final = (
    "value", "object", "vocab", "languageMap", "json", "valueList", "objectList",
)  # fmt: skip
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")


def row_of(entity: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The values of some columns; None where the entity has none. `observedAt` is the newest of
    its attributes."""
    row: dict[str, Any] = {}
    for name in names:
        if name == "id":
            row[name] = entity["id"]
        elif name == "type":
            told = entity["type"]
            row[name] = told if isinstance(told, str) else ", ".join(told)
        elif name == "observedAt":
            row[name] = observed_at(entity)
        else:
            row[name] = simple(entity.get(name))
    return row


def observed_at(entity: dict[str, Any]) -> str | None:
    """The newest time of observing among the attributes."""
    newest = ""
    for attribute in entity.values():
        if type(attribute) is dict:
            told = attribute.get("observedAt", "")
            if told > newest:
                newest = told
    return newest or None


def simple(attribute: Any) -> Any:
    """What an attribute (its default instance) says."""
    if type(attribute) is list:
        attribute = next((one for one in attribute if "datasetId" not in one), attribute[0])
    if type(attribute) is not dict:
        return None
    for member in MEMBERS:
        if member in attribute:
            return _unwrapped(attribute[member])
    return None


def _unwrapped(value: Any) -> Any:
    if type(value) is dict:
        if "@value" in value:
            return value["@value"]
        if value.get("type") == "Point" and type(value.get("coordinates")) is list:
            return value["coordinates"][:2]
    return value


def kind_of(value: Any) -> str:
    """The kind of a column in which such a value stands."""
    if isinstance(value, bool):
        return "yes_no"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        if TIME.match(value):
            return "time"
        return "date" if DATE.fullmatch(value) else "text"
    if isinstance(value, list) and len(value) == 2:
        return "point" if all(type(one) in (int, float) for one in value) else "text"
    if isinstance(value, dict) and "coordinates" in value:
        return "shape"
    return "text"


def sort_key(value: Any) -> tuple[int, Any]:
    """Numbers before texts before the rest, so that a mixed column sorts at all."""
    if isinstance(value, bool | int | float):
        return (0, value)
    return (1, value) if isinstance(value, str) else (2, str(value))


def ordered(rows: list[dict[str, Any]], order: Sequence[str]) -> list[dict[str, Any]]:
    """Rows by some columns (`-name`: falling), empty values last whichever way."""
    found = list(rows)
    for one in reversed(order):
        name = one.removeprefix("-")
        known = [row for row in found if row[name] is not None]
        empty = [row for row in found if row[name] is None]
        keyed = [(sort_key(row[name]), n) for n, row in enumerate(known)]
        falling = one.startswith("-")
        # ties keep the order they came in, also where the order falls
        keyed.sort(key=lambda pair: pair[0], reverse=falling)
        found = [known[n] for _, n in keyed] + empty
    return found
