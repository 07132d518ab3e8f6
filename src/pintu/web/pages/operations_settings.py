"""What the town decided for its operations room: promises of work, how near alarms are one thing,
when the duty phone goes on. Seen by who works there, set by who runs the city."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import BadRequestData, ConfigurationError, PintuError, Unavailable
from pintu.kernel.operations.decided import WINDOWS, shown
from pintu.kernel.operations.incidents.rules import Rules
from pintu.kernel.operations.orders.service import LEVELS
from pintu.kernel.operations.orders.words import SEVERITIES
from pintu.web.api.warnings import certificates
from pintu.web.house import house_of
from pintu.web.pages.labels import severity_title, value_label
from pintu.web.pages.orders_said import hours_said
from pintu.web.pages.render import page
from pintu.web.pages.roster_said import DATA_SET, form_of
from pintu.web.visit import AnyRequest, Visit, enter
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.operations.decided import Decided
    from pintu.kernel.operations.opening import OperationsRoom

PATH: Final = "/operations-settings"
MINUTES: Final = {
    "confirm": mark("confirmed by the crew"),
    "arrive": mark("on site"),
    "finish": mark("finished"),
}
TITLES: Final = {
    "same_min": mark("Another alarm about the same thing, minutes apart"),
    "again_min": mark("The same alarm again after all was over is another incident, minutes"),
    "cause_min": mark("A thing and what depends on it, minutes apart"),
    "shared_min": mark("Two things that depend on one that says nothing, minutes apart"),
    "waits_high_s": mark("A lone alarm of high severity waits, seconds"),
    "waits_medium_s": mark("A lone alarm of medium severity waits, seconds"),
    "waits_low_s": mark("A lone alarm of low severity waits, seconds"),
    "passes_min": mark("Over and never looked at: closed after minutes"),
    "passes_grave_min": mark("The same of what is grave or was taken on, minutes"),
    "follows_min": mark("What comes again so soon after closing goes on from it, minutes"),
}
assert TITLES.keys() == WINDOWS.keys()


def room_of(visit: Visit) -> tuple[OperationsRoom, Decided]:
    """The room and its decisions; Unavailable in a city that has none."""
    room = visit.rooms.operations
    if room is None or room.decided is None:
        raise Unavailable("This city has no operations room")
    return room, room.decided


@get(PATH, include_in_schema=False)
async def settings(request: AnyRequest, done: str = "") -> Response[Any]:
    """Everything that is decided, as it is followed now."""
    visit = enter(request, house_of(request).rooms, None, data_set=DATA_SET)
    visit.rooms.gate.decide(visit.actor, Act(deed=Deed.RESPOND, tenant=visit.tenant))
    return _page(visit, done=bool(done))


@post(PATH, include_in_schema=False)
async def keep(request: AnyRequest) -> Response[Any]:
    """Decide something; it is followed from now on."""
    visit = enter(request, house_of(request).rooms, None, data_set=DATA_SET)
    act = Act(deed=Deed.OPERATE, tenant=visit.tenant, data_set=DATA_SET)
    visit.rooms.gate.decide(visit.actor, act)
    form = await form_of(request)
    _, decided = room_of(visit)
    name = form.get("name", "")
    try:
        over = int(form["over"]) if form.get("over", "").isdigit() else None
        decided.save(name, content_of(name, form), by=visit.actor.id, over=over)
    except PintuError as error:
        return _page(visit, why=error.detail, status=error.status)
    return Redirect(f"{PATH}?done=1", status_code=303)


def content_of(name: str, form: dict[str, str]) -> dict[str, Any]:
    """A decision as its file has it, out of a form's fields. BadRequestData."""
    if name == "promises":
        levels = {
            severity: {
                **{one: _whole(form, f"{severity}_{one}") for one in MINUTES},
                "always": bool(form.get(f"{severity}_always")),
            }
            for severity in SEVERITIES
        }
        days = {one: _days(form.get(one, "")) for one in ("worked", "free")}
        return {"hours": form.get("hours", ""), **days, "levels": levels}
    if name == "reaches":
        told: dict[str, Any] = {one: _whole(form, one) for one in (*WINDOWS, "extent_m")}
        told["near"] = {
            _pair(pair): {
                "metres": _whole(form, f"{_pair(pair)}_metres"),
                "minutes": _whole(form, f"{_pair(pair)}_minutes"),
            }
            for pair in Rules().related
        }
        return told
    return {one: _whole(form, one) for one in ("next_s", "slower_s", "grade")}


def _whole(form: dict[str, str], name: str) -> int:
    said = form.get(name, "").strip()
    if not said.isascii() or not said.isdigit() or len(said) > 9:
        raise BadRequestData(f"{name} {said[:20]!r} is not a whole number")
    return int(said)


def _days(said: str) -> list[date]:
    try:
        return [date.fromisoformat(one) for one in said.replace(",", " ").split()]
    except ValueError as error:
        raise BadRequestData(f"Days are written like 2026-10-01: {error}") from error


def _pair(kinds: frozenset[str]) -> str:
    """Two kinds of alarms as the file names them."""
    return " ".join(sorted(kinds) if len(kinds) > 1 else sorted(kinds) * 2)


def _page(visit: Visit, *, done: bool = False, why: str = "", status: int = 200) -> Response[Any]:
    room, decided = room_of(visit)
    versions = {}
    for name in ("promises", "reaches", "duty"):
        try:
            saved = decided.find(name)
            versions[name] = saved.version if saved is not None else 0
        except ConfigurationError as error:
            why, versions[name] = why or "; ".join(error.mistakes), 0
    return page(
        visit,
        "operations_settings.html",
        status,
        done=done,
        why=why,
        sets=visit.may(Deed.OPERATE),
        versions=versions,
        minutes=[(name, visit.words.text(title)) for name, title in MINUTES.items()],
        going=room.duty.going if room.duty is not None else None,
        senders=sorted(certificates(visit.rooms)),
        **_promises(room, visit),
        **_reaches(room, visit),
    )


def _promises(room: OperationsRoom, visit: Visit) -> dict[str, Any]:
    """Levels beside the usual ones, hours, own days."""
    service = room.orders.service if room.orders is not None else None
    own = service.calendar.own if service is not None else {}
    now = service.levels if service is not None else LEVELS
    return {
        "levels": [
            (one, severity_title(one, visit.words), now[one], LEVELS[one]) for one in SEVERITIES
        ],
        "hours": " ".join(hours_said(service.hours)) if service is not None else "",
        "worked": " ".join(sorted(day.isoformat() for day, works in own.items() if works)),
        "free": " ".join(sorted(day.isoformat() for day, works in own.items() if not works)),
    }


def _reaches(room: OperationsRoom, visit: Visit) -> dict[str, Any]:
    """Windows and distances beside the usual ones."""
    words, usual = visit.words, Rules()
    rules = room.incidents.desk.rules if room.incidents is not None else usual
    windows = []
    for name, title in TITLES.items():
        field, unit = WINDOWS[name]
        told = (getattr(rules, field) // unit, getattr(usual, field) // unit)
        windows.append((name, words.text(title), *told))
    near = []
    for kinds, known in usual.related.items():
        said = " · ".join(value_label("category", one, words) for one in sorted(kinds))
        near.append((_pair(kinds), said, shown(rules.related[kinds]), shown(known)))
    extent = (int(rules.extent_m), int(usual.extent_m))
    return {"windows": windows, "near": near, "extent": extent}


PAGES: Final[tuple[Any, ...]] = (settings, keep)
