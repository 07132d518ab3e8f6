"""A whole log: every change of it is found and said in a sentence, and an honest one passes."""

from __future__ import annotations

import base64
import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pintu_verify.notes import read_key
from pintu_verify.program import main

from .conftest import START_US, Log, Signer

Rows = list[tuple[int, bytes]]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """(exit code, what was said)."""
    code = main(["log", *words])
    told = capsys.readouterr()
    return code, told.out + told.err


def test_an_honest_log_passes(log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says how many rows, up to where they are sealed, and what is not proved yet."""
    code, told = run(capsys, log.write(tmp_path / "log"), "--key", log.city.told())
    assert 0 == code, told
    assert "42 rows" in told and "sealed up to row 40" in told and "last 2 rows" in told


def flip(rows: Rows) -> Rows:
    return [(n, row.replace(b"read", b"raed") if n == 11 else row) for n, row in rows]


def drop(rows: Rows) -> Rows:
    return [one for one in rows if one[0] != 11]


def drop_and_count_on(rows: Rows) -> Rows:
    return [(n if n < 11 else n - 1, row) for n, row in rows if n != 11]


def swap(rows: Rows) -> Rows:
    rows[10], rows[11] = (11, rows[11][1]), (12, rows[10][1])
    return rows


def reorder(rows: Rows) -> Rows:
    rows[10], rows[11] = rows[11], rows[10]
    return rows


def put_in(rows: Rows) -> Rows:
    more = (12, b'{"at_us":%d,"what":"read"}' % (START_US + 11_500_000))
    return [*rows[:11], more, *((n + 1, row) for n, row in rows[11:])]


def cut(rows: Rows) -> Rows:
    return rows[:30]


def date_back_sealed(rows: Rows) -> Rows:
    told = json.loads(rows[20][1])
    told["at_us"] -= 86_400_000_000
    return [*rows[:20], (21, json.dumps(told).encode()), *rows[21:]]


def date_back_new(rows: Rows) -> Rows:
    return [*rows, (43, b'{"at_us":%d,"what":"read"}' % START_US)]


def no_row(rows: Rows) -> Rows:
    return [*rows, (43, b"\x7b\x7d")]


HARMS = {
    flip: "changed, dropped, moved",
    drop: "Row 11 is missing",
    drop_and_count_on: "changed, dropped, moved",
    swap: "changed, dropped, moved",
    reorder: "the order is not kept",
    put_in: "changed, dropped, moved",
    cut: "covers 40 rows",
    date_back_sealed: "dated back",
    date_back_new: "dated back",
    no_row: "has no time",
}


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_every_harm_is_found(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: object
) -> None:
    """Each with a sentence that says what is wrong."""
    assert callable(harm)
    rows = harm(list(enumerate(log.rows, 1)))
    # heads come from outside, as whoever harms a log does not hand them over
    (tmp_path / "heads").write_text(log.heads[-1][1])
    heads = tmp_path / "heads"
    alone = Log(city=log.city)
    path = alone.write(tmp_path / "log", rows)
    code, told = run(capsys, path, "--key", log.city.told(), "--heads", str(heads))
    assert 1 == code and HARMS[harm] in told, told


@pytest.mark.parametrize("seed", range(30))
def test_any_flipped_bit_is_found(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    """Wherever it is, up to the newest head."""
    chance = random.Random(seed)
    number = chance.randrange(40)
    body = bytearray(log.rows[number])
    body[chance.randrange(len(body))] ^= 1 << chance.randrange(7)
    rows = [(n, bytes(body) if n == number + 1 else row) for n, row in enumerate(log.rows, 1)]
    code, told = run(capsys, log.write(tmp_path / "log", rows), "--key", log.city.told())
    assert 1 == code, told


def test_a_log_sealed_anew_does_not_fit_a_head_kept_elsewhere(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever has the city's own key can sign another past, and not take back what was shown."""
    kept = tmp_path / "kept"
    kept.write_text(log.heads[1][1])
    other = Log(city=log.city)
    other.add(5, reason="another past")
    other.add(37)
    other.seal()
    path = other.write(tmp_path / "log")
    assert 0 == run(capsys, path, "--key", log.city.told())[0]
    code, told = run(capsys, path, "--key", log.city.told(), "--heads", str(kept))
    assert 1 == code and "forked" in told


def test_a_stranger_is_not_fooled_by_another_key(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Heads that the city's key did not sign prove nothing; a name in a head is no key."""
    path = log.write(tmp_path / "log")
    code, told = run(capsys, path, "--key", Signer("city.example").told())
    assert 1 == code and "not signed by the key" in told
    assert 2 == run(capsys, path, "--key", "nonsense")[0]
    assert 2 == run(capsys, path)[0]
    assert 0 == run(capsys, path, "--key", base64.b64encode(log.city.raw).decode())[0]


def test_a_bare_key_may_look_like_one_with_a_name() -> None:
    """Base64 of 32 bytes is a key also when it has two + eight signs apart."""
    told = "A" * 11 + "+" + "B" * 8 + "+" + "C" * 22 + "="
    assert base64.b64decode(told) == read_key(told).public


def test_a_clock_set_back_is_no_forgery_when_the_log_says_so(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told; without that row it is one."""
    for told_so in (True, False):
        other = Log(city=log.city)
        other.add(10)
        other.seal()
        other.at_us -= 3_600_000_000
        if told_so:
            other.add(1, what="node", deed="clock")
        other.add(10)
        other.seal()
        code, told = run(capsys, other.write(tmp_path / "log"), "--key", log.city.told())
        assert (0 if told_so else 1) == code, told
        assert ("clock was set back" in told) == told_so


def test_a_copy_of_the_citys_own_file_is_read(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """city.db for the rows, rooms/audit.db for the heads; nothing is written to either."""
    rows, heads = tmp_path / "city.db", tmp_path / "audit.db"
    with closing(sqlite3.connect(rows)) as db, db:
        db.execute("CREATE TABLE note(number INTEGER PRIMARY KEY, body BLOB)")
        db.executemany("INSERT INTO note VALUES(?,?)", enumerate(log.rows, 1))
    with closing(sqlite3.connect(heads)) as db, db:
        db.execute("CREATE TABLE head(era, size, at_us, told)")
        db.executemany("INSERT INTO head VALUES(1,?,0,?)", log.heads)
    before = rows.read_bytes(), heads.read_bytes()
    words = (str(rows), "--key", log.city.told(), "--heads", str(heads))
    assert 0 == run(capsys, *words)[0]
    assert before == (rows.read_bytes(), heads.read_bytes())
    assert 2 == run(capsys, str(rows), "--key", log.city.told())[0]  # no head: nothing is proved


@pytest.mark.parametrize(
    "told",
    [b"", b"\xff\xfe", b"{}\n", b'{"format":"pintu-log/1"}\nnonsense\n',
     b'{"format":"pintu-log/1"}\n[1]\n', b'{"format":"pintu-log/1"}\n["1","x"]\n',
     b'{"format":"pintu-log/1"}\n{"head":"x"}\n', b"[" * 5_000, b"SQLite format 3\x00 no more"],
)  # fmt: skip
def test_what_cannot_be_read_is_not_checked(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str], told: bytes
) -> None:
    """Exit 2 with a sentence, never a traceback."""
    path = tmp_path / "log"
    path.write_bytes(told)
    code, said = run(capsys, str(path), "--key", log.city.told())
    assert 2 == code and "Not checked" in said


def test_what_a_row_holds_moves_no_cursor(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row may hold anything; a terminal gets nothing of it that it would obey."""
    log.city.name = "evil\x1b[2J"
    log.rows[3] = b'"\x1b[2J"'
    log.seal()
    code, told = run(capsys, log.write(tmp_path / "log"), "--key", Signer("other").told())
    assert 1 == code and "\x1b" not in told
