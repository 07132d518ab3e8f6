"""The search box's answers: things of the city, and pages by their title."""

from __future__ import annotations

from typing import Any

from litestar import Response, get

from pintu.web.api.search import find_things, plain
from pintu.web.house import house_of
from pintu.web.pages import labels
from pintu.web.pages.listing import BOM, csv_headers, csv_lines
from pintu.web.pages.rail import rail_of
from pintu.web.pages.render import NAVIGATION, page
from pintu.web.visit import AnyRequest, enter


@get("/search", include_in_schema=False)
async def search(
    request: AnyRequest, q: str = "", part: str = "", format: str = ""
) -> Response[Any]:
    """Results as a page, or as the list under the box (`?part=list`)."""
    house = house_of(request)
    visit = enter(request, house.rooms)
    visit.whole_rows()
    wanted = plain(q)
    things = []
    if wanted:
        picture = await house.pictures.of(visit.number)
        for thing in await find_things(house.rooms.store, picture, visit.number, q):
            kind = labels.type_label(thing["types"], visit.words)
            things.append({**thing, "kind": kind, "short": thing["id"].rpartition(":")[2]})
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
        if wanted and (wanted in plain(visit.words.text(title)) or wanted in plain(title))
    ]
    template = "part_found.html" if part == "list" else "search.html"
    return page(visit, template, q=q[:100], things=things, pages=pages)
