"""Lists as every page shows them: rows with cells, filtered, sorted and cut by the address."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from litestar import Response

from pintu.kernel.errors import InvalidRequest
from pintu.web.api.search import plain

if TYPE_CHECKING:
    from pintu.web.visit import AnyRequest

PAGE = 50
LONGEST = 200
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for a formula when a cell begins with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One value: as people read it, as it sorts, and where it leads."""

    text: str
    key: Any = None  # a number or a text; None sorts last
    word: str = ""  # the coded value behind the text, for filters and exports
    at_us: int = 0  # a time whose age is shown
    link: str = ""  # an entity's id


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a list; `extra` is what its page alone knows of it."""

    id: str
    cells: dict[str, Cell]
    extra: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """One column: its name in the address, its title in the visitor's language."""

    name: str
    title: str
    kind: str = "text"

    @property
    def numeric(self) -> bool:
        """Its values stand at the right."""
        return self.kind == "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What the address asks of a list, and the part of it that is shown."""

    path: str
    asked: dict[str, str]
    headings: tuple[Heading, ...]
    rows: list[Row]
    total: int  # after filtering
    whole: int  # before
    choices: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    @property
    def page(self) -> int:
        """The page shown, from 1."""
        return page_of(self.asked)

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // PAGE))

    def address(self, **changes: str) -> str:
        """This list with something else asked; an empty value is left out."""
        asked = {**self.asked, **changes}
        kept = {name: value for name, value in asked.items() if value and (name, value) != NO_PAGE}
        return f"{self.path}?{urlencode(kept)}" if kept else self.path

    def sorted_by(self, name: str) -> str:
        """`ascending`, `descending` or `none`, as a heading says it."""
        wish = self.asked.get("sort", "")
        if wish.lstrip("-") != name:
            return "none"
        return "descending" if wish.startswith("-") else "ascending"

    def turn(self, name: str) -> str:
        """The address that sorts by a column, the other way when it already does."""
        turned = f"-{name}" if self.sorted_by(name) == "ascending" else name
        return self.address(sort=turned, page="")


NO_PAGE = ("page", "1")


def page_of(asked: dict[str, str]) -> int:
    """The page asked for; the first when it is not a number."""
    wish = asked.get("page", "")
    return max(1, int(wish)) if wish.isascii() and wish.isdigit() and len(wish) < 7 else 1


def asked_of(request: AnyRequest, names: Iterable[str]) -> dict[str, str]:
    """The parameters a list knows, out of the address; InvalidRequest when one is too long."""
    found = {}
    for name in (*names, "q", "sort", "page"):
        value = str(request.query_params.get(name, "")).strip()
        if len(value) > LONGEST:
            raise InvalidRequest(f"Parameter {name} is longer than {LONGEST} characters")
        if value:
            found[name] = value
    return found


def choose(
    request: AnyRequest, headings: Sequence[Heading], rows: list[Row], default_sort: str = ""
) -> Listing:
    """Filter by `q` (in any cell) and by columns of kind `state`, sort by `sort`; all rows kept."""
    coded = [one.name for one in headings if one.kind == "state"]
    asked = asked_of(request, coded)
    choices = {name: _choices(rows, name) for name in coded}
    wanted = plain(asked.get("q", ""))
    found = [
        row
        for row in rows
        if all(name not in asked or _word(row, name) == asked[name] for name in coded)
        and (not wanted or any(wanted in plain(cell.text) for cell in row.cells.values()))
    ]
    wish = asked.get("sort", default_sort)
    name = wish.removeprefix("-")
    if name in {one.name for one in headings}:
        found = in_order(found, name, descending=wish.startswith("-"))
    return Listing(
        path=request.url.path,
        asked=asked,
        headings=tuple(headings),
        rows=found,
        total=len(found),
        whole=len(rows),
        choices=choices,
    )


def in_order(rows: list[Row], name: str, *, descending: bool) -> list[Row]:
    """By one column; rows without a value last, whichever way."""
    known = [row for row in rows if row.cells[name].key is not None]
    empty = [row for row in rows if row.cells[name].key is None]
    # numbers before texts, so that a mixed column sorts at all
    known.sort(key=lambda row: _key(row.cells[name].key), reverse=descending)
    return known + empty


def _key(key: Any) -> tuple[int, Any]:
    return (0, key) if isinstance(key, int | float) else (1, str(key))


def _word(row: Row, name: str) -> str:
    cell = row.cells[name]
    return cell.word or cell.text


def _choices(rows: list[Row], name: str) -> list[tuple[str, str]]:
    return sorted({(_word(row, name), row.cells[name].text) for row in rows})


def shown(listing: Listing) -> list[Row]:
    """The rows of the page asked for."""
    start = (listing.page - 1) * PAGE
    return listing.rows[start : start + PAGE]


def safe(text: str) -> str:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers."""
    if not text.startswith(DANGEROUS):
        return text
    try:
        float(text)
    except ValueError:
        return "'" + text
    return text


def csv_lines(rows: Iterable[Sequence[str]]) -> bytes:
    """Rows as CSV after RFC 4180 in UTF-8, every cell made safe."""
    out = io.StringIO()
    writer = csv.writer(out)
    for row in rows:
        writer.writerow([safe(text) for text in row])
    return out.getvalue().encode("utf-8", "replace")


BOM = b"\xef\xbb\xbf"
"""Without it a spreadsheet reads Chinese as something else."""


def csv_headers(name: str) -> dict[str, str]:
    """What a download of that name says of itself."""
    told = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in name)[:60]
    return {
        "Content-Disposition": f'attachment; filename="{told or "list"}.csv"',
        "Cache-Control": "no-store",
    }


def as_csv(name: str, listing: Listing, iso: Any) -> Response[bytes]:
    """The whole filtered list as a file; times in ISO 8601, entities by their id."""
    head = [one.title for one in listing.headings]
    lines = [[_told(row.cells[one.name], iso) for one in listing.headings] for row in listing.rows]
    return Response(
        BOM + csv_lines([head, *lines]),
        media_type="text/csv; charset=utf-8",
        headers=csv_headers(name),
    )


def _told(cell: Cell, iso: Any) -> str:
    if cell.link:
        return cell.link
    return str(iso(cell.at_us)) if cell.at_us else cell.text
