"""The catalogue as pages: every data set, and of one its columns as measured and its rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from litestar import Response, get
from litestar.response import Stream

from pintu.kernel.access import Deed
from pintu.kernel.errors import Forbidden, PintuError, Unauthorized
from pintu.kernel.exchange.catalogue_search import FACETS, Search
from pintu.kernel.exchange.finding.names import pinyin_of
from pintu.kernel.exchange.metadata import (
    SHARING,
    THEMES,
    sensitivity_of,
    sensitivity_of_set,
)
from pintu.kernel.exchange.words import Answer, Condition, DataSet, Question, Rows
from pintu.web.api.states import parse_time
from pintu.web.house import house_of
from pintu.web.pages.board_values import called, cell_of, plain, said, title_of, unit_of
from pintu.web.pages.data_sets_about import about_of, owner_said
from pintu.web.pages.listing import (
    BOM,
    PAGE,
    Cell,
    Heading,
    Listing,
    Row,
    as_csv,
    asked_of,
    csv_headers,
    csv_lines,
    in_order,
    page_of,
    shown,
)
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter
from pintu.web.why import receipt_line
from pintu.web.words import mark

DATA_SET: Final = "catalogue"
STEP: Final = 5_000
STEP_OF_PERSONS: Final = 1_000
MOST_EXPORTED: Final = 200_000
PROVIDERS: Final = {
    "context": mark("things on the map"), "table": mark("table"), "file": mark("files"),
}  # fmt: skip
COLUMNS: Final = (
    ("title", mark("Data set"), "text"),
    ("owner", mark("Owner"), "state"),
    ("theme", mark("Theme"), "state"),
    ("sharing", mark("Sharing"), "state"),
    ("provider", mark("Provider"), "state"),
    ("sensitivity", mark("Sensitivity"), "number"),
    ("columns", mark("Columns"), "number"),
    ("persons", mark("Persons"), "text"),
)
MOST_SHOWN: Final = 12
NO_COLUMNS: Final = frozenset(("type",))
SEARCH: Final = Search()


@get("/data-sets", include_in_schema=False)
async def data_sets(request: AnyRequest, format: str = "") -> Response[Any]:
    """Every data set whose existence the visitor may know: searched in Chinese, English and pinyin,
    divided by who holds it, what it is about and how it is shared."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set=DATA_SET)
    listing = found_listing(request, visit)
    if format == "csv":
        return as_csv("data_sets", listing, visit.words.iso)
    mistakes = []
    if visit.may(Deed.OPERATE, DATA_SET):
        mistakes = house.rooms.exchange.catalogue.mistakes()
    part = shown(listing)
    return page(visit, "data_sets.html", listing=listing, rows=part, mistakes=mistakes)


def found_listing(request: AnyRequest, visit: Visit) -> Listing:
    """The list the address asks for; without a wish the best hits stand first."""
    words = visit.words
    headings = [
        Heading(name=name, title=words.text(title), kind=kind) for name, title, kind in COLUMNS
    ]
    asked = asked_of(request, FACETS)
    sets = visit.rooms.exchange.list_sets(visit.actor)
    hits = SEARCH.find(sets, asked.get("q", ""), asked)
    rows = [row_of(one, visit) for one in hits.data_sets]
    wish = asked.get("sort", "" if asked.get("q") else "title")
    name = wish.removeprefix("-")
    if name in {one.name for one in headings}:
        rows = in_order(rows, name, descending=wish.startswith("-"))
    return Listing(
        path=request.url.path,
        asked=asked,
        headings=tuple(headings),
        rows=rows,
        total=len(rows),
        whole=len(sets),
        choices={
            facet: sorted(
                (value, f"{facet_said(facet, value, visit)} ({count})")
                for value, count in counts.items()
                if value
            )
            for facet, counts in hits.facets.items()
        },
    )


def facet_said(facet: str, value: str, visit: Visit) -> str:
    """A facet's value as people say it."""
    words = visit.words
    if facet == "owner":
        return owner_said(visit, value)
    if facet == "provider":
        return words.text(PROVIDERS.get(value, value))
    lists = {"theme": THEMES, "sharing": SHARING}
    return words.pick(lists[facet].get(value, {})) or value


