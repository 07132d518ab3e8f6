"""Request bodies: bytes to JSON within limits, and where their @context comes from (6.3.5)."""

from __future__ import annotations

import json
from typing import Any

import orjson

from pintu.kernel.errors import BadRequestData, InvalidRequest, TooLarge
from pintu.web.ngsi_ld.answers import LD_JSON

DEPTH_LIMIT = 200
NO_CONTEXT: Any = None


def read_json(body: bytes) -> tuple[Any, bytes]:
    """The document and its compact encoding.

    Raises InvalidRequest for what is not JSON, TooLarge when it is nested too deep, and
    BadRequestData
    for an object with the same key twice (of which any reader would silently drop one).
    """
    if not body:
        raise InvalidRequest("The request has an empty body")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "recursion" in str(error):
            raise TooLarge(f"The body is nested deeper than {DEPTH_LIMIT}") from error
        raise InvalidRequest(f"The body is not JSON: {error}") from error
    try:
        encoded = orjson.dumps(document)
    except orjson.JSONEncodeError as error:
        raise TooLarge(f"The body is nested deeper than {DEPTH_LIMIT}") from error
    if body.count(b'":') - body.count(b'\\":') != encoded.count(b'":') - encoded.count(b'\\":'):
        _refuse_duplicates(body)
    return document, encoded


def _refuse_duplicates(body: bytes) -> None:
    try:
        json.loads(body, object_pairs_hook=_once)
    except RecursionError as error:
        raise TooLarge(f"The body is nested deeper than {DEPTH_LIMIT}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRequestData(f"The body has the member {twice[:100]!r} twice in one object")
    return found


def take_context(document: dict[str, Any], kind: bytes, link: str | None) -> Any:
    """Take @context out of a document and return the caller's @context (None: the core alone).

    application/ld+json needs it in the body and no Link header; application/json takes it from the
    Link header and none from the body. Raises BadRequestData otherwise.
    """
    if kind == LD_JSON:
        if link is not None:
            raise BadRequestData(
                "A body of application/ld+json forbids a Link header with a @context"
            )
        if "@context" not in document:
            raise BadRequestData("A body of application/ld+json needs a member @context")
        return document.pop("@context")
    if "@context" in document:
        raise BadRequestData(
            "A body of application/json has a member @context; use the Link header"
        )
    return link
