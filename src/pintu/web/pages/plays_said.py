"""What the pages say of plays and the ledger: states, deeds, reasons in the visitor's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.access import Deed as Right
from pintu.kernel.errors import ResourceNotFound
from pintu.web.pages.agreements_parties import person_name
from pintu.web.pages.operations_sentences import in_language
from pintu.web.words import Words, mark

if TYPE_CHECKING:
    from pintu.kernel.operations.journal import Deed
    from pintu.kernel.operations.playbooks.plays import Plays
    from pintu.kernel.operations.playbooks.words import GroupRun, Play
    from pintu.web.visit import Visit

PLAY: Final = {
    "proposed": mark("to be approved"),
    "running": mark("under way"),
    "halted": mark("halted by a stop"),
    "done": mark("done"),
    "failed": mark("failed"),
    "refused": mark("refused"),
    "expired": mark("not approved in time"),
    "undoing": mark("being taken back"),
    "undone": mark("taken back"),
}
GROUP: Final = {
    "waiting": mark("waits for approval"),
    "approved": mark("approved"),
    "refused": mark("refused"),
    "expired": mark("not approved in time"),
    "done": mark("done"),
}
STEP: Final = {
    "waiting": mark("not begun"),
    "running": mark("under way"),
    "done": mark("done"),
    "partly": mark("partly done"),
    "failed": mark("failed"),
    "skipped": mark("passed over"),
    "undoing": mark("being taken back"),
    "undone": mark("taken back"),
    "not_undone": mark("not all put back"),
}
DO: Final = {
    "command": mark("command to devices"),
    "order": mark("work order"),
    "message": mark("message"),
    "check": mark("condition"),
    "wait": mark("pause"),
}
VERBS: Final = {
    "proposed": mark("Proposed"),
    "approved_first": mark("Approved by the first of two"),
    "approved": mark("Approved"),
    "refused": mark("Refused"),
    "expired": mark("Not approved in time"),
    "withdrawn": mark("Withdrawn"),
    "undo_began": mark("Taking back began"),
    "undone": mark("Everything is taken back"),
    "done": mark("Every step ended"),
    "failed": mark("Failed"),
    "halted": mark("Halted by a stop"),
    "went_on": mark("Went on"),
    "notified": mark("People were told"),
    "narrowed": mark("Narrowed to a smaller area"),
    "widened": mark("Widened to a larger area"),
    "followed": mark("Went to the incident it is part of"),
    "step_began": mark("Step began"),
    "step_finished": mark("Step done"),
    "step_fell_short": mark("Step partly done"),
    "step_failed": mark("Step failed"),
    "step_skipped": mark("Step passed over"),
    "step_undo_began": mark("Step is being taken back"),
    "step_put_back": mark("Step taken back"),
    "step_not_put_back": mark("Step not wholly taken back"),
}
BAD: Final = frozenset(
    {"failed", "expired", "not_undone", "halted", "step_failed", "step_not_put_back"}
)
CAUSES: Final = {
    "incident": (mark("incident"), "/incidents/"),
    "warning": (mark("warning"), "/warnings/"),
    "play": (mark("plan"), "/plays/"),
}
SELVES: Final = {
    "playbook": mark("the playbook"),
    "timer": mark("the clock"),
    "detector": mark("a detector"),
    "rule": mark("a rule"),
    "interlock": mark("an interlock"),
    "stop": mark("the stop"),
    "notifier": mark("the roster"),
    "operations/warnings": mark("the room of warnings"),
}


def plays_of(visit: Visit) -> Plays:
    """The room of plays; ResourceNotFound in a city without one."""
    room = visit.rooms.operations
    if room is None or room.plays is None:
        raise ResourceNotFound("There are no playbooks here")
    return room.plays


def who_said(visit: Visit, id: str) -> str:
    """Who did it: a person's name, or what part of the house."""
    if id in SELVES:
        return visit.words.text(SELVES[id])
    kind, _, rest = id.partition(":")
    if kind == "process":
        return visit.words.text("the device's process")
    if kind == "play":
        return visit.words.text("plan") + f" {rest}"
    return person_name(visit, rest) if kind == "person" else id


def cause_said(cause: str, words: Words) -> tuple[str, str]:
    """(title, address) of what something depends on; no address where no page shows it."""
    kind, _, id = cause.partition(":")
    if not cause:
        return "–", ""
    if kind not in CAUSES:
        return cause, ""
    title, address = CAUSES[kind]
    return f"{words.text(title)} {id}", address + id


def play_said(visit: Visit, play: Play) -> dict[str, Any]:
    """A play as the list and its page show it."""
    words = visit.words
    steps = play.steps
    cause, address = cause_said(play.cause, words)
    return {
        "play": play,
        "title": words.pick(play.title),
        "state": words.text(PLAY[play.state]),
        "bad": play.state in BAD,
        "reason": in_language(play.reason, words.lang, visit.rooms.commands.guarding),
        "cause": cause,
        "address": address,
        "who": who_said(visit, play.by),
        "ended": sum(1 for one in steps if one.state not in ("waiting", "running", "undoing")),
        "targets": sum(one.targets for one in steps),
        "waiting": sum(1 for one in play.groups if one.state == "waiting"),
    }


def groups_said(visit: Visit, play: Play) -> list[dict[str, Any]]:
    """The groups of a play with their steps, and what may be done with each."""
    words, now_us = visit.words, visit.rooms.clock.now_us()
    mine = visit.actor.person or visit.actor.id
    found = []
    for group in play.groups:
        own = [one for one in play.steps if one.group == group.name]
        commands = any(one.do == "command" for one in own)
        may = visit.may(Right.RESPOND) and (not commands or visit.may(Right.COMMAND))
        said_yes = any(one.removeprefix("person:") == mine for one in group.approved_by)
        open_ = group.state == "waiting" and play.state in ("proposed", "running", "halted")
        found.append(
            {
                "group": group,
                "title": words.pick(group.title),
                "state": words.text(GROUP[group.state]),
                "left_s": max(0.0, (group.until_us - now_us) / 1e6) if open_ else 0.0,
                "needs": _needs(group, words),
                "yes": [who_said(visit, one) for one in group.approved_by],
                "may": open_ and may and not said_yes,
                "mine": open_ and said_yes,
                "steps": [
                    {
                        "step": one,
                        "title": words.pick(one.title),
                        "state": words.text(STEP[one.state]),
                        "do": words.text(DO[one.do]),
                        "bad": one.state in BAD,
                        "detail": in_language(
                            one.detail, words.lang, visit.rooms.commands.guarding
                        ),
                        "share": 100 * one.reached // one.targets if one.targets else 0,
                    }
                    for one in own
                ],
            }
        )
    return found


def _needs(group: GroupRun, words: Words) -> str:
    told = words.text("two persons") if group.persons == 2 else words.text("one person")
    if group.role == "supervisor":
        told += words.text(", one of them the shift supervisor")
    return told


def line_said(visit: Visit, deed: Deed) -> dict[str, Any]:
    """One line of a play's own story."""
    detail = deed.detail
    named = str(detail.get("step") or detail.get("group") or "")
    counts = ""
    if detail.get("targets") and "reached" in detail:
        counts = f"{detail['reached']} / {detail['targets']}"
    return {
        "what": visit.words.text(VERBS.get(deed.verb, deed.verb)),
        "named": named,
        "counts": counts,
        "reason": in_language(deed.reason, visit.words.lang, visit.rooms.commands.guarding),
        "bad": deed.verb in BAD,
        "at_us": deed.at_us,
        "who": who_said(visit, deed.who),
    }
