"""The search box's answers: streets, things, incidents, commands, data sets, and pages by title."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from litestar import Response, get

from pintu.kernel.exchange.catalogue_search import Search
from pintu.web.agreed import answering, enter_agreed, sent
from pintu.web.api.names import called
from pintu.web.api.reading import things_found
from pintu.web.api.search import plain
from pintu.web.house import House, house_of
from pintu.web.pages import labels
from pintu.web.pages.listing import BOM, csv_headers, csv_lines
from pintu.web.pages.rail import rail_of
from pintu.web.pages.render import NAVIGATION, page
from pintu.web.visit import AnyRequest, Visit
from pintu.web.wall.shown import page_of

SETS: Final = Search()
FEW: Final = 3


@get("/search", include_in_schema=False)
async def search(
    request: AnyRequest, q: str = "", part: str = "", format: str = ""
) -> Response[Any]:
    """Results as a page, or as the list under the box (`?part=list`)."""
    house = house_of(request)
    visit = enter_agreed(request, house.rooms)
    async with answering(visit):
        wanted = plain(q)
        things = await _things(house, visit, q) if wanted else []
        found = await _answer(house, visit, (q, part, format), things)
        return await sent(visit, found, len(things))


async def _answer(
    house: House, visit: Visit, asked: tuple[str, str, str], things: list[dict[str, Any]]
) -> Response[Any]:
    """The page, its part or the file. Under an agreement only things and pages are looked for:
    streets, commands and the catalogue are no part of it."""
    q, part, format = asked
    wanted = plain(q)
    if format == "csv":
        head = ["id", "name", "type"]
        lines = [[one["id"], one["name"], ", ".join(one["types"])] for one in things]
        return Response(
            BOM + csv_lines([head, *lines]),
            media_type="text/csv; charset=utf-8",
            headers=csv_headers("search"),
        )
    pages = [
        (address, visit.words.text(title))
        for address, title, _ in rail_of(visit, NAVIGATION)
        if wanted and called((visit.words.text(title), title)).fit(wanted)
    ]
    more = bool(wanted) and not visit.agreed
    template = "part_found.html" if part == "list" else "search.html"
    return page(
        visit,
        template,
        q=q[:100],
        things=things,
        pages=pages,
        streets=house.hub.names.streets(wanted) if more else [],
        commands=await _commands(visit, wanted) if more else [],
        sets=_sets(visit, wanted) if more else [],
    )


async def _things(house: House, visit: Visit, q: str) -> list[dict[str, Any]]:
    return [
        {
            **thing,
            "name": visit.words.pick(thing["names"] or thing["name"]),
            "kind": labels.type_label(thing["types"], visit.words),
            "short": thing["id"].rpartition(":")[2],
            "page": _address(visit, thing),
        }
        for thing in await things_found(house, visit, q)
    ]


def _address(visit: Visit, thing: dict[str, Any]) -> str:
    """Where a thing is shown: under an agreement always the page that is narrowed."""
    if visit.agreed:
        return visit.to(f"/entities/{quote(thing['id'], safe='')}")
    return page_of(thing["id"], thing["types"])


async def _commands(visit: Visit, wanted: str) -> list[dict[str, Any]]:
    """Newest commands by what they are called, to whom they went, or their id."""
    found = []
    for entry in await visit.rooms.commands.recent(tenant=visit.tenant, limit=200):
        command = entry.command
        to = command.target.rpartition(":")[2]
        if wanted in command.name.lower() or wanted in to.lower() or command.id == wanted:
            found.append({"name": command.name, "to": to, "state": entry.state, "id": command.id})
    return found[:FEW]


def _sets(visit: Visit, wanted: str) -> list[tuple[str, str]]:
    """Data sets whose existence the visitor may know: (address, title)."""
    hits = SETS.find(visit.rooms.exchange.list_sets(visit.actor), wanted)
    return [(f"/data-sets/{one.name}", visit.words.pick(one.title)) for one in hits.data_sets[:FEW]]
