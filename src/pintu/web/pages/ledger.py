"""The ledger: every command from the wish to the measured effect, who and why; the stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.access import Deed as Right
from pintu.kernel.errors import BadRequestData, Conflict, Missing, Refused, ResourceNotFound
from pintu.web.pages.operations_sentences import in_language
from pintu.web.pages.orders import enter_room, form_of
from pintu.web.pages.plays_said import cause_said, who_said
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.operations.ledger import Entry, Step

PAGE: Final = 50
DAY_US: Final = 86_400_000_000
WAY: Final = ("desired", "sent", "acknowledged", "confirmed")
ENDED_BAD: Final = ("failed", "timed_out", "cancelled")
WHICH: Final = {
    "": (mark("all"), ()),
    "waiting": (mark("under way"), ("held", "desired", "sent", "acknowledged")),
    "held": (mark("wait for a second person"), ("held",)),
    "missing": (mark("without effect"), ("timed_out", "failed")),
    "confirmed": (mark("effect measured"), ("confirmed",)),
}


@get("/ledger", include_in_schema=False)
async def ledger(
    request: AnyRequest, which: str = "", command: str = "", cause: str = "", part: str = ""
) -> Response[Any]:
    """The newest commands with their steps; of one play with `?cause=`, one with `?command=`."""
    visit = enter_room(request)
    return await _answer(visit, which, command=command, cause=cause, part=part == "rows")


@post("/ledger", include_in_schema=False)
async def decide(request: AnyRequest) -> Response[Any]:
    """Stop everything, release it, allow a command that takes two, take one back."""
    visit = enter_room(request)
    form = await form_of(request)
    commands = visit.rooms.commands
    deed, id, reason = (form.get(name, "") for name in ("deed", "id", "reason"))
    try:
        if deed == "stop":
            if not reason:
                raise BadRequestData("Say why everything is stopped: whoever releases it reads it")
            await commands.stop_all(visit.actor, reason, tenant=visit.tenant)
        elif deed == "release":
            await commands.release(visit.actor, reason, tenant=visit.tenant)
        elif deed in ("allow", "cancel"):
            await _mine(visit, id)
            if deed == "allow":
                await commands.allow(visit.actor, id)
            else:
                await commands.cancel(visit.actor, id, reason)
        else:
            raise BadRequestData(f"{deed[:50]!r} is nothing that can be done with the ledger")
    except (BadRequestData, Conflict, Refused, Missing) as error:
        told = in_language(error.detail or error.title, visit.words.lang, commands.guarding)
        return await _answer(visit, "", why=told, status=error.status)
    return Redirect("/ledger", status_code=303)


async def _mine(visit: Visit, id: str) -> Entry:
    entry = await visit.rooms.commands.get(id)
    if entry.command.tenant != visit.tenant:
        raise ResourceNotFound(f"Command {id} does not exist")
    return entry


async def _answer(
    visit: Visit,
    which: str,
    *,
    command: str = "",
    cause: str = "",
    part: bool = False,
    why: str = "",
    status: int = 200,
) -> Response[Any]:
    commands, words = visit.rooms.commands, visit.words
    which = which if which in WHICH else ""
    if command:
        found = [await _mine(visit, command)]
    elif cause:
        told = await commands.for_cause(cause, limit=PAGE)
        found = [one for one in told if one.command.tenant == visit.tenant]
    else:
        states = WHICH[which][1]
        found = await commands.recent(tenant=visit.tenant, states=states, limit=PAGE)
    steps = await commands.histories([one.command.id for one in found])
    counts = await commands.counts(visit.tenant, visit.rooms.clock.now_us() - DAY_US)
    values: dict[str, Any] = {
        "rows": [_row(visit, one, steps[one.command.id]) for one in found],
        "which": which,
        "cause": cause,
        "command": command,
        "tally": [(words.value(state), counts.get(state, 0)) for state in (*WAY, *ENDED_BAD)],
        "held": counts.get("held", 0),
    }
    if part:
        return page(visit, "part_ledger.html", status, **values)
    stop = commands.stops.of(visit.tenant)
    return page(
        visit,
        "ledger.html",
        status,
        why=why,
        stop=stop,
        stopped_by=who_said(visit, stop.who) if stop else "",
        asked_by=who_said(visit, f"person:{stop.asked_by}") if stop and stop.asked_by else "",
        asked_myself=bool(stop and stop.asked_by == (visit.actor.person or visit.actor.id)),
        may=visit.may(Right.COMMAND),
        choices=[(name, words.text(title)) for name, (title, _) in WHICH.items()],
        **values,
    )


def _row(visit: Visit, entry: Entry, steps: list[Step]) -> dict[str, Any]:
    command = entry.command
    reached = {step.state: step for step in steps}
    cause, address = cause_said(entry.cause, visit.words)
    mine = command.actor in (visit.actor.id, visit.actor.person)
    may = visit.may(Right.COMMAND)
    return {
        "entry": entry,
        "state": visit.words.value(entry.state),
        "who": who_said(visit, command.actor),
        "cause": cause if entry.cause else "",
        "address": address,
        "way": [(visit.words.value(state), reached.get(state)) for state in WAY],
        "bad": entry.state in ENDED_BAD,
        "detail": _detail(visit, entry, steps),
        "may_allow": may and entry.state == "held" and not mine,
        "may_cancel": may and entry.state in ("held", "desired", "sent"),
    }


def _detail(visit: Visit, entry: Entry, steps: list[Step]) -> str:
    """Why it ended as it did, and what its device said after that."""
    if entry.state not in (*ENDED_BAD, "confirmed"):
        return ""
    lang, guarding = visit.words.lang, visit.rooms.commands.guarding
    ends = [one.detail for one in steps if one.event != "late"][-1:]
    said = [in_language(one, lang, guarding) for one in ends if one]
    for one in steps:
        if one.event == "late":
            said.append(visit.words.text("Its device answered after that"))
            break
    return " · ".join(said)


PAGES: Final[tuple[Any, ...]] = (ledger, decide)
