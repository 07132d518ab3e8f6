"""What the pages say of work orders: states, deeds, deadlines and proofs in the visitor's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.errors import PintuError, StateConflict, Unavailable
from pintu.kernel.operations.orders.states import CREW, REASONED, Verb, offered
from pintu.web.pages.agreements_parties import person_name
from pintu.web.pages.agreements_words import left
from pintu.web.words import Words, mark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pintu.kernel.operations.journal import Deed
    from pintu.kernel.operations.orders import Order, Orders
    from pintu.kernel.operations.orders.closing import Verdict
    from pintu.kernel.operations.orders.service import ServiceClock
    from pintu.web.visit import Visit

STATES: Final = {
    "open": mark("Open"),
    "assigned": mark("Assigned"),
    "confirmed": mark("Confirmed"),
    "working": mark("On site"),
    "suspended": mark("Suspended"),
    "reported": mark("Waiting for proof"),
    "closed": mark("Closed"),
    "cancelled": mark("Cancelled"),
}
VERBS: Final[dict[Verb, str]] = {
    "assign": mark("Give to a crew"),
    "release": mark("Take back"),
    "confirm": mark("We take it"),
    "decline": mark("We cannot"),
    "arrive": mark("We are there"),
    "suspend": mark("Suspend"),
    "resume": mark("Go on"),
    "report": mark("Work is done"),
    "reopen": mark("Open again"),
    "close": mark("Close"),
    "override": mark("Close against the sensor"),
    "cancel": mark("Call off"),
    "escalate": mark("Escalate"),
    "note": mark("Write a note"),
}
ASKED: Final[dict[Verb, str]] = {
    "decline": mark("Why not"),
    "suspend": mark("What it waits for"),
    "reopen": mark("What is still wrong"),
    "override": mark("How you know that it is done although the sensor says otherwise"),
    "cancel": mark("Why it is called off"),
    "note": mark("The note"),
    "report": mark("What was done (optional)"),
}
SURE: Final[dict[Verb, str]] = {
    "override": mark("The sensor does not agree. Your name and your reason stay with this order."),
    "cancel": mark("Nobody goes there any more. Call it off?"),
}
NEXT: Final[tuple[Verb, ...]] = ("assign", "confirm", "arrive", "report", "close", "resume")
ON_PHONES: Final[tuple[Verb, ...]] = (
    "confirm", "resume", "arrive", "report", "suspend", "note", "decline",
)  # fmt: skip
"""A crew's deeds in the order in which they come; the first that may be done is the next step."""

DONE: Final = {
    "opened": mark("opened"),
    "joined": mark("another cause joined"),
    "assigned": mark("given to a crew"),
    "released": mark("taken back"),
    "confirmed": mark("taken by the crew"),
    "declined": mark("declined by the crew"),
    "arrived": mark("crew on site"),
    "suspended": mark("suspended"),
    "resumed": mark("gone on"),
    "reported": mark("reported done"),
    "reopened": mark("opened again"),
    "closed": mark("closed"),
    "overridden": mark("closed against the sensor"),
    "cancelled": mark("called off"),
    "escalated": mark("escalated"),
    "noted": mark("note"),
    "settled": mark("closed: the sensor agrees"),
    "notified": mark("its people were told"),
}
DEADLINES: Final = {
    "confirm": mark("Somebody takes it"),
    "arrive": mark("Crew on site"),
    "finish": mark("Work done"),
}
PROOFS: Final = {
    "sensor": mark("The sensor that raised it agrees."),
    "fresh": mark("It was measured since, and nothing is raised."),
    "override": mark("Closed by a person against or without the sensor, with a reason."),
    "word": mark("Nothing measures it: a person's word."),
}
VERDICTS: Final = {
    "cleared": mark("Every alarm that raised it is cleared: it may close."),
    "standing": mark("An alarm still stands: it stays open until the sensor clears it."),
    "unknown": mark("An alarm that raised it is no longer known: nobody can say that it is over."),
    "measured": mark("It was measured since the work was reported: it may close."),
    "unmeasured": mark("Nothing was measured since the work was reported."),
    "effect": mark("A command has had its effect since: it may close."),
    "no_effect": mark("No command has had its effect since: try one, or override with a reason."),
    "nothing": mark("Nothing measures this: a person's word closes it, and the record says so."),
}
HANDS: Final = {
    "timer": mark("the service clock"),
    "sensor": mark("the sensor"),
    "playbook": mark("a playbook"),
    "ledger": mark("the command ledger"),
    "detector": mark("a detector"),
    "demo": mark("the demo"),
    "notifier": mark("the notifier"),
}
ALARMS: Final = {
    "open": mark("stands"),
    "acknowledged": mark("stands, acknowledged"),
    "cleared": mark("cleared"),
    "resolved": mark("cleared"),
    "closed": mark("cleared"),
    "dismissed": mark("dismissed by a person: proves nothing"),
    "": mark("no longer known"),
}


