"""Requesting data: what is typed is told back at once as what would be seen and what refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.access import Mask
from pintu.kernel.errors import BadRequestData, Conflict, Refused
from pintu.kernel.exchange.agreements.words import Checked, Limits, Terms
from pintu.kernel.exchange.words import Condition
from pintu.web.api.search import plain
from pintu.web.house import house_of
from pintu.web.pages.agreements import enter_exchange, room_of
from pintu.web.pages.agreements_parties import organisation_name
from pintu.web.pages.agreements_said import said
from pintu.web.pages.agreements_view import terms_seen, union_said
from pintu.web.pages.agreements_words import (
    COMPARISONS,
    MASKS,
    codes,
    left,
    masks_of,
    state_said,
    title_of_column,
)
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, raw_headers
from pintu.web.words import mark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pintu.kernel.exchange.words import DataSet

CONDITIONS: Final = 3
MOST_CHOICES: Final = 100
UNTIL_TYPED: Final = {"policy-purpose": ("purpose", "basis")}
"""Findings of policies that say nothing new while something is not typed yet."""

WAYS: Final = (
    ("one", mark("one person"), mark("who asks names the person; nobody can list them")),
    ("counts", mark("counts only"), mark("how many, never who; small counts are withheld")),
    ("rows", mark("rows"), mark("many rows at once: for data that is not about persons")),
)
LIMITS: Final = (
    ("calls_a_minute", mark("Calls a minute")),
    ("rows_a_call", mark("Rows a call")),
    ("rows_a_day", mark("Rows a day")),
    ("subjects_a_day", mark("Different persons a day")),
    ("looks_at_one", mark("Looks at one person a day, by one member")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What is in the form."""

    chosen: dict[str, str] = field(default_factory=dict)  # field → mask word
    conditions: list[Condition] = field(default_factory=list)
    way: str = "one"
    subject: str = ""
    k: str = "10"
    limits: dict[str, str] = field(default_factory=dict)
    consumer: str = ""
    purpose: str = ""
    basis: str = ""
    reason: str = ""
    retention_days: str = "0"
    until: str = ""
    onward: bool = False


def read_form(form: Mapping[str, Any], fields: list[str]) -> Typed:
    """What somebody typed, as text."""

    def told(name: str, default: str = "") -> str:
        return str(form.get(name, default)).strip()[:500]

    defaults = Limits()
    return Typed(
        chosen={one: told(f"mask.{one}", "plain") for one in fields},
        conditions=[
            Condition(
                told(f"where.{n}.column"),
                told(f"where.{n}.comparison", "="),  # type: ignore[arg-type]
                told(f"where.{n}.value"),
            )
            for n in range(CONDITIONS)
        ],
        way=told("way", "one"),
        subject=told("subject"),
        k=told("k", "10"),
        limits={name: told(f"limit.{name}", str(getattr(defaults, name))) for name, _ in LIMITS},
        consumer=told("consumer"),
        purpose=told("purpose"),
        basis=told("basis"),
        reason=told("reason"),
        retention_days=told("retention_days", "0"),
        until=told("until"),
        onward=told("onward") == "yes",
    )


def terms_of(typed: Typed, data_set: DataSet, zone: str) -> Terms:
    """Terms out of a form; BadRequestData for what is no number or no day."""
    return Terms(
        data_set=data_set.name,
        provider=data_set.owner,
        consumer=typed.consumer,
        purpose=typed.purpose,
        basis=typed.basis,
        fields={name: MASKS.get(word, Mask()) for name, word in typed.chosen.items()},
        where=tuple(_condition(one) for one in typed.conditions if one.column),
        subject=typed.subject if typed.way == "one" else "",
        k=_whole(typed.k, "k") if typed.way == "counts" else 0,
        limits=Limits(**{name: _whole(typed.limits[name], name) for name, _ in LIMITS}),
        retention_days=_whole(typed.retention_days, "retention_days"),
        until_us=_end_of(typed.until, zone),
        onward=typed.onward,
    )


def _condition(one: Condition) -> Condition:
    if one.comparison in ("empty", "filled"):
        return Condition(one.column, one.comparison)
    if one.comparison == "in":
        parts = [part.strip() for part in str(one.value).replace("，", ",").split(",")]
        return Condition(one.column, "in", [part for part in parts if part])
    return one


