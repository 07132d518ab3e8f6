"""The @context that the notifications of a subscription are made with (5.8.6, 5.13.1)."""

from __future__ import annotations

from typing import Any

from pintu.kernel.errors import ResourceNotFound
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.subscriptions.words import Subscription
from pintu.web.ngsi_ld.operation import Call

_PATH = "/ngsi-ld/v1/jsonldContexts/"


async def usable_context(
    call: Call, document: dict[str, Any], before: Subscription | None = None
) -> Any:
    """Where the names of notifications come from: jsonldContext, else the caller's @context. One
    that has no address is kept here under one (ImplicitlyCreated), so that headers can name it.

    Raises LdContextNotAvailable for a jsonldContext that cannot be had.
    """
    named = document.get("jsonldContext")
    if named is not None:
        if call.rooms.library.now(named) is None:
            await call.rooms.library.terms(named)
        return named
    source = call.terms.source
    if before is not None and call.terms.is_core:
        source = before.context
    if source is None or isinstance(source, str):
        return source
    library = call.rooms.library
    id = library.add({"@context": source}, kind="ImplicitlyCreated", tenant=call.tenant_name)
    return _public(call) + _PATH + id


def drop_context(library: ContextLibrary, subscription: Subscription) -> None:
    """Forget the @context that was kept for a subscription that is gone."""
    source = subscription.terms_from
    if isinstance(source, str) and not isinstance(subscription.context, str | None):
        id = source.rpartition(_PATH)[2]
        try:
            if library.get(id, tenant=subscription.tenant_name)["kind"] == "ImplicitlyCreated":
                library.delete(id, tenant=subscription.tenant_name)
        except ResourceNotFound:
            return


def _public(call: Call) -> str:
    """The address of this city as others know it."""
    told = call.rooms.settings.public_url.rstrip("/")
    if told:
        return told
    host = call.request.headers.get(b"host", b"localhost").decode("latin-1")
    return f"http://{host}"
