"""A resident's page: who looked at my record, what is held about me, and objecting to what is
wrong; the same for whom I act for, and for nobody else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get, post

from pintu.kernel.audit import Viewer
from pintu.kernel.errors import BadRequestData, Forbidden, PintuError, Refused, Unavailable
from pintu.kernel.exchange.gate.asking import subject_column, subject_text
from pintu.kernel.exchange.words import Condition, Question, Why
from pintu.kernel.linkage.acting import Hand
from pintu.kernel.linkage.words import Ref
from pintu.web.pages.agreements_parties import organisation_name
from pintu.web.pages.agreements_said import said
from pintu.web.pages.agreements_view import find_set
from pintu.web.pages.agreements_words import (
    code_said,
    left,
    list_said,
    person_masked,
    title_of_column,
    titles_of,
)
from pintu.web.pages.labels import said as said_value
from pintu.web.pages.notices import enter_person
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, raw_headers
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.audit import Look
    from pintu.kernel.exchange.words import DataSet
    from pintu.kernel.linkage.words import Objection

PURPOSE: Final = "correction"
NAMED_MARKS: Final = frozenset(("id_number",))
STATES: Final = {
    "open": mark("the owner answers"),
    "late": mark("the owner is late"),
    "accepted": mark("accepted and corrected"),
    "refused": mark("refused"),
}
KINDS: Final = {
    "parent": mark("my child"),
    "guardian": mark("my ward"),
    "carer": mark("whom I care for"),
    "company": mark("my firm"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """A person whose record somebody may see here: themself, or whom they act for."""

    key: str  # "me", or the delegation's id
    name: str
    subject: str  # keyed digest
    objects: bool = True  # whether objections may be sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a deed left to say on the page."""

    typed: str = ""  # the identity number, in the page alone
    done: str = ""
    why: str = ""
    status: int = 200


@get("/my-records", include_in_schema=False)
async def my_records(request: AnyRequest, of: str = "me") -> Response[Any]:
    """Who looked; what is held is shown after the number was typed."""
    visit = enter_person(request)
    return await _page(visit, of, Told())


@post("/my-records", include_in_schema=False, status_code=200)
async def held(request: AnyRequest, of: str = "me") -> Response[Any]:
    """What is held about the person whose number was typed, when it is theirs."""
    visit = enter_person(request)
    form = await request.form()
    visit.rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    typed = str(form.get("id", "")).strip()
    try:
        _checked(visit, of, typed)
    except Refused as error:
        return await _page(visit, of, Told(why=said(error, visit), status=error.status))
    return await _page(visit, of, Told(typed=typed))


@post("/my-records/object", include_in_schema=False, status_code=200)
async def object_to(request: AnyRequest, of: str = "me") -> Response[Any]:
    """Say that a value is wrong; its owner answers within a term."""
    visit = enter_person(request)
    form = await request.form()
    visit.rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    typed = str(form.get("id", "")).strip()
    try:
        whose = _checked(visit, of, typed)
        await _object(visit, whose, typed, {name: str(value) for name, value in form.items()})
    except (BadRequestData, Refused, Unavailable) as error:
        return await _page(visit, of, Told(typed=typed, why=said(error, visit), status=400))
    done = visit.words.text("Your objection was sent. The owner answers within its term.")
    return await _page(visit, of, Told(typed=typed, done=done))


def persons_of(visit: Visit) -> list[Whose]:
    """Oneself when the account is proved, and whom one acts for."""
    people, words = visit.rooms.identity.people, visit.words
    person = people.get_person(visit.actor.person)
    found = []
    if person.subject:
        found.append(Whose(key="me", name=person.name, subject=person.subject))
    for one in people.delegations(person=person.id):
        if one.holds(words.now_us) and "look" in one.scopes:
            told = words.text(KINDS.get(one.kind, one.kind))
            found.append(
                Whose(
                    key=one.id, name=told, subject=one.from_subject,
                    objects="object" in one.scopes,
                )
            )  # fmt: skip
    return found


def _chosen(visit: Visit, of: str) -> Whose | None:
    known = persons_of(visit)
    return next((one for one in known if one.key == of), known[0] if known else None)


def _checked(visit: Visit, of: str, typed: str) -> Whose:
    """Whose number it is; Forbidden when it is not the one this page is about."""
    whose, audit = _chosen(visit, of), visit.rooms.audit
    if whose is None or audit is None or not typed:
        raise Forbidden("Nobody is proved to be you", zh="您的账户尚未核实身份")
    if audit.digest(subject_text(typed)) != whose.subject:
        raise Forbidden(
            "This is another person's number: here you see your own record and that of whom you "
            "act for",
            zh="这不是本人的号码：在此只能查看您本人以及由您代理之人的记录",
        )
    return whose


async def records(visit: Visit, whose: Whose, typed: str) -> list[tuple[DataSet, dict[str, Any]]]:
    """Every row that a department holds about a person, as the gate tells it to themself."""
    found = []
    why = Why(subject=whose.subject, purpose=PURPOSE, reason="own record")
    for one in visit.rooms.exchange.described():
        column = subject_column(one)
        marks = {known.name: known.person for known in one.columns}
        if not one.persons or marks.get(column) not in NAMED_MARKS:
            continue
        question = Question(where=(Condition(column, "=", subject_text(typed)),), limit=10)
        answer = await visit.rooms.exchange.answer(visit.actor, one.name, question, why)
        found += [(one, row) for row in answer.rows.rows]
    return found