def _whole(text: str, name: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise BadRequestData(
            f"{name} is {text[:20]!r}, not a whole number", member=name,
            zh=f"“{text[:20]}”不是整数",
        )  # fmt: skip
    return int(text)


def _end_of(text: str, zone: str) -> int:
    if not text:
        return 0
    try:
        day = datetime.fromisoformat(text[:10])
    except ValueError:
        raise BadRequestData(f"{text[:20]!r} is no day", zh=f"“{text[:20]}”不是日期") from None
    last = day.replace(hour=23, minute=59, second=59, tzinfo=ZoneInfo(zone))
    return int(last.timestamp() * 1_000_000)


@get("/agreements/new", include_in_schema=False)
async def new(
    request: AnyRequest, data_set: str = "", replaces: str = "", q: str = ""
) -> Response[Any]:
    """The form; without a data set the ones there are to choose from."""
    visit = enter_exchange(request)
    room = room_of(visit)
    if not data_set:
        return page(visit, "agreement_new.html", data_set=None, choices=_choices(visit, q), q=q)
    found = visit.rooms.exchange.get(data_set)
    typed = _first(found, visit)
    if replaces:
        typed = _again(room.get(visit.actor, replaces).terms, typed)
    return _form(visit, found, typed, replaces=replaces)


@post("/agreements/new", include_in_schema=False, status_code=200)
async def send(request: AnyRequest) -> Response[Any]:
    """Send the request; what is wrong with it is told beside what was typed."""
    visit = enter_exchange(request)
    form = await request.form()
    house_of(request).rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    found = visit.rooms.exchange.get(str(form.get("data_set", "")))
    typed = read_form(form, [str(one) for one in form.getall("field", [])])
    replaces = str(form.get("replaces", ""))
    try:
        terms = terms_of(typed, found, visit.words.tz)
        mistakes = [words_of(one, visit) for one in _checked(visit, terms, replaces).errors]
        if not mistakes:
            made = await room_of(visit).request(
                visit.actor, terms, reason=typed.reason, amends=replaces
            )
            return Redirect(f"/agreements/{made.id}?version={made.version}", status_code=303)
    except (BadRequestData, Conflict, Refused) as error:
        mistakes = [said(error, visit)]
    return _form(visit, found, typed, replaces=replaces, why=mistakes, status=400)


@post("/agreements/check", include_in_schema=False, status_code=200)
async def check(request: AnyRequest) -> Response[Any]:
    """What the form asks for as it is now, in words: for the side of the form."""
    visit = enter_exchange(request)
    form = await request.form()
    found = visit.rooms.exchange.get(str(form.get("data_set", "")))
    typed = read_form(form, [str(one) for one in form.getall("field", [])])
    view, union = None, ""
    warnings: list[str] = []
    waits: dict[str, str] = {}
    try:
        terms = terms_of(typed, found, visit.words.tz)
        view = terms_seen(terms, visit)
        checked = _checked(visit, terms, str(form.get("replaces", "")))
        waits = unfinished(typed, visit)
        mistakes = [
            words_of(one, visit)
            for one in checked.errors
            if waits.keys().isdisjoint((one.code, *UNTIL_TYPED.get(one.code, ())))
        ]
        warnings = [words_of(one, visit) for one in checked.findings if one.level == "warning"]
        if terms.fields:
            union = union_said(checked.union, terms, visit)
    except (BadRequestData, Refused) as error:
        mistakes = [said(error, visit)]
    return page(
        visit,
        "agreement_check.html",
        mistakes=mistakes,
        waits=list(waits.values()),
        view=view,
        union=union,
        warnings=warnings,
        state_said=state_said,
        left=left,
    )


def unfinished(typed: Typed, visit: Visit) -> dict[str, str]:
    """What is not typed yet, by the code of what would be found wrong about it."""
    text = visit.words.text
    wanted = (
        ("no-fields", not typed.chosen, text("the fields")),
        ("purpose", not typed.purpose, text("what it is for")),
        ("basis", not typed.basis, text("the legal basis")),
        ("reason", not typed.reason, text("why the work needs it")),
    )
    return {code: told for code, missing, told in wanted if missing}


def _checked(visit: Visit, terms: Terms, replaces: str) -> Checked:
    checked: Checked = room_of(visit).check(terms, amends=replaces)
    return checked


def words_of(one: Any, visit: Visit) -> str:
    """A finding in the visitor's language."""
    return visit.words.pick(one.text)


def _first(found: DataSet, visit: Visit) -> Typed:
    key = next((one.name for one in found.columns if one.person == "id_number"), "") or next(
        (one.name for one in found.columns if one.key), ""
    )
    local = datetime.fromtimestamp(visit.words.now_us / 1e6, UTC)
    defaults = Limits(subjects_a_day=200, looks_at_one=5) if found.persons else Limits()
    return Typed(
        way="one" if found.persons else "rows",
        subject=key,
        limits={name: str(getattr(defaults, name)) for name, _ in LIMITS},
        consumer=visit.actor.organisation,
        basis="" if found.persons else "no_persons",
        until=(local + timedelta(days=365)).date().isoformat(),
        conditions=[Condition("", "=", "")] * CONDITIONS,
    )


def _again(terms: Terms, first: Typed) -> Typed:
    """The form filled with what was agreed."""
    named = {mask: word for word, mask in MASKS.items()}
    conditions = [
        Condition(one.column, one.comparison, _typed_value(one.value)) for one in terms.where
    ]
    return Typed(
        chosen={name: named.get(mask, "plain") for name, mask in terms.fields.items()},
        conditions=[*conditions, *first.conditions][:CONDITIONS],
        way="one" if terms.subject else "counts" if terms.k else "rows",
        subject=terms.subject or first.subject,
        k=str(terms.k or 10),
        limits={name: str(getattr(terms.limits, name)) for name, _ in LIMITS},
        consumer=terms.consumer,
        purpose=terms.purpose,
        basis=terms.basis,
        retention_days=str(terms.retention_days),
        until=first.until,
        onward=terms.onward,
    )


def _typed_value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _choices(visit: Visit, wish: str) -> list[dict[str, Any]]:
    """Data sets whose owner is another organisation."""
    words, mine = visit.words, visit.actor.organisation
    wanted = plain(wish)
    found = []
    for one in visit.rooms.exchange.list_sets(visit.actor):
        if not one.owner or one.owner == mine:
            continue
        title = words.pick(one.title) or one.name
        owner = organisation_name(visit, one.owner)
        if wanted and wanted not in plain(f"{title} {owner} {one.name}"):
            continue
        count = len(one.columns)
        fields = words.plural("%(n)d field", "%(n)d fields", count) % {"n": count}
        found.append(
            {"name": one.name, "title": title, "owner": owner, "fields": fields,
             "persons": one.persons}
        )  # fmt: skip
    return found[:MOST_CHOICES]


def _form(
    visit: Visit,
    found: DataSet,
    typed: Typed,
    *,
    replaces: str = "",
    why: list[str] | None = None,
    status: int = 200,
) -> Response[Any]:
    words = visit.words
    columns = [
        {
            "name": one.name,
            "title": title_of_column(one, words),
            "person": one.person,
            "chosen": one.name in typed.chosen,
            "mask": typed.chosen.get(one.name, "plain"),
            "masks": masks_of(one, words),
        }
        for one in found.columns
    ]
    mine = visit.actor.organisation
    return page(
        visit,
        "agreement_new.html",
        status,
        data_set={
            "name": found.name,
            "title": words.pick(found.title) or found.name,
            "owner": organisation_name(visit, found.owner),
            "columns": columns,
        },
        typed=typed,
        replaces=replaces,
        why=why or [],
        comparisons=[(word, words.text(told)) for word, told in COMPARISONS.items()],
        ways=[(word, words.text(told), words.text(help)) for word, told, help in WAYS],
        limits=[(name, words.text(told)) for name, told in LIMITS],
        organisations=[(mine, organisation_name(visit, mine))] if mine else [],
        purposes=codes("purpose", words),
        bases=codes("legalBasis", words),
    )


PAGES: Final[tuple[Any, ...]] = (new, send, check)
