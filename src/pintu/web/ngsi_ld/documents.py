"""Request bodies: bytes to JSON within limits, and where their @context comes from (6.3.5)."""

from __future__ import annotations

from typing import Any

from pintu.kernel.context.decode import ENCODER_DEPTH, MAX_DEPTH, decode_json
from pintu.kernel.errors import BadRequestData, InvalidRequest
from pintu.web.ngsi_ld.answers import LD_JSON


def read_json(body: bytes, *, many: bool) -> tuple[Any, bytes]:
    """The document and its compact encoding.

    Raises InvalidRequest for what is not JSON or nested too deep, BadRequestData for an object with
    the same key twice.
    """
    if not body:
        raise InvalidRequest("The request has an empty body")
    return decode_json(body, ENCODER_DEPTH if many else MAX_DEPTH)


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
