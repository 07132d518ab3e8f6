"""What a message changes, in one transaction: warnings, deeds, what the city is told, what other
rooms must do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from pintu.kernel.errors import StateConflict
from pintu.kernel.operations.journal import Deed, enter, tell
from pintu.kernel.operations.warnings import rows
from pintu.kernel.operations.warnings.entity import alert_of, entity_of
from pintu.kernel.operations.warnings.judging import (
    Verdict,
    against,
    alike,
    judge,
    named_by_code,
    span_us,
    strictest,
)
from pintu.kernel.operations.warnings.states import after
from pintu.kernel.operations.warnings.words import Kept, Message, PublicWarning, Taken

Outcome = tuple[Taken, list[Deed]]
NOTHING: Final = Message(identifier="", sender="", sent="1970-01-01T00:00:00+00:00")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Who does something, when, because of which message."""

    tenant: str
    who: str
    at_us: int
    message: Message = NOTHING
    reason: str = ""
    place: dict[str, Any] | None = None  # what the codes of the message's area stand for


def take(connection: Connection, change: Change, document: bytes, approver: str = "") -> Outcome:
    """Keep a message and let it take effect."""
    if known := _known(connection, change):
        return known
    kept = _kept(change, "taken")
    number = rows.add_message(connection, kept, document)
    return _effect(connection, change, msgspec.structs.replace(kept, number=number), approver)


def propose(connection: Connection, change: Change, document: bytes) -> Outcome:
    """Keep a message that waits for a second person."""
    if known := _known(connection, change):
        return known
    kept = _kept(change, "proposed", _target(connection, change))
    number = rows.add_message(connection, kept, document)
    deed = _deed(change, kept.warning, "proposed", {"message": number})
    return Taken(effect="proposed", number=number), [enter(connection, deed)]


def approve(connection: Connection, change: Change, number: int) -> Outcome:
    """The second person: the message takes effect now, in the writer's name."""
    kept = _still_waiting(connection, number)
    deed = enter(connection, _deed(change, kept.warning, "approved", {"message": number}))
    written = msgspec.structs.replace(change, who=kept.who)
    taken, deeds = _effect(connection, written, kept, change.who)
    return taken, [deed, *deeds]


def withdraw(connection: Connection, change: Change, number: int) -> Outcome:
    """The message never takes effect."""
    kept = _still_waiting(connection, number)
    rows.set_effect(connection, number, effect="withdrawn", reason=change.reason[:500])
    deed = _deed(change, kept.warning, "withdrawn", {"message": number})
    return Taken(effect="withdrawn", number=number), [enter(connection, deed)]


def acknowledge(connection: Connection, change: Change, id: str) -> Outcome:
    """Somebody has seen it; the first one is remembered."""
    warning = rows.get_warning(connection, id)
    if warning.acknowledged_by:
        return Taken(effect="known", warning=warning), []
    seen = msgspec.structs.replace(warning, acknowledged_by=change.who)
    rows.put_warning(connection, seen)
    deed = _deed(change, id, "acknowledged", {})
    return Taken(effect="acknowledged", warning=seen), [enter(connection, deed)]


def expire(connection: Connection, change: Change, id: str) -> Outcome:
    """Its time is over; nothing when a later message made it longer."""
    warning = rows.find_warning(connection, id)
    if warning is None or not warning.in_force or warning.until_us > change.at_us:
        return Taken(effect="kept", warning=warning), []
    change = msgspec.structs.replace(change, tenant=warning.tenant)
    over, deed = _end(connection, change, warning, "expired")
    return Taken(effect="expired", warning=over), [deed, *_compare(connection, change, [deed])]


def settle(connection: Connection, change: Change, id: str) -> Outcome:
    """Of warnings that contradict each other, follow one: what the others set going is undone."""
    chosen = rows.get_warning(connection, id)
    for other in (id, *chosen.contradicts):
        warning = rows.find_warning(connection, other)
        if warning is None or not warning.in_force:
            continue
        told = msgspec.structs.replace(warning, governs=id, changed_us=change.at_us)
        _put(connection, told, ("start",) if other == id else ("undo",))
    deed = _deed(change, id, "settled", {"over": list(chosen.contradicts)})
    return Taken(effect="settled", warning=chosen), [enter(connection, deed)]


