"""The streets of the city: the state of each, what causes it, and which of them nothing watches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from litestar import Response, get

from pintu.kernel.access import Deed as Right
from pintu.kernel.clock import iso
from pintu.kernel.errors import ResourceNotFound
from pintu.kernel.operations.streets.words import RANK, STATES
from pintu.web.house import house_of
from pintu.web.pages.labels import severity_title, type_label, value_label
from pintu.web.pages.listing import Cell, Heading, Row, as_csv, choose, shown
from pintu.web.pages.render import page
from pintu.web.pages.streets_svg import plan_svg
from pintu.web.visit import AnyRequest, Visit, enter
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.operations.streets import Cause, Street, Streets

COLUMNS: Final = (
    ("state", mark("State"), "state"),
    ("name", mark("Street"), "text"),
    ("cause", mark("Cause"), "text"),
    ("watched", mark("Watched"), "state"),
    ("coverage", mark("Coverage"), "number"),
    ("length", mark("Length, m"), "number"),
    ("since", mark("Since"), "time"),
)
WATCHED: Final = {"nothing": mark("nothing"), "partly": mark("partly"), "all": mark("all along")}
HOW: Final = {
    "relationship": mark("on it, as its thing says"),
    "area": mark("inside its area"),
    "distance": mark("beside it"),
}
PARTLY: Final = 0.95
DEEDS: Final = 40


@get("/streets", include_in_schema=False)
async def streets(request: AnyRequest, format: str = "") -> Response[Any]:
    """Every stretch of road, the gravest first; `?format=csv` the file."""
    visit = _enter(request)
    found = streets_of(visit).list_streets(visit.tenant)
    words = visit.words
    headings = [
        Heading(name=name, title=words.text(title), kind=kind) for name, title, kind in COLUMNS
    ]
    listing = choose(request, headings, [_row(one, visit) for one in found])
    if format == "csv":
        return as_csv("streets", listing, words.iso)
    kept = {row.id for row in listing.rows}
    drawn = [one for one in found if one.id in kept]
    titles = {one.id: f"{name_of(one, visit)}: {state_title(one.state, visit)}" for one in drawn}
    length = sum(one.length_m for one in found)
    blind = sum(one.length_m for one in found if not one.watched_by)
    return page(
        visit,
        "streets.html",
        listing=listing,
        rows=shown(listing),
        plan=plan_svg(drawn, visit.rooms.basemap, words.text(mark("Plan of the streets")), titles),
        legend=legend(visit),
        blind=blind,
        blind_share=round(100 * blind / length) if length else 0,
        tally=_tally(found, visit),
    )


@get("/streets/{id:str}", include_in_schema=False)
async def street(request: AnyRequest, id: str) -> Response[Any]:
    """One stretch: everything that lies on it, what watches it, how its state went."""
    visit = _enter(request)
    one = streets_of(visit).get(visit.tenant, id)
    deeds = []
    if visit.may(Right.RESPOND) and visit.rooms.operations is not None:
        journal = visit.rooms.operations.journal
        found = await journal.list_deeds(subject=f"street:{id}", tenant=visit.tenant, limit=DEEDS)
        deeds = [deed_said(deed, visit) for deed in reversed(found)]
    words = visit.words
    return page(
        visit,
        "streets_one.html",
        street=one,
        name=name_of(one, visit),
        state=state_title(one.state, visit),
        road_class=value_label("roadClass", one.road_class, words) or one.road_class,
        causes=[cause_said(cause, visit) for cause in one.causes],
        more=one.cause_count - len(one.causes),
        watched=[
            (type_label((type,), words), count) for type, count in sorted(one.watched_by.items())
        ],
        percent=round(one.coverage * 100),
        plan=plan_svg([one], visit.rooms.basemap, name_of(one, visit), {}),
        deeds=deeds,
    )


def _enter(request: AnyRequest) -> Visit:
    visit = enter(request, house_of(request).rooms)
    visit.whole_rows()
    return visit


def streets_of(visit: Visit) -> Streets:
    """The room of streets; ResourceNotFound in a city that keeps none."""
    operations = visit.rooms.operations
    if operations is None or operations.streets is None:
        raise ResourceNotFound("This city keeps no states of streets")
    return operations.streets


def state_title(state: str, visit: Visit) -> str:
    """The state as people say it."""
    return value_label("streetState", state, visit.words) or state


def name_of(street: Street, visit: Visit) -> str:
    """What a street is called; the end of its id when it has no name."""
    return visit.words.pick(street.name) or street.road or street.id.rpartition(":")[2]


def legend(visit: Visit) -> list[tuple[str, str]]:
    """(state, as people say it), from the gravest."""
    return [(state, state_title(state, visit)) for state in reversed(STATES)]


def cause_said(cause: Cause, visit: Visit) -> dict[str, Any]:
    """A cause as a page shows it: named, with where it leads."""
    local = cause.id.rpartition(":")[2]
    addresses = {"incident": f"/incidents/{quote(local)}", "warning": f"/warnings/{quote(local)}"}
    types = {"incident": "Incident", "warning": "PublicWarning", "alert": "Alert"}
    kind = types.get(cause.kind, "RoadSegment")
    return {
        "name": visit.words.pick(cause.name) or local,
        "kind": type_label((kind,), visit.words),
        "severity": severity_title(cause.severity, visit.words),
        "state": cause.state,
        "state_title": state_title(cause.state, visit),
        "how": visit.words.text(HOW[cause.how]),
        "distance_m": cause.distance_m,
        "address": addresses.get(cause.kind, f"/entities/{quote(cause.id)}"),
    }


def deed_said(deed: Any, visit: Visit) -> dict[str, Any]:
    """A change of state as a page shows it."""
    return {
        "at_us": deed.at_us,
        "was": state_title(str(deed.detail.get("from", "")), visit),
        "state": str(deed.detail.get("to", "")),
        "title": state_title(str(deed.detail.get("to", "")), visit),
        "causes": [str(one).rpartition(":")[2] for one in deed.detail.get("causes", [])],
    }


def watched_word(street: Street) -> str:
    """nothing, partly, all: how much of a street something watches."""
    if not street.coverage:
        return "nothing"
    return "all" if street.coverage >= PARTLY else "partly"


def _row(street: Street, visit: Visit) -> Row:
    words = visit.words
    cause = cause_said(street.causes[0], visit) if street.causes else None
    watched = watched_word(street)
    name = name_of(street, visit)
    cells = {
        "state": Cell(
            text=state_title(street.state, visit), key=-RANK[street.state], word=street.state
        ),
        "name": Cell(text=name, key=name),
        "cause": Cell(text=cause["name"] if cause else "–", key=cause["name"] if cause else None),
        "watched": Cell(text=words.text(WATCHED[watched]), key=street.coverage, word=watched),
        "coverage": Cell(text=f"{street.coverage * 100:.0f} %", key=street.coverage),
        "length": Cell(text=words.number(street.length_m), key=street.length_m),
        "since": Cell(text=words.age(street.since_us), key=street.since_us, at_us=street.since_us),
    }
    return Row(id=street.id, cells=cells, extra={"cause": cause, "more": street.cause_count - 1})


def _tally(found: list[Street], visit: Visit) -> list[tuple[str, str, int]]:
    counts = dict.fromkeys(reversed(STATES), 0)
    for one in found:
        counts[one.state] += 1
    return [(state, state_title(state, visit), count) for state, count in counts.items()]


def told(street: Street) -> dict[str, Any]:
    """A street as the API tells of it."""
    return {
        "id": street.id,
        "name": street.name,
        "state": street.state,
        "severity": street.severity,
        "since": iso(street.since_us // 1000 * 1000) if street.since_us else None,
        "coverage": street.coverage,
        "watched_by": street.watched_by,
        "length_m": street.length_m,
        "cause_count": street.cause_count,
        "causes": [
            {
                "id": one.id,
                "kind": one.kind,
                "severity": one.severity,
                "state": one.state,
                "how": one.how,
                "distance_m": one.distance_m,
                "name": one.name,
            }
            for one in street.causes
        ],
    }


PAGES: Final[tuple[Any, ...]] = (streets, street)
