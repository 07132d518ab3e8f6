"""The rows of a usual sheet by patterns, many times as quick as element by element: a row is
matched whole, by the form that a row before it had, or not at all."""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.intake.tabular.markup import LONGEST_TEXT, read_pieces
from pintu.kernel.intake.tabular.words import MOST_COLUMNS

if TYPE_CHECKING:
    from pintu.kernel.intake.tabular.workbook_cells import Cells, Row

KEPT_SIGNS: Final = 5_000
MOST_FORMS: Final = 60  # of rows in one sheet; making one costs as much as a hundred rows
_HEAD: Final = re.compile(
    r"""\s*(?:<\?xml\s+version=["']1\.0["'](?:\s+encoding=["'](?i:utf-8)["'])?"""
    r"""(?:\s+standalone=["']\w+["'])?\s*\?>)?\s*<worksheet\b"""
)
_BEGIN: Final = re.compile(r'\s*<row\b[^<>]*?\sr="(\d{1,8})"[^<>]*(?<!/)>')
_EMPTY: Final = re.compile(r"(?:\s*<row\b[^<>]*/>)+")
_CELL: Final = re.compile(
    r'<c(?: r="([A-Z]{1,3})\d{1,8}")?(?: s="(\d{1,6})")?(?: t="(\w{1,9})")?\s?'
    r"(?:/>|>(<f\b[^<>]*(?:/>|>[^<]*</f>))?(?:(<v(?: xml:space=\"preserve\")?>)([^<]*)</v>|<v/>)?"
    r"(?:(<is><t(?: xml:space=\"preserve\")?>)([^<]*)</t></is>)?</c>)"
)
_SIGN: Final = re.compile(r"&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(lt|gt|amp|quot|apos));")
_NAMED: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_TEXTS: Final = ("inlineStr", "str")
_PLAIN: Final = ("", "n")

Cell = tuple[int, str, str, str]
"""Of a form: column, its letters, kind, style."""


class Odd(Exception):
    """The sheet has to be read element by element."""


