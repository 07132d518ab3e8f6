"""Charts as data: what is along, what is measured, in which colours; and the past of values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.exchange.words import Column, Condition, DataSet, Rows
from pintu.web.api.past import with_gaps
from pintu.web.api.states import parse_time
from pintu.web.pages import board_asking as asking
from pintu.web.pages.board import Block
from pintu.web.pages.board_scale import levels
from pintu.web.pages.board_values import said, title_of, unit_of
from pintu.web.words import Words

if TYPE_CHECKING:
    from pintu.web.pages.board_parts import Scene

HOUR_US: Final = 3_600_000_000
MOST_SERIES: Final = 24
TABLED: Final = 50


def chart_of(block: Block, answers: list[Rows], words: Words) -> dict[str, Any]:
    """The chart of some rows: `along` (time or names), `series` of (name, data), `unit`, `levels`,
    and the same as a small table for who cannot see it."""
    x = _x_column(block, answers[0])
    moments = x.kind == "time" and "@" not in x.name
    series: dict[str, list[tuple[Any, Any]]] = {}
    measured: list[Column] = []
    for answer in answers:
        measures = _measures(block, answer)
        measured += measures
        for row in answer.rows:
            along = parse_time(row[x.name]) // 1000 if moments and row[x.name] else row[x.name]
            if along is None:
                continue
            for one in measures:
                name = _series_name(block, answer, (row, one), words)
                series.setdefault(name, []).append((along, row[one.name]))
    shown = dict(list(series.items())[:MOST_SERIES])
    names = list(dict.fromkeys(x for points in shown.values() for x, _ in points))
    body = {
        "mark": block.mark,
        "moments": moments,
        "along": [] if moments else [said(x, one, words) for one in names],
        "series": [
            {"name": name, "data": _data(points, names, moments)} for name, points in shown.items()
        ],
        "unit": _one_unit(measured),
        "x": title_of(x, words),
        "levels": _levels(block, words),
        "cut": len(series) > MOST_SERIES,
    }
    return {"chart": body, "table": _table(body, words)}


def _x_column(block: Block, answer: Rows) -> Column:
    name = block.x.partition("@")[0]
    return next(one for one in answer.columns if one.name.partition("@")[0] == name)


def _measures(block: Block, answer: Rows) -> list[Column]:
    if block.aggregate:
        return answer.columns[-1:]
    return [one for one in answer.columns if one.name in block.y]


def _series_name(
    block: Block, answer: Rows, place: tuple[dict[str, Any], Column], words: Words
) -> str:
    row, measure = place
    title = title_of(measure, words)
    if not block.series:
        return title
    column = next(one for one in answer.columns if one.name == block.series)
    name = said(column, row[block.series], words)
    return f"{name} · {title}" if len(block.y) > 1 else name


def _data(points: list[tuple[Any, Any]], names: list[Any], moments: bool) -> list[Any]:
    """Pairs for moments; else one value a name, None where there is none: a gap is a gap."""
    if moments:
        pairs = [(at * 1000, _drawn(value)) for at, value in points]
        return [[at // 1000, value] for at, value in with_gaps(pairs)]
    by_name = {along: _drawn(value) for along, value in points}
    return [by_name.get(one) for one in names]


def _drawn(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return value if isinstance(value, int | float) else None


def _one_unit(measured: list[Column]) -> str:
    """The unit of the axis; empty when what is measured has several."""
    units = {unit_of(one) for one in measured}
    return units.pop() if len(units) == 1 else ""


def _levels(block: Block, words: Words) -> list[dict[str, Any]]:
    return [
        {"low": one.low, "high": one.high, "colour": one.colour, "name": one.said(words)}
        for one in levels(block.scale)
        if one.low is not None
    ]


def _table(body: dict[str, Any], words: Words) -> dict[str, Any]:
    """The newest fifty of what is drawn, as rows."""
    series = body["series"]
    if body["moments"]:
        rows: dict[int, dict[str, Any]] = {}
        for one in series:
            for at, value in one["data"][-TABLED:]:
                if value is not None:
                    rows.setdefault(at, {})[one["name"]] = value
        listed = [(words.time(at * 1000), rows[at]) for at in sorted(rows)[-TABLED:]]
    else:
        listed = [
            (name, {one["name"]: one["data"][n] for one in series})
            for n, name in enumerate(body["along"])
        ][-TABLED:]
    names = [one["name"] for one in series]
    return {
        "head": [body["x"], *names],
        "rows": [
            (along, [_told(found.get(one), words) for one in names]) for along, found in listed
        ],
    }


def _told(value: Any, words: Words) -> str:
    return "–" if value is None else words.number(value)


async def past_of(
    scene: Scene, block: Block, data_set: DataSet, where: tuple[Condition, ...]
) -> tuple[dict[str, Any], int]:
    """A line for each of a few rows: what their value was in the last hours."""
    words, visit = scene.visit.words, scene.visit
    answer = await scene.ask(block.data, asking.rows_question(block, data_set, where))
    label = asking.label_of(block, data_set)
    named = {one.name: one for one in answer.columns}
    since_us = scene.now_us - block.past_h * HOUR_US
    series = []
    for row in answer.rows:
        found = await visit.rooms.exchange.series(
            visit.actor,
            block.data,
            (str(row["id"]), block.measure),
            since_us=since_us,
            until_us=scene.now_us + HOUR_US,
        )
        points = with_gaps([(one.at_us, _drawn(one.value)) for one in found])
        name = said(named[label], row[label], words) if label else str(row["id"])
        if points:
            data = [[at_us // 1000, value] for at_us, value in points]
            series.append({"name": name, "data": data})
    if not series:
        return {}, answer.as_of_us
    column = named[block.measure]
    body = {
        "mark": block.mark,
        "moments": True,
        "along": [],
        "series": series,
        "unit": unit_of(column),
        "x": words.text("Time"),
        "levels": _levels(block, words),
        "cut": False,
    }
    return {"chart": body, "table": _table(body, words)}, answer.as_of_us
