"""Queries that differ by one number or one place: what their targets share, and what not."""

from __future__ import annotations

import re

import msgspec

from pintu.kernel.context.selection import Compare, Selection
from pintu.kernel.jsonld import CORE
from pintu.kernel.store.choosing import around
from pintu.kernel.store.port import Blank, Joined, Statement, Store
from pintu.web.ngsi_ld.answers import JSON, Pairs, data_headers
from pintu.web.ngsi_ld.consumption import stored_as_shown
from pintu.web.ngsi_ld.message import Prepared
from pintu.web.ngsi_ld.paging import Window, page_headers
from pintu.web.ngsi_ld.wire import header_lines

_NUMBER = rb"(-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,17})?)"
_COMPARED = re.compile(
    rb"[?&]q=[A-Za-z][A-Za-z0-9_]*(?:==|%3[Dd]%3[Dd]|%3[CEce](?:=|%3[Dd])?)"
    + _NUMBER
    + rb"(?![^&])"
)
"""`q` with one comparison of an attribute with a number, as it is written in a target."""

_PLACE = re.compile(
    rb"[?&]coordinates=(?:\[|%5[Bb])" + _NUMBER + rb"(?:,|%2[Cc])" + _NUMBER
    + rb"(?:\]|%5[Dd])(?![^&])"
)  # fmt: skip
HOLE = b"\x00"
"""What stands in a key where the number or place was: nothing a target may hold."""


class Lifted(msgspec.Struct, gc=False):
    """A target without its number or place (`key`), that text, and what it says."""

    key: bytes
    text: bytes
    blank: Blank


def lifted(target: bytes) -> Lifted | None:
    """The one number or place of a query lifted out; None when it has none that can be."""
    at = target.find(b"coordinates=")
    if at > 0:
        found = _PLACE.match(target, at - 1)
        if found is None:
            return None
        lon, lat = float(found[1]), float(found[2])
        if not -180 <= lon <= 180 or not -90 <= lat <= 90:
            return None
        start, end = at + 12, found.end()
        return Lifted(target[:start] + HOLE + target[end:], target[start:end], (lon, lat))
    at = target.find(b"&q=")
    found = _COMPARED.match(target, at) if at > 0 else _COMPARED.search(target)
    if found is None:
        return None
    start, end = found.span(1)
    text = found[1]
    number = float(text) if b"." in text else int(text)
    return Lifted(target[:start] + HOLE + target[end:], text, number)


def holds(selection: Selection, blank: Blank) -> bool:
    """Whether this is all that the selection has of a number or place: then another in its place
    gives the selection of the other target.
    """
    if blank.__class__ is tuple:
        near = None if selection.geo is None else around(selection.geo)
        return near is not None and near[:2] == blank and selection.q is None
    q = selection.q
    if not isinstance(q, Compare) or selection.geo is not None:
        return False
    return type(q.value) is type(blank) and bool(q.value == blank)


class Form(msgspec.Struct, gc=False):
    """Queries that differ by their number or place: how they are asked, and the header lines of
    their pages.
    """

    statement: Statement
    first: bytes
    link: tuple[bytes, bytes]  # to the next page, before and behind what was lifted out
    last: bytes

    def answer(self, lift: Lifted, store: Store) -> Prepared | None:
        """The page of one of them; None when it has to be asked for in the ordinary way."""
        found = self.statement.page(lift.blank)
        if found is None or not stored_as_shown(found.body, store.scoped()):
            return None
        return Prepared(self._lines(found, lift.text), b"[%b]" % found.body)

    def _lines(self, found: Joined, text: bytes) -> bytes:
        count = found.count
        told = b"" if count is None else b"ngsild-results-count: %d\r\n" % count
        before, behind = self.link
        if found.more and before:
            return b"".join((self.first, told, before, text, behind, self.last))
        return self.first + told + self.last


def form_of(statement: Statement, key: bytes, part: Window, echo: Pairs) -> Form:
    """The form of queries with this key."""
    path, _, query = key.partition(b"?")
    link = header_lines(page_headers(path, query, part, more=True, count=None))
    before, _, behind = link.partition(HOLE)
    return Form(
        statement, header_lines(data_headers(JSON, CORE)), (before, behind), header_lines(echo)
    )
