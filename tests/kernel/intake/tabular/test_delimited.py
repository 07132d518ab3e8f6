"""CSV and TSV as people send them: good rows are read, a bad one costs itself and is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pintu.kernel.errors import BadRequestData
from pintu.kernel.intake.tabular import Options, Place, open_table
from pintu.kernel.intake.tabular import lines as lines_module

BEGIN = Place()


def file(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    """A file to read."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(
    path: Path, after: Place = BEGIN, **told: Any
) -> tuple[list[tuple[int, dict[str, Any]]], list[tuple[int, str]], Place]:
    """(records, bad lines with their reasons, the last place)."""
    table = open_table(path, Options(**told))
    records, bad, place = [], [], after
    for portion in table.portions(after):
        records += portion.records
        bad += [(one.line, one.reason) for one in portion.bad]
        place = portion.place
    table.close()
    return records, bad, place


def test_rows_have_the_numbers_of_their_lines(tmp_path: Path) -> None:
    """A record stands at the line where it begins, also behind a value of several lines."""
    path = file(tmp_path, 'a,b\n1,x\n2,"two\nlines"\n\n3,z\n')
    assert [
        (2, {"a": "1", "b": "x"}),
        (3, {"a": "2", "b": "two\nlines"}),
        (6, {"a": "3", "b": "z"}),
    ] == read(path)[0]


@pytest.mark.parametrize(
    ("codec", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", b"\xef\xbb\xbf"),
        ("gb18030", b""),
        ("utf-16-le", b"\xff\xfe"),
        ("utf-16-be", b"\xfe\xff"),
    ],
)
def test_the_encoding_is_found(tmp_path: Path, codec: str, mark: bytes) -> None:
    """UTF-8, its mark, GB 18030 and UTF-16 are told apart by what is in the file."""
    text = "站点,浓度\n滨江,12\n西湖,7\n" * 3
    path = file(tmp_path, mark + text.encode(codec))
    records = read(path)[0]
    assert (2, {"站点": "滨江", "浓度": "12"}) == records[0]


def test_a_foreign_sign_late_in_the_file_decides_the_encoding(tmp_path: Path) -> None:
    """A file of ASCII whose first Chinese name stands beyond the first megabyte is GB 18030."""
    plain = b"id,name\n" + b"1,abcdefghij\n" * 100_000
    path = file(tmp_path, plain + "2,滨江\n3,西湖区\n".encode("gb18030"))
    records, bad, _ = read(path)
    assert ("滨江", []) == (records[100_000][1]["name"], bad)


def test_western_european_text_is_not_taken_for_chinese(tmp_path: Path) -> None:
    """Umlauts of Windows-1252 are read as such, and it is said."""
    path = file(tmp_path, "name,ort\nMüller,Köln\nJäger,Düren\n".encode("cp1252"))
    table = open_table(path)
    assert "Müller" == next(table.portions(Place())).records[0][1]["name"]
    assert "Western" in table.said[0]["en"]


def test_a_told_encoding_holds(tmp_path: Path) -> None:
    """Whoever knows the encoding may say it; one nobody knows is refused in words."""
    path = file(tmp_path, "站,值\n甲,1\n".encode("big5", "replace"))
    assert "utf-8" != open_table(path, Options(encoding="Big5")).columns[0]
    with pytest.raises(BadRequestData, match="is not known"):
        open_table(path, Options(encoding="klingon"))


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    """The sign that makes the most even table is the delimiter, also beside commas in texts."""
    rows = [["id", "note", "value"], ["1", '"a, b"', "3"], ["2", '"c, d, e"', "4"]]
    path = file(tmp_path, "\n".join(delimiter.join(row) for row in rows))
    assert {"id": "1", "note": "a, b", "value": "3"} == read(path)[0][0][1]


def test_titles_above_the_header_are_skipped_and_said(tmp_path: Path) -> None:
    """A title and a blank line are no names of columns; who looks hears that they were there."""
    table = open_table(file(tmp_path, "2026年监测数据,,\n\n站点,时间,值\n甲,2026-01-01,3\n"))
    assert (["站点", "时间", "值"], True) == (table.columns, "2026年监测" in table.said[0]["zh"])


def test_several_header_rows_are_joined(tmp_path: Path) -> None:
    """A group above its columns goes before their names."""
    text = "站点,污染物,,气象\n,PM2.5,SO2,温度\n甲,12,3,20.5\n乙,11,4,20.1\n丙,9,5,21\n"
    assert ["站点", "污染物/PM2.5", "污染物/SO2", "气象/温度"] == open_table(
        file(tmp_path, text)
    ).columns


def test_a_table_without_header_is_numbered(tmp_path: Path) -> None:
    """Rows of data are never taken for names."""
    records, _, _ = read(file(tmp_path, "1,2.5,2026-01-01\n2,2.7,2026-01-02\n"))
    assert (1, {"column_1": "1", "column_2": "2.5", "column_3": "2026-01-01"}) == records[0]


def test_years_may_be_names(tmp_path: Path) -> None:
    """A yearbook has years over its columns."""
    assert ["地区", "2019", "2020"] == open_table(
        file(tmp_path, "地区,2019,2020\n杭州,10,11\n宁波,8,9\n")
    ).columns


def test_names_are_made_unique(tmp_path: Path) -> None:
    """Two columns of one name, and one of none, stay three columns."""
    table = open_table(file(tmp_path, "值,值,\na,b,c\nd,e,f\n"))
    assert ["值", "值 (2)", "column_3"] == table.columns


