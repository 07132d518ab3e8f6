"""Records that are one: which they are, what holds of them, what happened to them, and undoing it
exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.errors import PintuError, ResourceNotFound, StateConflict
from pintu.kernel.linkage.words import Ref
from pintu.web.house import house_of
from pintu.web.pages.agreements_parties import person_name
from pintu.web.pages.linkage import DATA_SET, ask_why, read_form, set_title, text_of, title_of
from pintu.web.pages.linkage_hand import SESSIONS, hand_of, room_of
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.linkage.words import Cluster, Event, Golden, Plan

PAGE: Final = 50
MOST_PAGES: Final = 10_000
DEEDS: Final = {
    "merge": mark("Joined"),
    "unmerge": mark("Undone"),
    "split": mark("Parted"),
    "pick": mark("Chosen whose word holds"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One attribute of a golden record: what holds, and each other thing that is said."""

    title: str
    holds: str
    holder: str  # the data set whose word it is
    others: list[tuple[str, str]]  # (value, data set)
    conflict: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One event as the page tells it."""

    number: int
    title: str
    at_us: int
    by: str
    reason: str
    records: int  # that it touched
    undone: int  # the event that undid it, 0 for none
    undoes: int
    joins: bool  # undoing it parts records


@get("/linkage/{name:str}/groups", include_in_schema=False)
async def groups(
    request: AnyRequest, name: str, at: int = 1, done: int = 0, missing: str = ""
) -> Response[Any]:
    """Every group of a plan, the largest first; how many records of which data sets, of nobody
    anything else."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    room = room_of(visit)
    plan = await room.get_plan(name)
    if SESSIONS.find(visit) is None and not visit.why.reason:
        return ask_why(visit, plan, 0, {"to": "groups"})
    room.may_work(plan, hand_of(visit))
    at = min(max(at, 1), MOST_PAGES)
    found = await room.list_clusters(name, limit=PAGE + 1, offset=(at - 1) * PAGE)
    return page(
        visit, "linkage_groups.html", plan=plan, title=visit.words.pick(plan.title) or plan.name,
        groups=[_line(one, visit) for one in found[:PAGE]], more=len(found) > PAGE, at=at,
        sets=[(one.data_set, set_title(visit, one.data_set)) for one in plan.sources],
        done=done, missing=bool(missing),
    )  # fmt: skip


@post("/linkage/{name:str}/groups", include_in_schema=False)
async def find(request: AnyRequest, name: str) -> Response[Any]:
    """The group a record is in. Its key is told in the form, never in an address: it may be a
    person's number."""
    visit, form = await read_form(request)
    room = room_of(visit)
    plan = await room.get_plan(name)
    if SESSIONS.find(visit) is None and not visit.why.reason:
        return ask_why(visit, plan, 0, {"to": "groups"})
    room.may_work(plan, hand_of(visit))
    ref = Ref(str(form.get("data_set", ""))[:200], str(form.get("key", "")).strip()[:500])
    if ref.data_set not in {one.data_set for one in plan.sources}:
        return Redirect(f"/linkage/{name}/groups?missing=1", status_code=303)
    room.may_see(ref.data_set, hand_of(visit))
    found = await room.find_cluster(name, ref)
    to = f"/linkage/{name}/groups" + (f"/{found.id}" if found is not None else "?missing=1")
    return Redirect(to, status_code=303)


