"""The review desk: pairs of records that only a person can decide, side by side, by keyboard."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.access.reasons import check_reason
from pintu.kernel.errors import BadRequestData, PintuError, ResourceNotFound, StateConflict
from pintu.kernel.identity.citizens import masked_id
from pintu.kernel.linkage.acting import Hand
from pintu.kernel.linkage.evidence import Evidence, differing
from pintu.web.house import house_of
from pintu.web.pages.agreements_parties import organisation_name
from pintu.web.pages.agreements_words import codes
from pintu.web.pages.board_values import called
from pintu.web.pages.linkage_hand import SESSIONS, hand_of, room_of
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.linkage.desk import Looked
    from pintu.kernel.linkage.words import Pair, Plan, Value, Verdict

DATA_SET: Final = "linkage"
PURPOSE: Final = "correction"
LONGEST_NOTE: Final = 300
WITHIN: Final = re.compile(r"groups(/c[0-9a-f]{1,40})?")
"""Pages of a plan that ask for a reason first and are led to afterwards."""

ATTRIBUTES: Final = {
    "name": mark("Full name"),
    "id_number": mark("Identity number"),
    "birth": mark("Born"),
    "sex": mark("Sex"),
    "phone": mark("Telephone"),
    "address": mark("Address"),
}
WHY: Final = {
    "score": mark("The model is not sure"),
    "twins": mark("They may be twins: birthday and home are the same, the names are not"),
    "number": mark("The same id number under two names"),
    "name": mark("Everything but the name is the same"),
    "ids": mark("Joining them would join two valid id numbers"),
    "size": mark("Joining them would make an unusually large group"),
    "person": mark("Somebody said so"),
}
SIGNS: Final = {"same": "＝", "near": "≈", "differs": "≠", "missing": "–"}
HOW: Final = {
    "same": mark("the same"),
    "near": mark("nearly the same"),
    "differs": mark("different"),
    "missing": mark("not comparable"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One value of one record as the desk shows it: parts, each with whether the other lacks it."""

    parts: list[tuple[str, bool]]
    withheld: bool = False
    corrected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One attribute of both records."""

    title: str
    left: Side
    right: Side
    how: str
    sign: str
    word: str
    sentence: str
    strong: bool


@get("/linkage", include_in_schema=False)
async def linkage(request: AnyRequest) -> Response[Any]:
    """What is linked with what, how far each desk is, and the objections that wait."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    room = room_of(visit)
    told = []
    for plan in await room.list_plans():
        counts = await room.desk.progress(plan.name)
        told.append({
            "name": plan.name,
            "title": visit.words.pick(plan.title) or plan.name,
            "sets": [set_title(visit, one.data_set) for one in plan.sources],
            "counts": counts,
            "all": sum(counts.values()),
            "run": await room.running.latest(plan.name),
        })  # fmt: skip
    objections = await room.objections.list_all(owner=visit.actor.organisation)
    waiting = [one for one in objections if one.state in ("open", "late")]
    late = any(one.state == "late" for one in waiting)
    return page(visit, "linkage.html", plans=told, waiting=len(waiting), late=late)


