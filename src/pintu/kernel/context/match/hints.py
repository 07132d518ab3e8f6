"""What an index may hold and which parts of a query it may serve: no true match is missed.

The promise: for every `(path, op, value)` of `sargable(q)`, a document that satisfies q has among
its `index_values(doc, path)` one for which `entry op value` is true, where numbers compare as
numbers and texts by codepoint (UTF-8 bytes). An index hit is a candidate; `match` decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pintu.kernel.context.match.distance import Box, box_of, boxes_around
from pintu.kernel.context.match.text import text_key
from pintu.kernel.context.match.values import SYSTEM_TIMES, found_at, leaves
from pintu.kernel.context.selection import (
    And,
    Compare,
    GeoSelection,
    OneOf,
    Or,
    Path,
    Q,
    Range,
)

Doc = dict[str, Any]
IndexValue = str | int | float
Hint = tuple[Path, str, Any]
"""A path, one of == < <= > >=, and a scalar, `Range` or `OneOf` of these as indexes hold them."""

TEXT_LIMIT = 256
"""Characters of a text an index holds; longer ones are cut on both sides of a comparison."""

_LONGEST_INTEGER = 2**63 - 1
_LAST = "\U0010ffff"
_MEMBERS = frozenset({"id", "type", "scope", "expiresAt"})


def index_values(doc: Doc, path: Path) -> list[IndexValue]:
    """What an index over `path` must hold for the document; nothing when the path has no scalar."""
    attribute: Any = doc.get(path.attribute)
    if attribute is None:
        if path.attribute not in _MEMBERS:
            return []
    elif type(attribute) is dict and not path.subs and not path.trail:
        kind = attribute.get("type")
        if kind == "Property" or kind == "Relationship":
            held: Any = attribute.get("value" if kind == "Property" else "object")
            shape = type(held)
            if shape is str:
                return [held if len(held) < 20 else text_key(held)[:TEXT_LIMIT]]
            if shape is float or shape is bool:
                return [held]
            if shape is int and -_LONGEST_INTEGER <= held <= _LONGEST_INTEGER:
                return [held]
    entries: list[IndexValue] = []
    for kind, value in found_at(doc, path):
        for leaf in leaves(kind, value):
            entry = index_value(leaf)
            if entry is not None:
                entries.append(entry)
    return entries


def index_value(leaf: Any) -> IndexValue | None:
    """One scalar as an index holds it: true is 1, date-times are in UTC, integers fit 64 bits."""
    shape = type(leaf)
    if shape is str:
        return text_key(leaf)[:TEXT_LIMIT]
    if shape is bool:
        return int(leaf)
    if shape is int:
        number: int = leaf
        try:
            return number if -_LONGEST_INTEGER <= number <= _LONGEST_INTEGER else float(number)
        except OverflowError:
            return None
    if shape is float:
        value: float = leaf
        return value
    return None


def sargable(q: Q | None) -> list[Hint]:
    """The conjuncts of q that an index over (path, value) can serve; empty when there is none."""
    if q is None:
        return []
    if isinstance(q, And):
        return [hint for part in q.parts for hint in sargable(part)]
    if isinstance(q, Or):
        joined = _same_path_or(q)
        return [] if joined is None else [joined]
    if not isinstance(q, Compare) or _is_system(q.path):
        return []
    if q.op == "~=":
        return _prefix_hint(q.path, q.value)
    if q.op in ("!=", "!~="):
        return []
    value = _as_held(q.value)
    if value is None:
        return []
    cut = isinstance(value, str) and len(value) >= TEXT_LIMIT
    return [(q.path, {"<": "<=", ">": ">="}.get(q.op, q.op) if cut else q.op, value)]


def _is_system(path: Path) -> bool:
    """System times are not in the document, so no index over it can serve them."""
    return (path.subs or (path.attribute,))[-1] in SYSTEM_TIMES


def _as_held(value: Any) -> Any:
    if isinstance(value, Range):
        low, high = _as_held(value.low), _as_held(value.high)
        if low is None or high is None:
            return None
        cut = isinstance(high, str) and len(high) >= TEXT_LIMIT
        return Range(low, high[: TEXT_LIMIT - 1] + _LAST if cut else high)
    if isinstance(value, OneOf):
        held = tuple(_as_held(one) for one in value.values)
        return None if any(one is None for one in held) else OneOf(held)
    if isinstance(value, int) and not -_LONGEST_INTEGER <= value <= _LONGEST_INTEGER:
        return None
    return index_value(value)


def _same_path_or(q: Or) -> Hint | None:
    """`a==1|a==2` is `a==1,2`."""
    values: list[Any] = []
    paths = set()
    for part in q.parts:
        if not isinstance(part, Compare) or part.op != "==" or _is_system(part.path):
            return None
        paths.add(part.path)
        values.extend(part.value.values if isinstance(part.value, OneOf) else [part.value])
    held = _as_held(OneOf(tuple(values)))
    return None if held is None or len(paths) != 1 else (paths.pop(), "==", held)


def _prefix_hint(path: Path, pattern: str) -> list[Hint]:
    """`^abc…` looks only at texts that start with abc; date-times may be indexed as other texts."""
    prefix = ""
    if pattern.startswith("^") and "|" not in pattern:
        for place, char in enumerate(pattern[1:], start=1):
            following = pattern[place + 1 : place + 2]
            if not (char.isalnum() or char in " :_-/@,;'\"=%#&") or following in ("*", "?", "{"):
                break
            prefix += char
    prefix = prefix[: TEXT_LIMIT - 1]
    if not prefix or prefix[0].isdigit():
        return []
    return [(path, "==", Range(prefix, prefix + _LAST))]


def points(doc: Doc) -> list[tuple[str, float, float]]:
    """(attribute, longitude, latitude) of every attribute instance that is a GeoJSON Point."""
    found = []
    for name, attribute in doc.items():
        for value in _geometries(attribute):
            if value["type"] == "Point":
                place = value["coordinates"]
                found.append((name, float(place[0]), float(place[1])))
    return found


def shapes(doc: Doc) -> list[tuple[str, float, float, float, float]]:
    """(attribute, least longitude, least latitude, greatest of each) of all other geometries."""
    found = []
    for name, attribute in doc.items():
        for value in _geometries(attribute):
            if value["type"] != "Point":
                found.append((name, *box_of(_coordinates(value))))
    return found


def _geometries(attribute: Any) -> Sequence[dict[str, Any]]:
    shape = type(attribute)
    if shape is dict:
        if attribute.get("type") == "GeoProperty" and type(attribute.get("value")) is dict:
            return (attribute["value"],)
    elif shape is list:
        return [one for each in attribute for one in _geometries(each)]
    return ()


def _coordinates(geometry: dict[str, Any]) -> Any:
    if geometry.get("type") == "GeometryCollection":
        return [_coordinates(one) for one in geometry.get("geometries", ())]
    return geometry.get("coordinates")


def search_boxes(geo: GeoSelection) -> list[Box] | None:
    """Boxes of which a matching geometry touches at least one; None when it may be anywhere."""
    if geo.relation == "disjoint":
        return None
    box = box_of(_coordinates(geo.geometry))
    if geo.relation == "near":
        return None if geo.max_distance_m is None else boxes_around(box, geo.max_distance_m)
    return [box]
