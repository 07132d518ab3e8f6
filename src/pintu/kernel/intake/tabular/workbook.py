"""XLSX: one sheet as a table, streamed; merged cells are filled down, dates are ISO 8601."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pintu.kernel.intake.mapping.words import BadRecord
from pintu.kernel.intake.tabular.archive import members
from pintu.kernel.intake.tabular.header import LOOKED_AT, Header, find_header
from pintu.kernel.intake.tabular.kinds import missing
from pintu.kernel.intake.tabular.words import (
    PORTION_ROWS,
    Options,
    Place,
    Portion,
    Record,
    Said,
    refused,
)
from pintu.kernel.intake.tabular.workbook_cells import Cells, Merged, Row
from pintu.kernel.intake.tabular.workbook_parts import SheetPart, Strings, date_styles, sheet_parts

TITLE_SHARE: Final = 0.8  # of the width: a range merged over more is a title, no group of columns


def list_sheets(path: Path) -> list[str]:
    """The names of the worksheets, visible ones first."""
    members(path)
    with zipfile.ZipFile(path) as archive:
        return [one.name for one in sheet_parts(archive)[0]]


class Sheet:
    """One sheet: the one the options name, else the first that holds anything."""

    def __init__(self, path: Path, options: Options) -> None:
        members(path)
        self._archive = zipfile.ZipFile(path)
        try:
            parts, self._mac = sheet_parts(self._archive)
            self._strings = Strings(self._archive)
            self._dates = date_styles(self._archive)
            self._part, head = self._choose(parts, options.table)
            self._merged = self._cells().merged()
            header = self._header(head, options.header_rows)
        except BaseException:
            self._archive.close()
            raise
        self.name, self.frame = self._part.name, ""
        self.columns, self.said = header.columns, header.said
        taken = header.titles + header.rows
        self._begin = head[taken - 1][0] if taken and head else 0

    def _cells(self, part: SheetPart | None = None) -> Cells:
        part = part or self._part
        return Cells(self._archive, part.member, self._strings, self._dates, self._mac)

    def _choose(self, parts: list[SheetPart], told: str) -> tuple[SheetPart, list[Row]]:
        chosen = [one for one in parts if not told or one.name == told]
        for part in chosen:
            head = list(islice(self._cells(part).rows(), LOOKED_AT))
            if head or told:
                return part, head
        if told:
            names = "、".join(one.name for one in parts)[:300]
            raise refused(
                f"工作簿里没有名为 {told!r} 的工作表，有：{names}",
                f"The workbook has no sheet {told!r}; it has: {names}",
            )
        raise refused("工作簿是空的", "The workbook is empty")

    def _header(self, head: list[Row], told: int) -> Header:
        width = max((len(cells) for _, cells in head), default=0)
        places = {number: at for at, (number, _) in enumerate(head)}
        rows = [[*cells, *[None] * (width - len(cells))] for _, cells in head]
        for one in self._merged:
            if one.top not in places or one.right - one.left + 1 > max(2, TITLE_SHARE * width):
                continue
            value = rows[places[one.top]][one.left] if one.left < width else None
            if missing(value):
                continue
            for number in range(one.top, min(one.bottom, one.top + LOOKED_AT) + 1):
                if number in places:
                    row = rows[places[number]]
                    for at in range(one.left, min(one.right + 1, width)):
                        row[at] = value if row[at] is None else row[at]
        return find_header(rows, told)

    def portions(self, after: Place) -> Iterator[Portion]:
        """See TableReader. Rows before `after` are parsed again, not handed out."""
        cells = self._cells()
        filler = _Filler(self._merged)
        width, names = len(self.columns), self.columns
        row = last = 0
        records: list[tuple[int, Record]] = []
        bad: list[BadRecord] = []
        for number, values in cells.rows():
            values = filler.filled(number, values)
            if number <= self._begin or (missing(values[0]) and all(map(missing, values))):
                continue
            row += 1
            if row <= after.row:
                continue
            last = number
            if len(values) > width and any(not missing(one) for one in values[width:]):
                bad.append(_too_wide(number, names, values))
            else:
                values += [None] * (width - len(values))
                records.append((number, dict(zip(names, values, strict=False))))
            if len(records) + len(bad) >= PORTION_ROWS:
                yield Portion(records=records, bad=bad, place=Place(line=number, row=row))
                records, bad = [], []
        said = _surprises(cells)
        if records or bad or said:
            place = Place(line=max(last, after.line), row=max(row, after.row))
            yield Portion(records=records, bad=bad, place=place, said=said)

    def close(self) -> None:
        """Let go of the file."""
        self._archive.close()


class _Filler:
    """Fills the first column of each merged range down to its last row."""

    def __init__(self, merged: list[Merged]) -> None:
        self._coming = sorted(
            (one for one in merged if one.bottom > one.top), key=lambda one: -one.top
        )
        self._open: dict[int, tuple[int, Any]] = {}  # column → last row, value

    def filled(self, number: int, values: list[Any]) -> list[Any]:
        """The row's cells with what is merged into it."""
        while self._coming and self._coming[-1].top <= number:
            one = self._coming.pop()
            if one.top == number and one.left < len(values):
                self._open[one.left] = (one.bottom, values[one.left])
        if self._open:
            for column, (bottom, value) in list(self._open.items()):
                if number > bottom:
                    del self._open[column]
                    continue
                if column >= len(values):
                    values = [*values, *[None] * (column + 1 - len(values))]
                if values[column] is None:
                    values[column] = value
        return values


def _too_wide(number: int, names: list[str], values: list[Any]) -> BadRecord:
    record = dict(zip(names, values, strict=False))
    record["(more)"] = values[len(names) :][:50]
    return BadRecord(
        number,
        record,
        f"row {number} has cells beyond the {len(names)} columns that have names",
    )


def _surprises(cells: Cells) -> list[Said]:
    said: list[Said] = []
    if cells.unvalued:
        said.append(
            {
                "zh": f"{cells.unvalued} 个公式没有保存结果（第一个在 {cells.first_unvalued}），"
                "按空值读取；请用表格软件打开并保存一次",
                "en": f"{cells.unvalued} formulas have no stored value (first at "
                f"{cells.first_unvalued}) and were read as empty; open and save the workbook once",
            }
        )
    if cells.errors:
        said.append(
            {
                "zh": f"{cells.errors} 个单元格是错误值（第一个：{cells.first_error}）",
                "en": f"{cells.errors} cells hold errors (first: {cells.first_error})",
            }
        )
    return said