# --- a message's effect ---------------------------------------------------------------------------
def _known(connection: Connection, change: Change) -> Outcome | None:
    found = rows.known_already(connection, change.tenant, change.message)
    if found is None:
        return None
    warning = rows.find_warning(connection, found.warning) if found.warning else None
    taken = Taken(effect="known", warning=warning, reason=found.reason, number=found.number)
    return taken, []


def _still_waiting(connection: Connection, number: int) -> Kept:
    kept = rows.get_message(connection, number)
    if kept.effect != "proposed":
        raise StateConflict(f"Message {number} does not wait: it is {kept.effect}")
    return kept


def _kept(change: Change, effect: str, warning: str = "") -> Kept:
    return Kept(
        number=0,
        tenant=change.tenant,
        message=change.message,
        warning=warning,
        effect=effect,
        reason="",
        who=change.who,
        at_us=change.at_us,
    )


def _target(connection: Connection, change: Change) -> str:
    """The warning that a message is about, before it takes effect."""
    found = rows.referred(connection, change.tenant, change.message)
    return found[0].id if found else rows.local_id(change.tenant, change.message.key)


def _effect(connection: Connection, change: Change, kept: Kept, approver: str) -> Outcome:
    message = kept.message
    known = rows.referred(connection, change.tenant, message)
    verdict = judge(message, known, change.at_us)
    warning: PublicWarning | None
    if verdict.effect == "issued":
        warning, deeds = _issue(connection, change, kept, (verdict, approver))
    elif verdict.effect == "updated":
        warning, deeds = _update(connection, change, kept, (verdict, approver))
    elif verdict.effect == "cancelled":
        ended = [_end(connection, change, one, "cancelled") for one in verdict.ends]
        warning, deeds = ended[0][0], [deed for _, deed in ended]
    elif verdict.effect in ("acknowledged", "reported"):
        warning, deeds = verdict.ends[0], _heard(connection, change, verdict)
    else:
        warning, deeds = (known[0] if known else None), []
    deeds += _disputed(connection, change, verdict)
    if message.msg_type in ("Update", "Cancel") and message.status in ("Actual", "Exercise"):
        replaced_by = warning.id if warning and message.msg_type == "Update" else ""
        rows.expect(connection, kept, replaced_by)
    rows.set_effect(
        connection,
        kept.number,
        effect=verdict.effect,
        reason=verdict.reason,
        warning=warning.id if warning else "",
    )
    deeds += _compare(connection, change, deeds)
    now = rows.find_warning(connection, warning.id) if warning else None
    taken = Taken(effect=verdict.effect, warning=now, reason=verdict.reason, number=kept.number)
    return taken, deeds


def _issue(
    connection: Connection, change: Change, kept: Kept, judged: tuple[Verdict, str]
) -> tuple[PublicWarning, list[Deed]]:
    verdict, approver = judged
    id = rows.local_id(change.tenant, kept.message.key)
    begins, ends, endless = span_us(kept.message)
    warning = PublicWarning(
        id=id,
        tenant=change.tenant,
        state="issued",
        message=kept.message,
        by=change.who,
        approved_by=approver,
        sent_us=kept.message.key[2],
        from_us=begins,
        until_us=ends,
        changed_us=change.at_us,
        doubt=_doubt(verdict, change),
        number=kept.number,
        endless=endless,
        place=change.place,
    )
    late = rows.awaited(connection, change.tenant, kept.message.key)
    if late is not None and alike(late[0], kept.message):  # what ended it was here before it
        state = "cancelled" if late[0].msg_type == "Cancel" else "replaced"
        warning = msgspec.structs.replace(warning, state=state, replaced_by=late[1])
    elif ends <= change.at_us:
        warning = msgspec.structs.replace(warning, state="expired")
    _put(connection, warning, ("start", "tell") if warning.acts else ())
    detail = {"message": kept.number, "severity": kept.message.severity, "state": warning.state}
    return warning, [enter(connection, _deed(change, id, "issued", detail))]


