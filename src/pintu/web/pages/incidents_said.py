"""What the pages say of incidents: grades, states, reasons and deeds in the visitor's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from shapely.geometry import Point

from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import Unavailable
from pintu.kernel.operations.incidents.inside import area_of
from pintu.web.pages.agreements_parties import person_name
from pintu.web.words import Words, mark

if TYPE_CHECKING:
    from pintu.kernel.operations.incidents.room import Incidents
    from pintu.kernel.operations.incidents.words import Alarm, Detector, Incident
    from pintu.kernel.operations.journal import Deed as Done
    from pintu.web.visit import Visit

STATES: Final = {
    "open": mark("Not seen yet"),
    "acknowledged": mark("Taken on"),
    "closed": mark("Closed"),
    "merged": mark("Merged"),
}
GRADES: Final = {
    4: mark("Grade I: gravest"),
    3: mark("Grade II: grave"),
    2: mark("Grade III: serious"),
    1: mark("Grade IV: minor"),
}
SHORT: Final = {4: mark("Grade I"), 3: mark("Grade II"), 2: mark("Grade III"), 1: mark("Grade IV")}
OUTCOMES: Final = {
    "resolved": mark("Dealt with"),
    "passed": mark("Passed by itself"),
    "false": mark("False alarm"),
    "planned": mark("Planned work"),
    "drill": mark("Drill"),
}
DONE: Final = {
    "opened": mark("opened"),
    "raised": mark("raised to a higher grade"),
    "lowered": mark("lowered to a lesser grade"),
    "joined": mark("alarms joined"),
    "merged": mark("merged into another"),
    "split": mark("divided"),
    "assigned": mark("given to somebody"),
    "acknowledged": mark("taken on"),
    "closed": mark("closed"),
    "reopened": mark("opened again"),
    "rung": mark("the duty phone rang"),
    "ring_raised": mark("the duty phone rang for more"),
    "answered": mark("somebody answered the duty phone"),
    "ring_withdrawn": mark("the duty phone went quiet"),
    "notified": mark("people were told"),
    "not_delivered": mark("a message did not arrive"),
}
DOTS: Final = 400
HANDS: Final = {
    "detector": mark("the room itself"),
    "timer": mark("the clock"),
    "playbook": mark("a playbook"),
    "person": mark("a person"),
}


def incidents_of(visit: Visit) -> Incidents:
    """The room of incidents; Unavailable in a city that has none."""
    room = getattr(visit.rooms.operations, "incidents", None)
    if room is None:
        raise Unavailable("This city has no operations room")
    found: Incidents = room
    return found


def responds(visit: Visit) -> None:
    """Whoever works in the room may look; raises what the gate raises for others."""
    visit.rooms.gate.decide(visit.actor, Act(deed=Deed.RESPOND, tenant=visit.tenant))


def who_said(id: str, visit: Visit) -> str:
    """Who did something, by name; a part of the house in words."""
    if id in HANDS:
        return visit.words.text(HANDS[id])
    return person_name(visit, id.removeprefix("person:"))


def thing_said(key: str, visit: Visit) -> str:
    """What a cause is called."""
    room = incidents_of(visit)
    return visit.words.pick(room.causes.name(visit.number, key)) or key


def reasons_said(incident: Incident, visit: Visit) -> list[str]:
    """Why the alarms are taken for one thing, a sentence a reason, the commonest first."""
    return [text for one in incident.why if (text := _reason(one, visit))]


def _reason(one: dict[str, Any], visit: Visit) -> str:
    words, count = visit.words, int(one.get("count", 0))
    about = thing_said(str(one.get("about", "")), visit) if one.get("about") else ""
    n = words.number(count)
    span = words.span(max(float(one.get("seconds", 0)), 1.0))
    kind = one.get("kind")
    if kind == "cause":
        text = words.plural(
            "%(count)s alarm is about something that depends on %(about)s, at most %(span)s apart.",
            "%(count)s alarms are about things that depend on %(about)s, at most %(span)s apart.",
            count,
        )
    elif kind == "near":
        text = words.plural(
            "%(count)s alarm of a related kind lies within %(metres)s m and %(span)s of another.",
            "%(count)s alarms of related kinds lie within %(metres)s m and %(span)s of another.",
            count,
        )
    elif kind == "same":
        text = words.plural(
            "%(count)s alarm is about %(about)s too.",
            "%(count)s alarms are about %(about)s too.",
            count,
        )
    elif kind == "flood":
        text = words.text(
            "Detector %(about)s raised %(count)s alarms within minutes and nothing else confirms "
            "them: it is probably broken. They are kept here, all of them, and open nothing else."
        )
        about = str(one.get("about", ""))
    elif kind in ("person", "merged"):
        text = words.plural(
            "%(count)s alarm was put here by a person.",
            "%(count)s alarms were put here by a person.",
            count,
        )
    else:
        return ""
    return text % {"count": n, "about": about, "metres": one.get("metres", 0), "span": span}


def alarm_said(alarm: Alarm, visit: Visit) -> dict[str, Any]:
    """One alarm as a line of the page, with why it is here."""
    words, reason = visit.words, alarm.reason
    about = thing_said(reason.about, visit) if reason.kind in ("cause", "same") else ""
    why = {
        "first": words.text("It was the first."),
        "cause": words.text("Depends on %(about)s") % {"about": about},
        "same": words.text("The same thing: %(about)s") % {"about": about},
        "near": words.text("%(metres)s m away, %(span)s apart")
        % {"metres": reason.metres, "span": words.span(max(float(reason.seconds), 1.0))},
        "flood": words.text("Its detector floods"),
        "person": words.text("A person put it here"),
        "merged": words.text("Came with incident %(id)s") % {"id": reason.about},
    }.get(reason.kind, "")
    return {
        "number": alarm.number,
        "id": alarm.alert,
        "name": words.pick(alarm.name) or alarm.alert,
        "severity": alarm.severity,
        "detector": alarm.detector,
        "at_us": alarm.at_us,
        "cleared_us": alarm.cleared_us,
        "repeats": alarm.repeats,
        "why": why,
        "clock": clock_said(alarm.clock_off_us, words),
        "source": alarm.source,
    }


def clock_said(off_us: int, words: Words) -> str:
    """That a sender's clock is wrong, and by how much; "" when it is not."""
    if not off_us:
        return ""
    span = words.span(abs(off_us) / 1e6)
    if off_us > 0:
        return words.text("its clock is %(span)s ahead") % {"span": span}
    return words.text("its clock is %(span)s behind") % {"span": span}


