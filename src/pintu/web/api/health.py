"""/healthz, /readyz and /metrics: for those who watch the city's machine."""

from __future__ import annotations

import os
import resource
import sys
import time
from typing import Any

from litestar import Response, get

from pintu import __version__
from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import PintuError
from pintu.web.api.reading import as_json
from pintu.web.house import House, house_of
from pintu.web.visit import AnyRequest, raw_headers

STARTED_S = time.time()


@get("/healthz", summary="The process answers")
async def healthz() -> Response[bytes]:
    """Always 200 while the loop turns."""
    return as_json({"status": "ok", "version": __version__})


@get("/readyz", summary="The city can be asked")
async def readyz(request: AnyRequest) -> Response[bytes]:
    """200 when the store answers, else 503; `detail` says what is not as it should be."""
    rooms = house_of(request).rooms
    store, trouble = rooms.store, rooms.audit.trouble if rooms.audit is not None else ""
    try:
        status, told = readiness(store.head(), {**store.statistics(), "log": trouble})
    except (PintuError, RuntimeError, OSError) as error:
        return as_json({"status": "unavailable", "detail": type(error).__name__}, 503)
    return as_json(told, status)


def readiness(head: int, figures: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """(HTTP status, what is told) from a store's figures; names no host, for anybody may ask."""
    away_s = figures.get("away_s", 0)
    if away_s:
        told = f"The store has been away for {away_s:.0f} s: writes wait, reads are refused"
        return 503, {"status": "unavailable", "detail": told}
    details = []
    if not figures.get("writable", True):
        details.append("The store can be read, not written: its server is a standby")
    if lost := figures.get("lost_positions", 0):
        details.append(f"{lost} changes were lost with a server whose standby had not all of them")
    if trouble := figures.get("log"):
        details.append(f"The sealed log is not what was sealed: {trouble}")
    detail = {"detail": "; ".join(details)} if details else {}
    return 200, {"status": "ready", "position": head, **detail}


@get("/metrics", summary="Figures for Prometheus", media_type="text/plain; version=0.0.4")
async def metrics(request: AnyRequest) -> Response[str]:
    """Process figures for anybody on this machine; the rest needs `operate`, like other figures."""
    house = house_of(request)
    peer = request.client.host if request.client else ""
    actor = house.rooms.identity.actor(raw_headers(request), peer)
    if not actor.local:
        house.rooms.gate.decide(actor, Act(deed=Deed.OPERATE, data_set="metrics"))
    return Response(exposition(figures(house)), media_type="text/plain; version=0.0.4")


def figures(house: House) -> dict[str, float]:
    """Name → value; names end in their unit."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    found: dict[str, float] = {
        "pintu_up_seconds": time.time() - STARTED_S,
        "pintu_cpu_seconds_total": usage.ru_utime + usage.ru_stime,
        "pintu_resident_bytes": float(resident_bytes()),
        "pintu_event_clients": float(len(house.hub.clients)),
        "pintu_event_clients_dropped_total": float(house.hub.dropped),
        "pintu_log_position": float(house.rooms.store.head()),
    }
    for name, value in flat("pintu_store", house.rooms.store.statistics()).items():
        found[name] = value
    if (audit := house.rooms.audit) is not None:
        head = audit.head()
        found["pintu_audit_sealed_rows"] = float(0 if head is None else head.size)
        found["pintu_audit_trouble"] = float(bool(audit.trouble))
    quarantine: Any = getattr(house.rooms.intake, "quarantine", None)
    if quarantine is not None:
        held = sum(count.held for count in quarantine.counts().values())
        found["pintu_quarantine_held"] = float(held)
    return found


def flat(prefix: str, values: dict[str, Any]) -> dict[str, float]:
    """Nested figures by joined names; what is no number is left out."""
    found: dict[str, float] = {}
    for key, value in values.items():
        name = f"{prefix}_{''.join(c if c.isalnum() else '_' for c in str(key))}"
        if isinstance(value, int | float):
            found[name] = float(value)
        elif isinstance(value, dict):
            found.update(flat(name, value))
    return found


def exposition(values: dict[str, float]) -> str:
    """The text form of Prometheus."""
    lines = []
    for name, value in sorted(values.items()):
        kind = "counter" if name.endswith("_total") else "gauge"
        lines.append(f"# TYPE {name} {kind}\n{name} {value:.17g}")
    return "\n".join(lines) + "\n"


def resident_bytes() -> int:
    """Resident memory of this process."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return size if sys.platform == "darwin" else size * 1024
