"""A new piece works as it is, and what is wrong with a piece is said in sentences."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pintu
from pintu.kernel.errors import AlreadyExists, ConfigurationError
from pintu.kit.manifest import find_pieces
from pintu.kit.scaffold import check_piece, new_piece


def test_a_new_piece_has_nothing_wrong_with_it(tmp_path: Path) -> None:
    """Made, checked, its own test passes, ruff has nothing to say."""
    made = new_piece("people_counter", tmp_path)
    assert [] == check_piece(made)
    assert ["people_counter"] == [one.name for one in find_pieces(tmp_path, entry_points=False)]
    source = Path(pintu.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(made)],
        env={"PYTHONPATH": f"{source}:{tmp_path}", "PATH": ""},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 0 == done.returncode, done.stdout + done.stderr


def test_a_name_that_is_none_or_taken_is_refused(tmp_path: Path) -> None:
    """Nothing is overwritten."""
    new_piece("people_counter", tmp_path)
    with pytest.raises(AlreadyExists):
        new_piece("people_counter", tmp_path)
    for name in ("People", "../up", "", "a" * 60):
        with pytest.raises(ConfigurationError):
            new_piece(name, tmp_path)


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    """A stranger's import, an impure middle, a room of another name."""
    made = new_piece("wrong_counter", tmp_path)
    with (made / "normalise.py").open("a") as normalise:
        normalise.write("\nimport time\nimport pintu.kernel.store.port\n")
    (made / "utils.py").write_text('"""A drawer."""\n')
    text = "\n".join(check_piece(made))
    words = (
        "utils.py is not a room",
        "imports pintu.kernel.store.port",
        "imports time, but is pure",
    )
    assert [] == [one for one in words if one not in text]


def test_a_fixture_that_becomes_an_undeclared_word_is_told(tmp_path: Path) -> None:
    """The manifest says what is written."""
    made = new_piece("quiet_counter", tmp_path)
    manifest = made / "piece.toml"
    text = manifest.read_text("utf-8").replace('writes = ["Device"]', "writes = []")
    manifest.write_text(text, "utf-8")
    assert [
        "fixtures/01-reading.json becomes a Device, which piece.toml does not say it writes"
    ] == (check_piece(made))


def test_a_folder_without_a_manifest_is_no_piece(tmp_path: Path) -> None:
    """One sentence, no traceback."""
    assert 1 == len(check_piece(tmp_path))