@get("/linkage/{name:str}/groups/{id:str}", include_in_schema=False)
async def group(request: AnyRequest, name: str, id: str, done: int = 0) -> Response[Any]:
    """One group: its golden record, and everything that happened to it. One that is parted by now
    has only its story."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    plan = await room_of(visit).get_plan(name)
    if SESSIONS.find(visit) is None and not visit.why.reason:
        return ask_why(visit, plan, 0, {"to": f"groups/{id}"})
    return await _group(visit, plan, id, done=done)


@post("/linkage/{name:str}/undo", include_in_schema=False)
async def undo(request: AnyRequest, name: str) -> Response[Any]:
    """Put back what was before an event, byte by byte; `apart` says that what it had joined is
    different and stays so."""
    visit, form = await read_form(request)
    room = room_of(visit)
    plan = await room.get_plan(name)
    id, number = str(form.get("group", ""))[:60], _whole(form.get("event"))
    if SESSIONS.find(visit) is None and not visit.why.reason:
        return ask_why(visit, plan, 0, {"to": f"groups/{id}"})
    story = await room.story(id, hand_of(visit))
    if number not in {one.number for one in story if one.plan == name}:
        raise ResourceNotFound(f"Event {number} did not happen to group {id}")
    try:
        event = await room.unmerge(number, hand_of(visit), apart=form.get("apart") == "yes")
    except StateConflict as error:
        return await _group(visit, plan, id, why=error)
    return Redirect(f"/linkage/{name}/groups/{id}?done={event.number}", status_code=303)


async def _group(
    visit: Visit, plan: Plan, id: str, *, done: int = 0, why: PintuError | None = None
) -> Response[Any]:
    room = room_of(visit)
    story = [one for one in await room.story(id, hand_of(visit)) if one.plan == plan.name]
    if not story:
        raise ResourceNotFound(f"Group {id[:40]} is not of plan {plan.name}")
    try:
        golden = await room.golden(id, hand_of(visit))
    except ResourceNotFound:  # it was parted
        golden = None
    return page(
        visit, "linkage_group.html", 409 if why else 200, plan=plan, id=id,
        title=visit.words.pick(plan.title) or plan.name,
        line=_line(golden.cluster, visit) if golden is not None else None,
        attributes=[] if golden is None else _told(golden, plan, visit),
        story=[_happened(one, visit) for one in story], why=_said(why, visit), done=done,
    )  # fmt: skip


def _said(why: PintuError | None, visit: Visit) -> str:
    """What keeps an event from being undone, in the visitor's language where it is known."""
    if why is None:
        return ""
    told = why.detail
    if "was undone already" in told:
        return visit.words.text("Somebody undid this already.")
    later = told.rpartition(": undo event ")[2].partition(" ")[0]
    if later.isdigit():
        text = visit.words.text(
            "These records were joined or parted again since: undo %(n)s first."
        )
        return text % {"n": later}
    if "different valid id numbers" in told:
        return visit.words.text(
            "Both numbers are valid and differ: these are two persons and cannot be joined."
        )
    return told


def _line(one: Cluster, visit: Visit) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for ref in one.members:
        counts[ref.data_set] = counts.get(ref.data_set, 0) + 1
    sets = [(set_title(visit, name), count) for name, count in sorted(counts.items())]
    return {"id": one.id, "records": len(one.members), "since_us": one.since_us, "sets": sets}


def _told(golden: Golden, plan: Plan, visit: Visit) -> list[Told]:
    found = []
    for one in golden.attributes:
        holds = one.holds
        others = [
            (text_of(one.name, said), set_title(visit, said.data_set))
            for said in one.says
            if said != holds
        ]
        found.append(
            Told(
                title=title_of(one.name, plan, visit),
                holds=text_of(one.name, holds),
                holder=set_title(visit, holds.data_set) if holds is not None else "",
                others=others,
                conflict=one.conflict,
            )
        )
    return found


def _happened(one: Event, visit: Visit) -> Happened:
    return Happened(
        number=one.number,
        title=visit.words.text(DEEDS[one.what]),
        at_us=one.at_us,
        by=person_name(visit, one.by),
        reason=one.reason,
        records=len({ref for side in (one.before, one.after) for c in side for ref in c.members}),
        undone=one.undone,
        undoes=one.undoes,
        joins=one.what == "merge",
    )


def _whole(told: object) -> int:
    text = str(told or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


PAGES: Final[tuple[Any, ...]] = (groups, find, group, undo)
