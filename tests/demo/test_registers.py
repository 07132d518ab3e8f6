"""The two made-up registers overlap and differ as they say."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from openpyxl import load_workbook

from pintu.demo.registers import check_digit, make_children, write_registers


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_registers(tmp_path, count=500, seed=7)
    return tmp_path


def test_both_departments_hold_the_same_children(folder: Path) -> None:
    """About four of five children are in both, and about 7 % of those differ in one field."""
    truth = json.loads((folder / "registers-truth.json").read_text("utf-8"))
    with closing(sqlite3.connect(folder / "health.db")) as connection:
        health = dict(connection.execute("SELECT sfzh, lxdh || zz || jzrq FROM jzjl"))
    book = load_workbook(folder / "education.xlsx", read_only=True)
    assert book.active is not None
    _title, headings, *rows = book.active.iter_rows(values_only=True)
    book.close()
    pupils = [dict(zip(headings, row, strict=True)) for row in rows]
    differ = [
        one["身份证号"]
        for one in pupils
        if health[one["身份证号"]] != one["监护人电话"] + one["家庭住址"] + one["接种日期"]
    ]
    assert truth["both"] == len(pupils)
    assert [one["id_number"] for one in truth["differ"]] == differ
    assert 0.7 < len(pupils) / 500 < 0.9
    assert 0.03 < len(differ) / len(pupils) < 0.12


def test_nobody_in_the_registers_can_exist(folder: Path) -> None:
    """Identity numbers are of no place and telephone numbers of no network."""
    for child in make_children(100, 3):
        assert child.id_number.startswith("990000")
        assert child.phone.startswith("100")


def test_check_digit() -> None:
    """The check digit is that of GB 11643, on the standard's own example."""
    assert "X" == check_digit("11010519491231002")


def test_the_same_seed_gives_the_same_children() -> None:
    """A demo can be shown again."""
    assert make_children(50, 9) == make_children(50, 9)
