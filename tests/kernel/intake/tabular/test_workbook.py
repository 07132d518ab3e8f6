"""XLSX as offices make it: merged cells, several header rows, formulas, dates; and as nobody
should."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from pintu.kernel.errors import BadRequestData, TooLarge
from pintu.kernel.intake.tabular import Options, Place, list_tables, open_table
from pintu.kernel.intake.tabular.look import look
from pintu.kernel.intake.tabular.workbook_parts import date_text

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

BEGIN = Place()


def book(path: Path, rows: list[list[Any]], *, merged: tuple[str, ...] = ()) -> Path:
    """A workbook of one sheet."""
    made = openpyxl.Workbook()
    sheet = made.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    for one in merged:
        sheet.merge_cells(one)
    made.save(path)
    return path


def raw_book(path: Path, sheet: str, **more: str) -> Path:
    """A workbook written by hand around the XML of its sheet."""
    parts = {
        "[Content_Types].xml": "<Types/>",
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{LINKS}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": "<Relationships><Relationship Id='r1' "
        f"Type='{LINKS}/worksheet' Target='worksheets/sheet1.xml'/></Relationships>",
        "xl/worksheets/sheet1.xml": sheet,
    }
    parts |= {name.replace("__", "/"): text for name, text in more.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def read(path: Path, after: Place = BEGIN, **told: Any) -> tuple[list[Any], list[Any], list[str]]:
    """(records, bad rows, what was said in English)."""
    table = open_table(path, Options(**told))
    portions = list(table.portions(after))
    table.close()
    return (
        [one for portion in portions for one in portion.records],
        [(one.line, one.reason) for portion in portions for one in portion.bad],
        [one["en"] for one in (*table.said, *(s for p in portions for s in p.said))],
    )


def sheet_xml(rows: str) -> str:
    """A sheet around its rows."""
    return f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'


def test_cells_are_values(tmp_path: Path) -> None:
    """Numbers, texts, yes and no, dates and times come as what they are, dates as ISO 8601."""
    path = book(
        tmp_path / "t.xlsx",
        [
            ["文", "整", "小", "是", "日", "时", "钟"],
            ["甲", 3, 2.5, True, date(2026, 2, 3), datetime(2026, 2, 3, 4, 5, 6), time(8, 30)],
        ],
    )
    values = list(read(path)[0][0][1].values())
    assert ["甲", 3, 2.5, True, "2026-02-03", "2026-02-03T04:05:06", "08:30:00"] == values


def test_merged_cells_are_filled_down_and_headers_joined(tmp_path: Path) -> None:
    """A station merged over its rows stands in each; a merged title is none of the columns."""
    rows: list[list[Any]] = [
        ["2026年监测", None, None, None],
        ["站点", "时间", "污染物", None],
        [None, None, "PM2.5", "SO2"],
        ["甲", "2026-01-01", 5, 6],
        [None, "2026-01-02", 7, 8],
        ["乙", "2026-01-01", 9, 1],
    ]
    merged = ("A1:D1", "A2:A3", "B2:B3", "C2:D2", "A4:A5")
    records, bad, _ = read(book(tmp_path / "t.xlsx", rows, merged=merged))
    assert ["站点", "时间", "污染物/PM2.5", "污染物/SO2"] == list(records[0][1])
    assert [(4, "甲"), (5, "甲"), (6, "乙")] == [(row, one["站点"]) for row, one in records]
    assert [] == bad


def test_a_formula_without_value_is_said(tmp_path: Path) -> None:
    """A formula is read by its stored value; where nobody stored one, that is said, with a cell."""
    cells = (
        '<row r="1"><c r="A1" t="str"><v>a</v></c><c r="B1" t="str"><v>b</v></c></row>'
        '<row r="2"><c r="A2"><f>1+1</f><v>2</v></c><c r="B2"><f>NOW()</f></c></row>'
    )
    records, _, said = read(raw_book(tmp_path / "t.xlsx", sheet_xml(cells)))
    assert [(2, {"a": 2, "b": None})] == records
    assert any("first at B2" in one for one in said)


def test_sheets_are_tables(tmp_path: Path) -> None:
    """Each sheet is looked at, hidden ones last; the options choose one."""
    made = openpyxl.Workbook()
    first = made.active
    assert first is not None
    first.title, first.sheet_state = "藏", "hidden"
    first.append(["x"])
    for name in ("空", "乙"):
        made.create_sheet(name)
    made["乙"].append(["a", "b"])
    made["乙"].append([1, 2])
    made.save(tmp_path / "t.xlsx")
    assert ["空", "乙", "藏"] == list_tables(tmp_path / "t.xlsx")
    assert "乙" == look(tmp_path / "t.xlsx")[0].name
    assert "乙" == open_table(tmp_path / "t.xlsx").name
    with pytest.raises(BadRequestData, match="no sheet"):
        open_table(tmp_path / "t.xlsx", Options(table="丙"))


def test_reading_goes_on_behind_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From each place the rest is what it would have been, merged cells too."""
    from pintu.kernel.intake.tabular import workbook

    monkeypatch.setattr(workbook, "PORTION_ROWS", 7)
    rows: list[list[Any]] = [["站", "n"], *([None, n] for n in range(50))]
    rows[1][0] = "甲"
    path = book(tmp_path / "t.xlsx", rows, merged=("A2:A51",))
    table = open_table(path)
    portions = list(table.portions(Place()))
    whole = [one for portion in portions for one in portion.records]
    assert (50, {"甲"}) == (len(whole), {one["站"] for _, one in whole})
    for portion in portions:
        rest = [one for p in table.portions(portion.place) for one in p.records]
        assert whole[portion.place.row :] == rest
    table.close()


