"""The editor of pages without code: one form, one deed at a time, the page as it will look beside
it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.response import Redirect
from markupsafe import Markup

from pintu.kernel.access import Act, Deed
from pintu.kernel.configuration import NAME
from pintu.kernel.errors import (
    BadRequestData,
    ConfigurationError,
    PintuError,
    ResourceNotFound,
    StateConflict,
)
from pintu.kernel.exchange.words import DataSet
from pintu.web.house import House, house_of
from pintu.web.pages import board_shelf as shelf
from pintu.web.pages.board import (
    AGGREGATES,
    COMPARISONS,
    KINDS,
    MARKS,
    Board,
    draft_board,
    read_board,
    write_board,
)
from pintu.web.pages.board_draft import Form, content_of, count_of, done, one_of, state_of
from pintu.web.pages.board_parts import Scene
from pintu.web.pages.board_said import said as told_of
from pintu.web.pages.board_scale import scale_names
from pintu.web.pages.board_values import called as set_title
from pintu.web.pages.board_values import title_of
from pintu.web.pages.boards import DATA_SET, Address, parts_of, rows_of
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.web.rooms import Rooms

NEW: Final = "new"
LARGEST_FORM: Final = 900_000
WORDS: Final = {
    "text": mark("Text"), "number": mark("Number"), "table": mark("Table"),
    "chart": mark("Chart"), "map": mark("Map"), "calendar": mark("Calendar"),
    "ranking": mark("Ranking"), "line": mark("lines"), "bar": mark("bars"),
    "area": mark("areas"), "scatter": mark("dots"), "count": mark("number of rows"),
    "sum": mark("sum"), "mean": mark("mean"), "min": mark("lowest"), "max": mark("highest"),
    "last": mark("newest"), "=": mark("is"), "!=": mark("is not"), "<": mark("is below"),
    "<=": mark("is at most"), ">": mark("is above"), ">=": mark("is at least"),
    "contains": mark("contains"), "in": mark("is one of"), "empty": mark("is empty"),
    "filled": mark("is filled"), "choice": mark("choose a value"), "day": mark("choose a day"),
}  # fmt: skip
"""What people call the words of a page's file."""

STEPS: Final = {
    "hour": mark("by hour"), "day": mark("by day"), "week": mark("by week"),
    "month": mark("by month"), "year": mark("by year"),
}  # fmt: skip
WHOLE: Final = Markup(
    'hx-post="/boards/{}/edit" hx-target="#editor" hx-select="#editor" hx-swap="outerHTML"'
)
"""What a control says whose deed changes the form itself, not only the page beside it."""


@get("/boards/{name:str}/edit", include_in_schema=False)
async def edit(request: AnyRequest, name: str) -> Response[str]:
    """The editor of a page, of a new one (`new`), or of a copy (`?from=`)."""
    house = house_of(request)
    visit = enter(request, house.rooms, Deed.OPERATE, DATA_SET)
    content, version = opened(house.rooms, name, request.query_params.get("from", ""))
    board, mistakes = draft_board(content)
    return await shown(visit, name, (board, -1, mistakes if name != NEW else []), version)


def opened(rooms: Rooms, name: str, copied: str) -> tuple[dict[str, Any], int]:
    """What the editor begins with and at which version it stands; ResourceNotFound."""
    if name == NEW:
        source = shelf.get_board(rooms, copied).board if copied else Board(title={})
        return write_board(source), 0
    found = shelf.find_content(rooms, name)
    if found is None:
        raise ResourceNotFound(f"There is no page called {name[:100]!r} to edit")
    return found


@post("/boards/{name:str}/edit", status_code=200, include_in_schema=False)
async def change(request: AnyRequest, name: str) -> Response[Any]:
    """One deed on the page in the form: `look`, `add:chart`, `left:2` … or `save`."""
    house = house_of(request)
    form = await read_form(request)
    visit = enter_form(request, house, form)
    version = count_of(form, "over")
    content, chosen = content_of(form)
    deed = one_of(form, "deed")
    board, chosen, mistakes = done(content, chosen, deed)
    told = (board, chosen, mistakes)
    if deed != "save":
        return await shown(visit, name, told, version, name_asked=one_of(form, "name"))
    target = one_of(form, "name") if name == NEW else name
    try:
        saved = save(house, visit, target, board, version)
    except (ConfigurationError, BadRequestData, StateConflict) as error:
        why = error.mistakes if isinstance(error, ConfigurationError) else [error.detail]
        told = (board, chosen, why)
        return await shown(
            visit, name, told, version, name_asked=one_of(form, "name"), refused=True
        )
    address = f"/boards/{saved}"
    if request.headers.get("hx-request") == "true":
        return Response("", status_code=200, headers={"HX-Redirect": address})
    return Redirect(address, status_code=303)


def save(house: House, visit: Visit, name: str, board: Board, over: int) -> str:
    """Keep the page; ConfigurationError with every mistake, StateConflict when somebody saved it
    meanwhile. Returns its name."""
    if not NAME.fullmatch(name) or name == NEW:
        raise BadRequestData(
            visit.words.text(
                "The address is not one: small Latin letters, digits and _, a letter first"
            )
        )
    checked = read_board(write_board(board))
    shelf.refuse_persons(house.rooms, checked)
    saved = house.rooms.configuration.save(
        shelf.KIND, name, write_board(checked), by=visit.actor.id, over=over
    )
    return saved.name


