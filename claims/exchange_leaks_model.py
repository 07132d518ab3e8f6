"""What may be seen of the leaks' city, worked out from all of it in the plainest way: no query, no
index, no projection. Shares nothing with the gate."""

from __future__ import annotations

import math
import re
from typing import Any

from claims.exchange_leaks_city import Scene
from pintu.kernel.access import Mask
from pintu.kernel.exchange.agreements.words import Terms

MARK = re.compile(r"Q[0-9a-f]+Z?|(?<![\w.])7\d{6}(?!\w)|118\.\d+|1987-[0-9T:Z-]*[0-9Z]")


def marks_in(value: Any) -> set[str]:
    """Everything in a value or text that tells where it came from."""
    return set(MARK.findall(value if isinstance(value, str) else repr(value)))


def holds(terms: Terms, value_of: Any) -> bool:
    """Whether a row holds the agreement's conditions."""
    for one in terms.where:
        value = value_of(one.column)
        if one.comparison == "in" and value not in one.value:
            return False
        if one.comparison == "=" and value != one.value:
            return False
        if one.comparison == ">" and not (value is not None and value > one.value):
            return False
        if one.comparison == "<" and not (value is not None and value < one.value):
            return False
    return True


def plain_value(attribute: Any) -> Any:
    """The value of an attribute's default instance."""
    if attribute is None:
        return None
    one = attribute[0] if isinstance(attribute, list) else attribute
    for member in ("value", "languageMap", "vocab", "object", "json", "valueList"):
        if member in one:
            value = one[member]
            return value["@value"] if isinstance(value, dict) and "@value" in value else value
    return None


def visible_entities(scene: Scene, terms: Terms) -> list[dict[str, Any]]:
    """The stored entities that may be seen at all."""
    return [
        one
        for one in scene.entities
        if "Sensor" in one["type"]
        and one["type"] != "Vault"
        and holds(terms, lambda name, one=one: plain_value(one.get(name)))
    ]


def visible_people(scene: Scene, terms: Terms) -> list[dict[str, Any]]:
    """The rows that may be seen at all."""
    return [one for one in scene.people if holds(terms, one.get)]


def under(mask: Mask, value: Any) -> Any:
    """A value as its mask shows it; pseudonyms are any text without marks."""
    if mask.kind == "plain":
        return value
    if mask.kind == "yes_no":
        return value not in (None, False, "", 0)
    if value is None or mask.kind in ("drop", "pseudonym"):
        return None
    if mask.kind == "truncate":
        return str(value)[: mask.keep] if isinstance(value, str | int | float) else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return math.floor(value / mask.step) * mask.step if mask.step else None
    if isinstance(value, str):
        return value[: mask.keep]
    return None


def marks_of_entity(entity: dict[str, Any], terms: Terms) -> set[str]:
    """The marks an answer may carry because of one visible entity."""
    found = marks_in(entity["id"])
    for name, mask in terms.fields.items():
        attribute = entity.get(name)
        if attribute is None:
            continue
        if mask.kind == "plain":
            found |= marks_in(attribute)
        elif name == "location":
            if mask.kind == "generalise" and mask.step:
                steps = [math.floor(round(one / mask.step, 9)) * mask.step
                         for one in attribute["value"]["coordinates"]]  # fmt: skip
                found |= marks_in([round(one, 9) for one in steps])
        elif name in ("level", "code", "note", "many", "when", "district"):
            told = under(mask, plain_value(attribute))
            found |= marks_in(str(told)) | ({str(told)} if isinstance(told, str) else set())
    return found


def marks_of_person(row: dict[str, Any], terms: Terms) -> set[str]:
    """The marks an answer may carry because of one visible row."""
    found: set[str] = set()
    for name, mask in terms.fields.items():
        told = under(mask, row[name])
        if told is None or isinstance(told, bool):
            continue
        found |= marks_in(str(told)) | {str(told)}
        if isinstance(told, float):
            found |= {str(int(told))}
    return found


def counted(scene: Scene, terms: Terms) -> dict[tuple[Any, ...], int]:
    """Under k: every group of k or more, rounded down to a multiple of k."""
    found: dict[tuple[Any, ...], int] = {}
    names = sorted(terms.fields)
    for row in visible_people(scene, terms):
        group = tuple(under(terms.fields[name], row[name]) for name in names)
        found[group] = found.get(group, 0) + 1
    return {group: n - n % terms.k for group, n in found.items() if n >= terms.k}
