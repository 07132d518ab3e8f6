"""From a block and an address to the question its data set is asked; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from pintu.kernel.errors import BadRequestData
from pintu.kernel.exchange.words import Column, Condition, DataSet, Question
from pintu.web.pages.board import Block, Filter, conditions_of

ROWS: Final = {"table": 10, "chart": 500, "map": 5_000, "ranking": 10}
MOST_ROWS: Final = {"table": 200, "chart": 5_000, "map": 10_000, "ranking": 100}
MOST_LINES: Final = 8
SHOWN_COLUMNS: Final = 8
MOST_CHOICES: Final = 200
LONGEST: Final = 200
TIMES: Final = frozenset(("time", "date"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an address asks: filters of the page, and of one block its page, order and month."""

    filters: Mapping[str, str]
    page: int = 1
    sort: str = ""
    month: str = ""


def asked_of(params: Mapping[str, str], number: int) -> Asked:
    """The part of an address that block `number` reads: `f.COLUMN=`, `bN.page=`, `bN.sort=`,
    `bN.month=`. BadRequestData for a value longer than any that is useful."""
    for name, value in params.items():
        if len(value) > LONGEST or len(name) > LONGEST:
            raise BadRequestData(f"Parameter {name[:40]!r} is longer than {LONGEST} characters")
    filters = {
        name.removeprefix("f."): value.strip()
        for name, value in params.items()
        if name.startswith("f.") and value.strip()
    }
    own = f"b{number}."
    page = params.get(own + "page", "")
    return Asked(
        filters=filters,
        page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 6 else 1,
        sort=params.get(own + "sort", ""),
        month=month_of(params.get(own + "month", "")),
    )


def month_of(text: str) -> str:
    """`2026-11` when it is a month, else empty."""
    try:
        return date.fromisoformat(f"{text}-01").isoformat()[:7]
    except ValueError:
        return ""


def next_month(month: str, step: int = 1) -> str:
    """The month before (-1) or after (1)."""
    first = date.fromisoformat(f"{month}-01")
    moved = first + timedelta(days=32) if step > 0 else first - timedelta(days=1)
    return moved.isoformat()[:7]


def narrowed(
    block: Block, data_set: DataSet, filters: Iterable[Filter], asked: Asked
) -> tuple[Condition, ...]:
    """The block's own conditions and those of the address on columns the data set has."""
    known = {one.name: one for one in data_set.columns}
    kinds = {one.column: one.kind for one in filters}
    found = list(conditions_of(block))
    for name, value in asked.filters.items():
        if name not in known:
            continue
        kind = kinds.get(name, "choice")
        if kind == "text":
            found.append(Condition(name, "contains", value))
        elif kind == "day":
            found += _day(name, value)
        else:
            found.append(Condition(name, "=", value))
    return tuple(found)


def _day(name: str, value: str) -> list[Condition]:
    try:
        first = date.fromisoformat(value[:10])
    except ValueError as error:
        raise BadRequestData(f"{value[:20]!r} is no day such as 2026-11-22") from error
    after = first + timedelta(days=1)
    return [Condition(name, ">=", first.isoformat()), Condition(name, "<", after.isoformat())]


def limit_of(block: Block) -> int:
    """How many rows a block shows."""
    return min(block.limit or ROWS.get(block.kind, 100), MOST_ROWS.get(block.kind, 1_000))


def columns_of(block: Block, data_set: DataSet) -> list[Column]:
    """The columns of a table block: those it names, else the first that say something."""
    known = {one.name: one for one in data_set.columns}
    if block.columns:
        return [known[one] for one in block.columns if one in known]
    dull = ("type", "location")
    shown = [one for one in data_set.columns if one.name not in dull and one.kind != "shape"]
    return shown[:SHOWN_COLUMNS]


def group_of_time(name: str, known: Mapping[str, Column]) -> str:
    """A time is added up by the day unless the block says another step."""
    column = known.get(name)
    return f"{name}@day" if column is not None and column.kind == "time" else name


def table_question(
    block: Block, data_set: DataSet, where: tuple[Condition, ...], asked: Asked
) -> Question:
    """One page of a table."""
    names = tuple(one.name for one in columns_of(block, data_set))
    wish = asked.sort
    limit = limit_of(block)
    return Question(
        columns=names,
        where=where,
        order=(wish,) if wish.removeprefix("-") in names else tuple(block.order),
        limit=limit,
        offset=(asked.page - 1) * limit,
        count=True,
    )


