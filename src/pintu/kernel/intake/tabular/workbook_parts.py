"""The parts of an XLSX workbook besides its cells: sheets, shared strings, which styles are dates
(ECMA-376 part 1, 18.2, 18.4, 18.8)."""

from __future__ import annotations

import posixpath
import re
import zipfile
from array import array
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pintu.kernel.errors import TooLarge
from pintu.kernel.intake.tabular.markup import local, read_markup, read_small
from pintu.kernel.intake.tabular.words import refused

MOST_SHEETS: Final = 1_000
LARGEST_STRINGS: Final = 256 << 20  # bytes of XML
KEPT_STRINGS: Final = 20_000
_SHEET: Final = "/worksheet"
_DATES: Final = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
_CLOCKS: Final = frozenset((18, 19, 20, 21, 22, 45, 46, 47, 32, 33, 55, 56))
_NOT_PART: Final = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')
_ELAPSED: Final = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetPart:
    """One sheet: its name, and the member that holds its cells."""

    name: str
    member: str
    hidden: bool


def sheet_parts(archive: zipfile.ZipFile) -> tuple[list[SheetPart], bool]:
    """The worksheets in their order, visible ones first; whether days count from 1904."""
    targets: dict[str, str] = {}
    found: list[tuple[str, str, bool]] = []
    mac = False

    def relation(name: str, told: dict[str, str]) -> None:
        if local(name) == "Relationship" and told.get("Type", "").endswith(_SHEET):
            targets[told.get("Id", "")] = _member(told.get("Target", ""))

    def sheet(name: str, told: dict[str, str]) -> None:
        nonlocal mac
        if local(name) == "sheet" and len(found) < MOST_SHEETS:
            number = next((told[one] for one in told if one.endswith(":id")), "")
            found.append((told.get("name", ""), number, "idden" in told.get("state", "")))
        elif local(name) == "workbookPr":
            mac = told.get("date1904", "") in ("1", "true")

    if "xl/workbook.bin" in archive.namelist():
        raise refused(
            "文件是二进制工作簿（.xlsb），请另存为 .xlsx",
            "The file is a binary workbook (.xlsb); save it as .xlsx",
        )
    read_small(archive, "xl/_rels/workbook.xml.rels", relation)
    read_small(archive, "xl/workbook.xml", sheet)
    parts = [
        SheetPart(name=name, member=targets[number], hidden=hidden)
        for name, number, hidden in found
        if number in targets
    ]
    return sorted(parts, key=lambda one: one.hidden), mac


def _member(target: str) -> str:
    if target.startswith("/"):
        return posixpath.normpath(target).lstrip("/")
    return posixpath.normpath(posixpath.join("xl", target))


class Strings:
    """The shared strings, packed: as large as their text and not much more."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._bytes = bytearray()
        self._ends = array("Q", [0])
        self._kept: dict[int, str] = {}
        if "xl/sharedStrings.xml" in archive.namelist():
            self._read(archive)

    def _read(self, archive: zipfile.ZipFile) -> None:
        inside = reading = False  # of a phonetic hint; of a text

        def start(name: str, _: dict[str, str]) -> None:
            nonlocal inside, reading
            plain = local(name)
            if plain == "t":
                reading = not inside
            elif plain == "rPh":
                inside = True

        def end(name: str) -> None:
            nonlocal inside, reading
            plain = local(name)
            if plain == "si":
                self._ends.append(len(self._bytes))
            elif plain == "t":
                reading = False
            elif plain == "rPh":
                inside = False

        def text(data: str) -> None:
            if reading:
                self._bytes.extend(data.encode("utf-8", "replace"))

        for _ in read_markup(
            archive, "xl/sharedStrings.xml", (start, end, text), limit=LARGEST_STRINGS
        ):
            pass

    def get(self, number: int) -> str:
        """One string; BadRequestData when there is none of that number."""
        found = self._kept.get(number)
        if found is not None:
            return found
        if not 0 <= number < len(self._ends) - 1:
            raise refused(
                "工作簿损坏：引用了不存在的文字", "The workbook names a text that it has not"
            )
        told = bytes(self._bytes[self._ends[number] : self._ends[number + 1]]).decode()
        if len(self._kept) < KEPT_STRINGS:
            self._kept[number] = told
        return told


def date_styles(archive: zipfile.ZipFile) -> dict[int, bool]:
    """Style → whether its dates say a time of day, for the styles that show dates."""
    formats: dict[int, str] = {}
    styles: list[int] = []
    cells = False

    def start(name: str, told: dict[str, str]) -> None:
        nonlocal cells
        plain = local(name)
        if plain == "numFmt":
            formats[_number(told.get("numFmtId", ""))] = told.get("formatCode", "")
        elif plain in ("cellXfs", "cellStyleXfs"):
            cells = plain == "cellXfs"
        elif plain == "xf" and cells:
            styles.append(_number(told.get("numFmtId", "")))
            if len(styles) > 100_000:
                raise TooLarge(
                    "The workbook has more than 100,000 styles", zh="工作簿的样式超过 100,000 种"
                )

    if "xl/styles.xml" in archive.namelist():
        read_small(archive, "xl/styles.xml", start, limit=1 << 26)
    found = {}
    for style, number in enumerate(styles):
        if number in formats:
            told = _ELAPSED.sub("h", formats[number])
            plain = _NOT_PART.sub("", told.partition(";")[0]).lower()
            if any(sign in plain for sign in "ymdhs") and "general" not in plain:
                found[style] = "h" in plain or "s" in plain
        elif number in _DATES:
            found[style] = number in _CLOCKS
    return found


def _number(text: str) -> int:
    return int(text) if text.isdigit() and len(text) < 9 else -1


def date_text(serial: float, *, clock: bool, mac: bool) -> str:
    """A serial day as ISO 8601 local time: a date, or a time of day below one day, else both."""
    if not -700_000 < serial < 2_958_466:
        return f"{serial:.15g}"
    if not mac and 0 <= serial < 1:
        clock_time = datetime.min + timedelta(days=serial, milliseconds=0.5)  # noqa: DTZ901
        return clock_time.strftime("%H:%M:%S")
    begin = datetime(1904, 1, 1) if mac else datetime(1899, 12, 30)  # noqa: DTZ001
    if not mac and serial < 60:  # 1900 had no 29 February, but the format has (18.17.4.1)
        begin += timedelta(days=1)
    told = begin + timedelta(milliseconds=round(serial * 86_400_000))
    if not clock and told.time() == datetime.min.time():
        return told.date().isoformat()
    return told.isoformat(timespec="milliseconds" if told.microsecond else "seconds")
