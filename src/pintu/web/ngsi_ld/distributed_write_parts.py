"""One part of a write on its way to a source: how it is spelled, and what the source made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec
import orjson

from pintu.kernel.errors import (
    ETSI_ERRORS,
    PINTU_ERRORS,
    AlreadyExists,
    BadRequestData,
    Forbidden,
    OperationNotSupported,
    PintuError,
    ResourceNotFound,
)
from pintu.kernel.federation.forwarding import Answer, Came, Failed, Question
from pintu.kernel.federation.words import Registration
from pintu.kernel.jsonld import Terms
from pintu.kernel.jsonld.core import CORE_URLS
from pintu.web.ngsi_ld.answers import CORE_CONTEXT, JSON, LD_JSON, link_header
from pintu.web.ngsi_ld.info import alias
from pintu.web.ngsi_ld.operation import Call

if TYPE_CHECKING:
    from pintu.kernel.federation.sources import Sources

_TEXT: Final = 300
_REPORTED: Final = 10_000
"""Errors of one source's answer that are handed on."""
_OWN_WORDS: Final[dict[int, type[PintuError]]] = {
    400: BadRequestData, 403: Forbidden, 404: ResourceNotFound, 409: AlreadyExists,
    422: OperationNotSupported,
}  # fmt: skip
"""Statuses of a source that are the caller's business; every other one is a bad gateway."""
_FIXED: Final = frozenset(
    (
        "value", "object", "languageMap", "json", "valueList", "objectList", "observedAt",
        "unitCode", "datasetId", "expiresAt", "valueType", "lang", "id", "@id", "scope", "@context",
    )
)  # fmt: skip
_NAMED: Final = frozenset(("type", "@type", "objectType", "vocab", "vocabList"))
_NONE: Final = frozenset[str]()
_NAME = re.compile(r"[^,;()|]+")


# --- there --------------------------------------------------------------------------------------
def came(call: Call) -> Came:
    """The request a forwarded one follows from, for the loop guard (6.3.18)."""
    return Came(alias(call.rooms, call.tenant_name), call.request.headers)


def sources(call: Call) -> Sources | None:
    """The one who asks sources, or None in a broker that forwards nothing."""
    federation = getattr(call.rooms, "federation", None)
    found: Sources | None = None if federation is None else federation.sources
    return found


def segment(text: str) -> str:
    """An id or a name as one segment of a path."""
    return quote(text, safe=":")


class Spelling(msgspec.Struct, frozen=True, gc=False):
    """How a source is written to: the terms to spell in when they are not the caller's, and the
    @context as a Link or, where it has no URL or the source wants it so, in the body.
    """

    own: Terms | None = None
    link: str | None = None
    inline: Any = None

    def inlined(self) -> Spelling:
        """The same with its @context in the body, for a list whose members differ in it."""
        return Spelling(own=self.own, inline=self.inline or self.link or CORE_CONTEXT)


async def spelling(call: Call, registration: Registration, terms: Terms) -> Spelling:
    """The way to write to a source (4.3.6.6): as its registration says, else as the caller wrote.

    Raises LdContextNotAvailable.
    """
    if registration.context:
        own = await call.rooms.library.terms(registration.context)
        return Spelling(own=own, link=registration.context)
    link, inline = _context(terms.source)
    wanted = dict(registration.context_source_info).get("contentType", "")
    if wanted.partition(";")[0].strip() == LD_JSON.decode():
        return Spelling(inline=inline or link or CORE_CONTEXT)
    return Spelling(link=link, inline=inline)


def _context(source: Any) -> tuple[str | None, Any]:
    """A @context as (URL for a Link, anything else); both None for the core alone."""
    if isinstance(source, list):
        own = [one for one in source if not isinstance(one, str) or one not in CORE_URLS]
        if not own:
            return None, None
        if len(own) > 1:
            return None, own
        source = own[0]
    return (source, None) if isinstance(source, str) or source is None else (None, source)


def written(spelled: Spelling, terms: Terms, document: Any) -> Any:
    """A document of the caller's as the source is to read it."""
    if spelled.own is not None:
        document = respelled(document, terms, spelled.own)
    if spelled.inline is not None and isinstance(document, dict):
        return {**document, "@context": spelled.inline}
    return document


def headers_of(spelled: Spelling, *, body: bool) -> tuple[tuple[bytes, bytes], ...]:
    """Content-Type and Link of a forwarded write."""
    found: list[tuple[bytes, bytes]] = [(b"accept", JSON)]
    if body:
        found.append((b"content-type", JSON if spelled.inline is None else LD_JSON))
    if spelled.link is not None:
        found.append((b"link", link_header(spelled.link)))
    return tuple(found)


def respelled(document: Any, terms: Terms, own: Terms) -> Any:
    """The same entity, fragment or attribute in the words of another @context; values stay."""
    if isinstance(document, list):
        return [respelled(member, terms, own) for member in document]
    if not isinstance(document, dict):
        return document
    found: dict[str, Any] = {}
    for name, value in document.items():
        if name in _FIXED:
            found[name] = value
        elif name in _NAMED:
            found[name] = _renamed(value, terms, own)
        else:
            found[own.shown(terms.stored(name))] = respelled(value, terms, own)
    return found


