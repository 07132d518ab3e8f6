"""Answers for consumers of an earlier version of the standard: `Prefer: ngsi-ld=1.5` (4.3.6.8)."""

from __future__ import annotations

import re
from typing import Any

import orjson

from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Result

HEADER = b"prefer"
_NATIVE = (1, 9)
_VERSION = re.compile(rb"(?:^|[,;])\s*ngsi-ld\s*=\s*\"?(\d{1,3})\.(\d{1,3})\"?\s*(?=$|[,;])", re.I)
_SINCE: dict[str, tuple[tuple[int, int], str]] = {
    "LanguageProperty": ((1, 4), "languageMap"),
    "VocabProperty": ((1, 8), "vocab"),
    "JsonProperty": ((1, 8), "json"),
    "ListProperty": ((1, 8), "valueList"),
    "ListRelationship": ((1, 8), "objectList"),
}
"""Attribute types that are younger than the first version: since when, and where the value is."""
_MULTI = (1, 5)
"""Since when an entity has several types, and a scope."""


def preferred(header: bytes) -> tuple[int, int] | None:
    """The version a Prefer header asks for, None when it asks for none or for nothing we know."""
    found = _VERSION.search(header)
    if found is None:
        return None
    version = int(found[1]), int(found[2])
    return version if version[0] == 1 and version[1] >= 1 else None


def applied(headers: dict[bytes, bytes]) -> tuple[tuple[bytes, bytes], ...]:
    """The header that says a version was heeded, for documents that are alike in all versions."""
    found = _VERSION.search(headers.get(HEADER, b""))
    if found is None or int(found[1]) != _NATIVE[0]:
        return ()
    version = min((int(found[1]), int(found[2])), _NATIVE)
    return ((b"preference-applied", b"ngsi-ld=%d.%d" % version),)


async def amended(result: Result, version: tuple[int, int]) -> Response:
    """The answer as a consumer of a version understands it: 203 when that changed it.

    What cannot be said in the earlier version is said as a Property, or left out.
    """
    response = result if isinstance(result, Response) else await result
    if response.status != 200:
        return response
    version = min(version, _NATIVE)
    applied = (b"preference-applied", b"ngsi-ld=%d.%d" % version)
    headers = (*response.headers, applied)
    if version == _NATIVE:
        return Response(200, response.body, headers)
    document = orjson.loads(response.body)
    changed = [_entity(one, version) for one in _entities(document)]
    if not any(changed):
        return Response(200, response.body, headers)
    return Response(203, orjson.dumps(document), headers)


def _entities(document: Any) -> list[dict[str, Any]]:
    """The entities of an answer, whatever form it has; a Feature holds its attributes inside."""
    if isinstance(document, list):
        return [one for one in document if isinstance(one, dict)]
    if document.get("type") == "FeatureCollection":
        return [feature["properties"] for feature in document["features"]]
    return [document["properties"] if document.get("type") == "Feature" else document]


def _entity(entity: dict[str, Any], version: tuple[int, int]) -> bool:
    """Amend an entity in place; whether anything had to be."""
    changed = False
    if version < _MULTI:
        changed = entity.pop("scope", None) is not None
        if isinstance(entity.get("type"), list):
            entity["type"], changed = entity["type"][0], True
    return any([_attribute(one, version) for one in entity.values()]) or changed


def _attribute(attribute: Any, version: tuple[int, int]) -> bool:
    """Amend one attribute, its instances and what is inside of them."""
    if isinstance(attribute, list):
        return any([_attribute(one, version) for one in attribute])
    if not isinstance(attribute, dict):
        return False
    inside = [
        _attribute(one, version)
        for name, one in attribute.items()
        if name not in ("value", "json", "vocab", "languageMap", "object", "valueList")
    ]
    since, member = _SINCE.get(str(attribute.get("type")), ((1, 1), ""))
    if version >= since or member not in attribute:
        return any(inside)
    attribute["type"] = "Property"
    attribute["value"] = attribute.pop(member)
    return True