async def _object(visit: Visit, whose: Whose, typed: str, form: dict[str, str]) -> None:
    room = visit.rooms.linkage
    if room is None:
        raise Unavailable("This city takes no objections yet")
    if not whose.objects:
        raise Forbidden(
            "You may look for this person, not object", zh="您只能代为查看，不能代为提出异议"
        )
    name, column = form.get("data_set", ""), form.get("column", "")
    for data_set, row in await records(visit, whose, typed):
        if data_set.name == name and column in row:
            keys = [str(row[one.name]) for one in data_set.columns if one.key]
            if len(keys) > 1:  # as a mapping joins the columns of a key
                keys = [one.replace("%", "%25").replace("|", "%7C") for one in keys]
            hand = Hand(actor=visit.actor, purpose=PURPOSE, reason=form.get("reason", ""))
            ref = Ref(name, "|".join(keys))
            await room.objections.object(
                ref, column, form.get("wished", "").strip(), form.get("reason", ""), hand
            )
            return
    raise BadRequestData("There is no such value in your record", zh="您的记录中没有这一项")


async def _page(visit: Visit, of: str, told: Told) -> Response[Any]:
    whose = _chosen(visit, of)
    looks: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    objections: list[dict[str, Any]] = []
    why, status = told.why, told.status
    if whose is not None:
        try:
            found = await records(visit, whose, told.typed) if told.typed else []
            objections = await _objections(visit)
            parts = [_part(one, row, visit, whose) for one, row in found]
            looks = await _looks(visit, whose)
        except PintuError as error:  # what can be shown is shown
            why, status = why or said(error, visit), max(status, error.status)
    name = next((one["name_of"] for one in parts if one["name_of"]), "")
    return page(
        visit,
        "my_records.html",
        status,
        persons=persons_of(visit),
        whose=whose,
        called=name or (whose.name if whose is not None else ""),
        typed=told.typed,
        masked=person_masked(told.typed),
        held=parts,
        looks=[one for one in looks if not one["own"]],
        own=[one for one in looks if one["own"]],
        objections=objections,
        waiting={one["key"] for one in objections if one["open"]},
        done=told.done,
        why=why,
        left=left,
    )


async def _looks(visit: Visit, whose: Whose) -> list[dict[str, Any]]:
    audit = visit.rooms.audit
    if audit is None:
        return []
    kind = "self" if whose.key == "me" else "delegate"
    viewer = Viewer(kind=kind, person=visit.actor.person)  # type: ignore[arg-type]
    return [_look(one, visit) for one in await audit.who_looked(whose.subject, viewer)]


def _look(one: Look, visit: Visit) -> dict[str, Any]:
    words = visit.words
    found = find_set(visit, one.data_set)
    title = words.pick(found.title) if found is not None else one.data_set
    fields = list_said([titles_of(found, words).get(name, name) for name in one.fields], words)
    own = one.acted_for or one.basis == "own"
    asked = words.text("looked at %(what)s") % {"what": title or one.data_set}
    basis = {
        "own": words.text("this page"),
        "owner": words.text("as the one who keeps it"),
        "glass": words.text("an emergency: an auditor judges it"),
    }.get(one.basis, words.text("under agreement %(id)s") % {"id": one.agreement})
    purpose = code_said("purpose", one.purpose, words) if one.purpose and not own else ""
    return {
        "at_us": one.at_us,
        "organisation": words.text("You") if own else organisation_name(visit, one.organisation),
        "sentence": asked + (f" · {purpose}" if purpose else ""),
        "reason": "" if own else one.reason,
        "basis": " · ".join(part for part in (basis if not own else "", fields) if part),
        "number": one.number,
        "own": own,
    }


def _part(one: DataSet, row: dict[str, Any], visit: Visit, whose: Whose) -> dict[str, Any]:
    words = visit.words
    names = [str(row[known.name]) for known in one.columns if known.person == "name"]
    return {
        "owner": organisation_name(visit, one.owner),
        "title": words.pick(one.title) or one.name,
        "name": one.name,
        "name_of": names[0] if names else "",
        "fields": [
            {
                "name": known.name,
                "title": title_of_column(known, words),
                "text": person_masked(str(row[known.name]))
                if known.person == "id_number"
                else said_value(row[known.name], words),
                "kind": known.kind,
                "may": bool(one.owner) and not known.key and whose.objects,
            }
            for known in one.columns
            if known.name in row
        ],
    }


async def _objections(visit: Visit) -> list[dict[str, Any]]:
    room = visit.rooms.linkage
    if room is None:
        return []
    found = await room.objections.list_all(by=visit.actor.organisation or visit.actor.person)
    return [_objection(one, visit) for one in found]


def _objection(one: Objection, visit: Visit) -> dict[str, Any]:
    words = visit.words
    data_set = find_set(visit, one.data_set)
    places = [one.data_set, *(ref.data_set for ref in one.also)]
    names = []
    for place in dict.fromkeys(places):
        known = find_set(visit, place)
        names.append(words.pick(known.title) if known is not None else place)
    return {
        "field": titles_of(data_set, words).get(one.column, one.column),
        "wished": str(one.wish),
        "state": words.text(STATES[one.state]),
        "open": one.state in ("open", "late"),
        "late": one.state == "late",
        "owner": organisation_name(visit, one.owner),
        "at_us": one.at_us,
        "due_us": one.due_us,
        "answer": one.answer,
        "places": list_said(names, words) if one.state == "accepted" else "",
        "key": (one.data_set, one.column),
    }


PAGES: Final[tuple[Any, ...]] = (my_records, held, object_to)
