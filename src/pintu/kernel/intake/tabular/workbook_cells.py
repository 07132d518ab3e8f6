"""The cells of one sheet of an XLSX workbook, row by row as they unpack (ECMA-376 part 1, 18.3)."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from xml.etree.ElementTree import Element

from pintu.kernel.errors import TooLarge
from pintu.kernel.intake.tabular.archive import unpacked
from pintu.kernel.intake.tabular.markup import Event, read_elements
from pintu.kernel.intake.tabular.words import MOST_COLUMNS
from pintu.kernel.intake.tabular.workbook_parts import Strings, date_text

LARGEST_SHEET: Final = 4 << 30
MOST_MERGED: Final = 200_000
_MERGED: Final = re.compile(
    rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"'
)
_EMPTY_ERRORS: Final = frozenset(("#N/A", "#NULL!"))

Row = tuple[int, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A merged range: rows and columns from, to, both included, counted from 1 and 0."""

    top: int
    bottom: int
    left: int
    right: int


@dataclass(slots=True)
class Cells:
    """Reads the rows of one sheet; counts what a person should hear of."""

    archive: zipfile.ZipFile
    member: str
    strings: Strings
    dates: dict[int, bool]
    mac: bool
    unvalued: int = 0  # formulas without a stored value
    first_unvalued: str = ""
    errors: int = 0
    first_error: str = ""

    def rows(self) -> Iterator[Row]:
        """(row number, its cells from the first column on); absent rows are absent."""
        taking = _Rows(self)
        for events in read_elements(self.archive, self.member, limit=LARGEST_SHEET):
            yield from taking.take(events)

    def merged(self) -> list[Merged]:
        """The merged ranges, which stand behind the cells: the whole sheet is unpacked for them."""
        info = self.archive.getinfo(self.member)
        found: list[Merged] = []
        rest = b""
        with self.archive.open(info) as file:
            for piece in unpacked(file, min(info.file_size, LARGEST_SHEET), size=1 << 20):
                text = rest + piece
                if b"ergeCell" in text:
                    found += [
                        Merged(
                            top=int(one[2]),
                            bottom=int(one[4]),
                            left=column_number(one[1].decode()),
                            right=column_number(one[3].decode()),
                        )
                        for one in _MERGED.finditer(text)
                    ]
                    text = text[text.rfind(b"<") :]
                if len(found) > MOST_MERGED:
                    raise TooLarge(
                        f"The sheet has more than {MOST_MERGED} merged ranges",
                        zh=f"工作表的合并单元格超过 {MOST_MERGED} 处",
                    )
                rest = text[-200:]
        return found

    def value(self, kind: str, text: str, style: str, where: str) -> Any:
        """A cell's value: text, number, true or false; dates as ISO 8601."""
        if kind == "s":
            return self.strings.get(int(text)) if text.isdigit() else ""
        if kind in ("str", "inlineStr", "d"):
            return text
        if kind == "b":
            return text == "1"
        if kind == "e":
            return self._error(text, where)
        try:
            if style and (clock := self.dates.get(int(style))) is not None:
                return date_text(float(text), clock=clock, mac=self.mac)
            return int(text) if text.lstrip("-").isdigit() and len(text) < 19 else float(text)
        except (ValueError, OverflowError):
            return text

    def _error(self, text: str, where: str) -> Any:
        if text in _EMPTY_ERRORS:
            return None
        self.errors += 1
        self.first_error = self.first_error or f"{where} {text}"
        return text

    def formula_without_value(self, where: str) -> None:
        """Count a formula whose result nobody stored."""
        self.unvalued += 1
        self.first_unvalued = self.first_unvalued or where


class _Rows:
    """Takes the rows out of a sheet's elements, and forgets them."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._data: Element | None = None  # the rows read so far hang on it
        self._space = ""
        self._heard = 0  # elements since the last row
        self._last = 0
        self._columns: dict[str, int] = {}

    def take(self, events: Iterator[Event]) -> Iterator[Row]:
        """The rows that end among these events."""
        row = f"{self._space}row"
        for event, element in events:
            self._heard += 1
            if event == "end":
                if element.tag == row:
                    self._heard = 0
                    number, values = self._row(element)
                    if values:
                        yield number, values
            elif self._data is None and element.tag.endswith("}sheetData"):
                self._data = element
                self._space = element.tag[: -len("sheetData")]
                row = f"{self._space}row"
            if self._heard > 10 * MOST_COLUMNS and self._data is not None:
                self._too_wide("")
        if self._data is not None:
            self._data.clear()

    def _too_wide(self, where: str) -> None:
        raise TooLarge(
            f"The sheet has cells beyond column {MOST_COLUMNS} {where[:12]}",
            zh=f"工作表在第 {MOST_COLUMNS} 列之后还有单元格 {where[:12]}",
        )

    def _row(self, row: Element) -> Row:
        told = row.get("r", "")
        number = int(told) if told.isdigit() and len(told) < 9 else self._last + 1
        self._last = number
        values: list[Any] = []
        at = -1
        columns = self._columns
        for cell in row:
            where = cell.get("r", "")
            letters = where.rstrip("0123456789")
            at = columns.get(letters, -1) if letters else at + 1
            if at < 0:
                at = columns[letters] = column_number(letters)
            if at >= MOST_COLUMNS:
                self._too_wide(where)
            value = self._value(cell, where or f"row {number}")
            if value is None:
                continue
            gap = at - len(values)
            if gap > 0:
                values.extend([None] * gap)
            if gap >= 0:
                values.append(value)
            else:
                values[at] = value
        return number, values

    def _value(self, cell: Element, where: str) -> Any:
        text = None
        formula = False
        for child in cell:
            tag = child.tag
            if tag.endswith("}v"):
                text = child.text
            elif tag.endswith("}f"):
                formula = True
            elif tag.endswith("}is"):
                text = _joined(child)
        kind = cell.get("t", "n")
        if not text:
            if formula and kind != "str":
                self._cells.formula_without_value(where)
            return None
        return self._cells.value(kind, text, cell.get("s", ""), where)


def _joined(element: Element) -> str:
    """The text of an inline string, its runs joined, phonetic hints left out."""
    parts = []
    for child in element:
        if child.tag.endswith("}t"):
            parts.append(child.text or "")
        elif child.tag.endswith("}r"):
            parts += [one.text or "" for one in child if one.tag.endswith("}t")]
    return "".join(parts)


def column_number(letters: str) -> int:
    """`A` → 0, `Z` → 25, `AA` → 26."""
    number = 0
    for one in letters[:4]:
        number = number * 26 + ord(one.upper()) - 64
    return number - 1