@get("/linkage/{name:str}", include_in_schema=False)
async def desk(request: AnyRequest, name: str, at: int = 0, done: str = "") -> Response[Any]:
    """One pair, the most certain that is open or the one asked for."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    plan = await room_of(visit).get_plan(name)
    if SESSIONS.find(visit) is None and not visit.why.reason:
        return ask_why(visit, plan, at)
    return await _desk(visit, plan, at, done=done)


@post("/linkage/{name:str}/begin", include_in_schema=False)
async def begin(request: AnyRequest, name: str) -> Response[Any]:
    """Tell purpose and reason for this session; the gate judges them."""
    visit, form = await read_form(request)
    room = room_of(visit)
    plan = await room.get_plan(name)
    purpose, reason = str(form.get("purpose", "")).strip(), str(form.get("reason", "")).strip()
    try:
        check_reason(reason)
        hand = Hand(actor=visit.actor, purpose=purpose, reason=reason)
        room.may_work(plan, hand)
    except PintuError as error:
        told = visit.words.pick(error.extra) or error.detail
        known = {"why": told, "reason": reason, "to": str(form.get("to", ""))}
        return ask_why(visit, plan, 0, known, status=error.status)
    SESSIONS.begin(visit, purpose, reason)
    to = str(form.get("to", ""))
    if WITHIN.fullmatch(to):
        return Redirect(f"/linkage/{name}/{to}", status_code=303)
    return Redirect(_address(name, _whole(form.get("at"))), status_code=303)


@post("/linkage/{name:str}/pairs/{number:int}", include_in_schema=False)
async def decide(request: AnyRequest, name: str, number: int) -> Response[Any]:
    """A verdict, then the next pair."""
    visit, form = await read_form(request)
    room = room_of(visit)
    plan = await room.get_plan(name)
    session = SESSIONS.find(visit)
    if session is None:
        return ask_why(visit, plan, number)
    verdict, note = str(form.get("verdict", "")), str(form.get("note", "")).strip()
    if len(note) > LONGEST_NOTE:
        raise BadRequestData(f"A note is at most {LONGEST_NOTE} characters long")
    pair = await _pair(visit, plan, number)
    _, following = await room.desk.beside(pair)
    try:
        await room.desk.decide(number, cast("Verdict", verdict), hand_of(visit), note)
    except StateConflict as error:
        return await _desk(visit, plan, number, why=error.detail)
    session.decided(number)
    return Redirect(_address(name, following, done=verdict), status_code=303)


@post("/linkage/{name:str}/take-back", include_in_schema=False)
async def take_back(request: AnyRequest, name: str) -> Response[Any]:
    """Open the pair again that was decided last in this session, or the one named."""
    visit, form = await read_form(request)
    room = room_of(visit)
    plan = await room.get_plan(name)
    session = SESSIONS.find(visit)
    if session is None:
        return ask_why(visit, plan, 0)
    number = _whole(form.get("pair")) or (session.done[-1] if session.done else 0)
    if not number:
        why = visit.words.text("There is nothing to take back in this session.")
        return await _desk(visit, plan, 0, why=why)
    try:
        await room.desk.take_back(number, hand_of(visit))
    except StateConflict as error:
        return await _desk(visit, plan, number, why=error.detail)
    session.done = [one for one in session.done if one != number]
    return Redirect(_address(name, number, done="open"), status_code=303)


async def read_form(request: AnyRequest) -> tuple[Visit, Any]:
    """Who sent a form, with a CSRF token of theirs, and what is in it."""
    form = await request.form()
    house = house_of(request)
    house.rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    return enter(request, house.rooms, data_set=DATA_SET), form


def ask_why(
    visit: Visit, plan: Plan, at: int, told: Mapping[str, str] | None = None, *, status: int = 200
) -> Response[Any]:
    """Ask what for and why, then lead to a pair, or to the page that `told["to"]` names."""
    known = codes("purpose", visit.words)
    said = {"why": "", "reason": "", "to": "", **(told or {})}
    return page(
        visit, "linkage_begin.html", status, plan=plan, at=at, **said,
        title=visit.words.pick(plan.title) or plan.name, purposes=known,
        chosen=PURPOSE if PURPOSE in dict(known) else "",
    )  # fmt: skip


async def _desk(
    visit: Visit, plan: Plan, at: int, *, done: str = "", why: str = ""
) -> Response[Any]:
    room, words = room_of(visit), visit.words
    counts = await room.desk.progress(plan.name)
    session = SESSIONS.find(visit)
    pair = await _pair(visit, plan, at) if at else None
    if pair is None or (pair.state != "open" and not why and not done):
        open_ = await room.desk.list_pairs(plan.name, limit=1)
        pair = open_[0] if open_ else None
    values: dict[str, Any] = {}
    status = 409 if why else 200
    if pair is not None:
        try:
            looked = await room.desk.look(pair, plan, hand_of(visit))
        except ResourceNotFound as error:  # a data set is gone: the page says so
            why, looked = error.detail, None
        before, after = await room.desk.beside(pair)
        values = {"before": before, "after": after}
        if looked is not None:
            values |= {"lines": lines_of(looked, plan, visit), "two": _two_numbers(looked)}
    return page(
        visit, "linkage_desk.html", status, plan=plan, pair=pair, counts=counts, why=why,
        title=words.pick(plan.title) or plan.name, done=done, all=sum(counts.values()),
        decided=counts["same"] + counts["different"] + counts["unsure"],
        undoable=bool(session and session.done), reason=session.reason if session else "",
        said_why=words.text(WHY.get(pair.why, WHY["score"])) if pair is not None else "",
        sides=[_side(visit, one.data_set) for one in (pair.left, pair.right)] if pair else [],
        **{"lines": [], "two": False, "before": 0, "after": 0, **values},
    )  # fmt: skip


async def _pair(visit: Visit, plan: Plan, number: int) -> Pair:
    found = await room_of(visit).desk.get(number)
    if found.plan != plan.name:
        raise ResourceNotFound(f"Pair {number} is not of plan {plan.name}")
    return found


def lines_of(looked: Looked, plan: Plan, visit: Visit) -> list[Line]:
    """What the two records tell, line by line, with the evidence in words."""
    words = visit.words
    lines = []
    for one in looked.evidence:
        left, right = (
            text_of(one.attribute, (side or {}).get(one.attribute))
            for side in (looked.left, looked.right)
        )
        parts = differing(left, right) if left and right else ([(left, False)], [(right, False)])
        if one.attribute == "id_number" or one.how == "same":
            parts = [(left, False)], [(right, False)]  # masked alike: the sentence says where
        lines.append(
            Line(
                title=title_of(one.attribute, plan, visit),
                left=_shown(parts[0], one, looked.left),
                right=_shown(parts[1], one, looked.right),
                how=one.how,
                sign=SIGNS[one.how],
                word=words.text(HOW[one.how]),
                sentence=words.pick({"en": one.en, "zh": one.zh}),
                strong=one.strong,
            )
        )
    return lines


def _shown(parts: list[tuple[str, bool]], one: Evidence, side: dict[str, Value] | None) -> Side:
    known = side.get(one.attribute) if side is not None else None
    return Side(
        parts=[part for part in parts if part[0]],
        withheld=side is None,
        corrected=known is not None and known.corrected,
    )


def text_of(attribute: str, known: Value | None) -> str:
    """A value as people see it: numbers of persons and telephones masked."""
    if known is None:
        return ""
    text = str(known.value)[:300]
    if attribute == "id_number":
        return masked_id(text)
    if attribute == "phone" and len(text) >= 7:
        return f"{text[:3]}{'*' * (len(text) - 7)}{text[-4:]}"
    return text


def _two_numbers(looked: Looked) -> bool:
    return any(
        one.attribute == "id_number" and one.how == "differs" and one.strong
        for one in looked.evidence
    )


def title_of(attribute: str, plan: Plan, visit: Visit) -> str:
    """What an attribute of a plan is called."""
    known = ATTRIBUTES.get(attribute)
    if known is not None:
        return visit.words.text(known)
    for source in plan.sources:
        column = source.columns.get(attribute, "")
        for one in visit.rooms.exchange.get(source.data_set).columns if column else ():
            if one.name == column:
                return visit.words.pick(one.title) or attribute
    return attribute


def set_title(visit: Visit, data_set: str) -> str:
    """What a data set is called; its name when it is gone."""
    try:
        return called(visit.rooms.exchange.get(data_set), visit.words)
    except ResourceNotFound:
        return data_set


def _side(visit: Visit, data_set: str) -> dict[str, str]:
    try:
        owner = visit.rooms.exchange.get(data_set).owner
    except ResourceNotFound:
        owner = ""
    return {
        "title": set_title(visit, data_set),
        "owner": organisation_name(visit, owner) if owner else "",
    }


def _address(name: str, at: int, done: str = "") -> str:
    told = [f"at={at}"] if at else []
    told += [f"done={done}"] if done in ("same", "different", "unsure", "open") else []
    return f"/linkage/{name}" + (f"?{'&'.join(told)}" if told else "")


def _whole(told: object) -> int:
    text = str(told or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


PAGES: Final[tuple[Any, ...]] = (linkage, desk, begin, decide, take_back)