def line_said(deed: Done, visit: Visit) -> dict[str, Any]:
    """One line of what happened."""
    words, detail = visit.words, deed.detail
    verb = deed.verb
    if verb == "joined" and detail.get("from"):
        told = words.text("incident %(id)s joined, %(count)s alarms") % {
            "id": detail["from"],
            "count": words.number(detail.get("count", 0)),
        }
    elif verb == "joined":
        count = int(detail.get("count", 0))
        told = words.plural("%(count)s alarm joined", "%(count)s alarms joined", count) % {
            "count": words.number(count)
        }
    elif verb == "assigned":
        told = words.text("given to %(who)s") % {"who": who_said(str(detail.get("to")), visit)}
    elif verb in ("merged", "split"):
        told = words.text(DONE[verb]) + f" ({detail.get('into', '')})"
    elif verb in ("raised", "lowered", "opened"):
        grade = words.text(SHORT.get(int(detail.get("grade", 1)), SHORT[1]))
        told = f"{words.text(DONE[verb])} ({grade})"
    elif verb == "closed":
        known = OUTCOMES.get(str(detail.get("outcome")))
        outcome = words.text(known) if known else "–"
        told = f"{words.text(DONE[verb])}: {outcome}"
    else:
        told = words.text(DONE.get(verb, verb))
    return {
        "at_us": deed.at_us,
        "verb": verb,
        "said": told,
        "who": who_said(deed.who, visit),
        "reason": deed.reason,
        "bad": verb in ("opened", "raised"),
    }


def detector_said(one: Detector, visit: Visit) -> dict[str, Any]:
    """How a detector did, as a line of the page."""
    return {
        "name": one.detector,
        "alarms": one.alarms,
        "confirmed": one.confirmed,
        "mistaken": one.mistaken,
        "floods": one.floods,
        "reliability": round(one.reliability * 100),
        "known": one.confirmed + one.mistaken,
        "clock": clock_said(one.clock_off_us, visit.words),
        "last_us": one.last_us,
    }


def areas_of(alarms: list[Alarm]) -> list[dict[str, Any]]:
    """What to draw: the ground of the incident, and each alarm as a dot in it."""
    ground = area_of(alarms)
    if ground is None:
        return []
    west, south, east, north = ground.bounds
    size = max(east - west, north - south) / 150
    places = {(one.lon, one.lat) for one in alarms if one.lon is not None and one.lat is not None}
    dots = [Point(one).buffer(size, quad_segs=2) for one in sorted(places)[:DOTS]]
    return [ground.__geo_interface__, *(one.__geo_interface__ for one in dots)]
