"""The cells of one sheet of an XLSX workbook, row by row as they unpack (ECMA-376 part 1, 18.3)."""

from __future__ import annotations

import re
import zipfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from pintu.kernel.errors import TooLarge
from pintu.kernel.intake.tabular.archive import unpacked
from pintu.kernel.intake.tabular.markup import LONGEST_TEXT, local, read_markup
from pintu.kernel.intake.tabular.words import MOST_COLUMNS
from pintu.kernel.intake.tabular.workbook_parts import Strings, date_text
from pintu.kernel.intake.tabular.workbook_rows import Odd, column_number, usual_rows

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
        given = 0
        try:
            for row in usual_rows(self, LARGEST_SHEET):
                given += 1
                yield row
        except Odd:
            self.unvalued = self.errors = 0
            self.first_unvalued = self.first_error = ""
            yield from islice(self._each(), given, None)

    def _each(self) -> Iterator[Row]:
        taking = _Rows(self)
        handlers = (taking.start, taking.end, taking.parts.append)
        for _ in read_markup(self.archive, self.member, handlers, limit=LARGEST_SHEET):
            while taking.ready:
                yield taking.ready.popleft()
            taking.bounded()

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
            return self.strings.get(int(text)) if text.isdecimal() else ""
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
    """What the parser calls for each element of a sheet. It is called thirty times a row, so the
    names are compared whole, prefix and all, and text goes straight into a list."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self.ready: deque[Row] = deque()
        self.parts: list[str] = []  # of the text that is being read
        self._named = False
        self._c = self._v = self._t = self._f = self._row = self._hint = ""
        self._number = 0
        self._values: list[Any] = []
        self._at = -1
        self._told: dict[str, str] = {}
        self._value: str | None = None
        self._formula = self._hinting = False
        self._columns: dict[str, int] = {}

    def start(self, name: str, told: dict[str, str]) -> None:
        """An element begins."""
        if name == self._c:
            self._told, self._value, self._formula = told, None, False
        elif name == self._v or name == self._t:
            self.parts.clear()
        elif name == self._row:
            number = told.get("r", "")
            self._number = int(number) if number.isdigit() and len(number) < 9 else self._number + 1
            self._values, self._at = [], -1
        elif name == self._f:
            self._formula = True
        elif name == self._hint:
            self._hinting = True
        elif not self._named:
            space = name[: -len(local(name))]
            self._named = True
            self._c, self._v, self._t, self._f = (space + one for one in "cvtf")
            self._row, self._hint = space + "row", space + "rPh"

    def end(self, name: str) -> None:
        """An element ends."""
        if name == self._v:
            self._value = "".join(self.parts)
        elif name == self._c:
            self._cell()
        elif name == self._t:
            if not self._hinting:
                self._value = (self._value or "") + "".join(self.parts)
        elif name == self._row:
            self.parts.clear()
            if self._values:
                self.ready.append((self._number, self._values))
                self._values = []
        elif name == self._hint:
            self._hinting = False

    def bounded(self) -> None:
        """TooLarge for a text that does not end; asked between pieces."""
        if len(self.parts) > 16 and sum(map(len, self.parts)) > LONGEST_TEXT:
            raise TooLarge(
                f"A cell of row {self._number} holds more than {LONGEST_TEXT} signs",
                zh=f"第 {self._number} 行有单元格超过 {LONGEST_TEXT} 个字符",
            )

    def _cell(self) -> None:
        told = self._told
        where = told.get("r", "")
        letters = where.rstrip("0123456789")
        at = self._columns.get(letters, -1) if letters else self._at + 1
        if at < 0 or at >= MOST_COLUMNS:
            at = self._column(letters, at)
        self._at = at
        text = self._value
        if not text:
            if self._formula and told.get("t") != "str":
                self._cells.formula_without_value(where or f"row {self._number}")
            return
        value = self._cells.value(told.get("t", "n"), text, told.get("s", ""), where)
        values = self._values
        gap = at - len(values)
        if gap == 0:
            values.append(value)
        elif gap > 0:
            values.extend([None] * gap)
            values.append(value)
        else:
            values[at] = value

    def _column(self, letters: str, at: int) -> int:
        found = column_number(letters) if letters else at
        if not 0 <= found < MOST_COLUMNS:
            raise TooLarge(
                f"The sheet has cells beyond column {MOST_COLUMNS} ({letters[:12]})",
                zh=f"工作表在第 {MOST_COLUMNS} 列之后还有单元格（{letters[:12]}）",
            )
        self._columns[letters] = found
        return found
