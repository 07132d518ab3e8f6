"""A page without code as a value: read with every mistake at once, written back, arranged, made by
a form; pure."""

from __future__ import annotations

import random
import re
from typing import Any

import orjson
import pytest

from pintu.kernel.errors import BadRequestData, ConfigurationError
from pintu.kernel.exchange.words import Column, Condition, DataSet
from pintu.web.pages import board_asking as asking
from pintu.web.pages.board import (
    Block,
    Board,
    closed_up,
    draft_board,
    moved,
    placed,
    read_board,
    write_board,
)
from pintu.web.pages.board_draft import content_of, done, state_of
from pintu.web.pages.board_marks import shown
from pintu.web.pages.board_month import month_grid
from pintu.web.pages.board_said import said
from pintu.web.pages.board_scale import level_of, levels
from pintu.web.words import Words
from tests.web.board_city import PAGE

EN = Words("en")
STATIONS = DataSet(
    name="stations",
    provider="context",
    columns=[
        Column(name="id", key=True),
        Column(name="observedAt", kind="time"),
        Column(name="district"),
        Column(name="pm25", kind="number"),
        Column(name="location", kind="point"),
    ],
)


def test_what_is_written_is_what_was_read() -> None:
    """A page goes to its file and back."""
    board = read_board(PAGE, "air")
    assert board == read_board(write_board(board), "air")
    assert 9 == len(board.blocks)


def test_every_mistake_is_named_at_once() -> None:
    """With the number of its block, in one answer."""
    content = {
        "title": {"de": "Luft"},
        "audience": "cinema",
        "colour": "red",
        "filters": [{"column": "'; DROP"}],
        "blocks": [
            {"kind": "chart", "data": "air", "x": "day"},
            {"kind": "picture"},
            {"kind": "table", "data": "../etc", "at": [9, 0, 6, 2], "size": 3},
            {"kind": "table", "data": "air", "where": [["a", "like", 1]]},
            {"kind": "text", "text": {"en": "x" * 20_001}},
            "no table",
        ],
    }
    with pytest.raises(ConfigurationError) as caught:
        read_board(content, "air")
    told = "\n".join(caught.value.mistakes)
    for part in (
        "has no member 'colour'",
        "Filter 1 names no column",
        "Block 1 (chart) needs y",
        "Block 2 cannot be read",
        "Block 3 has no member 'size'",
        "Block 4 cannot be read",
        "Block 6 is no table",
        "cannot be read: Invalid enum value 'cinema'",
        "lies at [9, 0, 6, 2]",
        "names no data set",
        "text longer than 20000",
    ):
        assert part in told


@pytest.mark.parametrize(
    "content",
    [
        {}, {"title": 3}, {"title": {"en": "x"}, "blocks": 7}, {"title": {"en": "x" * 300}},
        {"title": {"en": "x"}, "blocks": [{"kind": "text"}] * 41},
        {"title": {"en": "x"}, "blocks": [{"kind": "number", "data": "a", "at": [1, 2]}]},
        {"title": {"en": "x"}, "blocks": [{"kind": "table", "data": "a", "limit": 10**9}]},
        {"title": {"en": "x"}, "blocks": [{"kind": "chart", "data": "a", "y": ["b"],
                                           "past_h": 10**6}]},
    ],
)  # fmt: skip
def test_what_is_no_page_is_refused(content: dict[str, Any]) -> None:
    """Whatever the shape, in words and never by a crash."""
    with pytest.raises(ConfigurationError):
        read_board(content)
    assert isinstance(draft_board(content)[0], Board)


def test_no_block_lies_on_another() -> None:
    """After any steps, and inside the twelve columns."""
    chance = random.Random(3)
    blocks = placed([Block(kind="number", data="a"), Block(kind="table", data="a"),
                     Block(kind="map", data="a"), Block(kind="ranking", data="a")])  # fmt: skip
    deeds = ("left", "right", "up", "down", "wider", "narrower", "taller", "shorter")
    for _ in range(400):
        blocks = moved(blocks, chance.randrange(4), chance.choice(deeds))
        cells = [
            (x, y)
            for one in blocks
            for x in range(one.at[0], one.at[0] + one.at[2])
            for y in range(one.at[1], one.at[1] + one.at[3])
        ]
        assert len(cells) == len(set(cells))
        assert all(0 <= x < 12 for x, _ in cells)
        assert 0 == min(y for _, y in cells)


def test_rows_nobody_uses_are_closed() -> None:
    """Blocks move up together."""
    blocks = [Block(kind="text", at=(0, 4, 3, 2)), Block(kind="text", at=(0, 9, 3, 1))]
    assert [(0, 0, 3, 2), (0, 2, 3, 1)] == [one.at for one in closed_up(blocks)]


