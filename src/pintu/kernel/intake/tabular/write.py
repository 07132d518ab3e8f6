"""Tables as files for people: CSV, XLSX and GeoJSON, written as they are read; no cell becomes a
formula in the program that opens it (CSV injection, CWE-1236)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, Final

import openpyxl
import orjson

_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
SHEET_ROWS: Final = 1_048_575  # of a sheet, its header besides
CELL_SIGNS: Final = 32_767
BATCH: Final = 500

Rows = Iterable[Mapping[str, Any]]


def guarded(value: Any) -> Any:
    """A value as a cell may hold it: a text that a spreadsheet would run begins with `'`; a
    number, also one written as text, stays what it is. Lists and objects are JSON."""
    if isinstance(value, str):
        plain = value.lstrip(" ")
        if plain.startswith(_STARTS) and not _NUMBER.fullmatch(plain):
            return f"'{value}"
        return value
    if isinstance(value, dict | list | tuple):
        return orjson.dumps(value, default=str).decode()
    return value


def write_csv(columns: Sequence[str], rows: Rows, *, titles: Sequence[str] = ()) -> Iterator[bytes]:
    """CSV (RFC 4180) in UTF-8 with its mark, so that spreadsheets show Chinese; piece by piece."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    writer.writerow([guarded(one) for one in titles or columns])
    for number, row in enumerate(rows, 1):
        writer.writerow([_cell(row.get(name)) for name in columns])
        if number % BATCH == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    found = buffer.getvalue().encode("utf-8", "replace")
    buffer.seek(0)
    buffer.truncate()
    return found


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return guarded(value)


def write_xlsx(
    file: IO[bytes],
    columns: Sequence[str],
    rows: Rows,
    *,
    titles: Sequence[str] = (),
    name: str = "",
) -> None:
    """An XLSX workbook, row by row; another sheet where one is full. Texts are texts: no formula
    is written."""
    book = openpyxl.Workbook(write_only=True)
    sheet = None
    count = 0
    for row in rows:
        if sheet is None or count >= SHEET_ROWS:
            sheet, count = _sheet(book, titles or columns, name), 0
        sheet.append([_written(row.get(one)) for one in columns])
        count += 1
    if sheet is None:
        _sheet(book, titles or columns, name)
    book.save(file)


def _sheet(book: Any, titles: Sequence[str], name: str) -> Any:
    number = len(book.worksheets) + 1
    plain = re.sub(r"[\[\]:*?/\\']", " ", name).strip()[:25] or "Sheet"
    sheet = book.create_sheet(plain if number == 1 else f"{plain} {number}")
    sheet.append([_written(one) for one in titles])
    return sheet


def _written(value: Any) -> Any:
    found = guarded(value)
    if isinstance(found, str):
        return _CONTROL.sub("", found)[:CELL_SIGNS]
    if isinstance(found, int) and not isinstance(found, bool) and abs(found) >= 10**15:
        return str(found)  # a spreadsheet keeps 15 digits and makes zeros of the others
    return found


def write_geojson(columns: Sequence[str], rows: Rows, *, geometry: str) -> Iterator[bytes]:
    """A FeatureCollection (RFC 7946). `geometry` names the column with a GeoJSON geometry or a
    pair [lon, lat]; a row without one has a null geometry."""
    yield b'{"type":"FeatureCollection","features":['
    names = [one for one in columns if one != geometry]
    first = True
    for row in rows:
        feature = {
            "type": "Feature",
            "properties": {one: row.get(one) for one in names},
            "geometry": _geometry(row.get(geometry)),
        }
        yield (b"" if first else b",\n") + orjson.dumps(feature, default=str)
        first = False
    yield b"]}\n"


def _geometry(value: Any) -> Any:
    if isinstance(value, dict):
        return value
    if isinstance(value, list | tuple) and len(value) >= 2:
        return {"type": "Point", "coordinates": list(value)}
    return None
