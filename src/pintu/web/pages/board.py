"""A page without code as a value: blocks on twelve columns, read from its file and written back;
pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, Literal, get_args

import msgspec

from pintu.kernel.errors import ConfigurationError
from pintu.kernel.exchange.words import Aggregate, Comparison, Condition

BlockKind = Literal["text", "number", "table", "chart", "map", "calendar", "ranking"]
FilterKind = Literal["choice", "text", "day"]
Mark = Literal["line", "bar", "area", "scatter"]
Audience = Literal["desk", "wall"]

KINDS: Final[tuple[str, ...]] = get_args(BlockKind)
MARKS: Final[tuple[str, ...]] = get_args(Mark)
AGGREGATES: Final[tuple[str, ...]] = get_args(Aggregate)
COMPARISONS: Final[tuple[str, ...]] = get_args(Comparison)
WIDTH: Final = 12
DEEPEST: Final = 200
TALLEST: Final = 12
MOST_BLOCKS: Final = 40
MOST_FILTERS: Final = 12
MOST_LISTED: Final = 60
LONGEST_TITLE: Final = 200
LONGEST_TEXT: Final = 20_000
LONGEST_PAST_H: Final = 24 * 92
DATA: Final = re.compile(r"[A-Za-z][\w.-]{0,127}")
COLUMN: Final = re.compile(r"-?[^\W\d_][\w.:/#-]{0,250}(@[a-z]{3,5})?")
"""A column of a data set; one of the context may be an IRI."""

SIZES: Final = {
    "text": (6, 2), "number": (3, 2), "table": (12, 5), "chart": (6, 4), "map": (6, 5),
    "calendar": (6, 5), "ranking": (4, 5),
}  # fmt: skip
"""Columns and rows of a block that nobody sized."""

_NEEDS: Final = {
    "chart": ("x", "y"), "calendar": ("x", "y"), "ranking": ("x", "y"), "number": ("y",),
}  # fmt: skip


class Filter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing a reader may narrow the whole page by."""

    column: str
    title: dict[str, str] = {}
    kind: FilterKind = "choice"