def number_question(block: Block, data_set: DataSet, where: tuple[Condition, ...]) -> Question:
    """A count, an aggregate over all rows, or the newest value."""
    if not block.measure or block.aggregate == "count":
        return Question(where=where, limit=0, count=True)
    if block.aggregate:
        return Question(where=where, aggregate=block.aggregate, measure=block.measure, limit=1)
    newest = [one.name for one in data_set.columns if one.name == "observedAt"]
    order = tuple(block.order) or tuple(f"-{one}" for one in newest)
    columns = tuple(dict.fromkeys((block.measure, *newest)))
    filled = Condition(block.measure, "filled")
    return Question(columns=columns, where=(*where, filled), order=order, limit=1)


def chart_questions(
    block: Block, data_set: DataSet, where: tuple[Condition, ...]
) -> list[Question]:
    """Rows as they are, or one question a measure when they are added up."""
    known = {one.name: one for one in data_set.columns}
    limit = limit_of(block)
    if not block.aggregate:
        named = dict.fromkeys((block.x, *block.y, block.series))
        columns = tuple(one for one in named if one)
        order = tuple(block.order) or (block.x,)
        return [Question(columns=columns, where=where, order=order, limit=limit)]
    x = group_of_time(block.x, known)
    group = (x, block.series) if block.series else (x,)
    measures = block.y if block.aggregate != "count" else [""]
    limit = MOST_ROWS["chart"] if not block.limit else limit
    order = tuple(block.order) or (x,)
    return [
        Question(
            where=where,
            group=group,
            aggregate=block.aggregate,
            measure=one,
            order=order,
            limit=limit,
        )
        for one in measures
    ]


def map_question(block: Block, data_set: DataSet, where: tuple[Condition, ...]) -> Question:
    """Points with what they are called and what they say."""
    known = {one.name for one in data_set.columns}
    named = (block.place, label_of(block, data_set), block.measure, *block.columns, "id")
    columns = tuple(one for one in dict.fromkeys(named) if one in known)
    placed = Condition(block.place, "filled")
    return Question(
        columns=columns,
        where=(*where, placed),
        order=tuple(block.order),
        limit=limit_of(block),
        count=True,
    )


def label_of(block: Block, data_set: DataSet) -> str:
    """The column that says what a row is called."""
    known = {one.name for one in data_set.columns}
    if block.label in known:
        return block.label
    keys = [one.name for one in data_set.columns if one.key]
    return next((one for one in ("name", "名称", *keys) if one in known), "")


def calendar_question(block: Block, where: tuple[Condition, ...], month: str) -> Question:
    """One value a day of a month."""
    inside = (
        Condition(block.x, ">=", f"{month}-01"),
        Condition(block.x, "<", f"{next_month(month)}-01"),
    )
    return Question(
        where=(*where, *inside),
        group=(f"{block.x}@day",),
        aggregate=block.aggregate or "mean",
        measure=block.measure if block.aggregate != "count" else "",
        limit=40,
    )


def newest_question(block: Block, where: tuple[Condition, ...]) -> Question:
    """The newest day there is, for a calendar nobody turned."""
    return Question(where=where, aggregate="max", measure=block.x, limit=1)


def ranking_question(block: Block, where: tuple[Condition, ...]) -> Question:
    """The highest first, unless the block says the lowest."""
    order = tuple(block.order) or (f"-{'count' if block.aggregate == 'count' else block.measure}",)
    if block.aggregate:
        return Question(
            where=where,
            group=(block.x,),
            aggregate=block.aggregate,
            measure="" if block.aggregate == "count" else block.measure,
            order=order,
            limit=limit_of(block),
        )
    return Question(
        columns=tuple(dict.fromkeys((block.x, block.measure, *block.columns))),
        where=(*where, Condition(block.measure, "filled")),
        order=order,
        limit=limit_of(block),
    )


def rows_question(block: Block, data_set: DataSet, where: tuple[Condition, ...]) -> Question:
    """The rows whose past is charted: few, because each is a line."""
    named = ("id", label_of(block, data_set), block.measure)
    columns = tuple(one for one in dict.fromkeys(named) if one)
    limit = min(block.limit or MOST_LINES, MOST_LINES)
    return Question(columns=columns, where=where, order=tuple(block.order), limit=limit)


def choices_question(column: str) -> Question:
    """The values of a column, the commonest first, for a filter to choose from."""
    return Question(group=(column,), order=("-count",), limit=MOST_CHOICES)