# --- questions ----------------------------------------------------------------------------------
def test_filters_of_the_address_narrow_what_has_the_column() -> None:
    """Choices by equality, texts by containing, days by the day; other columns are passed over."""
    block = Block(kind="table", data="stations", where=[("pm25", ">", 1)])
    board = read_board({**PAGE, "filters": [{"column": "observedAt", "kind": "day"}]})
    asked = asking.asked_of(
        {"f.district": "滨江", "f.observedAt": "2026-11-22", "f.other": "x", "b2.page": "3"}, 2
    )
    assert (
        Condition("pm25", ">", 1),
        Condition("district", "=", "滨江"),
        Condition("observedAt", ">=", "2026-11-22"),
        Condition("observedAt", "<", "2026-11-23"),
    ) == asking.narrowed(block, STATIONS, board.filters, asked)
    assert 3 == asked.page


@pytest.mark.parametrize("page", ["", "0", "-1", "x", "9" * 9, "１"])
def test_a_page_that_is_none_is_the_first(page: str) -> None:
    """Addresses are typed by people."""
    assert 1 == asking.asked_of({"b0.page": page}, 0).page


def test_a_parameter_too_long_is_refused() -> None:
    """In words."""
    with pytest.raises(BadRequestData):
        asking.asked_of({"f.a": "x" * 201}, 0)


def test_a_time_is_added_up_by_the_day() -> None:
    """Unless the block says another step."""
    block = Block(kind="chart", data="a", x="observedAt", y=["pm25"], aggregate="mean")
    question = asking.chart_questions(block, STATIONS, ())[0]
    assert (("observedAt@day",), "pm25") == (question.group, question.measure)


def test_a_month_has_weeks_from_monday() -> None:
    """November 2026 begins on a Sunday; days of other months are not shown."""
    column = Column(name="aqi", kind="number")
    grid = month_grid("2026-11", {"2026-11-01": 151.0}, column, (levels("aqi"), EN))
    assert [None] * 6 == grid["weeks"][0][:6]
    first = grid["weeks"][0][6]
    assert (1, "151", "IV") == (first["number"], first["text"], first["level"].sign)
    assert ("2026-10", "2026-12", 1) == (grid["earlier"], grid["later"], grid["days"])


@pytest.mark.parametrize(
    ("value", "sign"),
    [(0, "I"), (50, "I"), (50.4, "II"), (51, "II"), (150, "III"), (200, "IV"), (300, "V"),
     (301, "VI"), (10_000, "VI"), (-1, ""), (None, ""), (True, ""), ("good", "II"), ("x", "")],
)  # fmt: skip
def test_levels_are_those_of_the_standard(value: Any, sign: str) -> None:
    """HJ 633-2012, table 2: by bounds for numbers, by code for words, nothing for nonsense."""
    level = level_of(levels("aqi"), value)
    assert sign == (level.sign if level else "")


def test_text_on_a_colour_can_be_read() -> None:
    """Dark on green, yellow, orange and red; light on purple and maroon (4.5 : 1 and more)."""
    assert ["dark"] * 4 + ["light"] * 2 == [one.ink for one in levels("aqi")]


# --- texts --------------------------------------------------------------------------------------
def test_a_little_markup_is_understood() -> None:
    """Headings, lists, bold, italic, code and links."""
    html = shown("# A\n\n1. one\n2. *two*\n\n**b** `c` [d](/e)")
    expected = (
        "<h3>A</h3>\n<ol><li>one</li><li><em>two</em></li></ol>\n"
        '<p><strong>b</strong> <code>c</code> <a href="/e" rel="noopener">d</a></p>'
    )
    assert expected == str(html)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>", "[x](javascript:alert(1))", "[x](data:text/html,1)",
        '[x](/a" onclick="b)', "**<img src=x onerror=y>**", "`</code><script>`", "[x](//evil.org)",
        "# <b>x", "- <svg/onload=x>", "[<b>](/x)",
    ],
)  # fmt: skip
def test_no_markup_comes_through(text: str) -> None:
    """Every character that is not this module's own is escaped; links lead nowhere but to pages."""
    html = str(shown(text))
    for part in ("<script", "<img", "<svg", "<b>", 'href="javascript', 'href="data', 'href="//'):
        assert part not in html
    assert 'onclick="' not in html