class Block(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One block; which members say something depends on its kind."""

    kind: BlockKind
    title: dict[str, str] = {}
    data: str = ""
    where: list[tuple[str, Comparison, Any]] = []
    columns: list[str] = []
    order: list[str] = []
    limit: int = 0  # 0: as many as suit the kind
    x: str = ""  # chart and calendar: along; ranking: what is ranked
    y: list[str] = []  # what is measured
    series: str = ""  # chart: one line or bar a value of this column
    aggregate: Aggregate | Literal[""] = ""  # rows are added up by x (and series)
    mark: Mark = "line"
    scale: str = ""  # a code list with colours, `aqi` for that of air quality
    place: str = "location"  # map
    label: str = ""  # map: what a point is called; chart of the past: what a line is
    past_h: int = 0  # chart and calendar: the past of each row's value instead of the rows
    text: dict[str, str] = {}
    at: tuple[int, int, int, int] = (0, 0, 0, 0)  # x, y, width, height on twelve columns

    @property
    def measure(self) -> str:
        """The first thing measured."""
        return self.y[0] if self.y else ""


class Board(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One page, saved as `config/pages/NAME.toml` or beside a piece's `piece.toml`."""

    title: dict[str, str] = {}
    summary: dict[str, str] = {}
    audience: Audience = "desk"
    filters: list[Filter] = []
    blocks: list[Block] = []


def read_board(content: dict[str, Any], name: str = "") -> Board:
    """A page from what its file says; ConfigurationError with every mistake, each naming its
    block."""
    board, mistakes = draft_board(content)
    if mistakes:
        where = f"Page {name!r}: " if name else ""
        raise ConfigurationError([where + one for one in mistakes])
    return board


def draft_board(content: dict[str, Any]) -> tuple[Board, list[str]]:
    """As much of a page as can be read, for an editor, and what is still wrong with it."""
    mistakes: list[str] = []
    told = dict(content)
    blocks = _each(told, "blocks", Block, MOST_BLOCKS, mistakes)
    filters = _each(told, "filters", Filter, MOST_FILTERS, mistakes)
    board = _convert({**told, "blocks": [], "filters": []}, Board, "", mistakes)
    if board is None:
        board = Board(title={})
    mistakes += _said(board.title, "The page's title", needed=True)
    mistakes += _said(board.summary, "The page's summary")
    for number, block in enumerate(blocks, 1):
        mistakes += [f"Block {number} {one}" for one in _wrong(block)]
    for number, one in enumerate(filters, 1):
        if not COLUMN.fullmatch(one.column):
            mistakes.append(f"Filter {number} names no column: {one.column[:60]!r}")
        mistakes += _said(one.title, f"Filter {number}'s title")
    sound = [
        one if not _misplaced(one) else msgspec.structs.replace(one, at=(0, 0, 0, 0))
        for one in blocks
    ]
    found: Board = msgspec.structs.replace(board, blocks=placed(sound), filters=filters)
    return found, mistakes


def write_board(board: Board) -> dict[str, Any]:
    """What `Configuration.save` keeps of a page."""
    found: dict[str, Any] = msgspec.to_builtins(board)
    return found


def _each(
    told: dict[str, Any], member: str, shape: type[Any], most: int, mistakes: list[str]
) -> list[Any]:
    listed = told.get(member, [])
    if not isinstance(listed, list):
        mistakes.append(f"{member} is no list of tables")
        return []
    if len(listed) > most:
        mistakes.append(f"There are {len(listed)} {member}; a page has at most {most}")
    found = []
    for number, one in enumerate(listed[:most], 1):
        read = _convert(one, shape, f"{member[:-1].capitalize()} {number} ", mistakes)
        if read is not None:
            found.append(read)
    return found


def _convert(told: Any, shape: type[Any], where: str, mistakes: list[str]) -> Any:
    if not isinstance(told, dict):
        mistakes.append(f"{where}is no table")
        return None
    known = {one.name for one in msgspec.structs.fields(shape)}
    mistakes += [f"{where}has no member {one[:60]!r}" for one in sorted(set(told) - known)]
    try:
        return msgspec.convert({k: v for k, v in told.items() if k in known}, shape, strict=False)
    except msgspec.ValidationError as error:
        mistakes.append(f"{where}cannot be read: {error}")
        return None


def _said(told: dict[str, str], what: str, *, needed: bool = False) -> list[str]:
    found = []
    if needed and not any(one.strip() for one in told.values()):
        found.append(f"{what} is missing: say it in zh, en or both")
    found += [f"{what} has no language {one[:10]!r}" for one in told if one not in ("zh", "en")]
    if any(len(one) > LONGEST_TITLE for one in told.values()):
        found.append(f"{what} is longer than {LONGEST_TITLE} characters")
    return found


def _wrong(block: Block) -> list[str]:
    found = [one[:1].lower() + one[1:] for one in _said(block.title, "Its title")]
    if block.kind == "text":
        if any(len(one) > LONGEST_TEXT for one in block.text.values()):
            found.append(f"has a text longer than {LONGEST_TEXT} characters")
        return found + _misplaced(block)
    if not DATA.fullmatch(block.data):
        found.append("names no data set")
    for member in _NEEDS.get(block.kind, ()):
        if not getattr(block, member) and not _spared(block, member):
            found.append(f"({block.kind}) needs {member}")
    if len(block.columns) > MOST_LISTED or len(block.where) > MOST_LISTED or len(block.y) > 12:
        found.append("lists too much")
    names = [*block.columns, *block.order, *block.y, *(one[0] for one in block.where)]
    names += [one for one in (block.x, block.series, block.place, block.label) if one]
    found += [f"names no column: {one[:60]!r}" for one in names if not COLUMN.fullmatch(one)]
    if not 0 <= block.limit <= 10_000:
        found.append("has a limit that is not between 0 and 10000")
    if not 0 <= block.past_h <= LONGEST_PAST_H:
        found.append(f"looks back more than {LONGEST_PAST_H} hours")
    return found + _misplaced(block)


def _spared(block: Block, member: str) -> bool:
    """What a block can do without: counting needs no measure, the past is along the time."""
    if member == "y":
        return block.aggregate == "count" or (block.kind == "number" and not block.aggregate)
    return block.past_h > 0 and block.kind in ("chart", "calendar")


def _misplaced(block: Block) -> list[str]:
    x, y, width, height = block.at
    if block.at == (0, 0, 0, 0):
        return []
    across = x >= 0 and width >= 1 and x + width <= WIDTH
    if not across or not 0 <= y < DEEPEST or not 1 <= height <= TALLEST:
        return [f"lies at {list(block.at)}: x + width is at most {WIDTH}, height {TALLEST}"]
    return []


# --- where blocks lie -------------------------------------------------------------------------
def placed(blocks: Iterable[Block], held: int = -1) -> list[Block]:
    """Blocks with a place each and none on another: `held` stays, others give way downwards."""
    listed = list(blocks)
    order = sorted(range(len(listed)), key=lambda n: (n != held, listed[n].at[1], n))
    taken: list[tuple[int, int, int, int]] = []
    for n in order:
        at = listed[n].at
        if at[2] < 1 or at[3] < 1:
            width, height = SIZES[listed[n].kind]
            below = max((y + h for _, y, _, h in taken), default=0)
            at = (0, below, width, height)
        while any(_overlap(at, other) for other in taken):
            at = (at[0], at[1] + 1, at[2], at[3])
        taken.append(at)
        listed[n] = msgspec.structs.replace(listed[n], at=at)
    return listed


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return (
        one[0] < other[0] + other[2]
        and other[0] < one[0] + one[2]
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
    )


def moved(blocks: list[Block], number: int, deed: str) -> list[Block]:
    """The blocks after one was moved or sized by a step: left, right, up, down, wider, narrower,
    taller, shorter; a step over the edge is none."""
    x, y, width, height = blocks[number].at
    steps = {
        "left": (x - 1, y, width, height), "right": (x + 1, y, width, height),
        "up": (x, y - 1, width, height), "down": (x, y + 1, width, height),
        "wider": (x, y, width + 1, height), "narrower": (x, y, width - 1, height),
        "taller": (x, y, width, height + 1), "shorter": (x, y, width, height - 1),
    }  # fmt: skip
    at = steps.get(deed, blocks[number].at)
    tried = msgspec.structs.replace(blocks[number], at=at)
    if _misplaced(tried) or at[1] < 0:
        return blocks
    return closed_up(placed([*blocks[:number], tried, *blocks[number + 1 :]], number))


def closed_up(blocks: list[Block]) -> list[Block]:
    """The blocks without rows that nothing lies in."""
    used = {y for one in blocks for y in range(one.at[1], one.at[1] + one.at[3])}
    lower = {y: n for n, y in enumerate(sorted(used))}
    return [
        msgspec.structs.replace(one, at=(one.at[0], lower[one.at[1]], *one.at[2:]))
        for one in blocks
    ]


def conditions_of(block: Block) -> tuple[Condition, ...]:
    """What the block itself narrows its data set to."""
    return tuple(Condition(column, what, value) for column, what, value in block.where)
