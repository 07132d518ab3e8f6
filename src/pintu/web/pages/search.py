"""The search box's answers: streets, things, incidents, commands, data sets, and pages by title."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get

from pintu.kernel.exchange.catalogue_search import Search
from pintu.web.api.names import best, called
from pintu.web.api.search import find_things, plain
from pintu.web.house import House, house_of
from pintu.web.pages import labels
from pintu.web.pages.listing import BOM, csv_headers, csv_lines
from pintu.web.pages.rail import rail_of
from pintu.web.pages.render import NAVIGATION, page
from pintu.web.visit import AnyRequest, Visit, enter
from pintu.web.wall.shown import page_of

SETS: Final = Search()
FEW: Final = 3


@get("/search", include_in_schema=False)
async def search(
    request: AnyRequest, q: str = "", part: str = "", format: str = ""
) -> Response[Any]:
    """Results as a page, or as the list under the box (`?part=list`)."""
    house = house_of(request)
    visit = enter(request, house.rooms)
    visit.whole_rows()
    wanted = plain(q)
    things = await _things(house, visit, q) if wanted else []
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
    template = "part_found.html" if part == "list" else "search.html"
    return page(
        visit,
        template,
        q=q[:100],
        things=things,
        pages=pages,
        streets=house.hub.names.streets(wanted) if wanted else [],
        commands=await _commands(visit, wanted) if wanted else [],
        sets=_sets(visit, wanted) if wanted else [],
    )


async def _things(house: House, visit: Visit, q: str) -> list[dict[str, Any]]:
    picture = await house.pictures.of(visit.number)
    names = await house.hub.names.of(visit.number)
    named = best(names.by_id.items(), plain(q))
    found = await find_things(house.rooms.store, picture, visit.number, q, named)
    return [
        {
            **thing,
            "name": visit.words.pick(thing["names"] or thing["name"]),
            "kind": labels.type_label(thing["types"], visit.words),
            "short": thing["id"].rpartition(":")[2],
            "page": page_of(thing["id"], thing["types"]),
        }
        for thing in found
    ]


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
