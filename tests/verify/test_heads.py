"""Two sources of heads: one log, a fork, or nothing that can be compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from pintu_verify.program import main

from .conftest import Log, Signer


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """(exit code, what was said)."""
    code = main(["heads", *words])
    told = capsys.readouterr()
    return code, told.out + told.err


def forked(log: Log) -> Log:
    """The same log, with another row from number 15 on."""
    other = Log(rows=log.rows[:14], city=log.city, heads=log.heads[:1], at_us=log.at_us)
    other.add(6, reason="another")
    other.seal()
    other.add(20)
    other.seal()
    return other


def test_one_log_told_twice(log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A witness's copy of a head and the city's export."""
    (tmp_path / "a").write_text(log.heads[1][1])
    b = log.write(tmp_path / "b")
    code, told = run(capsys, str(tmp_path / "a"), b, "--key", log.city.told())
    assert 0 == code and "one log" in told


def test_a_fork_is_found_by_equal_sizes_and_by_rows(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two heads of one size with two roots, or rows that do not lead to a head."""
    other = forked(log)
    a, b = log.write(tmp_path / "a"), other.write(tmp_path / "b")
    code, told = run(capsys, a, b, "--key", log.city.told())
    assert 1 == code and "FORK" in told
    (tmp_path / "kept").write_text(log.heads[1][1])
    (tmp_path / "other").write_text(other.heads[1][1])
    code, told = run(capsys, str(tmp_path / "kept"), str(tmp_path / "other"))
    assert 1 == code and "two different logs" in told
    other.heads = []
    code, told = run(capsys, str(tmp_path / "kept"), other.write(tmp_path / "b"))
    assert 1 == code and "are not those of the head" in told


def test_an_old_backup_is_found(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A witness saw more rows than there are."""
    (tmp_path / "kept").write_text(log.heads[2][1])
    old = Log(rows=log.rows[:21], city=log.city, heads=log.heads[:2])
    code, told = run(capsys, str(tmp_path / "kept"), old.write(tmp_path / "b"))
    assert 1 == code and "REWOUND" in told


def test_what_cannot_be_compared_is_said(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Heads of different sizes and no rows: nothing was checked, which is not all is well."""
    (tmp_path / "a").write_text(log.heads[0][1])
    (tmp_path / "b").write_text(log.heads[1][1])
    assert 2 == run(capsys, str(tmp_path / "a"), str(tmp_path / "b"))[0]
    wrong = Signer("city.example").told()
    assert 1 == run(capsys, str(tmp_path / "a"), str(tmp_path / "a"), "--key", wrong)[0]
    assert 2 == run(capsys, str(tmp_path / "a"), str(tmp_path / "none"))[0]
