"""A page while somebody makes it: what a form says becomes a page's content, one deed at a time;
pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import orjson

from pintu.kernel.errors import BadRequestData
from pintu.web.pages.board import (
    COMPARISONS,
    KINDS,
    Block,
    Board,
    Filter,
    closed_up,
    draft_board,
    moved,
    placed,
    write_board,
)

MOST_FIELDS: Final = 2_000
LONGEST_STATE: Final = 400_000
PLAIN: Final = ("data", "x", "series", "aggregate", "mark", "scale", "place", "label")
STEPS: Final = frozenset(("left", "right", "up", "down", "wider", "narrower", "taller", "shorter"))
Form = Mapping[str, Sequence[str]]
"""Field → the values it came with."""


def state_of(board: Board) -> str:
    """A page as the hidden field that carries it from one step of the editor to the next."""
    return orjson.dumps(write_board(board)).decode()


def content_of(form: Form) -> tuple[dict[str, Any], int]:
    """The page a form describes and the number of the chosen block (-1: none).

    `state` is the page as the editor last had it; the fields beside it say what was changed since.
    BadRequestData when the state is none.
    """
    if len(form) > MOST_FIELDS:
        raise BadRequestData(f"The form has more than {MOST_FIELDS} fields")
    text = one_of(form, "state")
    if len(text) > LONGEST_STATE:
        raise BadRequestData(f"The page is larger than {LONGEST_STATE} characters")
    try:
        content = orjson.loads(text or "{}")
    except orjson.JSONDecodeError as error:
        raise BadRequestData(f"The editor's state cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise BadRequestData("The editor's state is no page")
    _page(form, content)
    blocks = content.get("blocks")
    listed: list[Any] = blocks if isinstance(blocks, list) else []
    chosen = number_of(one_of(form, "chosen"), len(listed))
    if chosen >= 0 and "block.kind" in form and isinstance(listed[chosen], dict):
        listed[chosen] = {**listed[chosen], **_block(form)}
    return content, chosen


def one_of(form: Form, name: str) -> str:
    """The first value of a field, without blanks around it."""
    values = form.get(name) or ("",)
    return values[0].strip()


def count_of(form: Form, name: str) -> int:
    """A whole number a field holds; 0 for everything else."""
    return max(0, number_of(one_of(form, name), 1_000_000))


def number_of(text: str, most: int) -> int:
    """A number below `most`; -1 for everything else."""
    told = text.isascii() and text.isdigit() and len(text) < 8
    return int(text) if told and int(text) < most else -1


def _page(form: Form, content: dict[str, Any]) -> None:
    for member in ("title", "summary"):
        if f"{member}.zh" in form:
            content[member] = _languages(form, member)
    if "audience" in form:
        content["audience"] = one_of(form, "audience")
    if "filters" in form:
        content["filters"] = [
            {
                "column": one_of(form, f"filters.{n}.column"),
                "kind": one_of(form, f"filters.{n}.kind") or "choice",
                "title": _languages(form, f"filters.{n}.title"),
            }
            for n in range(min(count_of(form, "filters"), 50))
        ]


def _languages(form: Form, member: str) -> dict[str, str]:
    told = {lang: one_of(form, f"{member}.{lang}") for lang in ("zh", "en")}
    return {lang: text for lang, text in told.items() if text}


def _block(form: Form) -> dict[str, Any]:
    """What the form of the chosen block says; members it has no field for stay as they are."""
    found: dict[str, Any] = {"title": _languages(form, "block.title")}
    for name in PLAIN:
        if f"block.{name}" in form:
            found[name] = one_of(form, f"block.{name}")
    if "block.text.zh" in form:
        found["text"] = _languages(form, "block.text")
    for name in ("columns", "y"):
        if f"block.{name}" in form:  # an empty value stands for: the boxes are there
            found[name] = [one for one in form[f"block.{name}"] if one]
    if "block.order" in form:
        order = one_of(form, "block.order")
        falling = one_of(form, "block.falling") == "yes"
        found["order"] = [("-" if falling else "") + order] if order else []
    for name in ("limit", "past_h"):
        if f"block.{name}" in form:
            found[name] = count_of(form, f"block.{name}")
    if "wheres" in form:
        found["where"] = [_condition(form, n) for n in range(min(count_of(form, "wheres"), 60))]
    return found


def _condition(form: Form, n: int) -> list[Any]:
    what = one_of(form, f"block.where.{n}.comparison")
    return [
        one_of(form, f"block.where.{n}.column"),
        what if what in COMPARISONS else "=",
        one_of(form, f"block.where.{n}.value"),
    ]


def done(content: dict[str, Any], chosen: int, deed: str) -> tuple[Board, int, list[str]]:
    """The page after one deed (`add:chart`, `left:2`, `remove:0` …), which block is chosen now,
    and what is still wrong with the page. A deed nobody knows changes nothing."""
    board, _ = draft_board(content)
    verb, _, rest = deed.partition(":")
    number = number_of(rest.partition(":")[0], len(board.blocks))
    if verb == "add" and rest in KINDS:
        blocks = placed([*board.blocks, Block(kind=rest)])  # type: ignore[arg-type]
        board, chosen = msgspec.structs.replace(board, blocks=blocks), len(blocks) - 1
    elif verb in ("add-filter", "remove-filter"):
        board = _filters(board, verb, number_of(rest, len(board.filters)))
    elif verb in ("add-where", "remove-where") and chosen >= 0:
        board = _wheres(board, chosen, (verb, rest))
    elif number >= 0:
        board, chosen = _at(board, number, (verb, rest), chosen)
    mistakes = draft_board(write_board(board))[1]
    return board, min(chosen, len(board.blocks) - 1), mistakes


def _at(board: Board, number: int, deed: tuple[str, str], chosen: int) -> tuple[Board, int]:
    verb, rest = deed
    blocks = list(board.blocks)
    if verb == "choose":
        return board, number
    if verb == "remove":
        del blocks[number]
        chosen = -1 if chosen == number else chosen - (chosen > number)
        blocks = closed_up(blocks)
    elif verb == "copy":
        blocks = placed([*blocks, msgspec.structs.replace(blocks[number], at=(0, 0, 0, 0))])
        width, height = blocks[number].at[2:]
        last = blocks[-1].at
        blocks[-1] = msgspec.structs.replace(blocks[-1], at=(0, last[1], width, height))
        blocks, chosen = placed(blocks), len(blocks) - 1
    elif verb == "place":
        blocks = _dragged(blocks, number, rest.partition(":")[2])
    elif verb in STEPS:
        blocks = moved(blocks, number, verb)
    return msgspec.structs.replace(board, blocks=blocks), chosen


def _dragged(blocks: list[Block], number: int, told: str) -> list[Block]:
    """After a mouse let go of a block at `x,y,width,height`, kept inside the page."""
    parts = told.split(",")
    if len(parts) != 4 or not all(one.isascii() and one.isdigit() for one in parts):
        return blocks
    x, y, width, height = (int(one[:4]) for one in parts)
    width, height = max(1, min(12, width)), max(1, min(12, height))
    at = (min(x, 12 - width), min(y, 150), width, height)
    changed = [*blocks[:number], msgspec.structs.replace(blocks[number], at=at)]
    return closed_up(placed([*changed, *blocks[number + 1 :]], number))


def _filters(board: Board, verb: str, number: int) -> Board:
    filters = list(board.filters)
    if verb == "add-filter":
        filters.append(Filter(column=""))
    elif number >= 0:
        del filters[number]
    return msgspec.structs.replace(board, filters=filters)


def _wheres(board: Board, chosen: int, deed: tuple[str, str]) -> Board:
    verb, rest = deed
    where = list(board.blocks[chosen].where)
    if verb == "add-where":
        where.append(("", "=", ""))
    else:
        number = number_of(rest, len(where))
        if number >= 0:
            del where[number]
    blocks = list(board.blocks)
    blocks[chosen] = msgspec.structs.replace(blocks[chosen], where=where)
    return msgspec.structs.replace(board, blocks=blocks)