def orders_of(visit: Visit) -> Orders:
    """The orders room; Unavailable in a city that has none."""
    room = getattr(visit.rooms.operations, "orders", None)
    if room is None:
        raise Unavailable("This city has no operations room")
    found: Orders = room
    return found


def who_said(id: str, visit: Visit) -> str:
    """Who did something, by name; a part of the house in words."""
    if id in HANDS:
        return visit.words.text(HANDS[id])
    return person_name(visit, id.removeprefix("person:"))


def deeds_offered(order: Order, visit: Visit, *, room: bool, overrides: bool) -> list[Any]:
    """The forms of an order: what this visitor may do in its state."""
    words, found = visit.words, []
    for verb in offered(order.state):
        if (not room and verb not in CREW) or (verb == "override" and not overrides):
            continue
        if verb == "close" and order.state != "reported":
            continue
        found.append(
            {
                "verb": verb,
                "title": words.text(VERBS[verb]),
                "asks": words.text(ASKED.get(verb, "")),
                "needs": verb in REASONED,
                "main": False,
                "sure": words.text(SURE.get(verb, "")),
            }
        )
    wanted: tuple[Verb, ...] = NEXT if room else ON_PHONES
    if room and order.state in ("assigned", "confirmed", "working"):
        wanted = ()  # it is the crew's turn
    elif room and order.state == "reported":
        wanted = ("close", *NEXT)
    for verb in wanted:
        if main := [one for one in found if one["verb"] == verb]:
            main[0]["main"] = True
            break
    return sorted(found, key=lambda one: (not one["main"], bool(one["asks"]), bool(one["sure"])))


def deadlines_said(order: Order, orders: Orders, words: Words) -> list[dict[str, Any]]:
    """Each deadline that is not met: when, how long, whether it is late or stands still."""
    told = []
    for name, due_us in orders.service.deadlines(order).items():
        told.append(
            {
                "title": words.text(DEADLINES[name]),
                "due_us": due_us,
                "left": left(due_us, words) if due_us else words.text("stands still"),
                "late": 0 < due_us <= words.now_us,
                "guess": bool(due_us) and orders.service.guesses(due_us),
            }
        )
    return sorted(told, key=lambda one: one["due_us"] or 2**62)


def promise_said(order: Order, service: ServiceClock, words: Words) -> str:
    """How its time is counted."""
    if service.levels[order.severity].always:
        return words.text("Counted around the clock.")
    said = words.text("Counted in working hours, %(hours)s of working days.")
    return said % {"hours": ", ".join(hours_said(service.hours))}


def hours_said(hours: Sequence[tuple[int, int]]) -> list[str]:
    """Working hours as people write them."""
    return [f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in hours]


def line_said(deed: Deed, visit: Visit, crews: dict[str, str]) -> dict[str, Any]:
    """One deed of an order's history; `crews` are their names."""
    words, more = visit.words, ""
    if deed.detail.get("deadline") in DEADLINES:
        late = words.text(DEADLINES[deed.detail["deadline"]])
        more = words.text("Deadline passed: %(what)s") % {"what": late}
    elif deed.detail.get("crew"):
        more = crews.get(str(deed.detail["crew"]), str(deed.detail["crew"]))
    return {
        "at_us": int(deed.detail.get("done_us") or deed.at_us),
        "sent_us": deed.at_us if deed.detail.get("done_us") else 0,
        "what": words.text(DONE.get(deed.verb, deed.verb)),
        "who": who_said(deed.who, visit),
        "reason": deed.reason,
        "more": more,
        "bad": deed.verb in ("escalated", "overridden", "declined"),
    }


def cause_link(cause: str, words: Words) -> tuple[str, str]:
    """(title, address) of what an order was opened for; no address where no page shows it."""
    kind, _, id = cause.partition(":")
    if ":Alert:" in cause:
        return words.text("alert") + " " + cause.rpartition(":")[2], f"/entities/{cause}"
    known = {
        "incident": (words.text("incident"), "/incidents/"),
        "play": (words.text("plan"), "/plays/"),
        "command": (words.text("command without effect"), "/ledger?command="),
        "warning": (words.text("warning"), "/warnings/"),
    }
    title, address = known.get(kind, (kind, ""))
    return f"{title} {id}", f"{address}{id}" if address else ""


def why_said(error: PintuError, visit: Visit) -> str:
    """Why a deed was not done, in the visitor's words where the room says which."""
    why = error.extra.get("why")
    if isinstance(error, StateConflict) and why in VERDICTS:
        return visit.words.text(VERDICTS[str(why)])
    return error.detail


def verdict_said(verdict: Verdict, words: Words) -> str:
    """Whether an order may close."""
    return words.text(VERDICTS[verdict.why])
