"""/healthz, /readyz and /metrics: for those who watch the city's machine."""

from __future__ import annotations

from typing import Any

from litestar import Response, get

from pintu import __version__
from pintu.kept import read_kept
from pintu.kept_state import told_of
from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import PintuError
from pintu.restored import is_quiet
from pintu.settings import Settings
from pintu.web.api.reading import as_json
from pintu.web.house import house_of
from pintu.web.visit import AnyRequest, raw_headers


@get("/healthz", summary="The process answers")
async def healthz() -> Response[bytes]:
    """Always 200 while the loop turns."""
    return as_json({"status": "ok", "version": __version__})


@get("/readyz", summary="The city can be asked")
async def readyz(request: AnyRequest) -> Response[bytes]:
    """200 when the store answers, else 503; `detail` says what is not as it should be."""
    rooms = house_of(request).rooms
    if rooms.draining:
        return as_json({"status": "draining", "detail": rooms.draining}, 503)
    store, trouble = rooms.store, rooms.audit.trouble if rooms.audit is not None else ""
    try:
        more = {"log": trouble, "backup": backup_trouble(rooms.settings)}
        status, told = readiness(store.head(), {**store.statistics(), **more})
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
    if trouble := figures.get("backup"):
        details.append(trouble)
    detail = {"detail": "; ".join(details)} if details else {}
    return 200, {"status": "ready", "position": head, **detail}


def backup_trouble(settings: Settings) -> str:
    """What is wrong with the backups that a city keeps by itself, and whether it is a copy of one;
    names no folder, for anybody may ask."""
    if is_quiet(settings.data):
        return "A copy from a backup: it tells nobody anything"
    kept, _ = read_kept(settings.backup)
    good, sentence = told_of(settings.data, kept, on_server=settings.store != "sqlite:")
    return "" if good else sentence.partition(":")[0].partition(" in /")[0]


@get("/metrics", summary="Figures for Prometheus", media_type="text/plain; version=0.0.4")
async def metrics(request: AnyRequest) -> Response[bytes]:
    """Figures of every process of the city: for whoever may operate it; by setting for anybody on
    this machine, too."""
    from pintu.web.metrics.exposition import exposition  # what a city without Prometheus spares
    from pintu.web.metrics.families import Families

    house = house_of(request)
    rooms = house.rooms
    peer = request.client.host if request.client else ""
    actor = rooms.identity.actor(raw_headers(request), peer)
    if not (actor.local and rooms.settings.metrics == "loopback"):
        rooms.gate.decide(actor, Act(deed=Deed.OPERATE, data_set="metrics"))
    media_type, body = exposition(Families(house), request.headers.get("accept", ""))
    return Response(body, media_type=media_type)