def test_ragged_rows_are_named(tmp_path: Path) -> None:
    """A row too short or too long waits with its line; empty cells too many do no harm."""
    records, bad, _ = read(file(tmp_path, "a,b,c\n1,2,3\n4,5\n6,7,8,,\n9,10,11,12\n"))
    assert [2, 4] == [line for line, _ in records]
    assert [
        (3, "line 3 has 2 values for 3 columns"),
        (5, "line 5 has 4 values for 3 columns"),
    ] == bad


def test_an_unclosed_quote_costs_one_line(tmp_path: Path) -> None:
    """Reading goes on at the line behind the one whose quote is not closed."""
    rows = [f'{n},"text {n}",{n}' for n in range(20_000)]
    rows[7_000] = '7000,"text 7000,7000'
    records, bad, _ = read(file(tmp_path, "id,text,n\n" + "\n".join(rows) + "\n"))
    assert ([7_002], 19_999) == ([line for line, _ in bad], len(records))
    assert "quote" in bad[0][1]


def test_an_unclosed_quote_without_any_other_costs_one_line(tmp_path: Path) -> None:
    """Nothing closes it to the end of the file, and still only its own line is lost."""
    rows = [f"{n},text {n},{n}" for n in range(40_000)]
    rows[11] = '11,"text,11'
    records, bad, _ = read(file(tmp_path, "id,text,n\n" + "\n".join(rows)))
    assert ([13], 39_999) == ([line for line, _ in bad], len(records))


def test_a_file_of_unclosed_quotes_is_read_in_time(tmp_path: Path) -> None:
    """Every line bad is slow for nobody: each is looked at about once."""
    path = file(tmp_path, "a,b\n" + '1,"x\n' * 20_000 + "2,y\n")
    records, bad, _ = read(path)
    assert (20_002, {"a": "2", "b": "y"}) in records
    assert 9_000 < len(bad) + len(records)


def test_a_line_without_end_is_passed_over(tmp_path: Path) -> None:
    """A line of five megabytes is never held, and the next line has the right number."""
    path = file(tmp_path, "a,b\n1,x\n2," + "y" * 5_000_000 + "\n3,z\n")
    records, bad, _ = read(path)
    assert [(2, "1"), (4, "3")] == [(line, one["a"]) for line, one in records]
    assert [3] == [line for line, _ in bad]


def test_nul_and_broken_signs_cost_their_line(tmp_path: Path) -> None:
    """A NUL or bytes of another encoding are told with their line."""
    content = "a,b\n1,甲\n2,".encode() + b"x\0y\n3,\xff\xfe\n" + "4,乙\n".encode() * 50
    records, bad, _ = read(file(tmp_path, content))
    assert ([3, 4], 51) == ([line for line, _ in bad], len(records))


@pytest.mark.parametrize("codec", ["utf-8", "gb18030", "utf-16-le"])
def test_reading_goes_on_at_every_place(
    tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From whichever place a reading stopped, the rest is what it would have been."""
    monkeypatch.setattr(lines_module, "BLOCK", 4096)
    mark = b"\xff\xfe" if codec == "utf-16-le" else b""
    rows = "".join(f'{n},"值 {n}\n{n}",{n * 2}\n' for n in range(2_000))
    path = file(tmp_path, mark + ("编号,文,数\n" + rows).encode(codec))
    table = open_table(path)
    portions = list(table.portions(Place()))
    whole = [one for portion in portions for one in portion.records]
    assert 2_000 == len(whole)
    done: list[Any] = []
    for portion in portions[:: max(1, len(portions) // 7)]:
        done = [one for one in whole if one[0] <= portion.place.line]
        rest, _, _ = read(path, portion.place)
        assert whole[len(done) :] == rest


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.text(alphabet="ab,\"'\n\r\t;甲 ", max_size=6), min_size=3, max_size=3),
        min_size=1,
        max_size=30,
    )
)
def test_what_csv_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    """Whatever a CSV writer makes of texts comes back, every record or its line as bad."""
    import csv

    path = tmp_path_factory.mktemp("csv") / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\r\n")
        writer.writerow(["x1", "x2", "x3"])
        writer.writerows(rows)
    records, bad, _ = read(path, delimiter=",", header_rows=1)
    kept = [list(one.values()) for _, one in records]
    wanted = [row for row in rows if any(row)]
    if not bad:
        assert wanted == [row for row in kept if any(row)]
    else:
        assert all(row in rows for row in kept if any(row))


def test_hostile_bytes_end_in_words(tmp_path: Path) -> None:
    """Files that are no tables say what they are."""
    for name, content, word in (
        ("a.xls", b"\xd0\xcf\x11\xe0" + b"\0" * 100, "old .xls"),
        ("b.xls", b"<html><table><tr><td>1", "web page"),
        ("c.parquet", b"PAR1....", "Parquet"),
        ("d.csv", b"", "empty"),
        ("e.xlsx", b"PK\x03\x04rubbish", "damaged"),
    ):
        with pytest.raises(BadRequestData, match=word):
            open_table(file(tmp_path, content, name))


def test_a_long_line_is_looked_at_once(tmp_path: Path) -> None:
    """The encoding of a file with Chinese names over very long lines of digits is found at once."""
    import time

    began_s = time.thread_time()
    content = "编号,值\n" + "1," + "7" * 400_000 + "\n2,3\n"
    assert "编号" in open_table(file(tmp_path, content), Options()).columns
    assert time.thread_time() - began_s < 5