def _renamed(value: Any, terms: Terms, own: Terms) -> Any:
    if isinstance(value, list):
        return [_renamed(member, terms, own) for member in value]
    return own.shown(terms.stored(value)) if isinstance(value, str) else value


def query_of(call: Call, spelled: Spelling, *, without: frozenset[str] = frozenset()) -> str:
    """The caller's parameters for a source: all but `local` and those said."""
    found = []
    for name, value in call.params.items():
        if name == "local" or name in without:
            continue
        if name in ("type", "drop", "keep", "attrs") and spelled.own is not None:
            value = _NAME.sub(lambda one: _shown(one[0], call.terms, spelled.own), value)
        found.append(f"{name}={quote(value, safe=':/,*()|@')}")
    return "&".join(found)


def _shown(name: str, terms: Terms, own: Terms | None) -> str:
    return name if own is None else own.shown(terms.stored(name))


def question(
    method: str, path: str, query: str, spelled: Spelling, document: Any = None
) -> Question:
    """A forwarded write; `document` None: it has no body."""
    body = b"" if document is None else orjson.dumps(document)
    headers = headers_of(spelled, body=document is not None)
    return Question(method, path, query, headers, body)


# --- and back -----------------------------------------------------------------------------------
def error_of(found: Answer | Failed, registration: Registration) -> dict[str, Any] | None:
    """The problem a source's answer stands for, None when it did what it was asked.

    Its own words are cut short and its own types kept; it never speaks for other sources.
    """
    if isinstance(found, Answer):
        if found.status < 300:
            return None
        return _own_words(found.status, found.body, registration)
    if found.status in _OWN_WORDS:
        return _own_words(found.status, found.body, registration)
    status = found.http_status
    return {
        "type": PINTU_ERRORS + ("LoopDetected" if status == 508 else "SourceFailed"),
        "title": "A loop of registrations" if status == 508 else "A context source failed",
        "status": status,
        "detail": found.detail[:_TEXT],
    }


def came_round(takes: bool, found: Answer | Failed) -> bool:
    """Whether a copy was refused because it led back to where it came from: no part of the write,
    and no failure (6.3.17). What a source is to have alone has failed then.
    """
    return not takes and isinstance(found, Failed) and found.kind == "loop"


def made_one(found: Answer | Failed) -> bool:
    """Whether a source says that it was not there before."""
    return isinstance(found, Answer) and found.status == 201


def _own_words(status: int, body: bytes, registration: Registration) -> dict[str, Any]:
    error = _OWN_WORDS[status](f"{registration.id} answered {status}").problem()
    said = _read(body)
    if isinstance(said, Mapping):
        kind, title, detail = said.get("type"), said.get("title"), said.get("detail")
        if isinstance(kind, str) and kind.startswith(ETSI_ERRORS):
            error["type"] = kind[:_TEXT]
        if isinstance(title, str):
            error["title"] = title[:_TEXT]
        if isinstance(detail, str):
            error["detail"] = detail[:_TEXT]
    return error


def _read(body: bytes) -> Any:
    if not body or len(body) > 1_000_000:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def ids_of(found: Answer) -> frozenset[str]:
    """The ids a source says it made."""
    said = _read(found.body)
    return frozenset(one for one in said if isinstance(one, str)) if type(said) is list else _NONE


def partial_errors(found: Answer, registration: Registration) -> dict[str, dict[str, Any]]:
    """The entities that a 207 of a source says were not written, with its problems; what it does
    not name is under "".
    """
    said = _read(found.body)
    errors = said.get("errors") if isinstance(said, Mapping) else None
    result: dict[str, dict[str, Any]] = {}
    for one in errors[:_REPORTED] if isinstance(errors, list) else ():
        if isinstance(one, Mapping):
            id, error = one.get("entityId"), one.get("error")
            status = error.get("status") if isinstance(error, Mapping) else None
            known = status if isinstance(status, int) and status in _OWN_WORDS else 409
            body = orjson.dumps(error) if isinstance(error, Mapping) else b""
            result[id if isinstance(id, str) else ""] = _own_words(known, body, registration)
    if not result:
        result[""] = _own_words(409, b"", registration) | {
            "detail": f"{registration.id} did only some of it, and does not say what"
        }
    return result


def partial_names(found: Answer) -> dict[str, str] | None:
    """The attributes that a 207 of a source says were not updated, with its reasons; None when it
    does not say.
    """
    said = _read(found.body)
    left = said.get("notUpdated") if isinstance(said, Mapping) else None
    if not isinstance(left, list):
        return None
    return {
        one["attributeName"][:_TEXT]: str(one.get("reason", ""))[:_TEXT]
        for one in left[:_REPORTED]
        if isinstance(one, Mapping) and isinstance(one.get("attributeName"), str)
    }
