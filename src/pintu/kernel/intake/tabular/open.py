"""Opens a file as what it is, told by its first bytes and only then by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import orjson

from pintu.kernel.intake.tabular.encoding import find_encoding
from pintu.kernel.intake.tabular.lines import blocks
from pintu.kernel.intake.tabular.words import Options, TableReader, refused

TEXT_ENDS: Final = frozenset((".csv", ".tsv", ".txt", ".tab"))
LINED_ENDS: Final = frozenset((".ndjson", ".jsonl", ".geojsonl", ".geojsons"))

_FOREIGN: Final = (
    (b"\xd0\xcf\x11\xe0", "旧的 .xls 工作簿，或有密码的工作簿", "an old .xls or a locked workbook"),
    (b"PAR1", "Parquet 文件", "a Parquet file"),
    (b"\x1f\x8b", "gzip 压缩文件", "a gzip file"),
    (b"%PDF", "PDF 文件", "a PDF file"),
    (b"Rar!", "RAR 压缩文件", "a RAR file"),
    (b"7z\xbc\xaf", "7-Zip 压缩文件", "a 7-Zip file"),
    (b"SQLite format 3", "SQLite 数据库（请用数据库入口）", "a SQLite database (use that door)"),
    (b"<html", "另存为表格的网页", "a web page saved as a table"),
    (b"<!doctype", "另存为表格的网页", "a web page saved as a table"),
    (b"<table", "另存为表格的网页", "a web page saved as a table"),
    (b"<?xml", "XML 文件", "an XML file"),
)


def file_kind(path: Path) -> str:
    """csv | ndjson | json | xlsx | shapefile; BadRequestData in words for anything else."""
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise refused("文件是空的", "The file is empty")
    if head.startswith(b"PK"):
        from pintu.kernel.intake.tabular.archive import members

        return _archive_kind([one.filename for one in members(path)])
    plain = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for mark, zh, en in _FOREIGN:
        if plain[: len(mark)].lower() == mark.lower():
            raise refused(
                f"文件是{zh}，请另存为 CSV 或 XLSX", f"The file is {en}; save it as CSV or XLSX"
            )
    suffix = path.suffix.lower()
    if suffix in LINED_ENDS:
        return "ndjson"
    if suffix in TEXT_ENDS:
        return "csv"
    return _text_kind(path)


def _archive_kind(names: list[str]) -> str:
    if "xl/workbook.xml" in names or "[Content_Types].xml" in names:
        return "xlsx"
    if any(one.lower().endswith(".shp") for one in names):
        return "shapefile"
    raise refused(
        "压缩文件里没有 XLSX 工作簿，也没有 shapefile；其他文件请先解压",
        "The archive is no XLSX workbook and holds no shapefile; unpack other files first",
    )


def _text_kind(path: Path) -> str:
    codec, mark, _ = find_encoding(path)
    lines: list[str] = []
    for block in blocks(path, codec, mark):
        lines += [one for one in block.lines if one.strip()]
        if len(lines) > 1 or block.too_long:
            break
    first = lines[0].strip("\x1e \t\r\n") if lines else ""
    if first[:1] == "{" and (len(lines) == 1 or lines[1].lstrip("\x1e ")[:1] == "{"):
        try:
            return "ndjson" if len(lines) > 1 and orjson.loads(first) else "json"
        except ValueError:
            return "json"
    return "json" if first[:1] in ("{", "[") else "csv"


def open_table(path: Path, options: Options | None = None) -> TableReader:
    """The table of a file that the options name, or its first one.

    Raises BadRequestData or TooLarge in words (`said_of`) for what cannot be read.
    """
    options = options or Options()
    kind = file_kind(path)
    if kind == "csv":
        from pintu.kernel.intake.tabular.delimited import Delimited

        return Delimited(path, options)
    if kind == "xlsx":
        from pintu.kernel.intake.tabular.workbook import Sheet

        return Sheet(path, options)
    if kind == "shapefile":
        from pintu.kernel.intake.tabular.shapes import Shapes

        return Shapes(path, options)
    from pintu.kernel.intake.tabular.documents import Document, Lined

    return Lined(path, options) if kind == "ndjson" else Document(path, options)


def list_tables(path: Path) -> list[str]:
    """The names of the tables in a file: sheets or layers; one empty name where there is one."""
    kind = file_kind(path)
    if kind == "xlsx":
        from pintu.kernel.intake.tabular.workbook import list_sheets

        return list_sheets(path)
    if kind == "shapefile":
        from pintu.kernel.intake.tabular.shapes import list_layers

        return list_layers(path)
    return [""]
