"""Warnings as people say them: code words of CAP, states, what became of a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.operations.warnings import judging
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.operations.warnings import Info, Message, PublicWarning
    from pintu.web.words import Words

CATEGORIES: Final = {
    "Met": mark("Weather"),
    "Geo": mark("Earthquake, landslide"),
    "Safety": mark("Public safety"),
    "Security": mark("Security"),
    "Rescue": mark("Rescue"),
    "Fire": mark("Fire"),
    "Health": mark("Public health"),
    "Env": mark("Pollution"),
    "Transport": mark("Traffic"),
    "Infra": mark("Utilities"),
    "CBRNE": mark("Chemical, radiation, explosion"),
    "Other": mark("Other"),
}
SEVERITIES: Final = {
    "Extreme": mark("Extreme: red"),
    "Severe": mark("Severe: orange"),
    "Moderate": mark("Moderate: yellow"),
    "Minor": mark("Minor: blue"),
    "Unknown": mark("Severity unknown"),
}
"""The four levels of GB/T 42506 and of China's warning signals, highest first."""
URGENCIES: Final = {
    "Immediate": mark("act now"),
    "Expected": mark("act within the hour"),
    "Future": mark("act in the next hours"),
    "Past": mark("no more to be done"),
    "Unknown": mark("urgency unknown"),
}
CERTAINTIES: Final = {
    "Observed": mark("observed"),
    "Likely": mark("likely"),
    "Possible": mark("possible"),
    "Unlikely": mark("unlikely"),
    "Unknown": mark("certainty unknown"),
}
RESPONSES: Final = {
    "Shelter": mark("Stay inside"),
    "Evacuate": mark("Leave the area"),
    "Prepare": mark("Prepare"),
    "Execute": mark("Do as planned"),
    "Avoid": mark("Keep away"),
    "Monitor": mark("Watch for news"),
    "Assess": mark("Assess by yourself"),
    "AllClear": mark("The danger is over"),
    "None": mark("Nothing to do"),
}
STATES: Final = {
    "issued": mark("in force"),
    "replaced": mark("replaced by another"),
    "cancelled": mark("cancelled: all clear"),
    "expired": mark("expired"),
}
KINDS: Final = {
    "Alert": mark("Warning"),
    "Update": mark("Update"),
    "Cancel": mark("Cancellation"),
    "Ack": mark("Receipt"),
    "Error": mark("Rejected by a receiver"),
}
STATUSES: Final = {
    "Actual": mark("in earnest"),
    "Exercise": mark("exercise"),
    "System": mark("system message"),
    "Test": mark("test"),
    "Draft": mark("not final"),
}
EFFECTS: Final = {
    "issued": mark("is in force"),
    "updated": mark("goes on with new content"),
    "cancelled": mark("ended it"),
    "proposed": mark("waits for a second person"),
    "withdrawn": mark("was taken back"),
    "acknowledged": mark("says that it arrived"),
    "reported": mark("says that it could not be used"),
    "kept": mark("changed nothing"),
    "known": mark("was here already"),
    "taken": mark("was taken"),
}
VERBS: Final = {
    "issued": mark("put it in force"),
    "updated": mark("changed it"),
    "replaced": mark("replaced it"),
    "cancelled": mark("ended it with an all-clear"),
    "expired": mark("let it end: its time was over"),
    "acknowledged": mark("has seen it"),
    "proposed": mark("wrote a message"),
    "approved": mark("approved the message"),
    "withdrawn": mark("took the message back"),
    "contradicted": mark("found that another warning contradicts it"),
    "settled": mark("decided that this one is followed"),
    "disputed": mark("says that it is over; it was not theirs to end"),
    "reported": mark("could not use it"),
    "notified": mark("told people of it"),
    "all_clear_sent": mark("told everybody who got it that it is over"),
}
PLAYS: Final = {
    "proposed": mark("proposed"),
    "running": mark("running"),
    "halted": mark("halted"),
    "done": mark("done"),
    "failed": mark("failed"),
    "refused": mark("refused"),
    "expired": mark("expired"),
    "undoing": mark("being taken back"),
    "undone": mark("taken back"),
}
RECEIPTS: Final = {
    "queued": mark("on its way"),
    "held": mark("held for the morning"),
    "delivered": mark("delivered"),
    "arrived": mark("arrived"),
    "failed": mark("failed"),
    "withdrawn": mark("not sent any more"),
}
DOUBTS_SAID: Final = {
    "updates_nothing": mark(
        "It updates a message that never came here: it is taken as a new warning, so that nobody"
        " stays unwarned"
    ),
    "foreign": mark("It refers to another authority's warning, which stays in force"),
    "updates_ended": mark("It updates a warning that had been cancelled: taken as a new one"),
    "disputed": mark("Another authority says that this is over; only who sent a warning ends it"),
    "no_area": mark("It names no area: nobody can say whom it concerns"),
    "unknown_place": mark(
        "It names its area by codes that nobody here knows: no plan was proposed"
    ),
    "clock": mark("It was sent in the future: a clock is wrong"),
    "unlike": mark(
        "It updates what is meant otherwise (an exercise, a restricted warning): both stand"
    ),
}
REASONS: Final = (
    mark("A test, draft or system message changes nothing"),
    mark("This receipt names nothing that is known here"),
    mark("Only who sent a warning ends it; what it names stays in force"),
    mark("A newer message of the same warning stands"),
    mark("It cancels what had ended"),
    mark("It cancels nothing that is known here"),
)
"""Why a message changed nothing, as `judging` says it."""
assert set(REASONS) == {
    judging.NOT_MEANT, judging.ANSWERS_NOTHING, judging.NOT_THEIRS, judging.OLDER, judging.ENDED,
    judging.CANCELS_NOTHING,
}  # fmt: skip
assert DOUBTS_SAID.keys() == judging.DOUBTS.keys()


