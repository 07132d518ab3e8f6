"""Blocks as their templates show them: the question asked with the reader's own rights, the answer
in the reader's language."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.errors import Forbidden, PintuError
from pintu.kernel.exchange.conditions import cut
from pintu.kernel.exchange.words import Column, Condition, DataSet, Question, Rows
from pintu.web.api.states import parse_time
from pintu.web.pages import board_asking as asking
from pintu.web.pages import board_marks
from pintu.web.pages.board import Block, Board
from pintu.web.pages.board_asking import Asked
from pintu.web.pages.board_charts import chart_of, past_of
from pintu.web.pages.board_month import month_grid
from pintu.web.pages.board_said import said as told
from pintu.web.pages.board_scale import Level, level_of, levels
from pintu.web.pages.board_values import called, cell_of, said, title_of, unit_of
from pintu.web.pages.listing import Heading, Row

if TYPE_CHECKING:
    from pintu.web.visit import Visit

log = logging.getLogger("pintu.web")
PATIENCE_S: Final = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One block, answered. `state`: ok, empty, or failed with `why` in words."""

    number: int
    block: Block
    title: str
    state: str
    why: str = ""
    data_set: DataSet | None = None
    source: str = ""  # what people call the data set
    as_of_us: int = 0
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What every block of a page is answered from."""

    visit: Visit
    board: Board
    params: dict[str, str]
    now_us: int

    async def ask(self, name: str, question: Question) -> Rows:
        """Ask with the reader's own rights."""
        return await self.visit.rooms.exchange.ask(self.visit.actor, name, question)


Answer = tuple[dict[str, Any], int]
"""What a template shows, and the time it is as of; an empty dict: there is nothing."""


async def part_of(scene: Scene, number: int) -> Part:
    """One block, answered; whatever goes wrong becomes words in the block, never a failed page."""
    block = scene.board.blocks[number]
    words = scene.visit.words
    title = words.pick(block.title)
    if block.kind == "text":
        body = {"html": board_marks.shown(words.pick(block.text))}
        return Part(number=number, block=block, title=title, state="ok", body=body)
    data_set: DataSet | None = None
    try:
        data_set = scene.visit.rooms.exchange.get(block.data)
        if data_set.persons:
            raise Forbidden(words.text("This data set tells of persons; it is not shown on pages"))
        asked = asking.asked_of(scene.params, number)
        where = asking.narrowed(block, data_set, scene.board.filters, asked)
        work = ANSWERS[block.kind](scene, block, data_set, (where, asked))
        body, as_of_us = await asyncio.wait_for(work, PATIENCE_S)
    except PintuError as error:
        why = told(error.detail or error.title, words)
    except TimeoutError:
        why = words.text("The answer takes too long; narrow the block with a condition")
    else:
        state = "ok" if body else "empty"
        return Part(
            number=number, block=block, title=title or called(data_set, words), state=state,
            data_set=data_set, source=called(data_set, words), as_of_us=as_of_us, body=body,
        )  # fmt: skip
    return Part(number=number, block=block, title=title, state="failed", why=why, data_set=data_set)


Narrowed = tuple[tuple[Condition, ...], Asked]


async def _number(scene: Scene, block: Block, data_set: DataSet, narrowed: Narrowed) -> Answer:
    question = asking.number_question(block, data_set, narrowed[0])
    answer = await scene.ask(block.data, question)
    words = scene.visit.words
    if question.count:
        told = words.number(answer.total or 0)
        return {"text": told, "unit": "", "level": None, "at_us": 0}, answer.as_of_us
    row = answer.rows[0] if answer.rows else {}
    value = row.get(block.measure)
    if value is None:
        return {}, answer.as_of_us
    column = next(one for one in answer.columns if one.name == block.measure)
    observed = str(row.get("observedAt") or "")
    body = {
        "text": said(column, value, words),
        "unit": unit_of(column),
        "level": level_of(levels(block.scale), value),
        "at_us": parse_time(observed) if observed else 0,
    }
    return body, answer.as_of_us