def usual_rows(cells: Cells, limit: int) -> Iterator[Row]:
    """(row number, its cells from the first column on); Odd as soon as something is unusual: then
    the rows given so far are right, and the rest is not looked at."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    taking = _Taking(cells)
    rest, begun, over = "", False, False
    for piece in read_pieces(cells.archive, cells.member, limit=limit):
        try:
            rest += decoder.decode(piece, not piece)
        except UnicodeDecodeError as error:
            raise Odd from error
        if over:
            rest = rest[-100:]
            continue
        if not begun:
            rest, begun = _behind_head(rest), True
        if "<!" in rest or "<?" in rest or "\r" in rest:  # comments, CDATA, instructions
            raise Odd
        *rows, rest = rest.split("</row>")
        for text in rows:
            row = taking.row(text)
            if row is not None:
                yield row
        over = "</sheetData>" in rest or "<sheetData/>" in rest
        if len(rest) > LONGEST_TEXT and not over:
            raise Odd
    if not (over and rest.rstrip().endswith("</worksheet>")):
        raise Odd


def _behind_head(text: str) -> str:
    found = _HEAD.match(text)
    if found is None:
        raise Odd
    return text[found.end() :]


class _Taking:
    """What is known of a sheet's rows: the forms they had, the texts that stand in them."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._columns: dict[str, int] = {}
        self._signs = _Signs()
        self._forms: list[tuple[re.Pattern[str], list[Cell]]] = []
        self._first = True

    def row(self, text: str) -> Row | None:
        """A row without its end; what stands before the first one is passed over."""
        if self._first:
            text = text[max(0, text.find("<row")) :]
            self._first = False
        for n, (form, there) in enumerate(self._forms):
            found = form.fullmatch(text)
            if found is not None:
                if n:  # the next one is most likely such a one
                    self._forms.insert(0, self._forms.pop(n))
                return self._formed(found.groups(), there)
        return self._unknown(text)

    def _formed(self, told: tuple[str, ...], there: list[Cell]) -> Row | None:
        number, last, signs = int(told[0]), -1, self._signs
        values: list[Any] = [None] * (there[-1][0] + 1 if there else 0)
        for (at, letters, kind, style), value in zip(there, told[1:]):  # noqa: B905
            if not value:
                continue
            last = at
            if kind in _TEXTS:
                values[at] = signs[value] if "&" in value else value
            elif kind in _PLAIN and not style and value.isdecimal() and len(value) < 19:
                values[at] = int(value)
            else:
                values[at] = self._value(value, kind, style, letters, number)
        if last < 0:
            return None
        del values[last + 1 :]
        return number, values

    def _value(self, text: str, kind: str, style: str, letters: str, number: int) -> Any:
        if kind in _PLAIN and not style and text.isdecimal() and len(text) < 19:
            return int(text)
        if "&" in text:
            text = self._signs[text]
        if kind in _TEXTS:
            return text
        return self._cells.value(kind or "n", text, style, f"{letters}{number}")

    @staticmethod
    def _put(values: list[Any], at: int, value: Any) -> None:
        gap = at - len(values)
        if gap > 0:
            values.extend([None] * gap)
        if gap >= 0:
            values.append(value)
        else:
            values[at] = value

    def _unknown(self, text: str) -> Row | None:
        empty = _EMPTY.match(text)
        if empty is not None:
            return self.row(text[empty.end() :])
        begin = _BEGIN.match(text)
        if begin is None or len(text) > LONGEST_TEXT:
            raise Odd
        number, at = int(begin[1]), begin.end()
        values: list[Any] = []
        there: list[Cell] = []
        pattern = [r'\s*<row\b[^<>]*?\sr="(\d{1,8})"[^<>]*(?<!/)>']
        column, formulas = -1, False
        while at < len(text):
            found = _CELL.match(text, at)
            if found is None:
                raise Odd
            letters, style, kind, formula, opening, value, inside, inline = found.groups("")
            column = self._column(letters) if letters else column + 1
            if column >= MOST_COLUMNS or (value and inline):
                raise Odd
            formulas = formulas or bool(formula)
            if value or inline:
                self._put(
                    values, column, self._value(value or inline, kind, style, letters, number)
                )
            elif formula and kind != "str":
                where = f"{letters}{number}" if letters else f"row {number}"
                self._cells.formula_without_value(where)
            if opening or inside:
                there.append((column, letters, kind, style))
            pattern.append(_form(found))
            at = found.end()
        rising = all(one[0] < other[0] for one, other in itertools.pairwise(there))
        if rising and not formulas and len(self._forms) < MOST_FORMS and len(there) < 100:
            self._forms.insert(0, (re.compile("".join(pattern)), there))
        return (number, values) if values else None

    def _column(self, letters: str) -> int:
        found = self._columns.get(letters)
        if found is None:
            found = self._columns[letters] = column_number(letters)
        return found


def _form(cell: re.Match[str]) -> str:
    """The pattern of a cell like this one: only its row and its value may be others."""
    letters, opening, inside = cell[1], cell[5], cell[7]
    told = cell[0]
    if opening or inside:
        group = 6 if opening else 8
        before = told[: cell.start(group) - cell.start()]
        after = told[cell.end(group) - cell.start() :]
        found = f"{re.escape(before)}([^<]*){re.escape(after)}"
    else:
        found = re.escape(told)
    if letters:
        where = re.search(r'r="[A-Z]+\d+"', told)
        assert where is not None
        found = found.replace(re.escape(where[0]), rf'r="{letters}\d{{1,8}}"', 1)
    return found


class _Signs(dict[str, str]):
    """Texts with `&amp;` and `&#32534;` in them, as they read; those that come again are known."""

    def __missing__(self, text: str) -> str:
        if text.count("&") != len(_SIGN.findall(text)):
            raise Odd
        found = _SIGN.sub(_sign, text)
        if len(self) < KEPT_SIGNS and len(text) < 200:
            self[text] = found
        return found


def _sign(found: re.Match[str]) -> str:
    if found.lastindex == 1:
        return chr(int(found[1]))
    return _NAMED[found[3]] if found[3] else chr(int(found[2], 16))


def column_number(letters: str) -> int:
    """`A` → 0, `Z` → 25, `AA` → 26."""
    number = 0
    for one in letters[:4]:
        number = number * 26 + ord(one.upper()) - 64
    return number - 1
