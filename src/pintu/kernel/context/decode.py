"""Hostile bytes to JSON: within a depth, without duplicate keys, NaN or broken UTF-8 (RFC 8259)."""

from __future__ import annotations

import json
from typing import Any, Final

import orjson

from pintu.kernel.context.encode import exact_json
from pintu.kernel.errors import BadRequestData, InvalidRequest

MAX_DEPTH: Final = 64
ENCODER_DEPTH: Final = 250
"""What the encoder refuses by itself: asking for this much costs no walk, for batches."""


def decode_json(data: bytes, max_depth: int = MAX_DEPTH) -> tuple[Any, bytes]:
    """The document and its compact encoding (what is stored when nothing has to change).

    Raises InvalidRequest for what is not JSON or nested deeper than `max_depth`, BadRequestData
    for an
    object with one key twice, of which any reader would silently drop one. It costs one encoding
    more
    than orjson.loads: keys are counted by their colons in both texts, and only where the counts do
    not
    agree, or a blank stands before a colon, a slow reader that sees every pair decides.
    """
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        reason = "nested too deep" if "recursion" in str(error) else f"not JSON: {error}"
        raise InvalidRequest(f"The body is {reason}") from error
    if (
        max_depth < ENCODER_DEPTH
        and data.count(b"[") + data.count(b"{") > max_depth
        and _deeper(document, max_depth)
    ):
        raise InvalidRequest(f"The body is nested deeper than {max_depth}")
    try:
        encoded = exact_json(document)
    except orjson.JSONEncodeError as error:
        raise InvalidRequest(f"The body cannot be kept as JSON: {error}") from error
    if data == encoded:  # what came is what would be written: no key can have been dropped
        return document, encoded
    if (
        data.count(b'":') != encoded.count(b'":')
        or b" :" in data
        or b"\n:" in data
        or b"\t:" in data
        or b"\r:" in data
    ):
        _refuse_duplicates(data)
    return document, encoded


def _deeper(value: Any, left: int) -> bool:
    """Whether a value is nested deeper than `left`, without recursion of our own."""
    level = [value]
    while level:
        if left <= 0:
            return True
        left -= 1
        following: list[Any] = []
        for item in level:
            if item.__class__ is dict:
                following += [v for v in item.values() if v.__class__ in (dict, list)]
            elif item.__class__ is list:
                following += [v for v in item if v.__class__ in (dict, list)]
        level = following
    return False


def _refuse_duplicates(data: bytes) -> None:
    json.loads(data, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise BadRequestData(f"The body has the member {name[:100]!r} twice in one object")
            seen.add(name)
    return found
