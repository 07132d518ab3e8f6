"""Making responses: documents with their @context, problems, and answers that wait for the
store.
"""

from __future__ import annotations

import logging
from asyncio import Future
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from pintu.kernel.errors import LengthRequired, MethodNotAllowed, PintuError, TooLarge, Unauthorized
from pintu.web.ngsi_ld.message import Response

if TYPE_CHECKING:
    from pintu.kernel.jsonld import Terms
    from pintu.web.ngsi_ld.operation import Call

_log = logging.getLogger("pintu.web")

JSON = b"application/json"
LD_JSON = b"application/ld+json"
GEO_JSON = b"application/geo+json"
PROBLEM = JSON  # not problem+json: 5.5.3 keeps what old clients can read
CORE_CONTEXT = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld"
CONTEXT_REL = "http://www.w3.org/ns/json-ld#context"

Pairs = tuple[tuple[bytes, bytes], ...]


class Deferred(msgspec.Struct, gc=False):
    """A response that needs what the store's future brings: `finish(future result)` makes it.

    The fast lane completes it in a callback of the future; anybody else may simply await it.
    """

    future: Future[Any]
    finish: Callable[[Any], Response]
    failed: Callable[[BaseException], Response]

    def result(self) -> Response:
        """The response, once the future is done; whatever went wrong is a problem document."""
        try:
            return self.finish(self.future.result())
        except BaseException as error:
            return self.failed(error)

    def __await__(self) -> Generator[Any, None, Response]:
        try:
            found = yield from self.future.__await__()
            return self.finish(found)
        except Exception as error:
            return self.failed(error)


def link_header(url: str) -> bytes:
    """The Link header naming a @context (6.3.5)."""
    return f'<{url}>; rel="{CONTEXT_REL}"; type="application/ld+json"'.encode()


def from_error(status: int, detail: str, title: str = "") -> Response:
    """A problem of a status alone, for adapters that have no request to speak of yet."""
    kind = TooLarge if status == 413 else PintuError
    document = kind(detail).problem() | {"status": status}
    if title:
        document["title"] = title
    return Response(status, orjson.dumps(document), ((b"content-type", PROBLEM),))


def problem(error: BaseException, echo: Pairs = ()) -> Response:
    """Problem details (5.5.2, RFC 9457) of any error; what nobody foresaw is logged and hidden."""
    if not isinstance(error, PintuError):
        _log.error("an NGSI-LD request failed unexpectedly", exc_info=error)
        error = PintuError("The broker failed on this request; its log says where")
    headers: Pairs = ((b"content-type", PROBLEM), *echo)
    if isinstance(error, LengthRequired):
        return Response(411, b"", echo)
    if isinstance(error, MethodNotAllowed):
        headers += ((b"allow", error.allow.encode()),)
    elif isinstance(error, Unauthorized):
        headers += ((b"www-authenticate", b'Bearer realm="pintu"'),)
    elif (wait := error.retry_after_s) is not None:
        headers += ((b"retry-after", b"%d" % wait),)
    return Response(error.status, orjson.dumps(error.problem()), headers)


_heads: dict[tuple[bytes, str], Pairs] = {}


def data_headers(accept: bytes, terms: Terms) -> Pairs:
    """Content-Type, and for plain JSON the Link to the @context (6.3.5, 6.3.6)."""
    source = CORE_CONTEXT if terms.source is None else terms.source
    key = (accept, source if isinstance(source, str) else "")
    found = _heads.get(key)
    if found is None:
        found = ((b"content-type", accept),)
        if accept == JSON and key[1]:  # a @context that has no URL cannot be linked to
            found += ((b"link", link_header(key[1])),)
        if len(_heads) > 256:
            _heads.clear()
        _heads[key] = found
    return found


def shown_context(terms: Terms) -> Any:
    """The @context to put into a body: the caller's own, or the core when there is none."""
    return CORE_CONTEXT if terms.source is None else terms.source


def data(call: Call, document: Any, *more: tuple[bytes, bytes], status: int = 200) -> Response:
    """A document that is not an entity (types, attributes, contexts): @context in the body for
    ld+json.
    """
    if call.accept == LD_JSON:
        document = (
            [{**member, "@context": shown_context(call.terms)} for member in document]
            if isinstance(document, list)
            else {**document, "@context": shown_context(call.terms)}
        )
    headers = (*data_headers(call.accept, call.terms), *more, *call.echo)
    return Response(status, orjson.dumps(document), headers)


def plain(call: Call, document: Any, *more: tuple[bytes, bytes], status: int = 200) -> Response:
    """A JSON document without any @context: batch results, counters."""
    headers = ((b"content-type", JSON), *more, *call.echo)
    return Response(status, orjson.dumps(document), headers)


def empty(call: Call) -> Response:
    """204: done, and nothing to say."""
    return Response(204, b"", call.echo)