@post("/boards/import", status_code=200, include_in_schema=False)
async def import_file(request: AnyRequest) -> Response[Any]:
    """A page's file becomes a page in the editor; nothing is saved yet."""
    house = house_of(request)
    sent = await request.form()
    form = {name: [str(value)] for name, value in sent.items() if isinstance(value, str)}
    visit = enter_form(request, house, form)
    file = sent.get("file")
    if not isinstance(file, UploadFile):
        raise BadRequestData("Choose a file to import")
    raw = await file.read(LARGEST_FORM)
    try:
        content = shelf.from_text(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadRequestData("The file is not UTF-8 text") from error
    board, mistakes = draft_board(content)
    stem = file.filename.rpartition(".")[0].lower()
    name = stem if NAME.fullmatch(stem) else ""
    return await shown(visit, NEW, (board, -1, mistakes), 0, name_asked=name)


@post("/boards/{name:str}/remove", status_code=200, include_in_schema=False)
async def remove(request: AnyRequest, name: str) -> Response[Any]:
    """Take a page out of the town's folder; its versions stay."""
    house = house_of(request)
    enter_form(request, house, await read_form(request))
    house.rooms.configuration.delete(shelf.KIND, name)
    return Redirect("/boards", status_code=303)


async def read_form(request: AnyRequest) -> Form:
    """Field → values; the server has refused a body over its limit already."""
    sent = await request.form()
    found: dict[str, list[str]] = {}
    for name, value in sent.multi_items():
        if isinstance(value, str):
            found.setdefault(name, []).append(value)
    return found


def enter_form(request: AnyRequest, house: House, form: Form) -> Visit:
    """Who acts by a form, once its CSRF token is checked; the right to operate pages."""
    house.rooms.identity.check_csrf(raw_headers(request), one_of(form, "csrf"))
    visit = enter(request, house.rooms, data_set=DATA_SET)
    act = Act(deed=Deed.OPERATE, tenant=visit.tenant, data_set=DATA_SET)
    house.rooms.gate.decide(visit.actor, act)
    return visit


Told = tuple[Board, int, list[str]]


async def shown(
    visit: Visit,
    name: str,
    told: Told,
    version: int,
    *,
    name_asked: str = "",
    refused: bool = False,
) -> Response[str]:
    """The editor as it stands: form and page."""
    board, chosen, mistakes = told
    scene = Scene(visit=visit, board=board, params={}, now_us=visit.rooms.clock.now_us())
    sets = [one for one in visit.rooms.exchange.list_sets(visit.actor) if not one.persons]
    block = board.blocks[chosen] if chosen >= 0 else None
    columns = columns_of(visit, block.data if block is not None else "")
    return page(
        visit,
        "board_edit.html",
        200,
        name=name,
        name_asked=name_asked,
        board=board,
        version=version,
        state=state_of(board),
        chosen=chosen,
        block=block,
        columns=columns,
        stepped=stepped(columns, visit),
        filter_columns=filter_columns(visit, board),
        mistakes=[told_of(one, visit.words) for one in mistakes],
        refused=refused,
        parts=await parts_of(scene, 3.0),
        rows=rows_of(board),
        scene=scene,
        address=Address(name, {}),
        sets=[(one.name, set_title(one, visit.words)) for one in sets],
        scales=[(one, visit.words.pick(label)) for one, label in scale_names()],
        kinds=KINDS,
        marks=called(MARKS, visit),
        aggregates=called(AGGREGATES, visit),
        comparisons=called(COMPARISONS, visit),
        called=WORDS,
        whole=WHOLE.format(name),
    )


def called(words: Iterable[str], visit: Visit) -> list[tuple[str, str]]:
    """Words of a page's file with what people call them."""
    return [(one, visit.words.text(WORDS[one])) for one in words]


def columns_of(visit: Visit, data: str) -> list[tuple[str, str, str]]:
    """(name, title, kind) of a data set's columns; none when there is no such set."""
    found = _found(visit, data)
    if found is None:
        return []
    return [(one.name, title_of(one, visit.words), one.kind) for one in found.columns]


def stepped(columns: list[tuple[str, str, str]], visit: Visit) -> list[tuple[str, str]]:
    """Times as a chart may add them up along: by the hour, day, week, month and year."""
    return [
        (f"{name}@{step}", f"{title}: {visit.words.text(said)}")
        for name, title, kind in columns
        if kind == "time"
        for step, said in STEPS.items()
    ]


def filter_columns(visit: Visit, board: Board) -> list[tuple[str, str]]:
    """Columns a page may be narrowed by: those of its blocks' data sets."""
    found: dict[str, str] = {}
    for data in dict.fromkeys(one.data for one in board.blocks):
        for name, title, kind in columns_of(visit, data):
            if kind not in ("point", "shape"):
                found.setdefault(name, title)
    return list(found.items())


def _found(visit: Visit, data: str) -> DataSet | None:
    try:
        return visit.rooms.exchange.get(data) if data else None
    except PintuError:
        return None


PAGES: Final[tuple[Any, ...]] = (edit, change, import_file, remove)
