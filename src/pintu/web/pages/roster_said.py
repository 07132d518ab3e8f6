"""What the pages of the roster share: who enters, what people, posts, verbs and receipts are
called."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import BadRequestData, Unavailable
from pintu.web.house import house_of
from pintu.web.pages.operations_sentences import in_language
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.operations.opening import OperationsRoom
    from pintu.kernel.operations.roster import Receipt, Ring, Shift

DATA_SET: Final = "roster"
POSTS: Final = {
    "duty": mark("Duty officer"),
    "supervisor": mark("Shift supervisor"),
    "foreman": mark("Foreman"),
    "crew": mark("Crew"),
}
RING_STATES: Final = {
    "ringing": mark("ringing"),
    "acknowledged": mark("answered"),
    "withdrawn": mark("over by itself"),
}
RECEIPTS: Final = {
    "queued": mark("on its way"),
    "held": mark("held until quiet hours end"),
    "delivered": mark("delivered"),
    "arrived": mark("arrived"),
    "failed": mark("not delivered"),
    "withdrawn": mark("not needed any more"),
}
CHANNELS: Final = {
    "": mark("no way known"),
    "push": mark("browser"),
    "webhook": mark("own address"),
    "email": mark("e-mail"),
    "mqtt": mark("MQTT"),
}
KINDS: Final = {
    "incident": mark("incident"),
    "warning": mark("warning"),
    "play": mark("plan"),
    "order": mark("work order"),
    "command": mark("command"),
    "shift": mark("shift"),
    "drill": mark("drill"),
}
KINDS_MANY: Final = {
    "incident": mark("incidents"),
    "warning": mark("warnings"),
    "play": mark("plans"),
    "order": mark("work orders"),
    "command": mark("commands"),
}
VERBS: Final = {
    "opened": mark("opened"),
    "raised": mark("raised"),
    "lowered": mark("lowered"),
    "reopened": mark("opened again"),
    "acknowledged": mark("taken on"),
    "assigned": mark("assigned"),
    "joined": mark("joined by more alarms"),
    "merged": mark("merged"),
    "split": mark("split"),
    "closed": mark("closed"),
    "settled": mark("over, the sensor says"),
    "overridden": mark("closed against the sensor"),
    "cancelled": mark("called off"),
    "declined": mark("declined"),
    "confirmed": mark("confirmed"),
    "arrived": mark("on site"),
    "reported": mark("reported done"),
    "suspended": mark("suspended"),
    "resumed": mark("resumed"),
    "escalated": mark("escalated"),
    "overdue": mark("overdue"),
    "proposed": mark("proposed"),
    "approved": mark("approved"),
    "issued": mark("issued"),
    "updated": mark("updated"),
    "expired": mark("expired"),
    "disputed": mark("disputed"),
    "contradicted": mark("contradicted by another"),
    "not_delivered": mark("somebody was not reached"),
    "failed": mark("failed"),
    "timed_out": mark("timed out"),
    "missed": mark("without its effect"),
    "stopped": mark("stopped by the operator"),
    "halted": mark("halted"),
    "refused": mark("refused"),
    "done": mark("done"),
    "undone": mark("undone"),
    "not_undone": mark("could not be undone"),
}
PAGES_OF: Final = {"incident": "/incidents/", "warning": "/warnings/", "play": "/plays/",
                   "order": "/orders/"}  # fmt: skip


def enter_roster(request: AnyRequest) -> Visit:
    """A visit of somebody who works in the operations room."""
    visit = enter(request, house_of(request).rooms, None, data_set=DATA_SET)
    visit.rooms.gate.decide(visit.actor, Act(deed=Deed.RESPOND, tenant=visit.tenant))
    return visit


async def form_of(request: AnyRequest) -> dict[str, str]:
    """The fields of a form of ours."""
    form = await request.form()
    house_of(request).rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    return {name: str(value)[:20_000].strip() for name, value in form.items()}


def room_of(visit: Visit) -> OperationsRoom:
    """The operations room; Unavailable in a city without one."""
    room = visit.rooms.operations
    if room is None or room.roster is None:
        raise Unavailable("This city has no operations room")
    return room


def name_of(visit: Visit, person: str) -> str:
    """What to call an account, a channel or a part of the city."""
    kind, _, rest = person.partition(":")
    if kind == "channel":
        return rest
    return visit.rooms.identity.people.name_of(person)


def plans(visit: Visit) -> bool:
    """Whether the visitor plans the roster; the door behind asks again."""
    return "supervisor" in visit.actor.roles or visit.may(Deed.OPERATE)


def clock(visit: Visit, at_us: int) -> str:
    """HH:MM on the wall clock."""
    return local(visit, at_us).strftime("%H:%M")


def local(visit: Visit, at_us: int) -> datetime:
    """A moment in the city's zone."""
    return datetime.fromtimestamp(at_us / 1e6, ZoneInfo(visit.words.tz))


