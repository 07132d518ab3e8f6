"""The operator's pages: sources and their health, the quarantine, pieces, and where time goes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from litestar import Response, get

from pintu import __version__
from pintu.kernel.access import Deed
from pintu.web.api.acting import held_of
from pintu.web.api.health import STARTED_S, resident_bytes
from pintu.web.house import house_of
from pintu.web.pages import labels
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.feed import Feed

PAGE = 50
SHOWN_BODY = 16_384


@get("/sources", include_in_schema=False)
async def sources(request: AnyRequest, part: str = "") -> Response[str]:
    """Every source: state, messages, lag, quarantine, how often it should speak."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set="sources")
    counts = house.rooms.intake.quarantine.counts()
    found = [
        (source, counts.get(source.name))
        for source in house.rooms.intake.sources()
        if source.tenant in ("", visit.tenant)
    ]
    template = "part_sources.html" if part == "table" else "sources.html"
    return page(visit, template, sources=found, orphans=orphans(found, counts))


def orphans(found: list[tuple[Any, Any]], counts: dict[str, Any]) -> dict[str, Any]:
    """What is held of sources that have not spoken since the start."""
    known = {source.name for source, _ in found}
    return {name: count for name, count in counts.items() if name not in known}


@get("/quarantine", include_in_schema=False)
async def quarantine(
    request: AnyRequest, source: str | None = None, before: int | None = None
) -> Response[str]:
    """What nobody could read or accept: reason, raw message, retry, drop."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set="quarantine")
    room = house.rooms.intake.quarantine
    held = await room.list(source=source or None, before=before, limit=PAGE)
    return page(
        visit,
        "quarantine.html",
        held=[entry for entry in held if entry.tenant == visit.tenant],
        more=held[-1].id if len(held) == PAGE else 0,
        source=source or "",
        counts=room.counts(),
        may_operate=visit.may(Deed.OPERATE, "quarantine"),
    )


@get("/quarantine/{number:int}", include_in_schema=False)
async def quarantined(request: AnyRequest, number: int) -> Response[str]:
    """One held message with its raw bytes."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set="quarantine")
    held = await held_of(house.rooms, visit.tenant, number)
    return page(
        visit,
        "quarantined.html",
        entry=held,
        raw=readable(held.body),
        may_operate=visit.may(Deed.OPERATE, "quarantine"),
    )


def readable(body: bytes) -> str:
    """Bytes as text when they are, else as a hex dump; cut at 16 KiB."""
    cut = body[:SHOWN_BODY]
    try:
        text = cut.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if text and all(c.isprintable() or c in "\r\n\t" for c in text):
        return text
    rows = []
    for start in range(0, min(len(cut), 4096), 16):
        part = cut[start : start + 16]
        shown = "".join(chr(b) if 32 <= b < 127 else "." for b in part)
        rows.append(f"{start:06x}  {part.hex(' '):<47}  {shown}")
    return "\n".join(rows)


@get("/pieces", include_in_schema=False)
async def pieces(request: AnyRequest) -> Response[str]:
    """The pieces this city is put together from, by their manifests."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set="pieces")
    return page(visit, "pieces.html", pieces=[shown(m, visit) for m in house.rooms.pieces])


def shown(manifest: Any, visit: Visit) -> dict[str, Any]:
    """A manifest as the page shows it; members it lacks are empty."""
    found: dict[str, Any] = {}
    for name in ("name", "owner", "maturity", "reads", "writes", "permissions"):
        found[name] = getattr(manifest, name)
    found["commands"] = [
        (command.name, visit.words.pick(command.title)) for command in manifest.commands
    ]
    found["title"] = visit.words.pick(manifest.title)
    found["summary"] = visit.words.pick(manifest.summary)
    return found


@get("/vocabulary", include_in_schema=False)
async def vocabulary(request: AnyRequest) -> Response[str]:
    """The shared words: types and attributes with labels and units, and how many there are."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set="vocabulary")
    kinds = house.rooms.store.kinds(visit.number) if visit.number else []
    return page(visit, "vocabulary.html", types=labels.word_list(kinds, visit.words))


@get("/system", include_in_schema=False)
async def system(request: AnyRequest) -> Response[str]:
    """Where time goes: the store, the feed, the event streams, this process."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set="system")
    groups = {
        mark("Store"): house.rooms.store.statistics(),
        mark("Feed"): feed_figures(house.rooms.feed),
        mark("Event streams"): {
            "clients": len(house.hub.clients),
            "clients_dropped": house.hub.dropped,
            "pictures": len(house.pictures.by_tenant),
        },
        mark("Process"): {
            "version": __version__,
            "uptime_seconds": round(time.time() - STARTED_S),
            "cpu_seconds": round(time.process_time(), 1),
            "resident_bytes": resident_bytes(),
        },
    }
    return page(visit, "system.html", groups=groups)


def feed_figures(feed: Feed) -> dict[str, Any]:
    """How much went by live, and how far behind each named reader is."""
    return {"live_changes": feed.live_changes, **{f"lag {n}": v for n, v in feed.lag().items()}}
