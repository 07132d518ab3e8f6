"""Pages without code as their readers see them: the list, a page, its blocks one by one, files."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Response, get
from litestar.response import Stream

from pintu.kernel.access import Deed
from pintu.kernel.errors import Forbidden, PintuError, ResourceNotFound
from pintu.kernel.exchange.words import Question
from pintu.web.house import house_of
from pintu.web.pages import board_asking as asking
from pintu.web.pages.board import Block, Board
from pintu.web.pages.board_parts import Part, Scene, part_of
from pintu.web.pages.board_shelf import as_text, get_board, list_boards
from pintu.web.pages.board_values import plain, said, title_of
from pintu.web.pages.listing import BOM, csv_headers, csv_lines
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter

log = logging.getLogger("pintu.web")
DATA_SET: Final = "pages"
FIRST_S: Final = 1.2
"""How long a page waits for its blocks before it is sent with those that are ready."""

STEP: Final = 5_000
MOST_EXPORTED: Final = 200_000


@get("/boards", include_in_schema=False)
async def boards(request: AnyRequest) -> Response[str]:
    """Every page without code, the town's own and those of its pieces."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set=DATA_SET)
    return page(
        visit,
        "boards.html",
        boards=list_boards(house.rooms),
        may_edit=visit.may(Deed.OPERATE, DATA_SET),
    )


@get("/boards/{name:str}", include_in_schema=False)
async def board(request: AnyRequest, name: str) -> Response[str]:
    """One page with what its blocks say now; the address holds filters, order and pages."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set=DATA_SET)
    shelved = get_board(house.rooms, name)
    scene = scene_of(request, visit, shelved.board)
    parts = await parts_of(scene)
    return page(
        visit,
        "board.html",
        shelved=shelved,
        board=shelved.board,
        parts=parts,
        choices=await choices_of(scene),
        scene=scene,
        rows=rows_of(shelved.board),
        address=Address(name, scene.params),
        may_edit=visit.may(Deed.OPERATE, DATA_SET),
    )


@get("/boards/{name:str}/blocks/{number:int}", include_in_schema=False)
async def block(request: AnyRequest, name: str, number: int) -> Response[str]:
    """One block again; 204 when it says what the asker (`mark`) already shows."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set=DATA_SET)
    shelved = get_board(house.rooms, name)
    numbered(shelved.board, number)
    scene = scene_of(request, visit, shelved.board)
    part = await part_of(scene, number)
    mark = mark_of(part)
    if request.query_params.get("mark") == mark:
        return Response("", status_code=204, headers={"Cache-Control": "no-store"})
    return page(
        visit, "board_block.html", part=part, mark=mark, scene=scene,
        address=Address(name, scene.params), editing=False, live=True,
    )  # fmt: skip


@get("/boards/{name:str}/blocks/{number:int}/file", include_in_schema=False)
async def block_file(request: AnyRequest, name: str, number: int) -> Stream:
    """The rows behind a block, filtered as the page is, as CSV that no spreadsheet runs."""
    house = house_of(request)
    visit = enter(request, house.rooms, data_set=DATA_SET)
    shelved = get_board(house.rooms, name)
    chosen = numbered(shelved.board, number)
    if chosen.kind == "text":
        raise ResourceNotFound("A text has no rows")
    scene = scene_of(request, visit, shelved.board)
    data_set = house.rooms.exchange.get(chosen.data)
    if data_set.persons:
        raise Forbidden("This data set tells of persons; it is not shown on pages")
    where = asking.narrowed(
        chosen, data_set, shelved.board.filters, asking.asked_of(scene.params, number)
    )
    columns = tuple(chosen.columns) or tuple(one.name for one in data_set.columns)
    question = Question(columns=columns, where=where, order=tuple(chosen.order), limit=STEP)
    first = await scene.ask(chosen.data, question)  # refused before anything was sent
    return Stream(
        rows_as_csv(scene, chosen.data, question, first),
        media_type="text/csv; charset=utf-8",
        headers=csv_headers(f"{name}_{number + 1}"),
    )


async def rows_as_csv(
    scene: Scene, data: str, question: Question, first: Any
) -> AsyncIterator[bytes]:
    """All rows of a question from its first page on, at most 200,000."""
    words, answer, offset = scene.visit.words, first, 0
    yield BOM + csv_lines([[title_of(one, words) for one in answer.columns]])
    while True:
        yield csv_lines(
            [plain(one, row[one.name], words) for one in answer.columns] for row in answer.rows
        )
        offset += STEP
        if len(answer.rows) < STEP or offset >= MOST_EXPORTED:
            return
        following = {name: getattr(question, name) for name in question.__struct_fields__}
        answer = await scene.ask(data, Question(**{**following, "offset": offset}))


