"""The operator's pages: sources and their health, the quarantine, pieces, and where time goes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from litestar import Response, get
from litestar.response import Stream

from pintu.kernel.access import Deed
from pintu.kernel.errors import Refused
from pintu.web.api.acting import held_of
from pintu.web.held import Whose, look
from pintu.web.house import house_of
from pintu.web.pages.agreements_said import said
from pintu.web.pages.agreements_words import codes
from pintu.web.pages.listing import (
    BOM,
    Cell,
    Heading,
    Row,
    as_csv,
    choose,
    csv_headers,
    csv_lines,
)
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter
from pintu.web.why import receipt_line
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.web.rooms import Rooms

PAGE = 50
MOST_EXPORTED = 20_000
SHOWN_BODY = 16_384


@get("/sources", include_in_schema=False)
async def sources(request: AnyRequest, part: str = "", format: str = "") -> Response[Any]:
    """Every source: state, messages, lag, quarantine, how often it should speak."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set="sources")
    counts = house.rooms.intake.quarantine.counts()
    found = [
        (source, counts.get(source.name))
        for source in house.rooms.intake.sources()
        if source.tenant in ("", visit.tenant)
    ]
    rows = [source_row(source, count, visit) for source, count in found]
    rows += [orphan_row(name, count, visit) for name, count in orphans(found, counts).items()]
    headings = [
        Heading(name=name, title=visit.words.text(title), kind=kind)
        for name, title, kind in SOURCE_COLUMNS
    ]
    listing = choose(request, headings, rows)
    if format == "csv":
        return as_csv("sources", listing, visit.words.iso)
    template = "part_sources.html" if part == "table" else "sources.html"
    return page(visit, template, listing=listing)


SOURCE_COLUMNS = (
    ("source", mark("Source"), "text"),
    ("state", mark("State"), "state"),
    ("messages", mark("Messages"), "number"),
    ("bytes", mark("Bytes"), "number"),
    ("accepted", mark("Accepted"), "number"),
    ("lag", mark("Lag"), "number"),
    ("last", mark("Last heard"), "age"),
    ("expected", mark("Expected every"), "number"),
    ("held", mark("In quarantine"), "number"),
)
"""(name in the address, title, kind) of the sources' columns."""


def source_row(source: Any, count: Any, visit: Visit) -> Row:
    """What a source says of itself and what intake saw of it."""
    words, report = visit.words, source.report
    last_us = report.last_us if report and report.last_us else source.last_batch_us
    every_s = source.expected_interval_s
    held = count.held if count else 0
    return Row(
        id=source.name,
        cells={
            "source": Cell(text=source.name, key=source.name),
            "state": Cell(text=words.value(source.health), key=source.health, word=source.health),
            "messages": _figure(report and report.messages, words.number),
            "bytes": _figure(report and report.bytes, words.bytes),
            "accepted": _figure(source.accepted, words.number),
            "lag": _figure(report and report.lag_us / 1e6, words.span),
            "last": Cell(text=words.age(last_us), key=last_us or None, at_us=last_us),
            "expected": _figure(every_s or None, words.span),
            "held": Cell(text=words.number(held), key=held),
        },
        extra={
            "detail": report.detail[:160] if report else "",
            "dropped": count.dropped if count else 0,
        },
    )


def _figure(value: Any, said: Callable[[Any], str]) -> Cell:
    return Cell(text="–") if value is None else Cell(text=said(value), key=value)


def orphan_row(name: str, count: Any, visit: Visit) -> Row:
    """A source of which only what is held is known."""
    nothing = {column: Cell(text="–") for column, _, _ in SOURCE_COLUMNS}
    told = {
        "source": Cell(text=name, key=name),
        "state": Cell(text=visit.words.text("not heard since the start"), word="unknown"),
        "held": Cell(text=visit.words.number(count.held), key=count.held),
    }
    return Row(id=name, cells=nothing | told, extra={"detail": "", "dropped": count.dropped})


def orphans(found: list[tuple[Any, Any]], counts: dict[str, Any]) -> dict[str, Any]:
    """What is held of sources that have not spoken since the start."""
    known = {source.name for source, _ in found}
    return {name: count for name, count in counts.items() if name not in known}


@get("/quarantine", include_in_schema=False)
async def quarantine(
    request: AnyRequest, source: str | None = None, before: int | None = None, format: str = ""
) -> Response[Any]:
    """What nobody could read or accept: reason, raw message, retry, drop."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set="quarantine")
    room = house.rooms.intake.quarantine
    if format == "csv":
        parts = held_file(house.rooms, visit, source or None)
        headers = csv_headers("quarantine")
        return Stream(parts, media_type="text/csv; charset=utf-8", headers=headers)
    held = await room.list(source=source or None, before=before, limit=PAGE)
    mine = [entry for entry in held if entry.tenant == visit.tenant]
    whose = Whose(house.rooms)
    return page(
        visit,
        "quarantine.html",
        held=mine,
        persons={entry.id for entry in mine if whose.persons(entry) is not None},
        more=held[-1].id if len(held) == PAGE else 0,
        source=source or "",
        counts=room.counts(),
        may_operate=visit.may(Deed.OPERATE, "quarantine"),
    )


async def held_file(rooms: Rooms, visit: Visit, source: str | None) -> AsyncIterator[bytes]:
    """What is held as CSV, newest first; the messages themselves stay where they are, and of those
    about persons also key and reason."""
    names = ("id", "source", "key", "received", "bytes", "attempts", "reason")
    yield BOM + csv_lines([names])
    before: int | None = None
    whose = Whose(rooms)
    for _ in range(MOST_EXPORTED // PAGE):
        held = await rooms.intake.quarantine.list(source=source, before=before, limit=PAGE)
        mine = [one for one in held if one.tenant == visit.tenant]
        yield csv_lines(
            (
                str(one.id), one.source, "" if closed else one.key,
                visit.words.iso(one.received_us), str(one.size), str(one.attempts),
                "" if closed else one.reason,
            )
            for one, closed in ((one, whose.persons(one) is not None) for one in mine)
        )  # fmt: skip
        if len(held) < PAGE:
            return
        before = held[-1].id


@get("/quarantine/{number:int}", include_in_schema=False)
async def quarantined(request: AnyRequest, number: int) -> Response[str]:
    """One held message with its raw bytes; one about persons only to whom the gate lets see the
    persons of its data set, for a purpose and a reason, written down before it is shown."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set="quarantine")
    held = await held_of(house.rooms, visit.tenant, number)
    data_set = Whose(house.rooms).persons(held)
    receipt, refused = None, ""
    if data_set is not None and (visit.why.purpose or visit.why.reason):
        try:
            receipt = await look(visit, held, data_set)
        except Refused as error:
            refused = said(error, visit)
    closed = data_set is not None and receipt is None
    shown = page(
        visit,
        "quarantined.html",
        403 if refused else 200,
        entry=held,
        closed=closed,
        refused=refused,
        reason=visit.why.reason,
        purposes=codes("purpose", visit.words) if closed else [],
        raw="" if closed else readable(held.body),
        may_operate=visit.may(Deed.OPERATE, "quarantine"),
    )
    if receipt is not None:
        shown.headers["Pintu-Receipt"] = receipt_line(receipt)
    return shown


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
