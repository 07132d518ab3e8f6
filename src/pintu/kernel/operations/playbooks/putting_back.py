"""What puts a thing back as it was, and the one hash of many things' states. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

Entity = dict[str, Any]
State = tuple[str, str, str]
"""(entity id, setting, arguments as JSON)."""


def arguments_back(back: dict[str, Any], entity: Entity | None) -> dict[str, Any] | None:
    """The arguments that make a thing what it is now; None when there is no telling.

    `back`: argument → a literal, or `{from = "ATTRIBUTE", times = N, otherwise = V}`.
    """
    found: dict[str, Any] = {}
    for name, told in back.items():
        if not isinstance(told, dict):
            found[name] = told
            continue
        value = value_of(entity, str(told["from"])) if entity is not None else None
        if value is None:
            value = told.get("otherwise")
        elif "times" in told and isinstance(value, int | float) and not isinstance(value, bool):
            value = whole(value * told["times"])
        if value is None:
            return None
        found[name] = value
    return found or None


def value_of(entity: Entity, name: str) -> Any:
    """The value of an attribute (its default instance), None without one."""
    told = entity.get(name)
    first = told[0] if isinstance(told, list) and told else told
    return first.get("value") if isinstance(first, dict) else None


def whole(number: float) -> int | float:
    """A number that is as good as whole, whole: devices count in steps, floats do not."""
    near = round(number)
    return near if abs(number - near) < 1e-6 else round(number, 6)


def written(arguments: dict[str, Any] | None) -> str:
    """Arguments as they are kept and compared."""
    return "" if arguments is None else json.dumps(arguments, sort_keys=True, ensure_ascii=False)


def hash_of(states: Iterable[State], done: Iterable[str] = ()) -> str:
    """SHA-256 of the states of things, each thing once, and of what else is done (orders that are
    open, messages that stand), in any order."""
    told = {"things": sorted(set(states)), "done": sorted(set(done))}
    return hashlib.sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest()
