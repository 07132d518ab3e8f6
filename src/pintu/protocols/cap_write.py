"""From a `CapAlert` to a document that the schema of CAP 1.2 accepts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final
from xml.sax.saxutils import escape

from pintu.protocols.cap_words import NAMESPACE, CapAlert, CapArea, CapInfo, CapResource, Pair

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 has no way to write."""
Line = str


def write(alert: CapAlert) -> bytes:
    """The message as UTF-8 XML of CAP 1.2, elements in the schema's order, times with their zone
    as numbers (3.3.2: no `Z`). A message without what the schema asks for stays without it: build
    it whole. Signatures are not written: they are of another document."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<alert xmlns="{NAMESPACE}">']
    lines += _indented(_alert(alert))
    lines.append("</alert>\n")
    return "\n".join(lines).encode()


def time(text: str) -> str:
    """A time as the schema wants it: whole seconds, `+00:00` instead of `Z`."""
    read = datetime.fromisoformat(text).replace(microsecond=0)
    told = read.isoformat()
    return told if read.utcoffset() else told[:-6] + "-00:00"


def _alert(one: CapAlert) -> Iterator[Line]:
    yield _element("identifier", one.identifier)
    yield _element("sender", one.sender)
    yield _element("sent", time(one.sent))
    yield _element("status", one.status)
    yield _element("msgType", one.msg_type)
    yield from _told("source", one.source)
    yield _element("scope", one.scope)
    yield from _told("restriction", one.restriction)
    yield from _told("addresses", _words(one.addresses))
    yield from (_element("code", code) for code in one.codes)
    yield from _told("note", one.note)
    told = (f"{r.sender},{r.identifier},{time(r.sent)}" for r in one.references)
    yield from _told("references", " ".join(told))
    yield from _told("incidents", _words(one.incidents))
    for info in one.infos:
        yield from _inside("info", _info(info))


def _info(one: CapInfo) -> Iterator[Line]:
    yield from _told("language", one.language)
    yield from (_element("category", word) for word in one.categories)
    yield _element("event", one.event)
    yield from (_element("responseType", word) for word in one.responses)
    yield _element("urgency", one.urgency)
    yield _element("severity", one.severity)
    yield _element("certainty", one.certainty)
    yield from _told("audience", one.audience)
    yield from _pairs("eventCode", one.event_codes)
    for name in ("effective", "onset", "expires"):
        if text := getattr(one, name):
            yield _element(name, time(text))
    yield from _told("senderName", one.sender_name)
    for name in ("headline", "description", "instruction", "web", "contact"):
        yield from _told(name, getattr(one, name))
    yield from _pairs("parameter", one.parameters)
    for resource in one.resources:
        yield from _inside("resource", _resource(resource))
    for area in one.areas:
        yield from _inside("area", _area(area))


def _resource(one: CapResource) -> Iterator[Line]:
    yield _element("resourceDesc", one.description)
    yield _element("mimeType", one.mime_type or "application/octet-stream")
    yield from _told("size", "" if one.size is None else str(one.size))
    yield from _told("uri", one.uri)
    yield from _told("digest", one.digest)


def _area(one: CapArea) -> Iterator[Line]:
    yield _element("areaDesc", one.description)
    for ring in one.polygons:
        yield _element("polygon", " ".join(f"{_number(a)},{_number(b)}" for a, b in ring))
    for latitude, longitude, radius in one.circles:
        place = f"{_number(latitude)},{_number(longitude)}"
        yield _element("circle", f"{place} {_number(radius)}")
    yield from _pairs("geocode", one.geocodes)
    for name in ("altitude", "ceiling"):
        value = getattr(one, name)
        yield from _told(name, "" if value is None else _number(value))


def _pairs(name: str, pairs: Iterable[Pair]) -> Iterator[Line]:
    for one in pairs:
        inside = iter((_element("valueName", one.name), _element("value", one.value)))
        yield from _inside(name, inside)


def _inside(name: str, lines: Iterator[Line]) -> Iterator[Line]:
    yield f"<{name}>"
    yield from _indented(lines)
    yield f"</{name}>"


def _indented(lines: Iterable[Line]) -> Iterator[Line]:
    # a text may go over lines: only its first is moved, the rest belongs to it
    return (f"  {line}" for line in lines)


def _told(name: str, text: str) -> Iterator[Line]:
    if text:
        yield _element(name, text)


def _element(name: str, text: str) -> Line:
    return f"<{name}>{escape(_FORBIDDEN.sub('�', text))}</{name}>"


def _words(words: Iterable[str]) -> str:
    return " ".join(f'"{one}"' if " " in one else one for one in words)


def _number(value: float) -> str:
    """Without an exponent, and without digits that say nothing."""
    return f"{value:.7f}".rstrip("0").rstrip(".") or "0"


WRITTEN: Final = "application/cap+xml"
