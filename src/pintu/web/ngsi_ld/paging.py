"""Pages of a collection: limit, offset, count, and the literal Link headers that lead on and
back (6.3.10).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pintu.kernel.errors import BadRequestData
from pintu.web.ngsi_ld.answers import LD_JSON, Pairs
from pintu.web.ngsi_ld.params import flag, number

PAGE_PARAMS = frozenset(("limit", "offset", "count"))
DEFAULT_LIMIT = 20
MOST = 1000
MOST_OFFSET = 10_000_000
_NEEDLESS = re.compile(rb"%(?:3A|2A|2F|40|21)", re.IGNORECASE)
"""Escapes of characters that a query may hold as they are (RFC 3986 3.4)."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a collection is asked for."""

    limit: int = DEFAULT_LIMIT
    offset: int = 0
    count: bool = False
    bodies: bool = False  # the stored documents will do (`Selection.bodies`)
    kind: bytes = LD_JSON  # the media type that links to other pages promise
    as_asked: bool = False  # those links keep the order in which the caller wrote parameters


WHOLE_FIRST = Window()


def window(params: dict[str, str]) -> Window:
    """Read limit, offset and count; raises BadRequestData, also for limit=0 without count
    (5.5.9).
    """
    if not params or params.keys().isdisjoint(PAGE_PARAMS):
        return WHOLE_FIRST
    asked = Window(
        number(params, "limit", DEFAULT_LIMIT, least=0, most=MOST),
        number(params, "offset", 0, least=0, most=MOST_OFFSET),
        flag(params, "count"),
    )
    if asked.limit == 0 and not asked.count:
        raise BadRequestData("Parameter limit is 0, which is only allowed with count=true")
    return asked


def page_headers(
    path: bytes, query: bytes, part: Window, *, more: bool, count: int | None
) -> Pairs:
    """Link headers to the next and previous page, and the count when it was asked for."""
    headers: list[tuple[bytes, bytes]] = []
    if count is not None:
        headers.append((b"ngsild-results-count", b"%d" % count))
    if part.limit == 0:
        return tuple(headers)
    if part.offset > 0:
        before = max(0, part.offset - part.limit)
        headers.append((b"link", _link(path, query, part, before, b"prev")))
    if more:
        after = part.offset + part.limit
        headers.append((b"link", _link(path, query, part, after, b"next")))
    return tuple(headers)


def _link(path: bytes, query: bytes, part: Window, offset: int, relation: bytes) -> bytes:
    """One spelling for each page, so that caches meet it again: parameters by name, and nothing
    escaped that need not be.
    """
    kept = [
        piece
        for piece in query.split(b"&")
        if piece and piece.partition(b"=")[0] not in (b"limit", b"offset")
    ]
    kept += (b"limit=%d" % part.limit, b"offset=%d" % offset)
    if not part.as_asked:
        kept.sort(key=lambda piece: piece.partition(b"=")[0])
    target = path.rstrip(b"/") + b"?" + _NEEDLESS.sub(_plain, b"&".join(kept))
    target = target.replace(b"<", b"%3C").replace(b">", b"%3E")
    return b"<" + target + b'>;rel="' + relation + b'";type="' + part.kind + b'"'


def _plain(escape: re.Match[bytes]) -> bytes:
    return bytes((int(escape[0][1:], 16),))
