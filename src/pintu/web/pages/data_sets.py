"""The catalogue as pages: every data set, and of one its columns as measured and its rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from litestar import Response, get
from litestar.response import Stream

from pintu.kernel.access import Deed
from pintu.kernel.errors import Forbidden, PintuError
from pintu.kernel.exchange.words import Condition, DataSet, Question, Rows
from pintu.web.api.states import parse_time
from pintu.web.house import house_of
from pintu.web.pages.board_values import called, cell_of, plain, said, title_of, unit_of
from pintu.web.pages.listing import (
    BOM,
    PAGE,
    Cell,
    Heading,
    Listing,
    Row,
    as_csv,
    asked_of,
    choose,
    csv_headers,
    csv_lines,
    page_of,
)
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter
from pintu.web.words import mark

DATA_SET: Final = "catalogue"
STEP: Final = 5_000
MOST_EXPORTED: Final = 200_000
PROVIDERS: Final = {
    "context": mark("things on the map"), "table": mark("table"), "file": mark("files"),
}  # fmt: skip
COLUMNS: Final = (
    ("title", mark("Data set"), "text"),
    ("provider", mark("Provider"), "state"),
    ("owner", mark("Owner"), "text"),
    ("columns", mark("Columns"), "number"),
    ("persons", mark("Persons"), "state"),
)
MOST_SHOWN: Final = 12
NO_COLUMNS: Final = frozenset(("type",))


@get("/data-sets", include_in_schema=False)
async def data_sets(request: AnyRequest, format: str = "") -> Response[Any]:
    """Every data set whose existence the visitor may know."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set=DATA_SET)
    headings = [
        Heading(name=name, title=visit.words.text(title), kind=kind)
        for name, title, kind in COLUMNS
    ]
    rows = [row_of(one, visit) for one in house.rooms.exchange.list_sets(visit.actor)]
    listing = choose(request, headings, rows)
    if format == "csv":
        return as_csv("data_sets", listing, visit.words.iso)
    mistakes = []
    if visit.may(Deed.OPERATE, DATA_SET):
        mistakes = house.rooms.exchange.catalogue.mistakes()
    return page(visit, "data_sets.html", listing=listing, mistakes=mistakes)


def row_of(data_set: DataSet, visit: Visit) -> Row:
    """One entry of the catalogue."""
    words = visit.words
    title = called(data_set, words)
    provider = words.text(PROVIDERS[data_set.provider])
    told = words.text("with persons") if data_set.persons else words.text("without persons")
    return Row(
        id=data_set.name,
        cells={
            "title": Cell(text=title, key=title),
            "provider": Cell(text=provider, key=provider, word=data_set.provider),
            "owner": Cell(text=data_set.owner or "–", key=data_set.owner or None),
            "columns": Cell(text=str(len(data_set.columns)), key=len(data_set.columns)),
            "persons": Cell(text=told, key=told, word="yes" if data_set.persons else "no"),
        },
        extra=words.pick(data_set.summary),
    )


@get("/data-sets/{name:str}", include_in_schema=False)
async def data_set(request: AnyRequest, name: str, format: str = "") -> Response[Any] | Stream:
    """One data set: columns as measured, and rows filtered, sorted and cut by the address."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set=DATA_SET)
    found = house.rooms.exchange.get(name)
    shown = [one for one in found.columns if one.name not in NO_COLUMNS][:MOST_SHOWN]
    asked = asked_of(request, ("column",))
    question = question_of(found, asked, tuple(one.name for one in shown))
    refused = why = ""
    answer = Rows(columns=shown, rows=[])
    measured: dict[str, Any] = {}
    try:
        answer = await house.rooms.exchange.ask(visit.actor, name, question)
        measured = await house.rooms.exchange.profile(visit.actor, name)
    except Forbidden as error:
        refused = error.detail
    except PintuError as error:  # the page still says what the data set is
        why = error.detail
    if format == "csv" and not refused and not why:
        return Stream(
            file_parts(visit, found, question),
            media_type="text/csv; charset=utf-8",
            headers=csv_headers(name),
        )
    return page(
        visit,
        "data_set.html",
        200 if not why else 400,
        data_set=found,
        title=called(found, visit.words),
        listing=listing_of(request, visit, found, (asked, answer)),
        profile=profile_of(found, measured, visit),
        measured=measured,
        newest_us=parse_time(measured.get("newest") or ""),
        refused=refused,
        why=why,
        provider=visit.words.text(PROVIDERS[found.provider]),
    )


def question_of(found: DataSet, asked: dict[str, str], names: tuple[str, ...]) -> Question:
    """What the address asks: `column` contains `q`, `sort`, `page`."""
    where: tuple[Condition, ...] = ()
    column = asked.get("column") or next(
        (one.name for one in found.columns if one.kind in ("text", "code")), names[0]
    )
    if asked.get("q"):
        where = (Condition(column, "contains", asked["q"]),)
    wish = asked.get("sort", "")
    return Question(
        columns=names,
        where=where,
        order=(wish,) if wish.removeprefix("-") in names else (),
        limit=PAGE,
        offset=(page_of(asked) - 1) * PAGE,
        count=True,
    )


def listing_of(
    request: AnyRequest, visit: Visit, found: DataSet, told: tuple[dict[str, str], Rows]
) -> Listing:
    """One page of rows."""
    asked, answer = told
    words = visit.words
    entities = found.provider == "context"
    return Listing(
        path=request.url.path,
        asked=asked,
        headings=tuple(
            Heading(
                name=one.name,
                title=f"{title_of(one, words)} {unit_of(one)}".strip(),
                kind="number" if one.kind in ("number", "whole") else "text",
            )
            for one in answer.columns
        ),
        rows=[
            Row(
                id=str(n),
                cells={
                    one.name: cell_of(one, row[one.name], words, entities=entities)
                    for one in answer.columns
                },
            )
            for n, row in enumerate(answer.rows)
        ],
        total=answer.total or 0,
        whole=answer.total or 0,
    )


def profile_of(found: DataSet, measured: dict[str, Any], visit: Visit) -> list[dict[str, Any]]:
    """Each column with what was measured of it."""
    words = visit.words
    columns = measured.get("columns", {})
    told = []
    for one in found.columns:
        figures = columns.get(one.name, {})
        low, high = (said(one, figures.get(end), words) for end in ("low", "high"))
        told.append(
            {
                "name": one.name,
                "title": title_of(one, words),
                "kind": one.kind,
                "unit": unit_of(one),
                "person": one.person,
                "key": one.key,
                "filled": figures.get("filled"),
                "distinct": figures.get("distinct"),
                "range": f"{low} … {high}" if "low" in figures else "",
            }
        )
    return told


async def file_parts(visit: Visit, found: DataSet, question: Question) -> AsyncIterator[bytes]:
    """The whole filtered data set as CSV, all its columns, some thousands of rows at a time."""
    names = tuple(one.name for one in found.columns)
    offset = 0
    while offset < MOST_EXPORTED:
        step = Question(
            columns=names, where=question.where, order=question.order, limit=STEP, offset=offset
        )
        answer = await visit.rooms.exchange.ask(visit.actor, found.name, step)
        if offset == 0:
            yield BOM + csv_lines([[one.name for one in answer.columns]])
        yield csv_lines(
            [plain(one, row[one.name], visit.words) for one in answer.columns]
            for row in answer.rows
        )
        offset += STEP
        if len(answer.rows) < STEP:
            return


PAGES: Final[tuple[Any, ...]] = (data_sets, data_set)
