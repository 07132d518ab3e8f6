"""The handover: what the watch leaves, written by itself; sentences, signatures, earlier ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.errors import PintuError, ResourceNotFound
from pintu.web.pages.render import page
from pintu.web.pages.roster_said import (
    KINDS,
    KINDS_MANY,
    PAGES_OF,
    VERBS,
    enter_roster,
    form_of,
    name_of,
    plans,
    room_of,
    waited,
)
from pintu.web.visit import AnyRequest, Visit
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.operations.roster import Handover
    from pintu.kernel.operations.roster.handovers import Handovers

LISTED: Final = 30
STATES: Final = {
    "written": mark("has written itself"),
    "handed_over": mark("handed over"),
    "taken": mark("taken over"),
}


@get("/handover", include_in_schema=False)
async def handover(request: AnyRequest, id: str = "") -> Response[Any]:
    """The newest handover, or the one that is asked for."""
    visit = enter_roster(request)
    return await shown(visit, id)


async def shown(visit: Visit, id: str = "", *, why: str = "", status: int = 200) -> Response[Any]:
    """The page; `why` says what was not done."""
    room = book_of(visit)
    listed = await room.list_handovers(visit.tenant, limit=LISTED)
    one = next((one for one in listed if one.id == id), None) if id else None
    if id and one is None:
        one = await room.get(id)
        if one.tenant != visit.tenant:
            raise ResourceNotFound(f"Handover {id[:40]} does not exist")
    elif one is None and listed:
        one = listed[0]
    now_us = visit.rooms.clock.now_us()
    return page(
        visit,
        "handover.html",
        status,
        one=said(visit, one) if one is not None else None,
        listed=[
            {"id": it.id, "until_us": it.until_us, "state": visit.words.text(STATES[it.state]),
             "here": one is not None and it.id == one.id, "open": sum(_open(it).values())}
            for it in listed
        ],
        times=room.times(visit.tenant),
        next_us=room.next_us(visit.tenant, now_us),
        may_set=plans(visit),
        why=why,
    )  # fmt: skip


def said(visit: Visit, one: Handover) -> dict[str, Any]:
    """One handover in the visitor's language."""
    words, told = visit.words, one.content
    return {
        "id": one.id,
        "state": one.state,
        "state_said": words.text(STATES[one.state]),
        "since_us": one.since_us,
        "until_us": one.until_us,
        "open": [line(visit, it) for it in told["open"]],
        "ended": [line(visit, it) for it in told["ended"]],
        "attention": [line(visit, it) for it in told["attention"]],
        "more": {
            "open": max(0, sum(_open(one).values()) - len(told["open"])),
            "attention": max(0, told["attention_count"] - len(told["attention"])),
        },
        "counts": [
            {
                "kind": words.text(KINDS_MANY[kind]),
                "began": told["began_count"].get(kind, 0),
                "ended": told["ended_count"].get(kind, 0),
                "open": told["open_count"].get(kind, 0),
            }
            for kind in KINDS_MANY
            if any(told[name].get(kind) for name in ("began_count", "ended_count", "open_count"))
        ],
        "rings": told["rings"],
        "median": waited(visit, told["rings"]["median_s"]),
        "longest": waited(visit, told["rings"]["longest_s"]),
        "people": [name_of(visit, it) for it in told["people"]],
        "sentences": [
            {"name": name_of(visit, it["who"]), "at_us": it["at_us"], "text": it["text"]}
            for it in one.sentences
        ],
        "by": name_of(visit, one.by) if one.by else "",
        "taken_by": name_of(visit, one.taken_by) if one.taken_by else "",
        "mine": bool(one.by) and one.by == visit.actor.id,
    }


def line(visit: Visit, one: dict[str, Any]) -> dict[str, Any]:
    """One line of a list: a thing of the city, and how it stands."""
    words = visit.words
    kind, _, id = one["subject"].partition(":")
    verb = one.get("verb", "")
    return {
        "kind": words.text(KINDS[kind]) if kind in KINDS else kind,
        "name": words.pick(one.get("name") or {}) or id[-40:],
        "link": f"{PAGES_OF[kind]}{id}" if kind in PAGES_OF else "",
        "severity": one.get("severity", ""),
        "verb": words.text(VERBS[verb]) if verb in VERBS else verb.replace("_", " "),
        "who": name_of(visit, one["to"] or one["who"] if one.get("to") else one.get("who", "")),
        "person": str(one.get("to") or one.get("who", "")).startswith("person:"),
        "at_us": one.get("last_us") or one.get("at_us", 0),
        "since_us": one.get("since_us", 0),
        "reason": one.get("reason", ""),
        "false_alarm": one.get("false_alarm", False),
    }


def book_of(visit: Visit) -> Handovers:
    """The book of handovers."""
    found = room_of(visit).handovers
    assert found is not None
    return found


def _open(one: Handover) -> dict[str, int]:
    return {kind: n for kind, n in one.content["open_count"].items() if kind != "command"}


@post("/handover", include_in_schema=False)
async def deed(request: AnyRequest) -> Response[Any]:
    """Add a sentence, hand over, take over, write one now, or set the times."""
    visit = enter_roster(request)
    form = await form_of(request)
    room, id, what = book_of(visit), form.get("id", ""), form.get("deed", "")
    try:
        if what == "write":
            id = (await room.write(visit.tenant, by=visit.actor.id)).id
        elif what == "times":
            await room.set_times(visit.actor, visit.tenant, tuple(form.get("times", "").split()))
        else:
            known = await room.get(id)
            if known.tenant != visit.tenant:
                raise ResourceNotFound(f"Handover {id[:40]} does not exist")
            if what == "add":
                await room.add(visit.actor, id, form.get("text", ""))
            elif what == "hand_over":
                await room.hand_over(visit.actor, id)
            elif what == "take":
                await room.take(visit.actor, id)
            else:
                raise ResourceNotFound(f"Nothing called {what[:40]!r} can be done with a handover")
    except PintuError as error:
        why = str(error.extra.get("zh", "")) if visit.words.lang == "zh-CN" else ""
        return await shown(visit, why=why or error.detail, status=error.status)
    return Redirect(f"/handover?id={id}" if id else "/handover", status_code=303)


PAGES: Final[tuple[Any, ...]] = (handover, deed)
