"""A sheet read by patterns says what it says element by element."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path

import pytest

from pintu.kernel.errors import BadRequestData
from pintu.kernel.intake.tabular.workbook_cells import Cells
from pintu.kernel.intake.tabular.workbook_parts import Strings
from pintu.kernel.intake.tabular.workbook_rows import Odd, usual_rows

LETTERS = ["A", "B", "C", "D", "Z", "AA", "AB"]
STRINGS = "<sst><si><t>甲</t></si><si><t xml:space='preserve'> 乙 </t></si></sst>"
USUAL = (
    '<c r="{at}" t="s"><v>1</v></c>',
    '<c r="{at}"><v>{n}</v></c>',
    '<c r="{at}" s="1"><v>4{n}.5</v></c>',
    '<c r="{at}" t="n"><v>-{n}</v></c>',
    '<c r="{at}" t="inlineStr"><is><t>演 &amp; &#28436; {n}</t></is></c>',
    '<c r="{at}" t="str"><v>&lt;{n}&gt;</v></c>',
    '<c r="{at}" t="b"><v>1</v></c>',
    '<c r="{at}" s="2"/>',
    '<c r="{at}"><v></v></c>',
    '<c r="{at}"><f>1+1</f><v>{n}</v></c>',
    '<c r="{at}" t="e"><v>#DIV/0!</v></c>',
)
ODD = (
    '<c t="n" r="{at}"><v>{n}</v></c>',
    '<c r="{at}"><f>NOW()</f></c>',
    '<c r="{at}" t="inlineStr"><is><r><t>多</t></r><r><t>段</t></r></is></c>',
    '<c r="{at}" t="inlineStr"><is><t>字</t><rPh><t>zi</t></rPh></is></c>',
    "<c r='{at}'><v>{n}</v></c>",
    "<c><v>{n}</v></c>",
    "<!-- {n} -->",
    '<c r="{at}" t="str"><v><![CDATA[<{n}>]]></v></c>',
    '<c r="{at}" t="s"><v>x</v></c>',
    '<c r="{at}"><v>1\r\n</v></c>',
)  # fmt: skip


def sheet_of(random_: random.Random, odd: float) -> str:
    """Some rows of some cells; rows and cells may be absent or empty."""
    rows = []
    for number in range(1, 120):
        told = random_.random()
        if told < 0.05:
            rows.append(f'<row r="{number}"/>')
        elif told > 0.1:
            kinds = [random_.choice(ODD if random_.random() < odd else USUAL) for _ in LETTERS]
            if told > 0.4:
                kinds = list(USUAL[: len(LETTERS)])
            cells = "".join(
                one.format(at=f"{letters}{number}", n=random_.randint(0, 999))
                for letters, one in zip(LETTERS, kinds, strict=True)
            )
            rows.append(f'<row r="{number}" spans="1:7">{cells}</row>')
    return "<sheetViews/><sheetData>" + "".join(rows) + "</sheetData>"


def cells_of(path: Path, sheet: str, head: str = "") -> Cells:
    """The cells of a workbook that holds this sheet."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sheet.xml", f"{head}<worksheet xmlns='x'>{sheet}</worksheet>")
        archive.writestr("xl/sharedStrings.xml", STRINGS)
    archive = zipfile.ZipFile(path)
    return Cells(archive, "sheet.xml", Strings(archive), {1: True}, False)


@pytest.mark.parametrize("seed", range(40))
def test_patterns_and_elements_agree(tmp_path: Path, seed: int) -> None:
    """The same rows, the same numbers of formulas without a value and of errors."""
    random_ = random.Random(seed)
    sheet = sheet_of(random_, random_.choice([0.0, 0.0, 0.003, 0.1]))
    fast, slow = (cells_of(tmp_path / f"{n}.xlsx", sheet) for n in range(2))
    assert list(slow._each()) == list(fast.rows())
    assert (slow.unvalued, slow.first_unvalued, slow.errors, slow.first_error) == (
        fast.unvalued,
        fast.first_unvalued,
        fast.errors,
        fast.first_error,
    )
    fast.archive.close()
    slow.archive.close()


def test_usual_sheets_go_by_patterns(tmp_path: Path) -> None:
    """Nothing of what offices write is odd."""
    sheet = sheet_of(random.Random(1), 0)
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\r\n'
    cells = cells_of(tmp_path / "t.xlsx", sheet, head)
    assert 100 < len(list(usual_rows(cells, 1 << 20)))
    cells.archive.close()


@pytest.mark.parametrize("sheet", ["<sheetData><row r='1'>", "&oops;"])
def test_what_is_no_xml_is_refused(tmp_path: Path, sheet: str) -> None:
    """Patterns see less than a parser: what does not end as a sheet ends goes to the parser."""
    cells = cells_of(tmp_path / "t.xlsx", sheet)
    with pytest.raises(BadRequestData, match="damaged"):
        list(cells.rows())
    cells.archive.close()


def test_other_signs_are_odd(tmp_path: Path) -> None:
    """A sheet in another encoding is read by the parser."""
    cells = cells_of(tmp_path / "t.xlsx", "<sheetData/>", '<?xml version="1.0" encoding="gbk"?>')
    with pytest.raises(Odd):
        list(usual_rows(cells, 1 << 20))
    cells.archive.close()
