"""Looking up one person under an agreement, and the school's form that fills itself: one at a
time, each look with its reason, its receipt and its place in the log."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get, post

from pintu.kernel.errors import BadRequestData, PintuError, Refused
from pintu.kernel.exchange.words import Condition, Question, Why
from pintu.web.house import house_of
from pintu.web.pages.agreements import enter_exchange, room_of
from pintu.web.pages.agreements_parties import organisation_name
from pintu.web.pages.agreements_said import said
from pintu.web.pages.agreements_view import find_set, terms_seen
from pintu.web.pages.agreements_words import person_masked, said_mask, titles_of
from pintu.web.pages.labels import said as said_value
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, raw_headers

if TYPE_CHECKING:
    from pintu.kernel.exchange.agreements.words import Agreement

FORM_PURPOSE: Final = "enrolment"
LONGEST_ID: Final = 200
SEVERAL: Final = re.compile(r"[\s,;，；、]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One agreement's answer about one person."""

    agreement: Agreement
    values: list[dict[str, str]]
    at_us: int
    receipt: int
    source: str


@get("/look-up", include_in_schema=False)
async def look_up(request: AnyRequest, agreement: str = "") -> Response[Any]:
    """The form; what was answered is never in an address."""
    visit = enter_exchange(request)
    return _page(visit, chosen=agreement)


@post("/look-up", include_in_schema=False, status_code=200)
async def look(request: AnyRequest) -> Response[Any]:
    """One look."""
    visit = enter_exchange(request)
    form = await request.form()
    house_of(request).rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    id, reason = str(form.get("id", "")).strip(), str(form.get("reason", "")).strip()
    chosen = str(form.get("agreement", ""))
    found = next((one for one in usable(visit) if one.id == chosen), None)
    if found is None:
        refused = visit.words.text("This agreement is not in force for your organisation.")
        return _page(visit, chosen=chosen, reason=reason, refused=refused, status=403)
    try:
        looked = await ask(visit, found, id, reason)
    except (BadRequestData, Refused) as error:
        refused = said(error, visit)
        return _page(visit, chosen=chosen, reason=reason, refused=refused, status=error.status)
    answer = {
        "title": visit.words.text("Answer about"),
        "subject": person_masked(id),
        "fields": looked.values,
        "source": looked.source,
        "at_us": looked.at_us,
        "agreement": found.id,
        "receipt": looked.receipt,
    }
    return _page(visit, chosen=chosen, reason=reason, answer=answer)


@get("/look-up/form", include_in_schema=False)
async def empty_form(request: AnyRequest) -> Response[Any]:
    """The pupil's form before anybody is named."""
    visit = enter_exchange(request)
    return page(visit, "look_up_form.html", reason="", **_nothing(visit))


@post("/look-up/form", include_in_schema=False, status_code=200)
async def fill(request: AnyRequest) -> Response[Any]:
    """Ask every department whose agreement is for enrolment; several ids at once are asked as
    they stand, so that it is the gate that refuses them."""
    visit = enter_exchange(request)
    form = await request.form()
    house_of(request).rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    typed, reason = str(form.get("id", "")).strip(), str(form.get("reason", "")).strip()
    ids = [one for one in SEVERAL.split(typed[:4_000]) if one]
    filled: list[dict[str, Any]] = []
    refused: list[str] = []
    for one in for_enrolment(visit):
        try:
            looked = await ask(visit, one, ids if len(ids) > 1 else (ids or [""])[0], reason)
        except PintuError as error:  # one department's no leaves the others' fields
            told = f"{organisation_name(visit, one.terms.provider)}: {said(error, visit)}"
            refused.append(told)
            continue
        filled += _fields(looked, visit)
    if len(ids) > 1 and refused:
        refused.insert(0, visit.words.text("One pupil at a time: nobody can pull a whole class."))
    values = {"filled": filled, "refused": refused, "sources": [], "subject": person_masked(typed)}
    template = "look_up_filled.html" if "hx-request" in request.headers else "look_up_form.html"
    return page(visit, template, 200, reason=reason, **values)


def _nothing(visit: Visit) -> dict[str, Any]:
    sources = [
        f"{organisation_name(visit, one.terms.provider)}: {terms_seen(one.terms, visit).data_set}"
        for one in for_enrolment(visit)
    ]
    return {"filled": [], "refused": [], "sources": sources, "subject": ""}


def usable(visit: Visit) -> list[Agreement]:
    """Agreements in force by which the visitor's organisation looks up one person a call."""
    if not visit.actor.organisation:
        return []
    found: list[Agreement] = room_of(visit).of_consumer(visit.actor.organisation)
    return [one for one in found if one.terms.subject and one.terms.deed == "read"]


def for_enrolment(visit: Visit) -> list[Agreement]:
    """Those that fill the school's form."""
    return [one for one in usable(visit) if one.terms.purpose == FORM_PURPOSE]


async def ask(visit: Visit, found: Agreement, id: str | list[str], reason: str) -> Looked:
    """One call of the exchange about one person; a list is asked as a list, and refused."""
    terms, words = found.terms, visit.words
    if isinstance(id, str) and not 0 < len(id) <= LONGEST_ID:
        raise BadRequestData("Nobody is named", zh="请填写是哪一个人")
    where = Condition(terms.subject, "=" if isinstance(id, str) else "in", id)
    question = Question(columns=tuple(terms.fields), where=(where,), limit=1)
    why = Why(agreement=found.id, purpose=terms.purpose, reason=reason)
    answer = await visit.rooms.exchange.answer(visit.actor, terms.data_set, question, why)
    titles = titles_of(find_set(visit, terms.data_set), words)
    rows = answer.rows.rows
    return Looked(
        agreement=found,
        values=[
            {
                "title": titles.get(name, name),
                "text": said_value(rows[0].get(name), words),
                "mask": said_mask(mask, words) if mask.kind != "plain" else "",
            }
            for name, mask in terms.fields.items()
        ]
        if rows
        else [],
        at_us=answer.rows.as_of_us or words.now_us,
        receipt=answer.receipt.number if answer.receipt is not None else 0,
        source=organisation_name(visit, terms.provider),
    )


def _fields(looked: Looked, visit: Visit) -> list[dict[str, Any]]:
    seen = terms_seen(looked.agreement.terms, visit)
    missing = visit.words.text("The owner has no such person among the rows of this agreement.")
    values = looked.values or [{"title": seen.data_set, "text": missing, "mask": ""}]
    return [
        {
            **one,
            "source": looked.source,
            "at_us": looked.at_us,
            "agreement": looked.agreement.id,
            "purpose": seen.purpose,
            "receipt": looked.receipt,
        }
        for one in values
    ]


def _page(
    visit: Visit,
    *,
    chosen: str = "",
    reason: str = "",
    refused: str = "",
    answer: dict[str, Any] | None = None,
    status: int = 200,
) -> Response[Any]:
    known = usable(visit)
    told = []
    subject = visit.words.text("Who")
    for one in known:
        seen = terms_seen(one.terms, visit)
        told.append({"id": one.id, "title": seen.data_set, "purpose": seen.purpose})
        if one.id == chosen or len(known) == 1:
            titles = titles_of(find_set(visit, one.terms.data_set), visit.words)
            subject = titles.get(one.terms.subject, one.terms.subject)
    return page(
        visit,
        "look_up.html",
        status,
        agreements=told,
        chosen=chosen,
        subject_title=subject,
        reason=reason,
        refused=refused,
        answer=answer,
        form_link="/look-up/form" if for_enrolment(visit) else "",
    )


PAGES: Final[tuple[Any, ...]] = (look_up, look, empty_form, fill)
