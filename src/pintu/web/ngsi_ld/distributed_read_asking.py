"""What a context source is asked for a read: a share of it and the caller's request made one
question, in words the source knows (4.3.6.5, 4.3.6.6, 5.7.1.4, 5.7.2.4).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import msgspec
import orjson

from pintu.kernel.context.selection import TypeSelection
from pintu.kernel.federation.forwarding import Pairs, Question
from pintu.kernel.federation.words import Registration, Share
from pintu.kernel.jsonld import CORE, Terms
from pintu.web.ngsi_ld.answers import JSON, link_header
from pintu.web.ngsi_ld.operation import Call

RETRIEVING = ("retrieveEntity", "queryEntity", "queryBatch")
QUERYING = ("queryEntity", "queryBatch", "retrieveEntity")
BATCHING = ("queryBatch", "queryEntity", "retrieveEntity")
"""The operations each read may be forwarded as, best first."""

FILTERS = ("q", "georel", "geometry", "coordinates", "geoproperty", "scopeQ", "expandValues")
"""What a source filters by itself, unless entities may be split among sources (5.7.2.4)."""
MOST_AT_ONCE = 1000
"""Entities of one page of a source."""
_PLAIN = ":/,*~@!$'()"


@dataclass(frozen=True, slots=True)
class Speech:
    """How to talk with a source: terms for the names, and the headers that say so. `own`: in the
    caller's own terms, so that a query may be passed on as it was written."""

    terms: Terms
    headers: Pairs
    own: bool = True


async def speech(call: Call, registration: Registration) -> Speech:
    """The @context a source is spoken to in: its registration's, else the caller's, else the core.

    Raises LdContextNotAvailable for a registered @context that cannot be had.
    """
    if registration.context:
        library = call.rooms.library
        terms = library.now(registration.context) or await library.terms(registration.context)
        headers = (b"accept", JSON), (b"link", link_header(registration.context))
        return Speech(terms, headers, terms is call.terms)
    return spoken(call.terms)


def spoken(terms: Terms) -> Speech:
    """In the caller's terms where their @context has an address, else in the core's."""
    source = linkable(terms)
    if source is not None:
        return Speech(terms, ((b"accept", JSON), (b"link", link_header(source))))
    if terms.is_core:
        return Speech(terms, ((b"accept", JSON),))
    return Speech(CORE, ((b"accept", JSON),), own=False)


def linkable(terms: Terms) -> str | None:
    """The one address of a @context; None when it has none of its own or is the core's."""
    source = terms.source
    if isinstance(source, list) and len(source) == 1:
        source = source[0]
    return source if isinstance(source, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a caller wants of every source.

    `names`: attributes to be told (none: all); `must`: an entity has one of them, or is none.
    `reach`: how many entities are wanted of each source; `split`: without filters.
    """

    params: dict[str, Any] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    must: bool = True
    picks: bool = False  # names were picked: id and type stay beside them
    beside: frozenset[str] = frozenset()  # attributes that are needed to show the others
    reach: int = 1
    count: bool = False
    split: bool = False
    maps: bool = False  # sources that can are to hold on to what they tell (4.3.6.7)


def of_ids(share: Share, ids: tuple[str, ...]) -> Share:
    """A share for some of its entities alone."""
    return msgspec.structs.replace(share, ids=ids, id_pattern=None)


def retrieval(share: Share, asked: Asked, speech: Speech) -> Question:
    """GET /entities/{id} of the one id of a share."""
    fields = [*_projection(share, asked, speech), ("options", "sysAttrs")]
    return Question("GET", f"entities/{quote(share.ids[0], safe=':')}", _text(fields),
                    speech.headers)  # fmt: skip


def query(share: Share, asked: Asked, speech: Speech, offset: int = 0) -> Question:
    """GET /entities for a page of a share."""
    fields: list[tuple[str, str]] = []
    if share.types is not None:
        fields.append(("type", type_text(share.types, speech.terms)))
    if share.ids:
        fields.append(("id", ",".join(share.ids)))
    elif share.id_pattern is not None:
        fields.append(("idPattern", share.id_pattern))
    fields += _projection(share, asked, speech)
    if _filters(asked, speech):
        fields += [(name, _written(asked.params[name])) for name in FILTERS if name in asked.params]
    fields += [("options", "sysAttrs"), *_page(asked, offset)]
    if asked.maps and "createEntityMap" in share.registration.operations and not offset:
        fields.append(("entityMap", "true"))
    return Question("GET", "entities", _text(fields), speech.headers)


def batch(share: Share, asked: Asked, speech: Speech, offset: int = 0) -> Question:
    """POST /entityOperations/query for a page of a share."""
    selector: dict[str, Any] = {}
    if share.types is not None:
        selector["type"] = type_text(share.types, speech.terms)
    if share.ids:
        selector["id"] = share.ids[0] if len(share.ids) == 1 else list(share.ids)
    elif share.id_pattern is not None:
        selector["idPattern"] = share.id_pattern
    document: dict[str, Any] = {"type": "Query"}
    if selector:
        document["entities"] = [{"type": "*"} | selector]
    for name, value in _projection(share, asked, speech):
        document[name] = value.split(",")
    if _filters(asked, speech):
        document |= {name: asked.params[name] for name in ("q", "scopeQ") if name in asked.params}
        geo = ("georel", "geometry", "coordinates", "geoproperty")
        geo_q = {name: asked.params[name] for name in geo if name in asked.params}
        if geo_q:
            document["geoQ"] = geo_q
    fields = [("options", "sysAttrs"), *_page(asked, offset)]
    headers = (*speech.headers, (b"content-type", JSON))
    body = orjson.dumps(document)
    return Question("POST", "entityOperations/query", _text(fields), headers, body)


def _filters(asked: Asked, speech: Speech) -> bool:
    return speech.own and not asked.split


def checked_after(asked: Asked, speech: Speech) -> bool:
    """Whether a source was not told the filters, so that they are to be applied to its answer."""
    return not asked.split and not speech.own and any(name in asked.params for name in FILTERS)


def type_text(types: TypeSelection, terms: Terms) -> str:
    """A type selection as it is written (4.17)."""
    found = []
    for some in types.any_of:
        names = sorted(terms.shown(name) for name in some)
        found.append(names[0] if len(names) == 1 else f"({';'.join(names)})")
    return ",".join(found)


def _projection(share: Share, asked: Asked, speech: Speech) -> list[tuple[str, str]]:
    """`attrs` as registered and asked for; `pick` where entities without them count, too."""
    names = share.names & asked.names if share.names and asked.names else share.names or asked.names
    if asked.picks and not asked.must:
        return [("pick", ",".join(("id", "type", *_shown(names | asked.beside, speech))))]
    if not names:
        return []
    if asked.beside - names:
        return [("pick", ",".join(("id", "type", *_shown(names | asked.beside, speech))))]
    return [("attrs", ",".join(_shown(names, speech)))]


def _shown(names: Iterable[str], speech: Speech) -> list[str]:
    return sorted(speech.terms.shown(name) for name in names)


def _page(asked: Asked, offset: int) -> list[tuple[str, str]]:
    fields = [("limit", str(max(1, min(asked.reach, MOST_AT_ONCE))))]
    if offset:
        fields.append(("offset", str(offset)))
    if asked.count:
        fields.append(("count", "true"))
    return fields


def _written(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _text(fields: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{name}={quote(value, safe=_PLAIN)}" for name, value in fields)
