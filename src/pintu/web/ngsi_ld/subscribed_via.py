"""The way a subscription came here, for whoever hears of it while it is made (6.3.18)."""

from __future__ import annotations

import dataclasses
from contextvars import ContextVar
from typing import Final

from pintu.web.ngsi_ld import subscriptions
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call
from pintu.web.ngsi_ld.routing import Methods

VIA: Final[ContextVar[str]] = ContextVar("via", default="")


async def create(call: Call) -> Response:
    """5.8.1: other sources hear of it with the way it came, unless it is to stay here."""
    if call.params.get("local") == "true":
        call.document["localOnly"] = True
    token = VIA.set(call.request.headers.get(b"via", b"").decode("latin-1"))
    try:
        return await subscriptions.create(call)
    finally:
        VIA.reset(token)


_METHODS = subscriptions.TABLE["subscriptions"]
TABLE: dict[str, Methods] = {
    "subscriptions": {**_METHODS, "POST": dataclasses.replace(_METHODS["POST"], handler=create)}
}
