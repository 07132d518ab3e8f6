"""Islands: the index of a city, what is held twice, what only looks smart, and one picture."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile

from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import Forbidden, PintuError, ResourceNotFound, Unauthorized
from pintu.kernel.exchange.finding import Finder
from pintu.kernel.exchange.finding.differing import Differences, differences
from pintu.kernel.exchange.finding.picture import picture_of
from pintu.kernel.exchange.finding.proposals import read_planned
from pintu.kernel.exchange.finding.words import Finding, Twin
from pintu.kernel.exchange.words import DataSet, Question
from pintu.web.house import house_of
from pintu.web.pages.agreements_words import codes
from pintu.web.pages.board_values import title_of
from pintu.web.pages.data_sets_about import (
    known_sets,
    may_know,
    owner_said,
    set_said,
    twin_said,
)
from pintu.web.pages.islands_svg import line_of, svg_of
from pintu.web.pages.listing import BOM, csv_headers, csv_lines
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers
from pintu.web.words import mark

DATA_SET: Final = "catalogue"
SHOWN_TWINS: Final = 200
COMPARED: Final = 20_000
PAGE: Final = 1_000  # more rows of persons no call lets through
KINDS: Final = {
    "unconnected": (mark("System that connects to nothing"),
                    mark("Connect what it brings to somebody who needs it, or end it.")),
    "unused": (mark("Data set nobody uses"),
               mark("Offer it, or ask why it is still collected.")),
    "by_hand": (mark("Page fed by hand"),
                mark("Connect the system the files come from.")),
    "constant": (mark("New times, old values"),
                 mark("Look at the source: rows are touched, nothing is measured.")),
    "silent": (mark("Silent source"), mark("Call whoever runs it; see the source's page.")),
    "stale": (mark("Older than promised"),
              mark("Ask the owner, or change the promised update frequency.")),
}  # fmt: skip
"""What a finding is called, and what to do."""


def finder_of(visit: Visit) -> Finder:
    """The finder's room; ResourceNotFound in a city that has none."""
    if visit.rooms.finder is None:
        raise ResourceNotFound("This city measures nothing")
    return visit.rooms.finder


@get("/islands", include_in_schema=False)
async def islands(request: AnyRequest) -> Response[Any]:
    """The index and its past, the picture, what is held twice, what only looks smart."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    finder, words = finder_of(visit), visit.words
    known = known_sets(visit)
    twins = [one for one in finder.list_twins() if may_know(one, known)]
    uses = [one for one in finder.uses() if one.data_set in known]
    days = finder.days()
    picture = picture_of(list(known.values()), twins, uses)
    return page(
        visit,
        "islands.html",
        day=days[-1] if days else None,
        days=days[-30:][::-1],
        trend=line_of([one.index for one in days[-90:]]),
        picture=picture,
        svg=svg_of(
            picture, words, lambda id: owner_said(visit, id),
            lambda name: set_said(name, visit, known),
        ),
        twins=[twin_said(one, visit, known) for one in twins[:SHOWN_TWINS]],
        twins_total=len(twins),
        findings=[finding_said(one, visit) for one in finder.list_findings() if _told(one, known)],
        may_look=visit.may(Deed.OPERATE, DATA_SET),
    )  # fmt: skip


def _told(finding: Finding, known: dict[str, DataSet]) -> bool:
    """Findings about data sets are for who may know them."""
    return finding.kind not in ("unused", "constant", "stale") or finding.about in known


def finding_said(finding: Finding, visit: Visit) -> dict[str, Any]:
    """One finding in words."""
    words = visit.words
    title, deed = KINDS[finding.kind]
    bases = {"unused": "/data-sets/", "constant": "/data-sets/", "stale": "/data-sets/",
             "by_hand": "/boards/"}  # fmt: skip
    base = bases.get(finding.kind, "")
    return {
        "kind": words.text(title),
        "deed": words.text(deed),
        "about": words.pick(finding.title) or finding.about,
        "name": finding.about,
        "href": f"{base}{finding.about}" if base else "/sources",
        "owner": owner_said(visit, finding.owner) if finding.owner else "–",
        "since_us": finding.since_us,
        "evidence": " · ".join(f"{name}: {told}" for name, told in finding.evidence.items()),
    }


@post("/islands/look", include_in_schema=False)
async def look(request: AnyRequest) -> Response[Any]:
    """Measure and compare now: whoever runs the city."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    form = await request.form()
    visit.rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    wish = Act(deed=Deed.OPERATE, tenant=visit.tenant, data_set=DATA_SET)
    visit.rooms.gate.decide(visit.actor, wish)
    finder = finder_of(visit)
    await finder.measure_all()
    await finder.find()
    return Response(None, status_code=303, headers={"Location": "/islands"})


