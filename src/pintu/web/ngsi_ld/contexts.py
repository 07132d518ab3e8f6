"""The @contexts this broker keeps: add, list, serve, delete and reload (5.13)."""

from __future__ import annotations

from typing import Any, get_args

import orjson

from pintu.kernel.errors import (
    BadRequestData,
    InvalidRequest,
    OperationNotSupported,
    ResourceNotFound,
)
from pintu.kernel.jsonld.shelf import Kind
from pintu.web.ngsi_ld.answers import JSON, LD_JSON, empty, plain
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Result
from pintu.web.ngsi_ld.params import flag

LIST_PARAMS = frozenset(("details", "kind", "local"))
SERVE_PARAMS = frozenset(("details", "local"))
DELETE_PARAMS = frozenset(("reload", "local"))
_PATH = "/ngsi-ld/v1/jsonldContexts/"
_KINDS: tuple[str, ...] = get_args(Kind)


def add_context(call: Call) -> Result:
    """5.13.2: keep a @context as Hosted; 201 with its Location."""
    if not isinstance(call.document, dict) or "@context" not in call.document:
        raise InvalidRequest("The document has no @context")
    id = call.rooms.library.add(call.document, tenant=call.tenant_name)
    return Response(201, b"", ((b"location", (_PATH + id).encode()), *call.echo))


def list_contexts(call: Call) -> Result:
    """5.13.3: the URLs of the kept @contexts, or with details what is known of each."""
    kind: Any = call.params.get("kind")
    if kind is not None and kind not in _KINDS:
        raise BadRequestData(f"Parameter kind is {kind[:50]!r}, not one of {', '.join(_KINDS)}")
    details = flag(call.params, "details")
    found = [
        _with_url(call, entry) for entry in call.rooms.library.list(kind, tenant=call.tenant_name)
    ]
    return plain(call, found if details else [entry["URL"] for entry in found])


def serve_context(call: Call) -> Result:
    """5.13.4: the @context itself, or with details what is known of it."""
    id = call.parts[0]
    library = call.rooms.library
    if flag(call.params, "details"):
        if id.startswith("https://uri.etsi.org/ngsi-ld/"):
            library.document(id, tenant=call.tenant_name)
            return plain(call, {"URL": id, "localId": id, "kind": "Hosted", "createdAt": _SINCE})
        known = _with_url(call, library.get(id, tenant=call.tenant_name))
        if known["kind"] != "Hosted":
            library.document(
                id, tenant=call.tenant_name
            )  # its details are all that is ever served of it: that is a use
        return plain(call, known)
    if (
        not id.startswith("https://uri.etsi.org/")
        and library.get(id, tenant=call.tenant_name)["kind"] == "Cached"
    ):
        raise OperationNotSupported(
            f"@context {id} is Cached: ask its own server for it, or for details here"
        )
    media_type = LD_JSON if call.accept == LD_JSON else JSON
    headers = ((b"content-type", media_type), *call.echo)
    return Response(200, orjson.dumps(library.document(id, tenant=call.tenant_name)), headers)


_SINCE = "2025-07-01T00:00:00Z"


def delete_context(call: Call) -> Result:
    """5.13.5: forget it, or with reload=true fetch a Cached one again; 204."""
    id = call.parts[0]
    if flag(call.params, "reload"):
        return _reload(call, id)
    call.rooms.library.delete(id, tenant=call.tenant_name)
    return empty(call)


async def _reload(call: Call, id: str) -> Response:
    try:
        await call.rooms.library.reload(id, tenant=call.tenant_name)
    except ResourceNotFound as error:
        raise BadRequestData(f"@context {id[:200]} is not Cached: it cannot be reloaded") from error
    return empty(call)


def _with_url(call: Call, entry: dict[str, Any]) -> dict[str, Any]:
    """The metadata with a URL even of what is ours: where this broker serves it."""
    if entry["URL"]:
        return entry
    public = call.rooms.settings.public_url.rstrip("/")
    if not public:
        host = call.request.headers.get(b"host", b"localhost").decode("latin-1")
        public = f"http://{host}"
    return {**entry, "URL": f"{public}{_PATH}{entry['localId']}"}