async def _table(scene: Scene, block: Block, data_set: DataSet, narrowed: Narrowed) -> Answer:
    where, asked = narrowed
    question = asking.table_question(block, data_set, where, asked)
    answer = await scene.ask(block.data, question)
    if not answer.rows and asked.page == 1:
        return {}, answer.as_of_us
    words, scale = scene.visit.words, levels(block.scale)
    entities = data_set.provider == "context"
    rows = [
        Row(
            id=str(n),
            cells={
                one.name: cell_of(one, row[one.name], words, entities=entities)
                for one in answer.columns
            },
            extra={name: level_of(scale, row.get(name)) for name in block.y},
        )
        for n, row in enumerate(answer.rows)
    ]
    limit = asking.limit_of(block)
    body = {
        "headings": [_heading(one, words) for one in answer.columns],
        "units": {one.name: unit_of(one) for one in answer.columns},
        "rows": rows,
        "total": answer.total or 0,
        "page": asked.page,
        "pages": max(1, -(-(answer.total or 0) // limit)),
        "sort": asked.sort or (block.order[0] if block.order else ""),
    }
    return body, answer.as_of_us


def _heading(column: Column, words: Any) -> Heading:
    kind = "number" if column.kind in ("number", "whole") else "text"
    return Heading(name=column.name, title=title_of(column, words), kind=kind)


async def _chart(scene: Scene, block: Block, data_set: DataSet, narrowed: Narrowed) -> Answer:
    if block.past_h:
        return await past_of(scene, block, data_set, narrowed[0])
    questions = asking.chart_questions(block, data_set, narrowed[0])
    answers = [await scene.ask(block.data, one) for one in questions]
    if not any(one.rows for one in answers):
        return {}, answers[0].as_of_us
    return chart_of(block, answers, scene.visit.words), answers[0].as_of_us


async def _map(scene: Scene, block: Block, data_set: DataSet, narrowed: Narrowed) -> Answer:
    question = asking.map_question(block, data_set, narrowed[0])
    answer = await scene.ask(block.data, question)
    words, scale = scene.visit.words, levels(block.scale)
    label = asking.label_of(block, data_set)
    named = {one.name: one for one in answer.columns}
    shown = [named[one] for one in dict.fromkeys((*block.y, *block.columns)) if one in named]
    points = []
    seen: set[str] = set()
    for row in answer.rows:
        point = row.get(block.place)
        if not _is_point(point):
            continue
        level = level_of(scale, row.get(block.measure)) if block.measure else None
        if level is not None:
            seen.add(level.value)
        points.append(
            {
                "at": point,
                "name": said(named[label], row[label], words) if label else "",
                "said": [_said(one, row[one.name], words) for one in shown],
                "level": level.value if level is not None else "",
                "id": row.get("id", "") if data_set.provider == "context" else "",
            }
        )
    if not points:
        return {}, answer.as_of_us
    body = {
        "points": points,
        "levels": [_level(one, words) for one in scale],
        "seen": [one for one in scale if one.value in seen],
        "total": answer.total or len(points),
        "cut": (answer.total or 0) > len(answer.rows),
    }
    return body, answer.as_of_us


def _is_point(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(one, int | float) and not isinstance(one, bool) for one in value)
        and abs(value[0]) <= 180
        and abs(value[1]) <= 90
    )


def _said(column: Column, value: Any, words: Any) -> str:
    return f"{title_of(column, words)}: {said(column, value, words)} {unit_of(column)}".strip()


def _level(level: Level, words: Any) -> dict[str, str]:
    return {
        "value": level.value, "colour": level.colour, "sign": level.sign,
        "ink": level.ink, "name": level.said(words),
    }  # fmt: skip


async def _calendar(scene: Scene, block: Block, data_set: DataSet, narrowed: Narrowed) -> Answer:
    where, asked = narrowed
    month = asked.month
    if not month:
        newest = await scene.ask(block.data, asking.newest_question(block, where))
        told = newest.rows[0].get(block.x) if newest.rows else None
        month = asking.month_of((cut(told, "day", scene.visit.words.tz) or "")[:7])
        if not month:
            return {}, newest.as_of_us
    answer = await scene.ask(block.data, asking.calendar_question(block, where, month))
    column = answer.columns[-1]
    by_day = {str(row[answer.columns[0].name]): row[column.name] for row in answer.rows}
    body = month_grid(month, by_day, column, (levels(block.scale), scene.visit.words))
    return body, answer.as_of_us


async def _ranking(scene: Scene, block: Block, data_set: DataSet, narrowed: Narrowed) -> Answer:
    answer = await scene.ask(block.data, asking.ranking_question(block, narrowed[0]))
    if not answer.rows:
        return {}, answer.as_of_us
    words, scale = scene.visit.words, levels(block.scale)
    measure = "count" if block.aggregate == "count" else block.measure
    named = {one.name: one for one in answer.columns}
    numbers = [row[measure] for row in answer.rows if isinstance(row[measure], int | float)]
    most = max((abs(one) for one in numbers), default=0) or 1
    rows = [
        {
            "name": said(named[block.x], row[block.x], words),
            "text": said(named[measure], row[measure], words),
            "share": round(100 * abs(row[measure]) / most, 1)
            if isinstance(row[measure], int | float)
            else 0,
            "level": level_of(scale, row[measure]),
        }
        for row in answer.rows
    ]
    body = {
        "rows": rows,
        "unit": unit_of(named[measure]),
        "of": title_of(named[measure], words),
        "what": title_of(named[block.x], words),
    }
    return body, answer.as_of_us


ANSWERS: Final[dict[str, Callable[..., Awaitable[Answer]]]] = {
    "number": _number,
    "table": _table,
    "chart": _chart,
    "map": _map,
    "calendar": _calendar,
    "ranking": _ranking,
}