@get("/islands/duplicates/{twin_id:str}", include_in_schema=False)
async def duplicate(request: AnyRequest, twin_id: str, format: str = "") -> Response[Any]:
    """Two data sets side by side: by which fields they are one, and where they differ."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    finder, known = finder_of(visit), known_sets(visit)
    twin = finder.twin(twin_id)
    if not may_know(twin, known):
        raise ResourceNotFound(f"Nothing called {twin_id[:100]!r} is held twice now")
    compared, refused = await compare(twin, visit)
    if format == "csv" and compared is not None:
        lines = [["key", twin.left, twin.right, "left", "right"]]
        lines += [
            [" / ".join(one.key), one.left, one.right, str(one.says[0]), str(one.says[1])]
            for one in compared.rows
        ]
        return Response(
            BOM + csv_lines(lines), media_type="text/csv; charset=utf-8",
            headers=csv_headers(f"differences_{twin_id}"),
        )  # fmt: skip
    titles = {
        name: {one.name: title_of(one, visit.words) for one in found.columns}
        for name in (twin.left, twin.right)
        if (found := known.get(name)) is not None
    }
    return page(
        visit,
        "island_duplicate.html",
        twin=twin,
        said=twin_said(twin, visit, known),
        titles=[titles.get(twin.left, {}), titles.get(twin.right, {})],
        compared=compared,
        refused=refused,
        purposes=codes("purpose", visit.words),
        asked=visit.why,
    )


async def compare(twin: Twin, visit: Visit) -> tuple[Differences | None, str]:
    """(the differences, "") for who may read both through the gate; (None, why) for others, who
    see counts alone."""
    if "@" in twin.left or "@" in twin.right:
        return None, visit.words.text("One of the two is held by another node.")
    try:
        left = await _rows(twin.left, _wanted(twin, 0), visit)
        right = await _rows(twin.right, _wanted(twin, 1), visit)
    except (Forbidden, Unauthorized) as error:
        return None, error.detail
    except PintuError as error:
        return None, error.detail
    return differences(twin, left, right), ""


def _wanted(twin: Twin, side: int) -> tuple[str, ...]:
    fields = [(one.left, one.right)[side] for one in twin.fields]
    return tuple(dict.fromkeys((*twin.keys[side], *fields)))


async def _rows(name: str, columns: tuple[str, ...], visit: Visit) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < COMPARED:
        question = Question(columns=columns, limit=PAGE, offset=len(found))
        rows = (await visit.rooms.exchange.ask(visit.actor, name, question, visit.why)).rows
        found += rows
        if len(rows) < PAGE:
            break
    return found


@get("/islands/proposal", include_in_schema=False)
async def proposal(request: AnyRequest) -> Response[Any]:
    """Where a project's planned fields are handed in, before money is granted."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    return page(visit, "island_proposal.html", answer=None, text="", why="")


@post("/islands/proposal", include_in_schema=False)
async def propose(request: AnyRequest) -> Response[Any]:
    """What of it exists already, with whom; nothing is kept of it."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    form = await request.form()
    visit.rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    text = str(form.get("fields", ""))[:100_000]
    file = form.get("file")
    if isinstance(file, UploadFile):
        text = (await file.read())[:200_000].decode("utf-8-sig", "replace") or text
    known = known_sets(visit)
    try:
        answer = finder_of(visit).proposed(read_planned(text))
    except PintuError as error:
        return page(visit, "island_proposal.html", 400, answer=None, text=text, why=error.detail)
    holders = [
        {
            **{name: getattr(one, name) for name in ("data_set", "share", "fields", "sharing")},
            "title": set_said(one.data_set, visit, known),
            "owner": owner_said(visit, one.owner) if one.owner else "–",
        }
        for one in answer.holders
        if one.data_set in known
    ]
    return page(
        visit, "island_proposal.html", answer=msgspec.structs.replace(answer, holders=()),
        holders=holders, text=text, why="",
    )  # fmt: skip


PAGES: Final[tuple[Any, ...]] = (islands, look, duplicate, proposal, propose)