@pytest.mark.parametrize(
    ("serial", "clock", "mac", "text"),
    [
        (45_000, False, False, "2023-03-15"),
        (45_000, True, False, "2023-03-15T00:00:00"),
        (45_000.5, True, False, "2023-03-15T12:00:00"),
        (1, False, False, "1900-01-01"),
        (61, False, False, "1900-03-01"),
        (0.75, True, False, "18:00:00"),
        (0, False, True, "1904-01-01"),
        (1e12, False, False, "1000000000000"),
    ],
)
def test_days_are_counted_as_the_format_counts(
    serial: float, clock: bool, mac: bool, text: str
) -> None:
    """Serial days of both systems, the day that never was included."""
    assert text == date_text(serial, clock=clock, mac=mac)


def test_a_document_type_is_refused(tmp_path: Path) -> None:
    """XXE and entities that grow: a workbook has no document type."""
    bomb = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + sheet_xml(
        '<row r="1"><c r="A1" t="str"><v>&e;</v></c></row>'
    )
    with pytest.raises(BadRequestData, match="document type"):
        open_table(raw_book(tmp_path / "t.xlsx", bomb))


def test_a_bomb_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    """A member packed a thousand to one, and members by the thousand, are refused."""
    steep = raw_book(tmp_path / "a.xlsx", " " * 50_000_000)
    with pytest.raises(TooLarge, match="bomb"):
        open_table(steep)
    with zipfile.ZipFile(tmp_path / "b.xlsx", "w") as archive:
        for number in range(2_500):
            archive.writestr(f"xl/{number}", "")
    with pytest.raises(TooLarge, match="members"):
        open_table(tmp_path / "b.xlsx")


def test_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    """Two entries of one place in the file are how a small file unpacks to anything."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("xl/workbook.xml", "x" * 1000)
        archive.filelist.append(archive.filelist[0])
    path = tmp_path / "t.xlsx"
    path.write_bytes(held.getvalue())
    with pytest.raises(BadRequestData, match="over each other"):
        open_table(path)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "c:\\evil"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    """No member is called by a way out of the archive."""
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "x")
        archive.writestr(zipfile.ZipInfo(name), "x")
    with pytest.raises(BadRequestData, match="leads out"):
        open_table(tmp_path / "t.xlsx")


def test_sparse_and_wide_sheets_cost_nothing(tmp_path: Path) -> None:
    """A cell in the last row is one row; one in the last column is too far; a range merged over
    the whole sheet is not made of cells."""
    far = '<row r="1"><c r="A1" t="str"><v>a</v></c></row><row r="1048576"><c r="A1048576"><v>1</v>'
    records, _, _ = read(raw_book(tmp_path / "a.xlsx", sheet_xml(far + "</c></row>")))
    assert [(1_048_576, {"a": 1})] == records
    wide = '<row r="1"><c r="XFD1"><v>1</v></c></row>'
    with pytest.raises(TooLarge, match="beyond column"):
        open_table(raw_book(tmp_path / "b.xlsx", sheet_xml(wide)))
    huge = sheet_xml(far + "</c></row>").replace(
        "</sheetData>",
        '</sheetData><mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>',
    )
    assert 1 == len(read(raw_book(tmp_path / "c.xlsx", huge))[0])


def test_damage_ends_in_words(tmp_path: Path) -> None:
    """XML cut off, a text that is not there, a missing part: refused in a sentence each."""
    row = '<row r="1"><c r="A1" t="s"><v>7</v></c></row>'
    with pytest.raises(BadRequestData, match="a text that it has not"):
        open_table(raw_book(tmp_path / "a.xlsx", sheet_xml(row)))
    with pytest.raises(BadRequestData, match="damaged"):
        open_table(raw_book(tmp_path / "b.xlsx", sheet_xml(row)[:-20].replace("7", "")))
    with zipfile.ZipFile(tmp_path / "c.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(BadRequestData, match="not whole"):
        open_table(tmp_path / "c.xlsx")
