"""The two made-up departments overlap and differ as they say, and nobody in them can exist."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

from openpyxl import load_workbook

from pintu.demo.departments import (
    CHILDREN,
    DIFFERENT,
    FIELDS,
    IN_BOTH,
    PEOPLE,
    make_children,
    pupils_of,
    told,
    write_files,
)
from pintu.demo.registers import check_digit

SHARED = [name for name, *_ in FIELDS]


def test_seven_percent_of_fourteen_fields_drifted_apart() -> None:
    """A hundred children in both, ninety-eight values that differ, each one field of one child."""
    children = make_children()
    pupils, planted = pupils_of(children)
    assert (CHILDREN, IN_BOTH, 14) == (len(children), len(pupils), len(SHARED))
    differing = [
        (ours["id_number"], name)
        for ours, theirs in zip(pupils, children, strict=False)
        for name in SHARED
        if ours[name] != theirs[name]
    ]
    assert DIFFERENT == len(differing) == len(planted)
    assert round(100 * len(differing) / (IN_BOTH * len(SHARED)), 1) == 7.0
    assert differing == [(one["id_number"], one["field"]) for one in planted]


def test_nobody_can_exist() -> None:
    """Every identity number is of no place and its check digit holds; no telephone is given out."""
    for child in make_children():
        assert child["id_number"].startswith("990000")
        assert check_digit(child["id_number"][:17]) == child["id_number"][17]
        assert child["phone"].startswith("100")
    assert len({child["id_number"] for child in make_children()}) == CHILDREN


def test_the_same_seed_tells_the_same() -> None:
    """And another one others."""
    assert told(1) == told(1)
    assert make_children(1) != make_children(2)


def test_every_sign_in_is_marked_as_the_demos() -> None:
    """Logins begin with demo_: the page that lets anybody be them offers no others."""
    found = told()
    logins = [one["login"] for one in (*found["people"], *found["residents"])]
    assert all(one.startswith("demo_") for one in logins)
    assert len(PEOPLE) + 1 == len(set(logins))


def test_files_hold_what_is_told(tmp_path: Path) -> None:
    """A database, a spreadsheet with a title above its headings, and the truth."""
    assert {"education": 100, "health": 120, "differ": 98} == write_files(tmp_path)
    with sqlite3.connect(tmp_path / "education.db") as connection:
        [count] = connection.execute("SELECT count(*) FROM pupil").fetchone()
    connection.close()
    assert IN_BOTH == count
    book = load_workbook(tmp_path / "health.xlsx", read_only=True)
    assert book.active is not None
    rows = list(book.active.iter_rows(values_only=True))
    book.close()
    assert (CHILDREN + 2, "身份证号") == (len(rows), rows[1][0])
    truth = json.loads((tmp_path / "departments-truth.json").read_text("utf-8"))
    assert (14, 98) == (truth["fields"], len(truth["differ"]))


def test_the_program_tells_it_as_json() -> None:
    """What a city asks it for when it starts with --demo; it imports nothing of the city."""
    code = "import sys, pintu.demo.departments; print([m for m in sys.modules if 'pintu.k' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()
    command = [sys.executable, "-m", "pintu.demo.departments"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {"demo_pupils", "demo_vaccinations"} == {
        one["name"] for one in json.loads(done.stdout)["data_sets"]
    }
