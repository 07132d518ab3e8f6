"""Ordering (4.23): orderBy, collation, and the place that distances are measured from."""

from __future__ import annotations

import re
from typing import Any, Final

from pintu.kernel.context.parse.geo import geometry_of
from pintu.kernel.context.parse.path import read_path
from pintu.kernel.context.parse.reader import Reader
from pintu.kernel.context.selection import OrderKey
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import Terms

KEYS_LIMIT: Final = 16
_WAY = re.compile(r"[A-Za-z-]+")
_WAYS: Final = {
    "asc": (False, False),
    "desc": (True, False),
    "dist-asc": (False, True),
    "dist-desc": (True, True),
}
_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*", re.ASCII)


def parse_order(
    order_by: Any,
    terms: Terms,
    *,
    order_from: Any = None,
    order_geometry: Any = None,
    collation: Any = None,
) -> tuple[OrderKey, ...]:
    """The keys of an ordering: `a,b;desc,location;dist-asc` or a list of such members.

    `order_from` are coordinates (JSON text or array) of a geometry of type `order_geometry` (Point
    unless told); distances need it. `collation` is a BCP 47 tag. Raises BadRequestData naming what
    is wrong.
    """
    tag = _collation(collation)
    if order_geometry is not None and not isinstance(order_geometry, str):
        raise BadRequestData("The geometry of an ordering must be a string")
    place = None if order_from is None else geometry_of(order_geometry or "Point", order_from)
    members = [order_by] if isinstance(order_by, str) else order_by
    if not isinstance(members, list) or not members:
        raise BadRequestData("orderBy must be a string or a list of strings that is not empty")
    keys: list[OrderKey] = []
    for member in members:
        reader = Reader(member, "orderBy")
        keys.append(_key(reader, terms, place, tag))
        while reader.take(","):
            keys.append(_key(reader, terms, place, tag))
            if len(keys) > KEYS_LIMIT:
                break
        if len(keys) > KEYS_LIMIT:
            raise BadRequestData(f"orderBy has more than {KEYS_LIMIT} members")
        if not reader.ended:
            reader.fail("';asc', ';desc', ';dist-asc', ';dist-desc', ',' or the end")
    return tuple(keys)


def _key(reader: Reader, terms: Terms, place: dict[str, Any] | None, tag: str | None) -> OrderKey:
    path = read_path(reader, terms)
    if not reader.take(";"):
        return OrderKey(path, collation=tag)
    start = reader.place
    way = _WAYS.get(reader.match(_WAY) or "")
    if way is None:
        reader.fail("asc, desc, dist-asc or dist-desc", start)
    descending, by_distance = way
    if not by_distance:
        return OrderKey(path, descending, collation=tag)
    if place is None:
        raise BadRequestData("orderBy by distance needs orderFrom, the coordinates to measure from")
    return OrderKey(path, descending, by_distance_from=place)


def _collation(tag: Any) -> str | None:
    if tag is None:
        return None
    if isinstance(tag, str) and len(tag) <= 64 and _TAG.fullmatch(tag):
        import icu  # 9 MB that only who asks for a collation needs

        understood = icu.Locale.forLanguageTag(tag).toLanguageTag()
        if understood != "und" or tag.lower().startswith("und"):
            return tag
    raise BadRequestData(f"collation {str(tag)[:64]!r} is not a language tag (BCP 47, RFC 6067)")