def test_hostile_text_takes_no_time() -> None:
    """Twenty thousand stars and brackets."""
    for part in ("*", "[", "`", "**a", "[a](", "- ", "#"):
        shown(part * (20_000 // len(part)))


# --- the editor's form ----------------------------------------------------------------------------
def form_of(board: Board, chosen: int = -1, **fields: Any) -> dict[str, list[str]]:
    told = {"state": [state_of(board)], "chosen": [str(chosen)]}
    for name, value in fields.items():
        told[name.replace("__", ".")] = value if isinstance(value, list) else [value]
    return told


def test_a_form_changes_what_it_shows_and_keeps_the_rest() -> None:
    """Members without a field stay as they are; empty boxes mean none."""
    board = read_board(PAGE)
    form = form_of(
        board, 4, title__zh="新", title__en="", block__kind="chart", block__title__zh="",
        block__title__en="New", block__y=["", "pm25", "pm10"], block__past_h="12",
        block__order="id", block__falling="yes", wheres="1", block__where__0__column="pm25",
        block__where__0__comparison=">", block__where__0__value="5",
    )  # fmt: skip
    content, chosen = content_of(form)
    changed = read_board(content)
    block = changed.blocks[4]
    assert ({"zh": "新"}, 4) == (changed.title, chosen)
    assert (["pm25", "pm10"], 12, ["-id"]) == (block.y, block.past_h, block.order)
    assert [("pm25", ">", "5")] == block.where
    assert board.blocks[4].at == block.at
    assert board.blocks[:4] == changed.blocks[:4]


def test_deeds_add_copy_move_and_remove() -> None:
    """One at a time, and the chosen block follows."""
    board = read_board({"title": {"en": "x"}})
    board, chosen, mistakes = done(write_board(board), -1, "add:chart")
    assert (0, "chart") == (chosen, board.blocks[0].kind)
    assert any("names no data set" in one for one in mistakes)
    board, chosen, _ = done(write_board(board), chosen, "copy:0")
    assert (1, [(0, 0, 6, 4), (0, 4, 6, 4)]) == (chosen, [one.at for one in board.blocks])
    board, chosen, _ = done(write_board(board), chosen, "place:1:6,0,6,4")
    assert [(0, 0, 6, 4), (6, 0, 6, 4)] == [one.at for one in board.blocks]
    board, chosen, _ = done(write_board(board), chosen, "remove:0")
    assert (0, [(6, 0, 6, 4)]) == (chosen, [one.at for one in board.blocks])
    board, _, _ = done(write_board(board), chosen, "add-filter")
    assert 1 == len(board.filters)
    board, _, _ = done(write_board(board), chosen, "add-where")
    assert [("", "=", "")] == board.blocks[0].where


@pytest.mark.parametrize(
    "deed",
    ["", "look", "explode", "add:bomb", "remove:99", "remove:-1", "left:x", "place:0:a,b,c,d",
     "place:0:1", "choose:", "place:0:999999,999999,0,99999", "remove-where:4"],
)  # fmt: skip
def test_a_deed_nobody_knows_breaks_nothing(deed: str) -> None:
    """The page stays one that can be read."""
    board, _, _ = done(PAGE, 0, deed)
    assert 9 == len(read_board(write_board(board)).blocks)


@pytest.mark.parametrize("state", ["{", "[]", "3", "x" * 400_001, '{"blocks": 3}', "null"])
def test_a_state_that_is_none_is_refused_or_empty(state: str) -> None:
    """Somebody may send anything."""
    try:
        content, chosen = content_of({"state": [state], "chosen": ["0"]})
    except BadRequestData:
        return
    assert 0 == len(done(content, chosen, "look")[0].blocks)


def test_hostile_fields_break_nothing() -> None:
    """Numbers that are none, counts beyond measure, texts in the wrong place."""
    fields = ("filters", "wheres", "block.limit", "block.past_h", "chosen", "block.order")
    for text in ("-1", "1e9", "九", "9" * 30, "", "x", "²"):
        form = {"state": [orjson.dumps(PAGE).decode()], "chosen": ["1"], "block.kind": ["x"]}
        form |= {name: [text] for name in fields}
        try:
            content, chosen = content_of(form)
        except BadRequestData:
            continue
        done(content, chosen, "look")


def test_mistakes_are_said_in_the_readers_language() -> None:
    """What an editor meets every day; anything else stays as it is."""
    zh = Words("zh-CN")
    _, mistakes = draft_board({"blocks": [{"kind": "chart"}]})
    told = [said(one, zh) for one in mistakes]
    assert "页面需要标题（中文或英文）" in told
    assert "第 1 块：请选择数据集" in told
    assert all(re.search("[一-鿿]", one) for one in told)
    assert "Something else" == said("Something else", zh)
