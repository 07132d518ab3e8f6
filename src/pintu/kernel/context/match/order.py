"""Ordering (4.23): what to sort by, so that values of any type have one order, absent ones last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import orjson

from pintu.kernel.context.match.geometry import geometry_distance_m
from pintu.kernel.context.match.text import text_key
from pintu.kernel.context.match.values import SYSTEM_TIMES, Doc, found_at
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import OrderKey, Path

SortKey = tuple[Any, ...]
Keyed = Callable[[Record | None, Doc], SortKey]

# The order of data types; within one, its own order. Absent values come last both ways.
_NUMBER, _TEXT, _OBJECT, _ARRAY, _TRUTH = range(1, 6)
_ABSENT: SortKey = (1, 0, 0)
_TIMES = frozenset({*SYSTEM_TIMES, "observedAt", "expiresAt"})


class _Descending:
    """Turns the order of a text round."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __lt__(self, other: _Descending) -> bool:
        return bool(other.key < self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and self.key == other.key

    __hash__ = None  # type: ignore[assignment]


def compile_order(order: Sequence[OrderKey]) -> Keyed:
    """(record, document) → a tuple that sorts as the keys ask; ties keep the order they came in."""
    parts = [_part(key) for key in order]
    if len(parts) == 1:
        only = parts[0]
        return lambda record, doc: only(record, doc)
    return lambda record, doc: tuple(part(record, doc) for part in parts)


def sort_key(record: Record | None, doc: Doc, order: Sequence[OrderKey]) -> SortKey:
    """The key of one document; compile once instead where there are many."""
    return compile_order(order)(record, doc)


def _part(key: OrderKey) -> Keyed:
    if key.by_distance_from is not None:
        return _distance(key.path, key.by_distance_from, key.descending)
    path = key.path
    plain = key.collation is None or (path.subs or (path.attribute,))[-1] in _TIMES
    texts = text_key if plain else _collated(key.collation or "")
    descending = key.descending

    def part(record: Record | None, doc: Doc) -> SortKey:
        found = found_at(doc, path, record)
        if not found:
            return _ABSENT
        rank, value = _ranked(found[0][1], texts)
        if not descending:
            return (0, rank, value)
        return (0, -rank, -value if rank in (_NUMBER, _TRUTH) else _Descending(value))

    return part


def _ranked(value: Any, texts: Callable[[str], Any]) -> tuple[int, Any]:
    shape = type(value)
    if shape is str:
        return _TEXT, texts(value)
    if shape is bool:
        return _TRUTH, int(value)
    if shape is int or shape is float:
        return _NUMBER, value
    if shape is list:
        return _ARRAY, tuple(_ranked(one, texts) for one in value)
    if shape is dict and "@value" in value:
        return _ranked(value["@value"], texts)
    return _OBJECT, orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _distance(path: Path, place: dict[str, Any], descending: bool) -> Keyed:
    def part(record: Record | None, doc: Doc) -> SortKey:
        metres = [
            geometry_distance_m(place, value)
            for kind, value in found_at(doc, path, record)
            if kind == "GeoProperty" and type(value) is dict
        ]
        if not metres:
            return _ABSENT
        nearest = min(metres)
        return (0, _NUMBER, -nearest if descending else nearest)

    return part


@lru_cache(maxsize=64)
def _collated(tag: str) -> Callable[[str], bytes]:
    import icu  # 9 MB that only who asks for a collation needs

    collator = icu.Collator.createInstance(icu.Locale.forLanguageTag(tag))

    def key(text: str) -> bytes:
        made: bytes = collator.getSortKey(text)
        return made

    return key