def _update(
    connection: Connection, change: Change, kept: Kept, judged: tuple[Verdict, str]
) -> tuple[PublicWarning, list[Deed]]:
    verdict, approver = judged
    before = verdict.stays
    assert before is not None  # an update without one is issued
    begins, ends, endless = span_us(kept.message)
    warning = msgspec.structs.replace(
        before,
        state=after(before.state, "update"),
        message=kept.message,
        version=before.version + 1,
        approved_by=approver or before.approved_by,
        acknowledged_by="",  # what was seen is not what it says now
        sent_us=kept.message.key[2],
        from_us=begins,
        until_us=ends,
        changed_us=change.at_us,
        doubt=_doubt(verdict, change),
        governs="",
        number=kept.number,
        endless=endless,
        place=change.place,
    )
    if ends <= change.at_us:
        warning = msgspec.structs.replace(warning, state="expired")
    work = ("narrow", "start", "tell") if warning.acts else ("undo", "clear")
    _put(connection, warning, work)
    detail = {"message": kept.number, "version": warning.version, "state": warning.state}
    deeds = [enter(connection, _deed(change, warning.id, "updated", detail))]
    for one in verdict.ends:
        gone = msgspec.structs.replace(one, replaced_by=warning.id)
        deeds.append(_end(connection, change, gone, "replaced")[1])
    return warning, deeds


def _doubt(verdict: Verdict, change: Change) -> str:
    if verdict.doubt or change.place is not None:
        return verdict.doubt
    return "unknown_place" if named_by_code(change.message) else ""


def _end(
    connection: Connection, change: Change, warning: PublicWarning, state: Any
) -> tuple[PublicWarning, Deed]:
    """A warning is over: what hangs on it is taken back, and who heard it hears that too. Of one
    that another replaces nobody hears anything: they hear the other."""
    event: Any = {"cancelled": "cancel", "expired": "expire", "replaced": "replace"}[state]
    over = msgspec.structs.replace(
        warning,
        state=after(warning.state, event),
        changed_us=change.at_us,
        contradicts=(),
        governs="",
    )
    work = ("undo",) if state == "replaced" else ("undo", "clear")
    _put(connection, over, work if warning.acts else ())  # what had ended was told then
    detail = {"by": over.replaced_by} if over.replaced_by else {}
    return over, enter(connection, _deed(change, over.id, state, detail))


def _heard(connection: Connection, change: Change, verdict: Verdict) -> list[Deed]:
    """Another system says that it got our message, or could not use it."""
    message = change.message
    detail = {"sender": message.sender, "note": message.note[:500]}
    told = [_deed(change, one.id, verdict.effect, detail) for one in verdict.ends]
    return [enter(connection, one) for one in told]


def _disputed(connection: Connection, change: Change, verdict: Verdict) -> list[Deed]:
    """Somebody else says that a warning is over: it is not, but somebody should look."""
    deeds = []
    for one in verdict.disputes:
        told = msgspec.structs.replace(one, doubt="disputed", changed_us=change.at_us)
        _put(connection, told, ())
        detail = {"sender": change.message.sender}
        deeds.append(enter(connection, _deed(change, one.id, "disputed", detail)))
    return deeds


def _compare(connection: Connection, change: Change, touched: Iterable[Deed]) -> list[Deed]:
    """Find the contradictions of what was touched, and tell of those that are new."""
    found = rows.in_force(connection, change.tenant)
    ids = frozenset(deed.subject.partition(":")[2] for deed in touched)
    deeds = []
    for one in found:
        others = against(one, found, ids)
        if others == one.contradicts:
            continue
        told = msgspec.structs.replace(one, contradicts=others, governs="")
        _put(connection, told, ())
        if new := [id for id in others if id not in one.contradicts]:
            follow = strictest([one, *(w for w in found if w.id in others)]).id
            detail = {"against": new, "followed": follow}
            deeds.append(enter(connection, _deed(change, one.id, "contradicted", detail)))
    return deeds


def _put(connection: Connection, warning: PublicWarning, work: Iterable[str]) -> None:
    """Keep it, tell the city, and write down what others must do."""
    rows.put_warning(connection, warning)
    rows.add_todo(connection, warning, work)
    if warning.message.scope != "Public":  # the context is read by more than its addressees
        return
    tell(connection, warning.tenant, entity_of(warning))
    if warning.message.status == "Actual":
        tell(connection, warning.tenant, alert_of(warning))


def _deed(change: Change, id: str, verb: str, detail: dict[str, Any]) -> Deed:
    return Deed(
        subject=f"warning:{id}",
        verb=verb,
        who=change.who,
        at_us=change.at_us,
        tenant=change.tenant,
        reason=change.reason,
        detail=detail,
    )
