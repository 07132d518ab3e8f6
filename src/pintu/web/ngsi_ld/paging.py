"""Pages of a collection: limit, offset, count, and the literal Link headers that lead on and
back (6.3.10).
"""

from __future__ import annotations

from dataclasses import dataclass

from pintu.kernel.errors import BadRequestData
from pintu.web.ngsi_ld.answers import Pairs
from pintu.web.ngsi_ld.params import flag, number

PAGE_PARAMS = frozenset(("limit", "offset", "count"))
DEFAULT_LIMIT = 20
MOST = 1000
MOST_OFFSET = 10_000_000


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a collection is asked for."""

    limit: int = DEFAULT_LIMIT
    offset: int = 0
    count: bool = False
    bodies: bool = False  # the stored documents will do (`Selection.bodies`)


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
        headers.append((b"link", _link(path, query, part.limit, before, b"prev")))
    if more:
        after = part.offset + part.limit
        headers.append((b"link", _link(path, query, part.limit, after, b"next")))
    return tuple(headers)


def _link(path: bytes, query: bytes, limit: int, offset: int, relation: bytes) -> bytes:
    kept = [
        piece
        for piece in query.split(b"&")
        if piece and piece.partition(b"=")[0] not in (b"limit", b"offset")
    ]
    kept.append(b"limit=%d&offset=%d" % (limit, offset))
    target = path.rstrip(b"/") + b"?" + b"&".join(kept)
    target = target.replace(b"<", b"%3C").replace(b">", b"%3E")
    return b"<" + target + b'>;rel="' + relation + b'";type="application/ld+json"'