def row_of(data_set: DataSet, visit: Visit) -> Row:
    """One entry of the catalogue."""
    words = visit.words
    title = called(data_set, words)
    persons = words.text("with persons") if data_set.persons else words.text("without persons")
    sensitivity = sensitivity_of_set(data_set)
    cells = {
        "title": Cell(text=title, key="".join(pinyin_of(title[:60]))),  # sorted by pinyin
        "sensitivity": Cell(text=str(sensitivity), key=sensitivity),
        "columns": Cell(text=str(len(data_set.columns)), key=len(data_set.columns)),
        "persons": Cell(text=persons, key=persons, word="yes" if data_set.persons else "no"),
    }
    for facet, read in FACETS.items():
        value = read(data_set)
        text = facet_said(facet, value, visit) if value else "–"
        cells[facet] = Cell(text=text, key=text if value else None, word=value)
    return Row(id=data_set.name, cells=cells, extra=words.pick(data_set.summary))


@get("/data-sets/{name:str}", include_in_schema=False)
async def data_set(request: AnyRequest, name: str, format: str = "") -> Response[Any] | Stream:
    """One data set: columns as measured, and rows filtered, sorted and cut by the address."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set=DATA_SET)
    exchange = house.rooms.exchange
    found = exchange.get(name)
    known = [one for one in found.columns if one.name not in NO_COLUMNS][:MOST_SHOWN]
    asked = asked_of(request, ("column", "agreement", "purpose", "reason"))
    question = question_of(found, asked, tuple(one.name for one in known))
    refused = why = ""
    answer = Answer(rows=Rows(columns=known, rows=[]), body=b"")
    measured: dict[str, Any] = {}
    try:
        answer = await exchange.answer(visit.actor, name, question, visit.why)
        if answer.receipt is None:  # what is written down is asked for once
            measured = await exchange.profile(visit.actor, name, visit.why)
    except (Unauthorized, Forbidden) as error:
        refused = error.detail
    except PintuError as error:  # the page still says what the data set is
        why = error.detail
    if format == "csv" and not refused and not why:
        return Stream(
            file_parts(visit, found, question),
            media_type="text/csv; charset=utf-8",
            headers=csv_headers(name),
        )
    said = page(
        visit,
        "data_set.html",
        200 if not why else 400,
        data_set=found,
        title=called(found, visit.words),
        listing=listing_of(request, visit, found, (asked, answer.rows)),
        profile=profile_of(found, measured, visit),
        measured=measured,
        newest_us=parse_time(measured.get("newest") or ""),
        refused=refused,
        why=why,
        provider=visit.words.text(PROVIDERS[found.provider]),
        about=about_of(found, visit),
    )
    if answer.receipt is not None:
        said.headers["Pintu-Receipt"] = receipt_line(answer.receipt)
    return said


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
    columns = measured.get("columns") or measured_before(found, visit)
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
                "authority": one.authority,
                "sensitivity": sensitivity_of(one),
                "filled": figures.get("filled"),
                "distinct": figures.get("distinct"),
                "range": f"{low} … {high}" if "low" in figures else "",
            }
        )
    return told


def measured_before(found: DataSet, visit: Visit) -> dict[str, Any]:
    """How full each column was when the node last measured, for whom no rows are counted now."""
    finder = visit.rooms.finder
    before = finder.measured(found.name) if finder is not None else None
    if before is None:
        return {}
    return {name: {"filled": one.filled} for name, one in before.columns.items()}


async def file_parts(visit: Visit, found: DataSet, question: Question) -> AsyncIterator[bytes]:
    """The whole filtered data set as CSV, all its columns, some thousands of rows at a time."""
    names = tuple(one.name for one in found.columns)
    offset = 0
    size = STEP_OF_PERSONS if found.persons else STEP
    while offset < MOST_EXPORTED:
        step = Question(
            columns=names, where=question.where, order=question.order, limit=size, offset=offset
        )
        answer = await visit.rooms.exchange.ask(visit.actor, found.name, step, visit.why)
        if offset == 0:
            yield BOM + csv_lines([[one.name for one in answer.columns]])
        yield csv_lines(
            [plain(one, row[one.name], visit.words) for one in answer.columns]
            for row in answer.rows
        )
        offset += size
        if len(answer.rows) < size:
            return


PAGES: Final[tuple[Any, ...]] = (data_sets, data_set)
