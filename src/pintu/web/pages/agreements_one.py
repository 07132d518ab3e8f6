"""One agreement: its terms, how it came here, what may be done, what passed, who was asked to
delete what they keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.errors import BadRequestData, Conflict, PintuError, Refused, ResourceNotFound
from pintu.kernel.exchange.agreements.signing import canonical
from pintu.web.house import house_of
from pintu.web.pages.agreements import enter_exchange, room_of
from pintu.web.pages.agreements_parties import TITLES, offers, organisation_name, person_name
from pintu.web.pages.agreements_said import said
from pintu.web.pages.agreements_view import (
    Flow,
    find_set,
    signatures_seen,
    steps_seen,
    terms_seen,
    union_said,
)
from pintu.web.pages.agreements_words import code_said, codes, differences, left, state_said
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, raw_headers

if TYPE_CHECKING:
    from pintu.kernel.exchange.agreements.words import Agreement, Recall

RECEIPTS: Final = 20
LOOKED_THROUGH: Final = 1_000
NEED_REASON: Final = frozenset(("refuse", "suspend", "revoke"))


@get("/agreements/{id:str}", include_in_schema=False)
async def agreement(request: AnyRequest, id: str, version: int = 0) -> Response[Any]:
    """One version: the one in force, else the newest, else the one named."""
    visit = enter_exchange(request)
    found = room_of(visit).get(visit.actor, id, version or None)
    return await _answer(visit, found)


@post("/agreements/{id:str}/{deed:str}", include_in_schema=False)
async def do(request: AnyRequest, id: str, deed: str) -> Response[Any]:
    """Do one deed, then show how it stands."""
    visit = enter_exchange(request)
    form = await request.form()
    house_of(request).rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    room = room_of(visit)
    version = str(form.get("version", ""))
    reason = str(form.get("reason", "")).strip()
    number = int(version) if version.isascii() and version.isdigit() and len(version) < 9 else 0
    found = room.get(visit.actor, id, number or None)
    try:
        if deed == "answer-recall":
            await _answer_recall(visit, form, reason)
        elif deed in TITLES:
            told = {"reason": reason} if deed in NEED_REASON else {}
            await getattr(room, deed)(visit.actor, id, version=number, **told)
        else:
            raise ResourceNotFound(f"Agreements know no deed {deed[:40]!r}")
    except (BadRequestData, Conflict, Refused) as error:
        return await _answer(visit, room.get(visit.actor, id, found.version), why=error)
    return Redirect(f"/agreements/{id}" + (f"?version={number}" if number else ""), status_code=303)


async def _answer_recall(visit: Visit, form: Any, what: str) -> None:
    rows = str(form.get("rows", "")).strip() or "0"
    if not (rows.isascii() and rows.isdigit()):
        told = visit.words.text("The number of deleted rows is no whole number")
        raise BadRequestData(told, zh=told)
    await room_of(visit).answer_recall(
        visit.actor,
        str(form.get("recall", "")),
        what=what,
        rows=int(rows),
        kept_by_law=str(form.get("kept_by_law", "")),
        why=str(form.get("why", "")).strip(),
    )


async def _answer(visit: Visit, found: Agreement, why: PintuError | None = None) -> Response[Any]:
    room, words = room_of(visit), visit.words
    versions = room.versions(found.id)
    seen = terms_seen(found.terms, visit)
    signed = canonical(found)
    before = next((one for one in reversed(versions) if one.version < found.version), None)
    deeds = offers(found, visit)
    recalls = await _recalls(room, found, visit)
    consumes = visit.actor.organisation == found.terms.consumer and found.state == "active"
    view = {
        **{name: getattr(seen, name) for name in seen.__slots__},
        "id": found.id,
        "version": found.version,
        "state": found.state,
        "due_us": found.due_us,
        "changed_us": found.changed_us,
        "reason": found.reason,
        "steps": steps_seen(_of(await room.steps(found.id), found), found, visit),
        "signatures": signatures_seen(found, signed, visit),
    }
    return page(
        visit,
        "agreement.html",
        why.status if why is not None else 200,
        view=view,
        why=said(why, visit) if why is not None else "",
        done="",
        deeds=deeds,
        nothing=_nothing(found, visit),
        look_up=f"/look-up?agreement={found.id}" if consumes and found.terms.subject else "",
        screens=_screens(found, visit) if consumes else "",
        purpose=found.terms.purpose,
        next_version=_next_version(found, visit),
        flow=await flow_of(found, visit),
        recalls=recalls,
        bases=codes("legalBasis", words),
        versions=versions,
        compared=before.version if before is not None else 0,
        changes=differences(before, found, words) if before is not None else [],
        canonical=signed.decode() if found.signatures else "",
        union=await _union(room, found, visit),
        state_said=state_said,
        left=left,
    )


def _of(steps: list[Any], found: Agreement) -> list[Any]:
    """The steps that brought this version here."""
    return [one for one in steps if one.version in (0, found.version)]


def _screens(found: Agreement, visit: Visit) -> str:
    """The entity type that the consumer sees on map and lists under this agreement; "" for none."""
    data_set = find_set(visit, found.terms.data_set)
    if found.terms.subject or found.terms.k or found.terms.deed != "read" or data_set is None:
        return ""
    return data_set.type if data_set.tenant == visit.tenant else ""


def _nothing(found: Agreement, visit: Visit) -> str:
    words = visit.words
    if not visit.signed_in:
        return words.text("Who signs in as a member of one of the two sides acts here.")
    if visit.actor.person and visit.actor.person == found.requested_by and found.due_us:
        return words.text("Who requested an agreement cannot approve or sign it: a colleague does.")
    return words.text("Nothing now. The other side, or a colleague with another role, acts next.")


def _next_version(found: Agreement, visit: Visit) -> str:
    mine = visit.actor.organisation == found.terms.consumer
    asks = visit.actor.roles & {"officer", "owner"}
    if not (mine and asks and found.state in ("active", "suspended")):
        return ""
    return f"/agreements/new?data_set={found.terms.data_set}&replaces={found.id}"


async def _recalls(room: Any, found: Agreement, visit: Visit) -> list[dict[str, Any]]:
    told: list[Recall] = await room.recalls(found.id)
    actor, now_us = visit.actor, visit.words.now_us
    mine = bool(actor.roles & {"officer", "owner"})
    return [
        {
            "id": one.id,
            "whom": organisation_name(visit, one.holder),
            "asked_us": one.asked_us,
            "due_us": one.due_us,
            "late": one.open and one.due_us < now_us,
            "answered_us": one.answer.at_us if one.answer is not None else 0,
            "answer": one.answer.what if one.answer is not None else "",
            "who": person_name(visit, one.answer.person) if one.answer is not None else "",
            "mine": one.open and mine and one.holder == actor.organisation,
            "rows": one.rows,
            "deleted": one.answer.rows if one.answer is not None else 0,
            "law": code_said("legalBasis", one.answer.kept_by_law, visit.words)
            if one.answer is not None and one.answer.kept_by_law
            else "",
        }
        for one in told
    ]


async def flow_of(found: Agreement, visit: Visit) -> Flow | None:
    """What passed, counted from the log; None for who may not read it."""
    audit = getattr(visit.rooms, "audit", None)
    search = getattr(audit, "search", None)
    if search is None:
        return None
    rows = [
        one
        for one in await search(agreement=found.id, limit=LOOKED_THROUGH)
        if one.row.what in ("read", "write", "refused")
    ]
    passed = [one for one in rows if one.row.what != "refused"]
    receipts = [
        {
            "number": one.number,
            "at_us": one.row.at_us,
            "who": person_name(visit, one.row.person) or one.row.actor,
            "reason": one.row.reason,
            "rows": one.row.rows,
            "outcome": visit.words.text("refused")
            if one.row.what == "refused"
            else visit.words.text("answered"),
        }
        for one in sorted(rows, key=lambda one: -one.number)[:RECEIPTS]
    ]
    return Flow(
        answers=len(passed),
        rows=sum(one.row.rows for one in passed),
        refused=len(rows) - len(passed),
        last_us=max((one.row.at_us for one in rows), default=0),
        receipts=receipts,
    )


async def _union(room: Any, found: Agreement, visit: Visit) -> str:
    check = getattr(room, "check", None)
    if check is None or not found.terms.subject:
        return ""
    told = check(found.terms)
    return union_said(told.union, found.terms, visit)


PAGES: Final[tuple[Any, ...]] = (agreement, do)
