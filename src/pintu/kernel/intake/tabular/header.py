"""Finds the names of a table's columns: title rows above are skipped, header rows on top of each
other are joined with "/"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pintu.kernel.errors import TooLarge
from pintu.kernel.intake.tabular.kinds import kind_of, missing
from pintu.kernel.intake.tabular.words import MOST_COLUMNS, Said, unique

LOOKED_AT: Final = 60  # rows
MOST_HEADER_ROWS: Final = 5
_DATA: Final = frozenset(("number", "whole", "time", "date", "point", "shape"))

Cells = Sequence[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """`titles` rows above, `rows` rows of names, then records."""

    titles: int
    rows: int
    columns: list[str]
    said: list[Said]


def find_header(rows: Sequence[Cells], told: int = -1) -> Header:
    """The header of a table by its first rows, blank ones included; `told` rows of names when the
    owner knows. TooLarge for more columns than a table may have."""
    rows = rows[:LOOKED_AT]
    width = _width(rows)
    if width > MOST_COLUMNS:
        raise TooLarge(
            f"The table has {width} columns; at most {MOST_COLUMNS} are read",
            zh=f"表有 {width} 列，最多读取 {MOST_COLUMNS} 列",
        )
    titles = _titles(rows, width)
    body = rows[titles:]
    count = told if told >= 0 else _header_rows(body)
    said = _said(rows[:titles], count)
    return Header(titles=titles, rows=count, columns=_names(body[:count], width), said=said)


def _said(titles: Sequence[Cells], count: int) -> list[Said]:
    said: list[Said] = []
    words = " ".join(str(cell).strip() for row in titles for cell in row if not missing(cell))[:80]
    if words:
        said.append(
            {
                "zh": f"表头上方 {len(titles)} 行不是数据，已跳过：{words}",
                "en": f"{len(titles)} rows above the header are no data and were skipped: {words}",
            }
        )
    if count == 0:
        said.append(
            {
                "zh": "没有找到表头，各列按顺序编号",
                "en": "No header was found; the columns are numbered",
            }
        )
    return said


def _width(rows: Sequence[Cells]) -> int:
    """The most usual width, the widest of two as usual; trailing blank cells count."""
    counts: dict[int, int] = {}
    for row in rows:
        if any(not missing(cell) for cell in row):
            counts[len(row)] = counts.get(len(row), 0) + 1
    return max(counts, key=lambda width: (counts[width], width), default=0)


def _titles(rows: Sequence[Cells], width: int) -> int:
    """Rows before the header: blank, or with nothing beside their first cell."""
    for number, row in enumerate(rows):
        filled = [at for at, cell in enumerate(row) if not missing(cell)]
        if not filled or (width > 1 and filled == [0]) or (width > 3 and len(row) < width / 2):
            continue
        return number
    return 0


def _header_rows(rows: Sequence[Cells]) -> int:
    """How many rows of names: texts that stand over numbers and times."""
    if not rows:
        return 0
    if not _names_only(rows[0], rows[1:]):
        return 0
    below = [row for row in rows[1:] if any(not missing(cell) for cell in row)]
    count = 1
    while count < MOST_HEADER_ROWS and len(below) > count:
        row, rest = below[count - 1], below[count:]
        if any(kind_of(cell) in _DATA for cell in row) or not _stands_over_data(row, rest):
            break
        count += 1
    return count


def _names_only(row: Cells, below: Sequence[Cells]) -> bool:
    data = [at for at, cell in enumerate(row) if kind_of(cell) in _DATA]
    if not data:
        return True
    years = [str(row[at]).strip() for at in data]
    if len(data) == len(row) or len(set(years)) < len(years):
        return False
    if not all(len(one) == 4 and one.isdigit() and one[:2] in ("19", "20") for one in years):
        return False
    return any(
        str(one[at]).strip() not in years for one in below[:5] for at in data if at < len(one)
    )


def _stands_over_data(row: Cells, rest: Sequence[Cells]) -> bool:
    """True when some text of the row stands over a column that holds numbers or times only."""
    for at, cell in enumerate(row):
        if missing(cell) or kind_of(cell) != "text":
            continue
        kinds = [kind_of(one[at]) for one in rest[:20] if at < len(one)]
        filled = [one for one in kinds if one != "empty"]
        if len(filled) >= 2 and all(one in _DATA for one in filled):
            return True
    return False


def _names(rows: Sequence[Cells], width: int) -> list[str]:
    """Names from top to bottom; a blank cell of an upper row belongs to what stands left of it."""
    parts: list[list[str]] = [[] for _ in range(width)]
    for number, row in enumerate(rows):
        group = ""
        for at in range(width):
            cell = row[at] if at < len(row) else ""
            text = "" if cell is None else " ".join(str(cell).split())
            if number < len(rows) - 1:
                below = rows[number + 1]
                over = at < len(below) and not missing(below[at])
                group = text or (group if over else "")
                text = group
            if text and (not parts[at] or parts[at][-1] != text):
                parts[at].append(text)
    return unique(["/".join(one) for one in parts])