@get("/boards/{name:str}/file", include_in_schema=False)
async def board_file(request: AnyRequest, name: str) -> Response[str]:
    """The page as its file, for another town to import."""
    house = house_of(request)
    enter(request, house.rooms, data_set=DATA_SET)
    shelved = get_board(house.rooms, name)
    file = f"{name.rpartition('.')[2]}.toml"
    return Response(
        as_text(shelved.board),
        media_type="application/toml; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{file}"',
            "Cache-Control": "no-store",
        },
    )


class Address:
    """Addresses of a page and its blocks that keep what is asked."""

    def __init__(self, name: str, params: dict[str, str]) -> None:
        self.name = name
        self.params = {k: v for k, v in params.items() if v}

    def page(self, **changes: str) -> str:
        """The page with something else asked; empty values are left out. `b3_sort` stands for
        `b3.sort`."""
        return self._with(f"/boards/{self.name}", changes)

    def block(self, number: int, **changes: str) -> str:
        """One block with what is asked of it."""
        return self._with(f"/boards/{self.name}/blocks/{number}", changes)

    def file(self, number: int) -> str:
        """The rows of a block as a file."""
        return self._with(f"/boards/{self.name}/blocks/{number}/file", {})

    def turned(self, number: int, **changes: str) -> dict[str, str]:
        """Both addresses after a change to one block: `page` for people, `block` for its part."""
        named = {f"b{number}_{name}": value for name, value in changes.items()}
        return {"page": self.page(**named), "block": self.block(number, **named)}

    def _with(self, path: str, changes: dict[str, str]) -> str:
        asked = {**self.params, **{name.replace("_", ".", 1): v for name, v in changes.items()}}
        kept = {name: value for name, value in asked.items() if value}
        return f"{path}?{urlencode(kept)}" if kept else path


def rows_of(shown: Board) -> int:
    """How many rows of the grid a page takes; a wall is cut into that many."""
    return max((one.at[1] + one.at[3] for one in shown.blocks), default=1)


def scene_of(request: AnyRequest, visit: Visit, shown: Board) -> Scene:
    """What the blocks of a page are answered from: only parameters a page knows are kept."""
    params = {
        name: str(value)
        for name, value in request.query_params.items()
        if name.startswith(("f.", "b")) and "." in name
    }
    return Scene(visit=visit, board=shown, params=params, now_us=visit.rooms.clock.now_us())


def numbered(shown: Board, number: int) -> Block:
    """A block by its number from 0; ResourceNotFound."""
    if number >= len(shown.blocks):
        raise ResourceNotFound(f"The page has no block {number + 1}")
    return shown.blocks[number]


async def parts_of(scene: Scene, patience_s: float = FIRST_S) -> list[tuple[Part, str]]:
    """The blocks with their marks, in the order people read them; one that is not ready in time
    is `loading` and asks again by itself."""
    order = sorted(
        range(len(scene.board.blocks)), key=lambda n: (scene.board.blocks[n].at[1::-1], n)
    )
    tasks = {n: asyncio.create_task(part_of(scene, n)) for n in order}
    if tasks:
        await asyncio.wait(tasks.values(), timeout=patience_s)
    found = []
    for n in order:
        task = tasks[n]
        if not task.done():
            task.cancel()
            part = _state(scene, n, "loading")
        elif (error := task.exception()) is not None:
            log.error("Block %s of a page failed", n + 1, exc_info=error)
            part = _state(scene, n, "failed", scene.visit.words.text("Something here failed"))
        else:
            part = task.result()
        found.append((part, mark_of(part)))
    return found


def _state(scene: Scene, number: int, state: str, why: str = "") -> Part:
    chosen = scene.board.blocks[number]
    title = scene.visit.words.pick(chosen.title)
    return Part(number=number, block=chosen, title=title, state=state, why=why)


def mark_of(part: Part) -> str:
    """What a block says, as a short mark: the time it was asked at is no part of it."""
    told = repr((part.state, part.why, part.title, part.body))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


async def choices_of(scene: Scene) -> dict[str, list[tuple[str, str]]]:
    """Column → values to choose from, out of the first block whose data set has the column."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in scene.board.filters:
        if one.kind == "choice":
            found[one.column] = await _choices(scene, one.column)
    return found


async def _choices(scene: Scene, column: str) -> list[tuple[str, str]]:
    rooms = scene.visit.rooms
    for data in dict.fromkeys(one.data for one in scene.board.blocks if one.data):
        try:
            data_set = rooms.exchange.get(data)
            if data_set.persons or column not in {one.name for one in data_set.columns}:
                continue
            answer = await scene.ask(data, asking.choices_question(column))
        except PintuError:
            continue  # the block itself says why
        shown = answer.columns[0]
        return [
            (str(row[column]), said(shown, row[column], scene.visit.words))
            for row in answer.rows
            if isinstance(row[column], str | int | float)
        ]
    return []


PAGES: Final[tuple[Any, ...]] = (boards, board, block, block_file, board_file)
