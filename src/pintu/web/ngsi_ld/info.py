"""Who this context source is (5.15, 5.2.40)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pintu.kernel.clock import iso
from pintu.kernel.identity.peer import BROKER
from pintu.web.ngsi_ld.answers import data
from pintu.web.ngsi_ld.operation import Call, Result

if TYPE_CHECKING:
    from pintu.web.rooms import Rooms

_started: dict[int, int] = {}


def started(rooms: Rooms) -> int:
    """When these rooms were first asked who they are, in the city's µs; the broker asks at its
    start.
    """
    return _started.setdefault(id(rooms), rooms.clock.now_us())


def alias(rooms: Rooms, tenant: str) -> str:
    """The name of this source in a Via header: one for each tenant, without spaces (6.3.18)."""
    settings = rooms.settings
    place = settings.public_url.split("://")[-1].rstrip("/") or f"{settings.host}:{settings.port}"
    return f"{BROKER.decode()}{place}" + (f"-{tenant}" if tenant else "")


def source_identity(call: Call) -> Result:
    """5.15.1: id, alias of the tenant, uptime as an ISO 8601 duration, and the time it is here."""
    now = call.rooms.clock.now_us()
    up_s = max(0, now - started(call.rooms)) // 1_000_000
    name = alias(call.rooms, call.tenant_name)
    document = {
        "id": f"urn:ngsi-ld:ContextSourceIdentity:{name}",
        "type": "ContextSourceIdentity",
        "contextSourceAlias": name,
        "contextSourceUptime": _duration(up_s),
        "contextSourceTimeAt": iso(now),
    }
    return data(call, document)


def _duration(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    return f"P{days}DT{hours}H{minutes}M{rest}S"
