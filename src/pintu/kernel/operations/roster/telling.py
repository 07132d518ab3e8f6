"""What a watch leaves to the next, told from the journal: what is open, what ended, what wants
somebody's attention, and how it was with the rings. Pure: deeds in, content out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from statistics import median
from typing import Any, Final

from pintu.kernel.operations.journal import Deed

KINDS: Final = ("incident", "warning", "play", "order", "command")
"""What a handover speaks of, in this order; the rest of the journal is work, not news."""

ENDS: Final[dict[str, frozenset[str]]] = {
    "incident": frozenset(("closed", "merged")),
    "warning": frozenset(("cancelled", "expired", "withdrawn", "superseded", "ended")),
    "play": frozenset(("done", "finished", "failed", "refused", "expired", "undone")),
    "order": frozenset(("closed", "overridden", "cancelled", "settled")),
    "command": frozenset(("confirmed", "failed", "timed_out", "cancelled", "missed", "given_up")),
}
"""After which deed a thing of that kind is no longer anybody's work."""

BEGINS: Final = frozenset(("opened", "proposed", "issued", "raised", "reopened", "desired"))

ATTENTION: Final = frozenset(
    ("not_delivered", "overridden", "escalated", "overdue", "failed", "timed_out", "missed",
     "stopped", "disputed", "contradicted", "declined", "not_undone", "halted")
)  # fmt: skip
"""Deeds the next watch should know of, whatever became of them."""

BESIDE: Final = frozenset(
    ("rung", "ring_raised", "answered", "ring_withdrawn", "notified", "not_delivered",
     "all_clear_sent")
)  # fmt: skip
"""Deeds about a thing that do not move it: messages and rings."""

MOST: Final = 200
"""Lines of one list; the rest is counted."""


def tell_watch(deeds: Iterable[Deed], since_us: int, until_us: int) -> dict[str, Any]:
    """The content of the handover of a span. `deeds` may begin long before it: what was opened
    then and never ended is open still. Lists are of plain values, newest last."""
    told = sorted(
        (one for one in deeds if one.at_us < until_us),
        key=lambda one: (one.at_us, one.room, one.number),
    )
    things = _things(told)
    within = [one for one in told if one.at_us >= since_us]
    still = [one for one in things if not one["ended"]]
    ended = [one for one in things if one["ended"] and one["last_us"] >= since_us]
    attention = [_line(one) for one in within if one.verb in ATTENTION]
    return {
        "open": _cut([one for one in still if one["kind"] != "command"]),
        "open_count": dict(Counter(one["kind"] for one in still)),
        "ended": _cut([one for one in ended if one["kind"] != "command"]),
        "ended_count": dict(Counter(one["kind"] for one in ended)),
        "began_count": dict(Counter(one["kind"] for one in things if one["since_us"] >= since_us)),
        "attention": attention[-MOST:],
        "attention_count": len(attention),
        "rings": _rings(within),
        "deeds": len(within),
        "people": sorted({one.who for one in within if one.who.startswith("person:")}),
    }


def _things(told: list[Deed]) -> list[dict[str, Any]]:
    """Each incident, warning, play, order and command, as its last deed left it."""
    things: dict[tuple[str, str], dict[str, Any]] = {}
    for deed in told:
        kind = deed.subject.partition(":")[0]
        if kind not in KINDS or deed.verb in BESIDE:
            continue
        key = (deed.tenant, deed.subject)
        thing = things.get(key)
        if thing is None:
            thing = things[key] = {
                "subject": deed.subject,
                "kind": kind,
                "since_us": deed.at_us,
                "severity": "",
                "deeds": 0,
            }
        thing["deeds"] += 1
        thing["severity"] = str(deed.detail.get("severity") or thing["severity"])
        if deed.room == "roster" and deed.verb == "escalated":  # a ring went on, not the thing
            continue
        thing |= {"verb": deed.verb, "who": deed.who, "last_us": deed.at_us}
        thing["reason"] = deed.reason[:300]
        thing["ended"] = deed.verb in ENDS[kind]
        thing["false_alarm"] = deed.detail.get("outcome") == "false"
    found = [one for one in things.values() if "verb" in one]
    order = {kind: number for number, kind in enumerate(KINDS)}
    return sorted(found, key=lambda one: (order[one["kind"]], one["since_us"], one["subject"]))


def _cut(things: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return things[-MOST:]


def _line(deed: Deed) -> dict[str, Any]:
    return {
        "subject": deed.subject,
        "verb": deed.verb,
        "who": deed.who,
        "at_us": deed.at_us,
        "reason": deed.reason[:300],
        "to": deed.detail.get("to", "") if deed.verb == "not_delivered" else "",
        "room": deed.room,
    }


def _rings(within: list[Deed]) -> dict[str, Any]:
    waits = [
        int(one.detail.get("waited_s", 0))
        for one in within
        if one.verb == "answered" and one.room == "roster"
    ]
    return {
        "count": sum(one.verb == "rung" for one in within),
        "answered": len(waits),
        "escalated": sum(one.verb == "escalated" and one.room == "roster" for one in within),
        "median_s": int(median(waits)) if waits else 0,
        "longest_s": max(waits, default=0),
    }
