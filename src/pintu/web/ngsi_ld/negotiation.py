"""Media types and @context by header (6.3.4 to 6.3.6): decided once for each spelling of the
headers.
"""

from __future__ import annotations

import contextlib
import re

from pintu.kernel.errors import InvalidRequest, NotAcceptable, UnsupportedMediaType
from pintu.web.ngsi_ld.answers import CONTEXT_REL, GEO_JSON, JSON, LD_JSON

_KEPT = 1024
_OFFERS = {"none": (), "data": (JSON, LD_JSON), "entity": (JSON, LD_JSON, GEO_JSON)}
_LINK = re.compile(r"<([^<>\s]{1,2000})>((?:\s*;\s*[\w*-]+\s*=\s*(?:\"[^\"]*\"|[^\s\",;]+))*)")
_accepted: dict[tuple[bytes, str], bytes] = {}
_linked: dict[bytes, str | None] = {}


def accepted(header: bytes | None, offer: str) -> bytes:
    """The media type to answer with; ties go by the order of 6.3.4. Raises NotAcceptable naming
    the rest.
    """
    if header is None or not header or offer == "none":
        return JSON
    found = _accepted.get((header, offer))
    if found is None:
        found = _choose(header, _OFFERS[offer])
        if len(_accepted) > _KEPT:
            _accepted.clear()
        _accepted[(header, offer)] = found
    return found


def _choose(header: bytes, offers: tuple[bytes, ...]) -> bytes:
    ranges = [_range(part) for part in header.lower().split(b",") if part.strip()]
    best, weight = b"", 0.0
    for offer in offers:
        major = offer.partition(b"/")[0]
        specific, quality = -1, 0.0
        for kind, q in ranges:
            rank = (
                (offer, major + b"/*", b"*/*").index(kind)
                if kind in (offer, major + b"/*", b"*/*")
                else None
            )
            if rank is not None and 2 - rank > specific:
                specific, quality = 2 - rank, q
        if quality > weight:
            best, weight = offer, quality
    if not best:
        names = [offer.decode() for offer in offers]
        raise NotAcceptable(
            f"The Accept header allows none of {', '.join(names)}", alternatives=names
        )
    return best


def _range(part: bytes) -> tuple[bytes, float]:
    kind, *parameters = [piece.strip() for piece in part.split(b";")]
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition(b"=")
        if name.strip() == b"q":
            with contextlib.suppress(ValueError):  # what is no weight decides nothing
                quality = min(1.0, max(0.0, float(value)))
    return kind, quality


def content_type(header: bytes | None, *, merge: bool) -> bytes:
    """JSON or LD_JSON for the media type of a body; JSON when nothing is said of it. Raises
    UnsupportedMediaType (6.3.4).
    """
    if header is None:
        return JSON
    if header in (JSON, LD_JSON):
        return header
    kind = (header or b"").partition(b";")[0].strip().lower()
    if kind == JSON or (merge and kind == b"application/merge-patch+json"):
        return JSON
    if kind == LD_JSON:
        return LD_JSON
    shown = kind.decode("latin-1")[:100] or "none"
    raise UnsupportedMediaType(
        f"The body is of media type {shown}, not application/json or application/ld+json"
    )


def linked_context(header: bytes | None) -> str | None:
    """The @context URL of a Link header (6.3.5), or None when it names none."""
    if header is None:
        return None
    if header in _linked:
        return _linked[header]
    found = [
        match[1]
        for match in _LINK.finditer(header.decode("latin-1"))
        if _relation(match[2]) == CONTEXT_REL
    ]
    if len(set(found)) > 1:
        raise InvalidRequest("The Link header names more than one JSON-LD @context")
    if len(_linked) > _KEPT:
        _linked.clear()
    _linked[header] = found[0] if found else None
    return _linked[header]


def _relation(parameters: str) -> str:
    match = re.search(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s\",;]+))", parameters)
    return (match[1] or match[2] or "") if match else ""