def in_language(message: Message, words: Words) -> Info | None:
    """The part of a message that the visitor reads: in their language, else the first."""
    mine = (one for one in message.infos if one.language.lower()[:2] == words.lang[:2])
    return next(mine, message.infos[0] if message.infos else None)


def headline(message: Message, words: Words) -> str:
    """What a message is called."""
    info = in_language(message, words)
    return (info.headline or info.event) if info is not None else message.identifier


def shown(warning: PublicWarning, words: Words) -> dict[str, Any]:
    """A warning as a card shows it."""
    message = warning.message
    info = in_language(message, words)
    worst = next(
        (one for one in SEVERITIES if one in {i.severity for i in message.infos}), "Unknown"
    )
    return {
        "id": warning.id,
        "title": headline(message, words),
        "state": warning.state,
        "state_said": words.text(STATES[warning.state]),
        "severity": message.severity,
        "severity_said": words.text(SEVERITIES[worst]),
        "urgency": words.text(URGENCIES[info.urgency]) if info else "",
        "certainty": words.text(CERTAINTIES[info.certainty]) if info else "",
        "issuer": (info.sender_name if info else "") or message.sender,
        "area": "; ".join(one.description for one in info.areas) if info else "",
        "responses": [words.text(RESPONSES[one]) for one in info.responses] if info else [],
        "instruction": info.instruction if info else "",
        "description": info.description if info else "",
        "from_us": warning.from_us,
        "until_us": warning.until_us,
        "changed_us": warning.changed_us,
        "endless": warning.endless,
        "version": warning.version,
        "doubt": words.text(DOUBTS_SAID.get(warning.doubt, "")),
        "status": message.status,
        "status_said": words.text(STATUSES[message.status]),
        "seen": bool(warning.acknowledged_by),
        "contradicts": warning.contradicts,
        "governs": warning.governs,
        "in_force": warning.in_force,
    }


def choices(said: dict[str, str], words: Words) -> list[tuple[str, str]]:
    """A list to choose from, in its order."""
    return [(code, words.text(text)) for code, text in said.items()]