def day(visit: Visit, at_us: int) -> str:
    """Month, day and day of the week."""
    names = (mark("Mon"), mark("Tue"), mark("Wed"), mark("Thu"), mark("Fri"), mark("Sat"),
             mark("Sun"))  # fmt: skip
    found = local(visit, at_us)
    return f"{found:%m-%d} {visit.words.text(names[found.weekday()])}"


def midnight(visit: Visit, at_us: int) -> int:
    """The beginning of the day (µs) in the city's zone."""
    found = local(visit, at_us).replace(hour=0, minute=0, second=0, microsecond=0)
    return int(found.timestamp() * 1_000_000)


def days_later(visit: Visit, at_us: int, days: int) -> int:
    """The same time of the wall clock some days later."""
    return int((local(visit, at_us) + timedelta(days=days)).timestamp() * 1_000_000)


def minute_us(visit: Visit, text: str) -> int:
    """µs of a local minute as a browser sends it; BadRequestData for what is none."""
    try:
        told = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequestData(f"Time {text[:40]!r} is not a date and a time") from error
    if told.tzinfo is None:
        told = told.replace(tzinfo=ZoneInfo(visit.words.tz))
    return int(told.timestamp() * 1e6)


def shift_said(visit: Visit, one: Shift) -> dict[str, Any]:
    """One shift, as pages and programs are told."""
    return {
        "id": one.id,
        "person": f"person:{one.person}",
        "name": name_of(visit, one.person),
        "post": one.post,
        "said": visit.words.text(POSTS[one.post]),
        "since": visit.words.iso(one.since_us),
        "until": visit.words.iso(one.until_us),
        "until_said": clock(visit, one.until_us),
        "rank": one.rank,
        "event": one.event,
        "instead": name_of(visit, one.instead_of) if one.instead_of else "",
        "mine": visit.actor.person == one.person,
    }


def ring_said(visit: Visit, ring: Ring, receipts: list[Receipt]) -> dict[str, Any]:
    """One ring with what became of its messages; no address of anybody."""
    titles = channel_titles(visit) if receipts else {}
    kind = ring.subject.partition(":")[0]
    now_us = visit.rooms.clock.now_us()
    return {
        "id": ring.id,
        "subject": ring.subject,
        "kind": visit.words.text(KINDS[kind]) if kind in KINDS else kind,
        "severity": ring.severity,
        "text": visit.words.pick(ring.text),
        "state": ring.state,
        "said": visit.words.text(RING_STATES[ring.state]),
        "began_us": ring.began_us,
        "waited_s": round(((ring.changed_us if ring.by else now_us) - ring.began_us) / 1e6),
        "next_us": ring.next_us,
        "next_s": max(0, round((ring.next_us - now_us) / 1e6 / visit.rooms.clock.rate)),
        "step": ring.step,
        "rung": [name_of(visit, one) for one in ring.rung],
        "by": name_of(visit, ring.by) if ring.by else "",
        "link": ring.link if ring.link != "/duty" else "",
        "receipts": [
            receipt_said(visit, one, titles) for one in receipts if one.subject == ring.subject
        ],
    }


def channel_titles(visit: Visit) -> dict[str, str]:
    """What each channel is called."""
    found = {name: visit.words.text(title) for name, title in CHANNELS.items()}
    channels = room_of(visit).channels
    for one in channels.list_channels() if channels is not None else ():
        found[one.name] = visit.words.pick(one.title) or found.get(one.name, one.name)
    return found


def receipt_said(visit: Visit, one: Receipt, titles: dict[str, str]) -> dict[str, Any]:
    """One receipt: who, by what, how far."""
    channel = titles.get(one.channel, one.channel)
    return {
        "id": one.id,
        "subject": one.subject,
        "name": name_of(visit, one.person),
        "channel": channel,
        "state": one.state,
        "said": visit.words.text(RECEIPTS[one.state]),
        "attempts": one.attempts,
        "at_us": one.changed_us,
        "detail": in_language(one.detail, visit.words.lang),
        "bad": one.state == "failed",
    }


def waited(visit: Visit, seconds: int) -> str:
    """How long something rang."""
    return visit.words.span(float(max(1, seconds)))
